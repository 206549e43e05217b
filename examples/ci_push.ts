// For a CI job: pushes an archive under the tags that its own images have, and hands the digests on.
//   deno run --allow-read=image.tar --allow-net=registry.lan ci_push.ts image.tar registry.lan
import { OciError, pushImage } from "@tarpush/tarpush";
import { createRegistry } from "@tarpush/tarpush/registry";
import { currentHost, openFile } from "@tarpush/tarpush/runtime";

const host = currentHost();
const [path, registry] = host.args;
const options = registry === undefined ? { fetch: createRegistry() } : {};
const sample = new URL("../tests/fixtures/docker28-multitag.tar", import.meta.url);

try {
  await using file = await openFile(path ?? sample);
  const { images } = await pushImage(file, registry ?? "localhost:5000", options);
  for (const { reference, digest } of images) console.log(`${reference}@${digest}`);
} catch (error) {
  if (!(error instanceof OciError)) throw error;
  console.error(error.message);
  if (error.hint) console.error(`hint: ${error.hint}`);
  host.exit(1);
}
