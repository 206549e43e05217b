import { assertEquals } from "@std/assert";
import { type Digest, digestBytes, digestHex } from "../../src/digest.ts";
import { AmbiguousImageError } from "../../src/errors.ts";
import { OCI_INDEX } from "../../src/media_types.ts";
import {
  type Bytes,
  dockerSave,
  encodeJson,
  flipByte,
  type MadeDescriptor,
  makeImage,
  makeLayer,
  OciLayout,
  replaceBody,
  toBlob,
  withPlatform,
} from "../helpers/archives.ts";
import { allTags, pushFails, pushTo, readBack } from "../helpers/expected.ts";
import { check } from "../helpers/findings.ts";
import type { TarWriterEntry } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const TARGET = "localhost:5000/app:1";
const CREATED = { "org.opencontainers.image.created": "1970-01-01T00:00:00Z" };

/** Images for two platforms, as go-containerregistry lists them. */
async function twoPlatforms() {
  const layout = new OciLayout();
  const images = await Promise.all(
    ["amd64", "arm64"].map(async (architecture) =>
      await makeImage([await makeLayer(architecture, "gzip")], {
        platform: `linux/${architecture}`,
      })
    ),
  );
  const [amd64, arm64] = await Promise.all(images.map((image) => layout.image(image)));
  if (!amd64 || !arm64) throw new Error("unreachable: two were made");
  const manifests = [withPlatform(amd64, "linux/amd64"), withPlatform(arm64, "linux/arm64")];
  return { layout, images, manifests };
}

function indexOf(manifests: readonly MadeDescriptor[], annotations: unknown = CREATED): Bytes {
  return encodeJson({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, annotations });
}

/** A tar as apko 0.30 writes it: that of crane with names for each platform, then its manifests and their index. */
async function apkoTar(): Promise<{ entries: TarWriterEntry[]; index: Digest; parts: Digest[] }> {
  const { layout, images, manifests } = await twoPlatforms();
  const names = ["index.docker.io/held/apko:1-amd64", "index.docker.io/held/apko:1-arm64"];
  const saved = dockerSave(
    images.map((image, at) => ({ image, repoTags: names.slice(at, at + 1) })),
    {
      configPath: ({ configDigest }) => configDigest,
      layerPath: ({ digest }) => `${digestHex(digest)}.tar.gz`,
    },
  );
  const documents = manifests.map(({ digest }) => {
    const body = layout.blobs.get(`blobs/sha256/${digestHex(digest)}`);
    if (!body) throw new Error(`no manifest ${digest}`);
    return { path: digest, body };
  });
  const body = indexOf(manifests);
  return {
    entries: [...saved, ...documents, { path: "index.json", body }],
    index: await digestBytes(body),
    parts: manifests.map(({ digest }) => digest),
  };
}

test("an index.json that is an image's own index is pushed as it is", async () => {
  const { layout, manifests } = await twoPlatforms();
  const body = indexOf(manifests);
  const entries = replaceBody(layout.entries(), "index.json", body);
  for (const archive of [toBlob(entries), toBlob(entries).stream()]) {
    const { registry, result } = await pushTo(archive, TARGET);
    assertEquals(result.images.map(({ digest }) => digest), [await digestBytes(body)]);
    const { digest, json } = await readBack(registry, "app", "1");
    assertEquals([digest, json.annotations], [await digestBytes(body), CREATED]);
  }
  assertEquals((await check(entries)).findings, []);
});

test("an index.json that lists images does not become one", async () => {
  const { layout, manifests } = await twoPlatforms();
  const [amd64, arm64] = manifests;
  if (!amd64 || !arm64) throw new Error("unreachable: two were made");
  const named = { ...arm64, annotations: { "org.opencontainers.image.ref.name": "1" } };
  const bodies = [
    indexOf(manifests, null),
    indexOf(manifests, { "example.com/kept-by": "some program" }),
    indexOf([amd64, withPlatform(arm64, "linux/amd64")]),
    indexOf([amd64, named]),
  ];
  for (const body of bodies) {
    const entries = replaceBody(layout.entries(), "index.json", body);
    await pushFails(entries, AmbiguousImageError, "has 2 images for it");
  }
});

test("an archive of apko goes as the index and the manifests that it brings", async () => {
  const { entries, index, parts } = await apkoTar();
  for (const archive of [toBlob(entries), toBlob(entries).stream()]) {
    const { result } = await pushTo(archive, TARGET);
    assertEquals(result.images.map(({ digest }) => digest), [index]);
  }
  const { registry, result } = await pushTo(entries, "localhost:5000");
  assertEquals(result.images.map(({ digest }) => digest), parts);
  assertEquals(await allTags(registry), ["held/apko:1-amd64", "held/apko:1-arm64"]);
  const chosen = await pushTo(entries, TARGET, { images: ["held/apko:1-arm64"] });
  assertEquals(chosen.result.images[0]?.digest, parts[1]);
});

test("check() of an archive of apko misses an oci-layout and no blob", async () => {
  const { entries, parts: [amd64 = "sha256:"] } = await apkoTar();
  const { findings } = await check(entries);
  assertEquals(findings.map(({ code }) => code), ["bad-oci-layout"]);
  const manifest = entries.find(({ path }) => path === amd64)?.body;
  if (!(manifest instanceof Uint8Array)) throw new Error("no manifest");
  const broken = replaceBody(entries, amd64, flipByte(manifest, manifest.length - 20));
  const [wrong] = (await check(broken)).findings;
  assertEquals([wrong?.code, wrong?.path], ["wrong-digest", amd64]);
});

test("an index without a name, of which one image has a name, does not stand for that", async () => {
  const { layout, manifests } = await twoPlatforms();
  const [amd64] = manifests;
  if (!amd64) throw new Error("unreachable: two were made");
  layout.add(await layout.indexOf(manifests));
  layout.add(amd64, { ref: "amd64" });
  await pushFails(layout.entries(), AmbiguousImageError, "has 2 images for it");
});
