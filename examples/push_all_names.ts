// Pushes every image of an archive under its own names: the target is a registry, not a reference.
import { openArchive, pushImage } from "@tarpush/tarpush";
import { openFile } from "@tarpush/tarpush/runtime";
import { createRegistry } from "@tarpush/tarpush/registry";

await using file = await openFile(
  new URL("../tests/fixtures/docker20-multiimage.tar", import.meta.url),
);
const archive = await openArchive(file);
for (const { id, names, platforms } of archive.images) {
  console.log(`${id} ${names.join(", ")} (${platforms.join(", ")})`);
}

const { images } = await pushImage(file, "localhost:5000", { fetch: createRegistry() });
for (const { reference, digest } of images) console.log(`${reference}@${digest}`);
