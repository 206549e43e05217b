// Progress as JSON lines on stderr, for whatever shows it; the result is the one line on stdout.
import { type PushEvent, pushImage } from "@tarpush/tarpush";
import { createRegistry } from "@tarpush/tarpush/registry";
import { currentHost, openFile } from "@tarpush/tarpush/runtime";

const { args: [path, target], stderr } = currentHost();
const options = target === undefined ? { fetch: createRegistry() } : {};
const sample = new URL("../tests/fixtures/docker28-single.tar", import.meta.url);

// A promise that is returned is awaited: a reader that is slow slows the push.
const onEvent = (event: PushEvent) =>
  stderr.write(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);

await using file = await openFile(path ?? sample);
const result = await pushImage(file, target ?? "localhost:5000/app:1.0", { ...options, onEvent });
console.log(JSON.stringify(result.images));
