import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Digest, digestBytes } from "../../../src/digest.ts";
import { createHash } from "../../../src/incremental_hash.ts";
import { VerifiedBlob } from "../../../src/runtime/storage/verified_blob.ts";
import { test } from "../../helpers/test.ts";

const MIB = 1024 * 1024;
const CONTENT = Uint8Array.from({ length: 3 * MIB }, (_, index) => index >> 10);

/** The content under a digest, read into pieces that are nobody else's. */
function openOwn(digest: Digest): VerifiedBlob {
  const source = {
    size: CONTENT.length,
    slice: (start: number, end: number) => ({
      stream: () => new Blob([CONTENT]).slice(start, end).stream(),
      ownStream: () =>
        ReadableStream.from([0, 1, 2].map((at) => CONTENT.slice(at * MIB, (at + 1) * MIB))),
    }),
  };
  return new VerifiedBlob(
    source,
    digest,
    async () => await createHash("sha256"),
    () => new Error("damaged"),
  );
}

test("VerifiedBlob gives pieces on that may be emptied as soon as they are given out", async () => {
  const stream = openOwn(await digestBytes(CONTENT)).slice(0, CONTENT.length).ownStream?.();
  assert(stream);
  let size = 0;
  for await (const piece of stream) {
    assertEquals(piece, CONTENT.subarray(size, size += piece.length));
    piece.fill(0xff);
  }
  assertEquals(size, CONTENT.length);
});

test("VerifiedBlob keeps the last piece of what is damaged, whoever has the pieces", async () => {
  const slice = openOwn(await digestBytes(new Uint8Array(1))).slice(0, CONTENT.length);
  for (const stream of [slice.stream(), slice.ownStream?.()]) {
    assert(stream);
    let size = 0;
    const read = async () => {
      for await (const piece of stream) size += piece.length;
    };
    await assertRejects(read, Error, "damaged");
    assert(size < CONTENT.length);
  }
});

test("VerifiedBlob says of a file that has become shorter that it is damaged", async () => {
  const digest = await digestBytes(CONTENT);
  const short = CONTENT.subarray(0, 2 * MIB);
  const source = {
    size: CONTENT.length,
    slice: () => ({ stream: () => new Blob([short]).stream() }),
  };
  const hash = async () => await createHash("sha256");
  const blob = new VerifiedBlob(source, digest, hash, () => new Error("damaged"));
  const read = () => new Response(blob.slice(0, blob.size).stream()).bytes();
  await assertRejects(read, Error, "damaged");
});
