import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { TarError } from "../../src/errors.ts";
import { own } from "../../src/owned_bytes.ts";
import { scanTar } from "../../src/tar/scan.ts";
import { type TarEntry, UntarStream } from "../../src/tar/untar_stream.ts";
import { base256, header, join, writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const LONG = "long/".repeat(60) + "name";

const SAMPLE = writeTar([
  { path: "directory/", type: "directory" },
  { path: "empty" },
  { path: "one", body: "1" },
  { path: "block", body: pattern(512) },
  { path: LONG, body: pattern(513), format: "pax" },
  { path: LONG, body: pattern(511), format: "gnu", type: "7" },
  { path: "link", type: "symlink", linkname: "one" },
  { path: "large", body: pattern(200_000) },
]);

function pattern(size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, index) => index * 31 + (index >> 8));
}

interface Source {
  stream: ReadableStream<Uint8Array>;
  /** Bytes that were taken so far. */
  taken: number;
  cancelled: unknown[];
}

/** A source that gives chunks only when asked, and keeps count. */
function sourceOf(bytes: Uint8Array, chunkSize = 65_536, failure?: Error): Source {
  const source: Source = {
    taken: 0,
    cancelled: [],
    stream: new ReadableStream<Uint8Array>({
      pull(controller) {
        if (source.taken >= bytes.length) {
          return failure ? controller.error(failure) : controller.close();
        }
        const chunk = bytes.subarray(source.taken, source.taken + chunkSize);
        source.taken += chunk.length;
        controller.enqueue(chunk);
      },
      cancel(reason) {
        source.cancelled.push(reason);
      },
    }, { highWaterMark: 0 }),
  };
  return source;
}

function untar(bytes: Uint8Array, chunkSize?: number): ReadableStream<TarEntry> {
  return sourceOf(bytes, chunkSize).stream.pipeThrough(new UntarStream());
}

async function readAll(stream: ReadableStream<TarEntry>) {
  const entries = [];
  for await (const { path, header, offset, bodyOffset, readable } of stream) {
    const body = readable && await new Response(readable).bytes();
    entries.push({ path, header, offset, bodyOffset, body });
  }
  return entries;
}

/** Lets everything that is ready happen: streams in memory need no more than microtasks. */
async function settle() {
  for (let turn = 0; turn < 500; turn++) await Promise.resolve();
}

async function firstOf<T>(stream: ReadableStream<T>): Promise<T> {
  const reader = stream.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  assert(value !== undefined);
  return value;
}

test("UntarStream reads every kind of entry", async () => {
  const entries = await readAll(untar(SAMPLE));
  assertEquals(entries.map(({ path, header, body }) => [path, header.typeflag, body?.length]), [
    ["directory/", "5", undefined],
    ["empty", "0", 0],
    ["one", "0", 1],
    ["block", "0", 512],
    [LONG, "0", 513],
    [LONG, "7", 511],
    ["link", "2", undefined],
    ["large", "0", 200_000],
  ]);
  assertEquals(entries.at(-1)?.body, pattern(200_000));
  for (const { header, body, bodyOffset } of entries) {
    if (!body) continue;
    assertEquals(body, SAMPLE.slice(bodyOffset, bodyOffset + header.size));
  }
});

/** What `@std/tar` 0.1.10 says of its entries: whoever uses these members can use this class in its place. */
interface StdEntry {
  path: string;
  header: Record<"name" | "typeflag" | "linkname", string> & Record<StdNumber, number>;
  readable?: ReadableStream<Uint8Array>;
}
type StdNumber = "mode" | "uid" | "gid" | "size" | "mtime";

test("UntarStream has the interface of the one in @std/tar", async () => {
  const stream: TransformStream<Uint8Array, StdEntry> = new UntarStream();
  const tar = writeTar([{ path: "folder/file", body: "text" }, {
    path: "folder/",
    type: "directory",
  }]);
  const entries: StdEntry[] = [];
  for await (const entry of new Blob([tar]).stream().pipeThrough(stream)) {
    entries.push(entry);
    if (entry.readable) assertEquals(await new Response(entry.readable).text(), "text");
  }
  assertEquals(entries.map(({ path }) => path), ["folder/file", "folder/"]);
  assertEquals(entries.map(({ readable }) => readable !== undefined), [true, false]);
  const [header] = entries.map(({ header }) => header);
  const members = ["name", "mode", "uid", "gid", "size", "mtime", "typeflag", "linkname"];
  const ustar = ["magic", "version", "uname", "gname", "devmajor", "devminor", "prefix"];
  for (const member of [...members, ...ustar]) assert(header && member in header, member);
  assertEquals([header?.size, header?.typeflag], [4, "0"]);
});

test("UntarStream gives equal results for all chunk sizes", async () => {
  const expected = await readAll(untar(SAMPLE, SAMPLE.length));
  for (const chunkSize of [1, 511, 512, 513, 65_536]) {
    assertEquals(await readAll(untar(SAMPLE, chunkSize)), expected, `${chunkSize}`);
  }
});

test("UntarStream takes one chunk and no more while nobody reads", async () => {
  const chunkSize = 4096;
  const source = sourceOf(SAMPLE, chunkSize);
  const entries = source.stream.pipeThrough(new UntarStream()).getReader();
  await settle();
  assertEquals(source.taken, chunkSize);
  for (;;) {
    const { value } = await entries.read();
    assert(value);
    await settle();
    const used = Math.floor(value.bodyOffset / chunkSize) * chunkSize;
    assert(source.taken <= used + chunkSize, `${source.taken} bytes taken at ${value.path}`);
    if (value.path === "large") {
      const body = value.readable?.getReader();
      for (let read = 0; read < 100_000;) {
        read += (await body?.read())?.value?.length ?? 0;
        await settle();
        assert(source.taken <= value.bodyOffset + read + chunkSize);
      }
      break;
    }
  }
  await entries.cancel();
});

test("UntarStream passes views of the chunks, in their sizes", async () => {
  const tar = writeTar([{ path: "a", body: pattern(10_000) }]);
  for await (const { readable } of untar(tar, 4096)) {
    assert(readable);
    const sizes = [];
    for await (const piece of readable) {
      assertStrictEquals(piece.buffer, tar.buffer);
      sizes.push(piece.length);
    }
    assertEquals(sizes, [3584, 4096, 2320]);
  }
});

test("UntarStream hands cancelling of the entries to the source and to the open body", async () => {
  const source = sourceOf(SAMPLE, 512);
  const entries = source.stream.pipeThrough(new UntarStream()).getReader();
  let body: ReadableStream<Uint8Array> | undefined;
  while (body === undefined) {
    const { value } = await entries.read();
    if (value?.path === "large") body = value.readable;
  }
  const reader = body.getReader();
  const reason = new Error("enough");
  await entries.cancel(reason);
  await settle();
  assertEquals(source.cancelled, [reason]);
  assertStrictEquals(await assertRejects(() => reader.read()), reason);
});

test("UntarStream cancels the source when the loop over the entries is left", async () => {
  const source = sourceOf(SAMPLE, 512);
  for await (const _ of source.stream.pipeThrough(new UntarStream())) break;
  await settle();
  assertEquals(source.cancelled.length, 1);
});

test("UntarStream cancels the source when the tar is malformed", async () => {
  const tar = join([writeTar([{ path: "a" }], { end: 0 }), header({ checksum: 1 }), SAMPLE]);
  const source = sourceOf(tar, 512);
  const error = await assertRejects(
    () => readAll(source.stream.pipeThrough(new UntarStream())),
    TarError,
  );
  await settle();
  assertEquals(source.cancelled, [error]);
  assert(source.taken <= 1536);
});

test("UntarStream skips the rest of a cancelled body", async () => {
  const paths = [];
  for await (const { path, readable } of untar(SAMPLE, 512)) {
    paths.push(path);
    if (!readable) continue;
    const reader = readable.getReader();
    await reader.read();
    await reader.cancel();
  }
  assertEquals(paths.length, 8);
});

test("UntarStream skips bodies that nobody has locked", async () => {
  const kept = [];
  for await (const entry of untar(SAMPLE, 512)) kept.push(entry);
  assertEquals(kept.length, 8);
  for (const { path, readable, header } of kept) {
    if (!readable) continue;
    if (header.size === 0) assertEquals(await new Response(readable).text(), "");
    else {
      await assertRejects(
        () => new Response(readable).text(),
        TypeError,
        path === "one"
          ? 'Cannot read the body of tar entry "one": it was skipped when the next entry was read'
          : "it was skipped",
      );
    }
  }
});

test("UntarStream keeps the next entry back while a body is being read", async () => {
  const tar = writeTar([{ path: "a", body: pattern(3000) }, { path: "b" }]);
  const entries = untar(tar, 512).getReader();
  const { value } = await entries.read();
  const body = value?.readable?.getReader();
  let next: string | undefined;
  const pending = entries.read().then(({ value }) => next = value?.path);
  let size = 0;
  for (;;) {
    await settle();
    const piece = await body?.read();
    if (!piece?.value) break;
    assertEquals(next, undefined);
    size += piece.value.length;
  }
  assertEquals([size, await pending], [3000, "b"]);
});

test("UntarStream works in a chain of pipes", async () => {
  const bodies: string[] = [];
  await untar(SAMPLE, 512).pipeThrough(new TransformStream()).pipeTo(
    new WritableStream({
      async write({ path, readable }) {
        if (readable) {
          bodies.push(`${path.slice(0, 5)} ${(await new Response(readable).bytes()).length}`);
        }
      },
    }),
  );
  assertEquals(bodies, ["empty 0", "one 1", "block 512", "long/ 513", "long/ 511", "large 200000"]);
});

test("UntarStream passes an error of the source to the entries and to the open body", async () => {
  const failure = new Error("connection lost");
  const tar = writeTar([{ path: "a", body: pattern(3000) }]).subarray(0, 1536);
  const inBody = sourceOf(tar, 512, failure).stream.pipeThrough(new UntarStream()).getReader();
  const { value } = await inBody.read();
  assert(value?.readable);
  assertStrictEquals(await assertRejects(() => new Response(value.readable).bytes()), failure);
  assertStrictEquals(await assertRejects(() => inBody.read()), failure);

  const between = sourceOf(writeTar([{ path: "a" }]), 512, failure).stream.pipeThrough(
    new UntarStream(),
  );
  assertStrictEquals(await assertRejects(() => readAll(between)), failure, "after the end blocks");
});

test("UntarStream fails at once when its writer aborts, also with a write in flight", async () => {
  const { readable, writable } = new UntarStream();
  const writer = writable.getWriter();
  const closed = assertRejects(() => writer.closed);
  const written = writer.write(SAMPLE.subarray(0, 2048)).catch(() => {});
  await firstOf(readable);
  const failure = new Error("stop");
  const aborted = writer.abort(failure);
  assertStrictEquals(await assertRejects(() => firstOf(readable)), failure);
  await Promise.all([aborted, written, closed]);
});

test("UntarStream refuses chunks that are no bytes", async () => {
  const { readable, writable } = new UntarStream();
  const writer = writable.getWriter();
  const closed = assertRejects(() => writer.closed);
  await assertRejects(() => writer.write("text" as never), TypeError, "chunk is no Uint8Array");
  await assertRejects(() => firstOf(readable), TypeError);
  await closed;
});

test("UntarStream takes a tar without end blocks whose last body fills its block, in one chunk", async () => {
  const tar = writeTar([{ path: "a", body: pattern(1024) }], { end: 0 });
  for (const chunkSize of [tar.length, 512, 1000]) {
    const [entry] = await readAll(untar(tar, chunkSize));
    assertEquals(entry?.path, "a");
  }
});

test("UntarStream tells where the end blocks end, and what follows them that is not zero", async () => {
  const tar = writeTar([{ path: "a", body: "x" }]);
  const cases: [Uint8Array, number | undefined, number | undefined][] = [
    [writeTar([{ path: "a", body: "x" }], { end: 0 }), undefined, undefined],
    [tar, tar.length, undefined],
    [join([tar, new Uint8Array(9000)]), tar.length, undefined],
    [join([tar, new Uint8Array(9000), "x", new Uint8Array(600)]), tar.length, tar.length + 9000],
    [join([tar, "x", SAMPLE]), tar.length, tar.length],
  ];
  for (const [bytes, end, trailing] of cases) {
    for (const chunkSize of [1, 511, 512, 65_536]) {
      const stream = new UntarStream();
      await readAll(sourceOf(bytes, chunkSize).stream.pipeThrough(stream));
      assertEquals([stream.end, stream.trailing], [end, trailing]);
    }
    let found: number | undefined = -1;
    for await (const _ of scanTar(new Blob([bytes.slice()]), { onEnd: (end) => found = end }));
    assertEquals(found, end);
  }
});

test("UntarStream reads on to the end of the source without keeping it", async () => {
  const tar = join([writeTar([{ path: "a", body: "a" }]), new Uint8Array(1_000_000).fill(7)]);
  const source = sourceOf(tar, 1000);
  assertEquals((await readAll(source.stream.pipeThrough(new UntarStream()))).length, 1);
  assertEquals(source.taken, tar.length);
});

test("UntarStream settles each write and the close of a writer", async () => {
  const { readable, writable } = new UntarStream();
  const writer = writable.getWriter();
  const reading = readAll(readable);
  for (const piece of [SAMPLE.subarray(0, 700), new Uint8Array(0), SAMPLE.subarray(700)]) {
    await writer.write(piece);
  }
  await writer.close();
  assertEquals((await reading).length, 8);
});

test("UntarStream accepts an empty archive and refuses what is none", async () => {
  assertEquals(await readAll(untar(new Uint8Array(1024))), []);
  const text = new TextEncoder().encode("just text\n".repeat(200));
  const gzip = new Uint8Array(
    await new Response(new Blob([SAMPLE]).stream().pipeThrough(new CompressionStream("gzip")))
      .arrayBuffer(),
  );
  for (const bytes of [new Uint8Array(0), text.slice(0, 100), text, gzip]) {
    await assertRejects(() => readAll(untar(bytes)), TarError, "input is not a tar archive");
  }
});

test("UntarStream reports truncation at each block, give or take a byte, as scanTar() does", async () => {
  // Where a tar may end: behind the body of an entry, padded or not, and between or behind the end blocks.
  const whole = writeTar([
    { path: "a", body: pattern(600) },
    { path: LONG, body: "x", format: "pax" },
    { path: LONG, body: "y", format: "gnu" },
    { path: "d/", type: "directory" },
  ]);
  const ends = new Set([whole.length - 512, whole.length]);
  for await (const { bodyOffset, header } of scanTar(new Blob([whole]))) {
    const padded = bodyOffset + Math.ceil(header.size / 512) * 512;
    for (let end = bodyOffset + header.size; end <= padded; end++) ends.add(end);
  }
  assertEquals(ends.size, 2 + 1 + (1024 - 600 + 1) + 2 * 512);
  for (let boundary = 0; boundary <= whole.length; boundary += 512) {
    for (const length of [boundary - 1, boundary, boundary + 1, boundary + 88]) {
      if (length < 0 || length > whole.length) continue;
      const cut = whole.subarray(0, length);
      const outcomes = [
        await outcome(() => readAll(untar(cut, 512))),
        await outcome(() => readAll(untar(cut, 100))),
        await outcome(() => untarSkipping(cut)),
        await outcome(() => Array.fromAsync(scanTar(new Blob([cut])))),
      ];
      const [first] = outcomes;
      assertEquals(new Set(outcomes).size, 1, outcomes.join("\n"));
      assertEquals(first === "complete", ends.has(length), `${length}: ${first}`);
    }
  }
});

test("UntarStream reads a tar that ends with a body of whole blocks", async () => {
  for (const size of [512, 1024]) {
    const tar = writeTar([{ path: "a", body: pattern(size) }], { end: 0 });
    for (const chunkSize of [1, 512, 65_536]) {
      assertEquals((await readAll(untar(tar, chunkSize))).map(({ body }) => body), [pattern(size)]);
    }
    await untarSkipping(tar);
  }
});

async function untarSkipping(bytes: Uint8Array) {
  for await (const _ of untar(bytes, 700)) { /* Skips every body. */ }
}

async function outcome(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
    return "complete";
  } catch (error) {
    assertInstanceOf(error, TarError);
    assert(error.message.includes(`at byte ${error.offset}: `));
    return error.message;
  }
}

test("UntarStream names the entry whose body is cut short, to its reader too", async () => {
  const tar = writeTar([{ path: "a" }, { path: "b", body: pattern(2000) }]).subarray(0, 1500);
  const entries = untar(tar).getReader();
  await entries.read();
  const { value } = await entries.read();
  assert(value?.readable);
  const error = await assertRejects(() => new Response(value.readable).bytes(), TarError);
  assertEquals(
    error.message,
    'Cannot read tar entry "b" at byte 512: input ends at byte 1500, expected at least 3024 bytes',
  );
  assertEquals([error.offset, error.entry], [512, "b"]);
  assertStrictEquals(await assertRejects(() => entries.read()), error);
});

test("UntarStream does not allocate what a header claims", async () => {
  const tar = join([header({ name: "huge", size: base256(2n ** 52n) }), new Uint8Array(100)]);
  await assertRejects(
    () => readAll(untar(tar)),
    TarError,
    'Cannot read tar entry "huge" at byte 0: input ends at byte 612, expected at least 4503599627371008 bytes',
  );
});

test("UntarStream frees what is its own of a body that nobody wants, and nothing else", async () => {
  for (const isWanted of [true, false]) {
    const [first, second] = [own(header({ name: "a", size: 2048 })), own(new Uint8Array(2048))];
    const entries = ReadableStream.from([first, second, own(new Uint8Array(1024))])
      .pipeThrough(new UntarStream());
    for await (const { readable } of entries) {
      if (!isWanted) await readable?.cancel();
      else assertEquals((await new Response(readable).bytes()).length, 2048);
    }
    assertEquals([first.length, second.length], [512, isWanted ? 2048 : 0]);
  }
});
