// The hasher of @std/crypto in place of our own: an adapter of a few lines. It comes from JSR; where that cannot be reached
// the example says so and takes our own.
import { createHash, type Hasher, parseDigest, pushImage } from "@tarpush/tarpush";
import { createRegistry } from "@tarpush/tarpush/registry";
import { openFile } from "@tarpush/tarpush/runtime";

type StdCrypto = {
  subtle: { digest(name: string, data: AsyncIterable<Uint8Array>): Promise<ArrayBuffer> };
};

async function loadHasher(): Promise<Hasher> {
  const name = "@std/crypto";
  const std: { crypto: StdCrypto } | undefined = await import(name).catch(() => undefined);
  if (!std) console.log("skipped: @std/crypto cannot be loaded here");
  return std ? (algorithm) => stdHash(std.crypto, algorithm) : createHash;
}

function stdHash(crypto: StdCrypto, algorithm: "sha256" | "sha512") {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const digest = crypto.subtle.digest(algorithm === "sha256" ? "SHA-256" : "SHA-512", readable);
  return {
    update: (bytes: Uint8Array) => writer.write(bytes.slice()),
    async digest() {
      await writer.close();
      return parseDigest(`${algorithm}:${new Uint8Array(await digest).toHex()}`);
    },
  };
}

const hasher = await loadHasher();
await using file = await openFile(new URL("../tests/fixtures/jib-docker.tar", import.meta.url));
const { images } = await pushImage(file, "localhost:5000/app:1", {
  fetch: createRegistry(),
  hasher,
  verify: true,
});
console.log(images[0]?.digest);
