import { assertEquals, assertRejects } from "@std/assert";
import { type Bytes, createStream } from "../../src/bytes.ts";
import { digestBytes } from "../../src/digest.ts";
import { ArchiveError, DigestMismatchError } from "../../src/errors.ts";
import type { ArchiveBlob } from "../../src/image/content.ts";
import type { ArchiveFile } from "../../src/image/files.ts";
import { createHash, type Hasher } from "../../src/incremental_hash.ts";
import { hashBlob, isFileWhole, openFileBody, readFileBody } from "../../src/archive/read_blob.ts";
import { type BlobSource, bytesSource } from "../../src/source/blob_source.ts";
import { test } from "../helpers/test.ts";

const MIB = 1024 * 1024;

test("openFileBody() gives the whole file, and fails where its source ends early", async () => {
  const bytes = pattern(100_000);
  assertEquals(await collectAll(openFileBody(fileOf(bytes))), bytes);
  const short = fileOf(bytes, bytesSource(bytes.subarray(0, 99_990)));
  const error = await assertRejects(() => collectAll(openFileBody(short)), ArchiveError);
  assertEquals(
    error.message,
    'Cannot read "a/layer.tar" of the archive: its source ended 10 bytes early',
  );
});

test("openFileBody() cancels its source", async () => {
  let reason: unknown;
  const source: BlobSource = {
    size: 10,
    slice: () => ({
      stream: () => new ReadableStream({ cancel: (given) => void (reason = given) }),
    }),
  };
  await openFileBody(fileOf(pattern(10), source)).cancel("enough");
  assertEquals(reason, "enough");
});

test("readFileBody() reads at once, and fails where its source ends early", async () => {
  const bytes = pattern(5000);
  assertEquals(await readFileBody(fileOf(bytes)), bytes);
  const short = fileOf(bytes, bytesSource(bytes.subarray(0, 4999)));
  await assertRejects(() => readFileBody(short), ArchiveError, "ended 1 bytes early");
});

test("a file that has passed cannot be read again", async () => {
  const file = fileOf(pattern(10));
  const { body: _, ...passed } = file;
  await assertRejects(() => readFileBody(passed), ArchiveError, "which comes only once");
  const compressed = { ...passed, compressed: { file: passed, kind: "gzip" } } as const;
  const error = await assertRejects(() => readFileBody(compressed), ArchiveError);
  assertEquals(
    error.message,
    'Cannot use "a/layer.tar" of the archive: it was compressed when it passed in the stream, expected no layer that has to stay as it is',
  );
  assertEquals(
    error.hint,
    "write the archive to a file first and push that, or without --compress",
  );
});

test("isFileWhole() tells whether the source still reaches to the file's end, where that can be asked", async () => {
  const bytes = pattern(1000);
  const broken: BlobSource = {
    size: 1000,
    slice: () => ({ stream: () => createStream(() => Promise.reject(new Error("gone"))) }),
  };
  const sources = [bytesSource(bytes), bytesSource(bytes.subarray(0, 999)), broken];
  const told = await Promise.all(sources.map((source) => isFileWhole(fileOf(bytes, source))));
  assertEquals(told, [true, false, true]);
});

test("hashBlob() agrees with Web Crypto below and above what it holds in memory", async () => {
  for (const size of [0, 1000, 8 * MIB, 8 * MIB + 1]) {
    const bytes = pattern(size);
    const digest = await digestBytes(bytes);
    assertEquals(await hashBlob(blobOf(bytes, { diffId: digest }), createHash), digest);
  }
});

test("hashBlob() compares plain layers of any size with the config", async () => {
  const diffId = await digestBytes(pattern(1));
  for (const size of [1000, 8 * MIB + 1]) {
    await assertRejects(
      () => hashBlob(blobOf(pattern(size), { diffId }), createHash),
      DigestMismatchError,
    );
  }
});

test("hashBlob() inflates a compressed layer and compares what comes out", async () => {
  const plain = pattern(300_000);
  const stream = new Blob([plain]).stream().pipeThrough(new CompressionStream("gzip"));
  const gzip = await new Response(stream).bytes();
  const diffId = await digestBytes(plain);
  assertEquals(await hashBlob(blobOf(gzip, { diffId }), createHash), await digestBytes(gzip));
  const wrong = blobOf(gzip, { diffId: await digestBytes(gzip) });
  await assertRejects(() => hashBlob(wrong, createHash), DigestMismatchError, "(inflated)");
});

test("hashBlob() opens no file that it then has no hash for", async () => {
  const gzip = new Uint8Array(
    await new Response(
      new Blob([pattern(1000)]).stream().pipeThrough(new CompressionStream("gzip")),
    ).arrayBuffer(),
  );
  for (const failing of [1, 2]) {
    let opened = 0;
    const body: BlobSource = {
      size: gzip.length,
      slice: (start, end) => {
        opened++;
        return bytesSource(gzip).slice(start, end);
      },
    };
    let asked = 0;
    const hasher: Hasher = (algorithm) => {
      if (++asked === failing) throw new Error("no hash");
      return createHash(algorithm);
    };
    const blob = blobOf(gzip, { diffId: await digestBytes(gzip), file: fileOf(gzip, body) });
    await assertRejects(() => hashBlob(blob, hasher), Error, "no hash");
    assertEquals([opened, asked], [0, failing]);
  }
});

test("hashBlob() stops when it is told to", async () => {
  const signal = AbortSignal.abort(new Error("stop"));
  await assertRejects(
    () => hashBlob(blobOf(pattern(9 * MIB), {}), createHash, signal),
    Error,
    "stop",
  );
});

function pattern(size: number): Bytes {
  return new Uint8Array(size).map((_, index) => (index * 7 + (index >> 9)) & 0xff);
}

function fileOf(bytes: Bytes, body: BlobSource = bytesSource(bytes)): ArchiveFile {
  return {
    path: "a/layer.tar",
    size: bytes.length,
    body,
    peek: () => Promise.resolve(bytes.subarray(0, 512)),
    bytes: () => Promise.resolve(bytes),
  };
}

function blobOf(bytes: Bytes, rest: Partial<ArchiveBlob>): ArchiveBlob {
  return { origin: "unknown", size: bytes.length, mediaType: "", file: fileOf(bytes), ...rest };
}

async function collectAll(stream: ReadableStream<Bytes>): Promise<Bytes> {
  return await new Response(stream).bytes();
}
