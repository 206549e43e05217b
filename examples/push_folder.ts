// Pushes every tar whose path comes on stdin, three at a time; one that fails does not stop the others.
//   ls images/*.tar | deno run --allow-read=images --allow-net=registry.lan push_folder.ts registry.lan/mirror/
import { pushImage } from "@tarpush/tarpush";
import { createRegistry } from "@tarpush/tarpush/registry";
import { currentHost, openFile } from "@tarpush/tarpush/runtime";

const host = currentHost();
const [place] = host.args;
const options = place === undefined ? { fetch: createRegistry() } : {};
const paths = place === undefined ? samples() : (await readLines()).filter(Boolean);

let failed = 0;
const waiting = paths.values();
const worker = async () => {
  for (const path of waiting) {
    try {
      await using file = await openFile(path);
      const { images } = await pushImage(file, place ?? "localhost:5000/mirror/", options);
      for (const { reference } of images) console.log(reference);
    } catch (error) {
      failed++;
      console.error(`${path}: ${error instanceof Error ? error.message : error}`);
    }
  }
};
await Promise.all([worker(), worker(), worker()]);
if (failed > 0) host.exit(1);

async function readLines(): Promise<string[]> {
  return (await new Response(host.stdin.stream()).text()).split("\n");
}

function samples(): (string | URL)[] {
  return ["docker28-single.tar", "docker20-multiimage.tar"]
    .map((name) => new URL(`../tests/fixtures/${name}`, import.meta.url));
}
