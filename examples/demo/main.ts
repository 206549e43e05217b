// Makes a small runnable image as `docker save` does, pushes it twice to a registry of its own, and reads it back.
import { pushImage } from "../../mod.ts";
import { currentHost } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { makeImage } from "./image.ts";

const host = currentHost();
// Goes to this machine itself past the proxies of the environment.
const fetch = host.fetchWith({});
const server = await host.serve(createRegistry(), { hostname: "127.0.0.1", port: 0 });
const registry = `127.0.0.1:${server.port}`;
console.log(`1. A registry of our own listens on ${registry}`);

const { tar, diffId, greeting } = await makeImage();
console.log(`2. An image tar as docker save writes it: ${tar.size} bytes, ${greeting}`);

const reference = `${registry}/demo/hello:1.0`;
console.log(`3. Pushing it to ${reference}`);
const first = await pushImage(tar, reference, {
  fetch,
  onEvent(event) {
    if (event.type !== "blob-done") return;
    console.log(
      `   ${event.digest.slice(0, 19)}  ${String(event.size).padStart(7)} bytes  ${event.status}`,
    );
  },
});
const digest = first.images[0]?.digest;
console.log(`   ${reference}@${digest} in ${first.milliseconds} ms`);

const second = await pushImage(tar, reference, { fetch });
console.log(
  `4. Pushing it again: ${second.bytesUploaded} bytes uploaded, ${second.bytesRead} bytes read`,
);

const manifest = await get(`manifests/1.0`);
const { layers } = JSON.parse(new TextDecoder().decode(manifest));
const layer = await get(`blobs/${layers[0].digest}`);
compare("manifest", await sha256(manifest), digest);
compare("layer", await sha256(layer), diffId);
await server.stop();
console.log("5. Read back: manifest and layer have the digests that were pushed");
host.exit(0);

async function get(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const accept = "application/vnd.docker.distribution.manifest.v2+json";
  const url = `http://${registry}/v2/demo/hello/${path}`;
  const response = await fetch(new Request(url, { headers: { accept } }));
  if (!response.ok) throw new Error(`GET ${path}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `sha256:${Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function compare(what: string, actual: string, expected: string | undefined): void {
  console.log(
    `   ${what.padEnd(8)} ${actual.slice(0, 19)}  ${actual === expected ? "same" : "DIFFERENT"}`,
  );
  if (actual !== expected) throw new Error(`${what}: read ${actual}, pushed ${expected}`);
}
