// Copies a list of images to a registry of one's own, signatures and the like included:
//   deno run --allow-net mirror_list.ts registry.lan/mirror ghcr.io/org/app:1.0 quay.io/org/tool:2
import { copyAll, pushImage } from "@tarpush/tarpush";
import { createRegistry } from "@tarpush/tarpush/registry";
import { currentHost, openFile } from "@tarpush/tarpush/runtime";

const host = currentHost();
const [place = "localhost:5000/mirror", ...given] = host.args;
const options = given.length === 0 ? { fetch: createRegistry() } : {};
const references = given.length === 0 ? [await pushSample()] : given;

let failed = 0;
for await (const result of copyAll(references, `${place}/`, { ...options, referrers: true })) {
  if (result.status === "failed") {
    failed++;
    console.error(`${result.name}: ${result.error}`);
  } else {
    const [image] = result.images;
    console.log(`${image?.reference} is ${image?.digest}, ${result.bytesUploaded} bytes`);
  }
}
if (failed > 0) host.exit(1);

async function pushSample(): Promise<string> {
  const url = new URL("../tests/fixtures/docker29-attested.tar", import.meta.url);
  await using file = await openFile(url);
  const { images } = await pushImage(file, "localhost:5000/upstream/app:1.0", options);
  return images[0]?.reference ?? "";
}
