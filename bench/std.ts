/**
 * What the packages of @std cost beside what this project has in their place, on the runtime that runs it. Each argument
 * names a subject; the program prints one line for it: milliseconds, or why it cannot run.
 */
import { concatReadableStreams } from "@std/streams/concat-readable-streams";
import { LimitedBytesTransformStream } from "@std/streams/limited-bytes-transform-stream";
import { toBytes } from "@std/streams/to-bytes";
import { collect } from "../src/bytes.ts";
import { createHash, type IncrementalHash } from "../src/incremental_hash.ts";
import { parseDigest } from "../src/digest.ts";
import { currentHost } from "../src/runtime/mod.ts";

const MIB = 1024 * 1024;
const HASHED_BYTES = 256 * MIB;
const STREAMED_BYTES = 1024 * MIB;
/** A manifest of a usual image has so many bytes, and a push reads some of them. */
const DOCUMENT_BYTES = 4096;
const DOCUMENTS = 5000;

const piece = crypto.getRandomValues(new Uint8Array(64 * 1024));

const SUBJECTS: Record<string, () => Promise<void>> = {
  "hash own": async () => await hashPieces(await createHash("sha256")),
  "hash hash-wasm": async () => await hashPieces(await wasmHash()),
  "hash web-crypto": async () => {
    await crypto.subtle.digest("SHA-256", new Uint8Array(HASHED_BYTES));
  },
  "hash @std/crypto": async () => {
    const name = "@std/crypto";
    const { crypto: std } = await import(name);
    await std.subtle.digest("SHA-256", pieces(HASHED_BYTES));
  },
  "collect own": async () => {
    for (let at = 0; at < DOCUMENTS; at++) await collect(document(), 4 * MIB, tooLarge);
  },
  "collect @std/streams": async () => {
    for (let at = 0; at < DOCUMENTS; at++) {
      const limited = document().pipeThrough(
        new LimitedBytesTransformStream(4 * MIB, { error: true }),
      );
      await toBytes(limited);
    }
  },
  "limit own": async () => await drain(counted(stream(STREAMED_BYTES))),
  "limit @std/streams": async () => {
    await drain(stream(STREAMED_BYTES).pipeThrough(new LimitedBytesTransformStream(Infinity)));
  },
  "concat own": async () => {
    await drain(headFirst(piece, stream(STREAMED_BYTES)));
  },
  "concat @std/streams": async () => {
    await drain(concatReadableStreams(ReadableStream.from([piece]), stream(STREAMED_BYTES)));
  },
};

for (const name of currentHost().args) console.log(await measure(SUBJECTS[name]));

async function measure(subject: (() => Promise<void>) | undefined): Promise<string> {
  const start = performance.now();
  try {
    await subject?.();
    return `${performance.now() - start}`;
  } catch {
    return "cannot be loaded here";
  }
}

async function hashPieces(hash: IncrementalHash): Promise<void> {
  for (let at = 0; at < HASHED_BYTES; at += piece.length) await hash.update(piece);
  await hash.digest();
}

async function wasmHash(): Promise<IncrementalHash> {
  const { createSHA256 } = await import("hash-wasm");
  const hash = (await createSHA256()).init();
  const toDigest = () => parseDigest(`sha256:${hash.digest()}`);
  return { update: (bytes) => void hash.update(bytes), digest: toDigest };
}

function tooLarge(): Error {
  return new RangeError("the document is too large");
}

function document(): ReadableStream<Uint8Array> {
  return stream(DOCUMENT_BYTES);
}

/** So many bytes in pieces of 64 KiB, made when they are asked for. */
function stream(bytes: number): ReadableStream<Uint8Array> {
  const source = pieces(bytes);
  return new ReadableStream({
    pull(controller) {
      const { done, value } = source.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  }, { highWaterMark: 0 });
}

function* pieces(bytes: number): Generator<Uint8Array> {
  for (let left = bytes; left > 0; left -= piece.length) yield piece.subarray(0, left);
}

/** The way of src/source/open_source.ts to count what passes. */
function counted(source: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  let size = 0;
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) return controller.close();
      size += value.length;
      if (size > Infinity) throw tooLarge();
      controller.enqueue(value);
    },
  }, { highWaterMark: 0 });
}

/** The way of src/source/open_source.ts to put back what was read. */
function headFirst(
  head: Uint8Array,
  rest: ReadableStream<Uint8Array>,
): ReadableStream<Uint8Array> {
  const reader = rest.getReader();
  let sent = false;
  return new ReadableStream({
    async pull(controller) {
      if (sent) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      } else controller.enqueue(head);
      sent = true;
    },
  }, { highWaterMark: 0 });
}

async function drain(stream: ReadableStream<Uint8Array>): Promise<void> {
  for await (const _ of stream);
}
