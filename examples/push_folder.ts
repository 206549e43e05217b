// Pushes every tar whose path comes on stdin: what they share is sent once, and one that fails does not stop the others.
//   ls images/*.tar | deno run --allow-read=images --allow-net=registry.lan push_folder.ts registry.lan/mirror/
import { pushAll } from "@tarpush/tarpush";
import { createRegistry } from "@tarpush/tarpush/registry";
import { currentHost, openFile } from "@tarpush/tarpush/runtime";

const host = currentHost();
const [place] = host.args;
const options = place === undefined ? { fetch: createRegistry() } : {};
const paths = place === undefined ? samples() : (await readLines()).filter(Boolean);

let failed = 0;
const sources = paths.map((path) => ({ name: `${path}`, source: () => openFile(path) }));
for await (const result of pushAll(sources, place ?? "localhost:5000/mirror/", options)) {
  for (const { reference } of result.images) console.log(reference);
  if (result.status !== "failed") continue;
  failed++;
  console.error(`${result.name}: ${result.error}`);
}
if (failed > 0) host.exit(1);

async function readLines(): Promise<string[]> {
  return (await new Response(host.stdin.stream()).text()).split("\n");
}

function samples(): (string | URL)[] {
  return ["docker28-single.tar", "skopeo-docker.tar"]
    .map((name) => new URL(`../tests/fixtures/${name}`, import.meta.url));
}
