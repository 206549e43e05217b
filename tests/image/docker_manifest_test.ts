import { assertEquals, assertStrictEquals } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import type {
  ArchiveBlob,
  DocumentNode,
  IndexNode,
  ManifestNode,
} from "../../src/image/content.ts";
import { kindOfType, retype } from "../../src/image/retype.ts";
import { DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from "../../src/media_types.ts";
import { encode, encodeJson } from "../helpers/archives.ts";
import { test } from "../helpers/test.ts";

const OCI = "application/vnd.oci.image";
const DOCKER = "application/vnd.docker";
/** What both kinds call the same. */
const SAME: [docker: string, oci: string][] = [
  [`${DOCKER}.container.image.v1+json`, `${OCI}.config.v1+json`],
  [`${DOCKER}.image.rootfs.diff.tar`, `${OCI}.layer.v1.tar`],
  [`${DOCKER}.image.rootfs.diff.tar.gzip`, `${OCI}.layer.v1.tar+gzip`],
  [`${DOCKER}.image.rootfs.foreign.diff.tar`, `${OCI}.layer.nondistributable.v1.tar`],
  [`${DOCKER}.image.rootfs.foreign.diff.tar.gzip`, `${OCI}.layer.nondistributable.v1.tar+gzip`],
];

async function blob(mediaType: string): Promise<ArchiveBlob> {
  const bytes = encode(mediaType);
  return { digest: await digestBytes(bytes), size: bytes.length, mediaType, origin: "hashed" };
}

async function manifest(mediaType: string, types: readonly string[]): Promise<ManifestNode> {
  const [config, ...layers] = await Promise.all(types.map(blob));
  const describe = ({ mediaType, size, digest }: ArchiveBlob) => ({ mediaType, size, digest });
  const json = {
    schemaVersion: 2,
    mediaType,
    config: config && describe(config),
    layers: layers.map(describe),
  };
  const bytes = encodeJson(json);
  const node = { kind: "manifest", digest: await digestBytes(bytes), mediaType, bytes } as const;
  return { ...node, ...config && { config }, layers };
}

test("retype() turns every type into the one of the other kind, and back", async () => {
  const docker = await manifest(DOCKER_MANIFEST, SAME.map(([docker]) => docker));
  const oci = await manifest(OCI_MANIFEST, SAME.map(([, oci]) => oci));
  const types = (node: DocumentNode) =>
    node.kind === "manifest"
      ? [node.config, ...node.layers].map((blob) => blob?.mediaType)
      : undefined;
  for (
    const [from, to, kind, at] of [[docker, oci, "oci", 1], [oci, docker, "docker", 0]] as const
  ) {
    const retyped = await retype(from, kind);
    assertEquals(retyped.mediaType, to.mediaType);
    assertEquals(types(retyped), SAME.map((pair) => pair[at]));
    assertEquals(retyped.digest, await digestBytes(retyped.bytes));
    const text = new TextDecoder().decode(retyped.bytes);
    assertEquals(text.includes(kind === "oci" ? DOCKER : OCI), false);
    // Sizes and digests are those of the same content.
    const there = await retype(retyped, kind === "oci" ? "docker" : "oci");
    assertEquals([there.digest, there.bytes], [from.digest, from.bytes]);
  }
});

test("retype() leaves what has the kind, and types that only one kind has", async () => {
  const zstd = await manifest(OCI_MANIFEST, [`${OCI}.config.v1+json`, `${OCI}.layer.v1.tar+zstd`]);
  assertStrictEquals(await retype(zstd, "oci"), zstd);
  const docker = await retype(zstd, "docker");
  assertEquals(
    docker.kind === "manifest" && docker.layers[0]?.mediaType,
    `${OCI}.layer.v1.tar+zstd`,
  );
});

test("retype() of an index leaves what its entries name as it is", async () => {
  const manifests = [{ mediaType: DOCKER_MANIFEST, digest: `sha256:${"0".repeat(64)}`, size: 2 }];
  const bytes = encodeJson({ schemaVersion: 2, mediaType: DOCKER_INDEX, manifests });
  const index: IndexNode = {
    kind: "index",
    digest: await digestBytes(bytes),
    mediaType: DOCKER_INDEX,
    bytes,
    entries: [],
  };
  const retyped = await retype(index, "oci");
  assertEquals(JSON.parse(new TextDecoder().decode(retyped.bytes)), {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests,
  });
  assertEquals(retyped.digest, await digestBytes(retyped.bytes));
});

test("kindOfType() tells Docker's types from all others", () => {
  for (const [docker, oci] of SAME) {
    assertEquals([kindOfType(docker), kindOfType(oci)], ["docker", "oci"]);
  }
});
