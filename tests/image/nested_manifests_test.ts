import { assert, assertEquals } from "@std/assert";
import { openArchive } from "../../src/image/archive.ts";
import { nestedNotices } from "../../src/image/nested_manifests.ts";
import { OCI_MANIFEST } from "../../src/media_types.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { encode, type MadeDescriptor, OciLayout, toBlob } from "../helpers/archives.ts";
import { test } from "../helpers/test.ts";

const ZARF_BLOB = "application/vnd.zarf.layer.v1.blob";

/** A bundle as uds writes it: packages of Zarf, whose manifests are layers of the one that index.json names. */
async function bundle(manifestType: string, { isNamed = false } = {}) {
  const layout = new OciLayout();
  const config = await layout.blob(encode("{}"), "application/vnd.zarf.config.v1+json");
  const layers = [
    await layout.blob(encode("zarf.yaml"), ZARF_BLOB),
    await layout.blob(encode("an image"), ZARF_BLOB),
  ];
  const inner = { schemaVersion: 2, config, layers };
  const packed = await layout.document(inner, manifestType);
  const root = {
    ...{ schemaVersion: 2, mediaType: OCI_MANIFEST },
    config: await layout.blob(encode(`{"of":"uds"}`), "application/vnd.uds.bundle.config.v1+json"),
    layers: [packed, await layout.blob(encode("kind: UDSBundle"), ZARF_BLOB)],
  };
  const top = await layout.document(root, OCI_MANIFEST);
  layout.add(top, { ref: "1" });
  if (isNamed) layout.add(await packageOf(layout, { config, layers }), { ref: "2" });
  return { top, tar: toBlob(layout.entries()) };
}

async function packageOf(
  layout: OciLayout,
  named: { config: MadeDescriptor; layers: MadeDescriptor[] },
): Promise<MadeDescriptor> {
  return await layout.document(
    { schemaVersion: 2, mediaType: OCI_MANIFEST, ...named },
    OCI_MANIFEST,
  );
}

for (const type of [ZARF_BLOB, OCI_MANIFEST]) {
  test(`openArchive() tells what the manifests name that are layers of an artifact, as ${type}`, async () => {
    const { top, tar } = await bundle(type);
    const { notices } = await openArchive(tar);
    assertEquals(notices, [
      `the artifact ${top.digest} has manifests as layers, which name 3 blobs of 19 bytes besides: ` +
      "to a registry these belong to nothing, and are not kept (of a bundle of uds, uds publish sends all)",
    ]);
  });
}

for (const isPiped of [false, true]) {
  test(`pushImage() of a bundle of uds tells what a registry does not keep${isPiped ? ", from a pipe" : ""}`, async () => {
    const { tar } = await bundle(ZARF_BLOB);
    const warnings: string[] = [];
    await pushImage(isPiped ? tar.stream() : tar, "localhost:5000/app:1", {
      fetch: createRegistry(),
      onEvent: (event) => void (event.type === "warning" && warnings.push(event.message)),
    });
    assertEquals(warnings.length, 1);
  });
}

test("openArchive() says nothing of what another image of the archive names", async () => {
  const { tar } = await bundle(ZARF_BLOB, { isNamed: true });
  assertEquals((await openArchive(tar)).notices, []);
});

test("nestedNotices() looks at manifests behind layers of any size, and not at more of them than documents may have", async () => {
  const { images: [image], files } = await openArchive((await bundle(ZARF_BLOB)).tar);
  const node = image?.node;
  assert(node?.kind === "manifest");
  const [packed] = node.layers;
  assert(packed?.file);
  const large = { ...packed, file: { ...packed.file, size: 1024 ** 4 } };
  assertEquals((await nestedNotices(files, [{ ...node, layers: [large, packed] }])).length, 1);
  let reads = 0;
  const bytes = () => (reads++, Promise.resolve(encode("{}")));
  const many = { ...packed, file: { ...packed.file, size: 4 * 1024 * 1024, bytes } };
  await nestedNotices(files, [{ ...node, layers: Array(100).fill(many) }]);
  assertEquals(reads, 16);
});
