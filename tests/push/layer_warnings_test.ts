import { assertEquals } from "@std/assert";
import { OCI_LAYER } from "../../src/media_types.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  type Bytes,
  encode,
  type MadeDescriptor,
  makeImage,
  makeLayer,
  OciLayout,
  toBlob,
  withPlatform,
} from "../helpers/archives.ts";
import { readBack } from "../helpers/expected.ts";
import { test } from "../helpers/test.ts";

const TARGET = "localhost:5000/app:1";

/** An OCI archive of one image whose layers have these types. */
async function archiveOf(layers: readonly [content: Bytes, mediaType: string][]) {
  const layout = new OciLayout();
  const descriptors: MadeDescriptor[] = [];
  for (const [content, mediaType] of layers) {
    descriptors.push(await layout.blob(content, mediaType));
  }
  const image = await layout.image(await makeImage([]), { layers: descriptors });
  layout.add(image, { ref: "1" });
  return { layout, image, layers: descriptors };
}

/** Pushes from a file and from a pipe; what is said must be the same. */
async function warningsOf(layout: OciLayout, target: string | string[] = TARGET) {
  const tar = toBlob(layout.entries());
  const said = [];
  for (const source of [tar, tar.stream()]) {
    const warnings: string[] = [];
    const registry = createRegistry();
    await pushImage(source, target, {
      fetch: registry,
      onEvent: (event) => void (event.type === "warning" && warnings.push(event.message)),
    });
    said.push({ warnings, digest: (await readBack(registry, "app", "1")).digest });
  }
  assertEquals(said[0], said[1]);
  return said[0];
}

const gzip = (await makeLayer("gzip", "gzip")).bytes;
const zstd = (await makeLayer("zstd", "zstd")).bytes;
const plain = (await makeLayer("plain")).bytes;

test("pushImage() says nothing of the files of an artifact, which oras types as tars", async () => {
  const layout = new OciLayout();
  const layers = [await layout.blob(gzip, OCI_LAYER)];
  layout.add(await layout.artifact("text", "application/vnd.example", { layers }), { ref: "1" });
  assertEquals((await warningsOf(layout))?.warnings, []);
});

test("pushImage() pushes gzip layers of type .tar as they are, and says what containerd makes of them", async () => {
  const { layout, image, layers } = await archiveOf([
    [plain, OCI_LAYER],
    [gzip, OCI_LAYER],
    [zstd, `${OCI_LAYER}+gzip`],
  ]);
  assertEquals(await warningsOf(layout), {
    digest: image.digest,
    warnings: [
      `layer ${layers[1]?.digest} is compressed with gzip and of type ${OCI_LAYER}: ` +
      "it is pushed as it is, and containerd cannot unpack it",
    ],
  });
});

test("pushImage() tells of many such layers in one line, and once for several references", async () => {
  const xz = encode("\u00fd7zXZ\0 and so on");
  xz.set([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]);
  const { layout, layers } = await archiveOf([
    [gzip, OCI_LAYER],
    [(await makeLayer("more", "gzip")).bytes, OCI_LAYER],
    [xz, `${OCI_LAYER}+gzip`],
  ]);
  const said = await warningsOf(layout, [TARGET, "localhost:5000/app:2"]);
  assertEquals(said?.warnings, [
    `2 layers, the first ${
      layers[0]?.digest
    }, are compressed with gzip and of type ${OCI_LAYER}: ` +
    "they are pushed as they are, and containerd cannot unpack them",
    `layer ${layers[2]?.digest} is compressed with xz and of type ${OCI_LAYER}+gzip: ` +
    "it is pushed as it is, and containerd cannot unpack it",
  ]);
});

test("pushImage() looks at the layers below an index, and at no artifact", async () => {
  const { layout, image, layers } = await archiveOf([[gzip, OCI_LAYER]]);
  layout.index.length = 0;
  const artifact = await layout.artifact("\x1f\x8b\x08", "application/x");
  const index = await layout.indexOf([withPlatform(image, "linux/amd64"), artifact]);
  layout.add(index, { ref: "1" });
  const said = await warningsOf(layout);
  assertEquals(said?.digest, index.digest);
  assertEquals(said?.warnings.map((text) => text.slice(0, 78)), [`layer ${layers[0]?.digest} `]);
});
