// Pushes a file and prints the digest, over the network where it is told to:
//   deno run --allow-read --allow-net examples/push_file.ts image.tar localhost:5000/team/app:1.0
import { pushImage } from "@tarpush/tarpush";
import { currentHost, openFile } from "@tarpush/tarpush/runtime";
import { createRegistry } from "@tarpush/tarpush/registry";

const host = currentHost();
const [path, target] = host.args;
const fetch = target === undefined ? createRegistry() : host.fetchWith({});

await using file = await openFile(
  path ?? new URL("../tests/fixtures/docker28-single.tar", import.meta.url),
);
const { images, bytesUploaded } = await pushImage(
  file,
  target ?? "localhost:5000/team/app:1.0",
  { fetch },
);

for (const { reference, digest } of images) console.log(`${reference}@${digest}`);
console.log(`${bytesUploaded} bytes uploaded`);
