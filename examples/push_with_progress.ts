// Pushes a file, tells what happens, and gives up after a minute.
import { type PushEvent, pushImage } from "@tarpush/tarpush";
import { openFile } from "@tarpush/tarpush/runtime";
import { createRegistry } from "@tarpush/tarpush/registry";

function show(event: PushEvent): void {
  switch (event.type) {
    case "plan":
      return console.log(`${event.blobs} blobs, ${event.bytes} bytes`);
    case "blob-progress":
      return console.log(`${event.digest ?? event.path}: ${event.sent} bytes sent`);
    case "blob-done":
      return console.log(`${event.digest}: ${event.status}`);
    case "retry":
      return console.log(`attempt ${event.attempt} in ${event.delay} ms: ${event.reason}`);
    case "warning":
      return console.log(`warning: ${event.message}`);
    case "tag":
      return console.log(`${event.reference} is ${event.digest}`);
  }
}

await using file = await openFile(
  new URL("../tests/fixtures/docker29-attested.tar", import.meta.url),
);
await pushImage(file, "localhost:5000/team/app:1.0", {
  fetch: createRegistry(),
  onEvent: show,
  signal: AbortSignal.timeout(60_000),
});
