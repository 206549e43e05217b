import { assertEquals } from "@std/assert";
import type { DocumentNode, IndexNode, ManifestNode } from "../../src/image/content.ts";
import { chooseDockerImage } from "../../src/image/docker_image.ts";
import { MAX_CONFIG_BYTES } from "../../src/config_json.ts";
import { digestBytes } from "../../src/digest.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from "../../src/media_types.ts";
import { type Bytes, encode } from "../helpers/archives.ts";
import { test } from "../helpers/test.ts";

/** A manifest without layers whose config has this content, or claims to have this size. */
async function manifestOf(config: Bytes, size = config.length): Promise<ManifestNode> {
  const digest = await digestBytes(config);
  const read = () => Promise.resolve(config);
  const file = { path: digest, size, peek: read, bytes: read };
  return {
    kind: "manifest",
    digest,
    mediaType: OCI_MANIFEST,
    bytes: encode("{}"),
    config: { digest, size, mediaType: OCI_CONFIG, origin: "named", file },
    layers: [],
  };
}

function read(): Promise<Bytes> {
  return Promise.resolve(encode("layer"));
}

async function problemOf(node: DocumentNode): Promise<string | undefined> {
  const found = await chooseDockerImage(node);
  return "problem" in found ? found.problem : undefined;
}

test("chooseDockerImage() says what is wrong with a config that manifest.json cannot name", async () => {
  const config = encode(`{"rootfs":{"type":"layers","diff_ids":[]}}`);
  const digest = await digestBytes(config);
  assertEquals(await problemOf(await manifestOf(config)), undefined);
  assertEquals(
    await problemOf(await manifestOf(config, MAX_CONFIG_BYTES + 1)),
    `its config ${digest} has more than ${MAX_CONFIG_BYTES} bytes`,
  );
  const broken = encode("no JSON");
  assertEquals(
    await problemOf(await manifestOf(broken)),
    `its config ${await digestBytes(broken)} is no image config`,
  );
});

test("chooseDockerImage() says what docker does not know of the layers of an image", async () => {
  const digest = await digestBytes(encode("layer"));
  const node = await manifestOf(encode(`{"rootfs":{"type":"layers","diff_ids":["${digest}"]}}`));
  const cases: [mediaType: string, problem: string | undefined][] = [
    [`${OCI_LAYER}+gzip`, undefined],
    [`${OCI_LAYER}+gzip+encrypted`, "its layers are encrypted"],
    ["application/vnd.x.squashfs", '"application/vnd.x.squashfs" is no type of a layer to docker'],
  ];
  for (const [mediaType, problem] of cases) {
    const file = { path: digest, size: 5, peek: read, bytes: read };
    const layers = [{ digest, size: 5, mediaType, origin: "named" as const, file }];
    assertEquals(await problemOf({ ...node, layers }), problem);
  }
});

test("chooseDockerImage() says that an index without an image has none, or why its images are none", async () => {
  const index: IndexNode = {
    kind: "index",
    digest: await digestBytes(encode("[]")),
    mediaType: OCI_INDEX,
    bytes: encode("[]"),
    entries: [],
  };
  assertEquals(await problemOf(index), "its index has no image");
});
