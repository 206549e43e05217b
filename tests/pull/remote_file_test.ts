import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { type Bytes, createStream, toBytes } from "../../src/bytes.ts";
import { createPromise } from "../../src/concurrency.ts";
import { digestBytes } from "../../src/digest.ts";
import { DigestMismatchError, NetworkError, OciError } from "../../src/errors.ts";
import { free } from "../../src/owned_bytes.ts";
import { remoteFile, type RemoteReadOptions } from "../../src/pull/remote_file.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { readRange } from "../../src/source/blob_source.ts";
import { flipByte } from "../helpers/archives.ts";
import { asNetwork } from "../helpers/as_network.ts";
import { test } from "../helpers/test.ts";
import { makeRepository } from "../registry/make_http.ts";

const CONTENT: Bytes = new Uint8Array(300_000).map((_, at) => at * 31 ^ at >> 8);
const DIGEST = await digestBytes(CONTENT);
const PIECE = 1000;

interface Blobs {
  fetch: FetchHandler;
  /** `Range` of every request, `whole` without one. */
  readonly ranges: string[];
  /** Bytes that were taken out of all answers. */
  taken: number;
  /** Answers that were cancelled. */
  cancelled: number;
}

/** A registry with one blob that it sends in pieces; `cut` tells after how many bytes the k-th answer breaks. */
function serveBlob(content: Bytes, cut: (number: number) => number = () => Infinity): Blobs {
  const blobs: Blobs = { fetch, ranges: [], taken: 0, cancelled: 0 };
  function fetch(request: Request): Promise<Response> {
    const range = request.headers.get("range");
    const [, first = "0", last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
    blobs.ranges.push(range ?? "whole");
    const [start, end] = [Number(first), last ? Number(last) + 1 : content.length];
    const limit = start + cut(blobs.ranges.length);
    let at = start;
    const body = new ReadableStream<Bytes>({
      pull(controller) {
        if (at >= limit) return controller.error(new Error("Connection reset by peer"));
        if (at >= end) return controller.close();
        const piece = content.subarray(at, Math.min(at + PIECE, end, limit));
        at += piece.length;
        blobs.taken += piece.length;
        controller.enqueue(piece);
      },
      cancel: () => void blobs.cancelled++,
    }, { highWaterMark: 0 });
    const headers = {
      "content-length": `${end - start}`,
      ...(range ? { "content-range": `bytes ${start}-${end - 1}/${content.length}` } : {}),
    };
    return Promise.resolve(new Response(body, { status: range ? 206 : 200, headers }));
  }
  return blobs;
}

function openFile(blobs: Blobs, options: RemoteReadOptions = {}, size = CONTENT.length) {
  return remoteFile(makeRepository(blobs.fetch), { digest: DIGEST, size }, options);
}

function streamOf(file: ReturnType<typeof openFile>, start = 0, end = file.size) {
  assert(file.body);
  return file.body.slice(start, end).stream();
}

async function readAll(stream: ReadableStream<Uint8Array>): Promise<Bytes> {
  return await new Response(stream as ReadableStream<Bytes>).bytes();
}

test("remoteFile() asks for nothing before it is read, and can be read again", async () => {
  const blobs = serveBlob(CONTENT);
  const file = openFile(blobs);
  const stream = streamOf(file);
  assertEquals(blobs.ranges, []);
  assertEquals(await readAll(stream), CONTENT);
  assertEquals(await file.bytes(CONTENT.length), CONTENT);
  assertEquals(await file.body?.slice(0, CONTENT.length).arrayBuffer?.(), CONTENT.buffer);
  assertEquals(blobs.ranges, ["whole", "whole", "whole"]);
});

test("remoteFile() reads parts by range, and its first bytes once", async () => {
  const blobs = serveBlob(CONTENT);
  const file = openFile(blobs);
  assertEquals(await readAll(streamOf(file, 5, 2105)), CONTENT.slice(5, 2105));
  assertEquals(await readAll(streamOf(file, 299_999, 400_000)), CONTENT.slice(299_999));
  assertEquals(await readAll(streamOf(file, 7, 7)), new Uint8Array(0));
  assert(file.body);
  assertEquals(await readRange(file.body, 3, 4003), CONTENT.slice(3, 4003));
  assertEquals(await file.peek(), CONTENT.slice(0, 512));
  assertEquals(await file.peek(), CONTENT.slice(0, 512));
  const expected = ["bytes=5-2104", "bytes=299999-299999", "bytes=3-4002", "bytes=0-511"];
  assertEquals(blobs.ranges, expected);
});

test("remoteFile() frees what came from the network when it is read at once", async () => {
  const pieces: Bytes[] = [];
  const fetch = asNetwork(serveBlob(CONTENT).fetch, pieces);
  const file = remoteFile(makeRepository(fetch), { digest: DIGEST, size: CONTENT.length }, {});
  assertEquals(await file.bytes(CONTENT.length), CONTENT);
  assertEquals(pieces.length, CONTENT.length / PIECE);
  assert(pieces.every(({ buffer }) => buffer.byteLength === 0));
});

test("remoteFile() gives pieces that may be freed where it is told so, and they came from the network", async () => {
  const { fetch } = serveBlob(CONTENT);
  const left = async (options: RemoteReadOptions, from: FetchHandler) => {
    const file = remoteFile(makeRepository(from), { digest: DIGEST, size: PIECE }, options);
    const pieces = await Array.fromAsync(streamOf(file, 0, PIECE / 2));
    for (const piece of pieces) free(toBytes(piece));
    return pieces.reduce((sum, { length }) => sum + length, 0);
  };
  assertEquals(await left({ isOwn: true }, asNetwork(fetch, [])), 0);
  assertEquals(await left({}, asNetwork(fetch, [])), PIECE / 2);
  assertEquals(await left({ isOwn: true }, fetch), PIECE / 2);
});

test("remoteFile() reads an empty blob, and checks it", async () => {
  const empty: Bytes = new Uint8Array(0);
  const fetch = () => Promise.resolve(new Response(empty));
  const read = async (digest: typeof DIGEST) =>
    await remoteFile(makeRepository(fetch), { digest, size: 0 }, {}).bytes(0);
  assertEquals(await read(await digestBytes(empty)), empty);
  await assertRejects(() => read(DIGEST), DigestMismatchError);
});

test("remoteFile() goes on where a connection broke, and tells of it", async () => {
  const blobs = serveBlob(CONTENT, (number) => number < 3 ? 100_000 : Infinity);
  const retries: unknown[] = [];
  let read = 0;
  const file = openFile(blobs, {
    onRetry: (attempt, _delay, error, digest) =>
      void retries.push([attempt, error instanceof NetworkError, digest]),
    onRead: (bytes) => void (read += bytes),
  });
  assertEquals(await readAll(streamOf(file)), CONTENT);
  assertEquals(blobs.ranges, ["whole", "bytes=100000-299999", "bytes=200000-299999"]);
  assertEquals(retries, [[2, true, DIGEST], [2, true, DIGEST]]);
  assertEquals(read, CONTENT.length);
});

test("remoteFile() fails when the connection breaks again and again", async () => {
  const blobs = serveBlob(CONTENT, () => 0);
  await assertRejects(() => readAll(streamOf(openFile(blobs))), NetworkError, "connection broken");
  assertEquals(blobs.ranges.length, 5);
});

test("remoteFile() keeps the last piece of content that has another digest", async () => {
  for (const at of [0, CONTENT.length - 1]) {
    const reader = streamOf(openFile(serveBlob(flipByte(CONTENT, at)))).getReader();
    let read = 0;
    await assertRejects(
      async () => {
        for (let next = await reader.read(); !next.done; next = await reader.read()) {
          read += next.value.length;
        }
      },
      DigestMismatchError,
      `Cannot trust blob of registry.test/team/app`,
    );
    assertEquals(read, CONTENT.length - PIECE);
  }
  const file = openFile(serveBlob(flipByte(CONTENT, 9)));
  await assertRejects(() => file.bytes(CONTENT.length), DigestMismatchError);
});

test("remoteFile() refuses content of another size than its descriptor says, told by the registry or not", async () => {
  for (const tells of [true, false]) {
    for (const [wrong, problem] of [[-1, "more"], [1, "fewer"]] as const) {
      const blobs = serveBlob(CONTENT);
      const file = openFile(
        {
          ...blobs,
          fetch: async (request) => {
            const response = await blobs.fetch(request);
            if (!tells) response.headers.delete("content-length");
            return response;
          },
        },
        {},
        CONTENT.length + wrong,
      );
      await assertRejects(
        () => readAll(streamOf(file)),
        DigestMismatchError,
        `it has ${problem} bytes than the ${CONTENT.length + wrong} of its descriptor`,
      );
      assertEquals(blobs.taken > 0, !tells);
    }
  }
});

test("remoteFile() gives up an answer that has more than its descriptor says", async () => {
  const given = createPromise();
  const fetch = () =>
    Promise.resolve(new Response(createStream(() => new Uint8Array(PIECE), given.resolve)));
  const file = remoteFile(makeRepository(fetch), { digest: DIGEST, size: CONTENT.length }, {});
  await assertRejects(() => readAll(streamOf(file)), DigestMismatchError, "it has more bytes");
  await given.promise;
});

test("remoteFile() reads no document that is larger than its limit", async () => {
  const blobs = serveBlob(CONTENT);
  await assertRejects(
    () => openFile(blobs).bytes(1000),
    OciError,
    `Cannot read blob ${DIGEST} of registry.test/team/app: it has 300000 bytes, expected at most 1000`,
  );
  assertEquals(blobs.ranges, []);
});

test("remoteFile() is one piece ahead of a reader that stalls", async () => {
  const blobs = serveBlob(CONTENT);
  const reader = streamOf(openFile(blobs)).getReader();
  let read = 0;
  for (let pieces = 0; pieces < 5; pieces++) {
    read += (await reader.read()).value?.length ?? 0;
    // Whatever was begun ahead of the reader has its turn.
    await new Promise((resolve) => setTimeout(resolve));
    assertLessOrEqual(blobs.taken - read, PIECE);
  }
  await reader.cancel();
});

test("remoteFile() ends its request when it is cancelled, and when it is aborted", async () => {
  const blobs = serveBlob(CONTENT);
  const reader = streamOf(openFile(blobs)).getReader();
  await reader.read();
  await reader.cancel("enough");
  assertEquals(blobs.cancelled, 1);

  const abort = new AbortController();
  const aborted = streamOf(openFile(blobs, { signal: abort.signal })).getReader();
  await aborted.read();
  abort.abort(new Error("enough"));
  await assertRejects(() => aborted.read(), Error, "enough");
  assertEquals(blobs.cancelled, 2);
});

test("remoteFile() makes no further attempt when it is cancelled while it waits for one", async () => {
  let requests = 0;
  const waits = Promise.withResolvers<void>();
  const fetch = () => {
    requests++;
    return Promise.reject(new TypeError("Connection reset by peer"));
  };
  const context = makeRepository(fetch, { retry: { delay: 60_000 } });
  const file = remoteFile(context, { digest: DIGEST, size: 1 }, { onRetry: () => waits.resolve() });
  const reader = streamOf(file).getReader();
  const read = reader.read();
  await waits.promise;
  await reader.cancel("enough");
  assertEquals((await read).done, true);
  assertEquals(requests, 1);
});

test("remoteFile() fills a room, tells how far it is, and goes on where a connection broke", async () => {
  const blobs = serveBlob(CONTENT, (number) => number === 1 ? 10 * PIECE : Infinity);
  const told: number[] = [];
  const room = new Uint8Array(CONTENT.length + 1);
  const bytes = await openFile(blobs).bytesInto?.(room, (filled) => void told.push(filled));
  assertEquals([bytes, bytes?.buffer], [CONTENT, room.buffer]);
  assertEquals(told, Array.from({ length: CONTENT.length / PIECE }, (_, at) => (at + 1) * PIECE));
});
