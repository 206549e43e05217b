// Pushes what is piped in, in one pass: docker save app | deno run --allow-net push_pipe.ts registry.lan/app:1.0
import { pushImage } from "@tarpush/tarpush";
import { createRegistry } from "@tarpush/tarpush/registry";
import { currentHost } from "@tarpush/tarpush/runtime";

const { args: [target], stdin } = currentHost();

async function sample(): Promise<ReadableStream<Uint8Array>> {
  const url = new URL("../tests/fixtures/podman-docker.tar", import.meta.url);
  return (await fetch(url)).body ?? new ReadableStream();
}

const { images, bytesUploaded } = target === undefined
  ? await pushImage(await sample(), "localhost:5000/app:1.0", { fetch: createRegistry() })
  : await pushImage(stdin.stream(), target);
console.log(`${images[0]?.reference}@${images[0]?.digest}, ${bytesUploaded} bytes sent`);
