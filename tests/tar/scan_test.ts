import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { TarError } from "../../src/errors.ts";
import { type BlobSource, readRange } from "../../src/source/blob_source.ts";
import { scanTar } from "../../src/tar/scan.ts";
import { base256, header, join, writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const LONG = "long/".repeat(60) + "name";

interface Counted extends BlobSource {
  reads: { start: number; length: number }[];
}

/** A source of which only `parts` hold bytes; between them are zeros that take no memory. */
function countedSource(
  size: number,
  parts: { at: number; bytes: Uint8Array<ArrayBuffer> }[],
): Counted {
  const reads: Counted["reads"] = [];
  return {
    size,
    reads,
    slice: (start, end) => ({
      stream() {
        const bytes = new Uint8Array(end - start);
        reads.push({ start, length: bytes.length });
        for (const part of parts) {
          const from = Math.max(start, part.at);
          const to = Math.min(end, part.at + part.bytes.length);
          if (from < to) bytes.set(part.bytes.subarray(from - part.at, to - part.at), from - start);
        }
        return new Blob([bytes]).stream();
      },
    }),
  };
}

/** What dockerd before 25 writes for each layer, then the layer's size. */
function legacyLayer(index: number, layerSize: number, jsonSize: number) {
  const folder = index.toString(16).padStart(64, "0");
  return join([
    writeTar([
      { path: `${folder}/`, type: "directory" },
      { path: `${folder}/VERSION`, body: "1.0" },
      { path: `${folder}/json`, body: "j".repeat(jsonSize) },
    ], { end: 0 }),
    header({ name: `${folder}/layer.tar`, size: layerSize }),
  ]);
}

function legacySave(layers: number, layerSize: number, jsonSize = 400): Counted {
  const parts = [];
  let at = 0;
  for (let index = 0; index < layers; index++) {
    const bytes = legacyLayer(index, layerSize, jsonSize);
    parts.push({ at, bytes });
    at += bytes.length + layerSize;
  }
  const bytes = writeTar([{ path: "manifest.json", body: "[]" }, {
    path: "repositories",
    body: "{}",
  }]);
  parts.push({ at, bytes });
  return countedSource(at + bytes.length, parts);
}

test("scanTar() finds every entry and its body", async () => {
  const tar = writeTar([
    { path: "directory/", type: "directory" },
    { path: "a", body: "text of a" },
    { path: LONG, body: "p".repeat(513), format: "pax" },
    { path: LONG, body: "", format: "gnu" },
    { path: "link", linkname: LONG, format: "gnu" },
  ]);
  const entries = await Array.fromAsync(scanTar(new Blob([tar])));
  assertEquals(entries.map(({ path, header }) => [path, header.typeflag]), [
    ["directory/", "5"],
    ["a", "0"],
    [LONG, "0"],
    [LONG, "0"],
    ["link", "2"],
  ]);
  assertEquals(entries.map(({ offset }) => offset), [0, 512, 2560, 5120, 6656]);
  assertEquals(entries.at(-1)?.header.linkname, LONG);
  assertEquals(entries.map(({ bodyOffset }) => bodyOffset), [512, 1024, 3072, 5632, 7168]);
});

test("scanTar() gives bodies that can be read in part and again", async () => {
  const tar = writeTar([{ path: "a", body: "0123456789" }, { path: "b", body: "next" }]);
  const [a] = await Array.fromAsync(scanTar(new Blob([tar])));
  assert(a);
  const text = async (start: number, end: number) =>
    new TextDecoder().decode(await readRange(a.body, start, end));
  assertEquals(a.body.size, 10);
  assertEquals([await text(0, 10), await text(2, 5), await text(0, 10)], [
    "0123456789",
    "234",
    "0123456789",
  ]);
  const beyond = await new Response(a.body.slice(8, 600).stream()).text();
  assertEquals([beyond, await new Response(a.body.slice(-5, 2).stream()).text()], ["89", "01"]);
});

test("scanTar() reads far less than 64 KiB of a legacy image of one layer", async () => {
  const source = legacySave(1, 10 * 2 ** 30);
  assertEquals((await Array.fromAsync(scanTar(source))).length, 6);
  assertEquals(source.reads.length, 2);
  assert(source.reads.reduce((sum, { length }) => sum + length, 0) <= 16384);
});

test("scanTar() makes one read for each of 200 layers", async () => {
  for (const [jsonSize, most] of [[400, 201], [3000, 203]] as const) {
    const source = legacySave(200, 50 * 2 ** 20, jsonSize);
    assertEquals((await Array.fromAsync(scanTar(source))).length, 802);
    assert(source.reads.length <= most, `${source.reads.length} reads`);
    assert(source.reads.reduce((sum, { length }) => sum + length, 0) <= 210 * 8704);
  }
});

test("scanTar() reads runs of small entries in few pieces, and small ones after them", async () => {
  const small = writeTar(
    Array.from({ length: 5000 }, (_, index) => ({ path: `file-${index}`, body: "text" })),
    { end: 0 },
  );
  const size = 2 ** 30;
  const big = join([small, header({ name: "big", size })]);
  const tail = legacyLayer(1, size, 400);
  const source = countedSource(big.length + 2 * size + tail.length + 1024, [
    { at: 0, bytes: big },
    { at: big.length + size, bytes: tail },
  ]);
  assertEquals((await Array.fromAsync(scanTar(source))).length, 5005);
  const inRun = source.reads.filter(({ start }) => start < big.length);
  assert(inRun.length <= 5 + Math.ceil(big.length / 65_536), `${inRun.length} reads`);
  assert(source.reads.every(({ length }) => length <= 65_536));
  assert(
    source.reads.filter(({ start }) => start > big.length).every(({ length }) => length <= 16_384),
  );
});

test("scanTar() reads nothing before it is iterated, and no further than it is", async () => {
  const source = legacySave(3, 2 ** 20);
  const entries = scanTar(source)[Symbol.asyncIterator]();
  assertEquals(source.reads.length, 0);
  await entries.next();
  assertEquals(source.reads.length, 1);
  await entries.return?.();
  assertEquals(source.reads.length, 1);
});

test("scanTar() does not read what follows the end blocks", async () => {
  const tar = writeTar([{ path: "a" }]);
  const source = countedSource(2 ** 40, [{ at: 0, bytes: tar }]);
  assertEquals((await Array.fromAsync(scanTar(source))).length, 1);
  assertEquals(source.reads.length, 1);
});

test("scanTar() refuses a body beyond the end of the source without reading it", async () => {
  for (const size of [base256(2n ** 50n), 513, 512]) {
    const source = countedSource(1023, [{ at: 0, bytes: header({ name: "cut", size }) }]);
    const error = await assertRejects(() => Array.fromAsync(scanTar(source)), TarError);
    assert(
      error.message.startsWith(
        'Cannot read tar entry "cut" at byte 0: input ends at byte 1023, expected at least ',
      ),
      error.message,
    );
    assertEquals(source.reads.length, 1);
  }
});

test("scanTar() reports a source that holds less than its size says", async () => {
  const tar = writeTar([{ path: "a", body: "a".repeat(9000) }, { path: "b" }]);
  const source: BlobSource = {
    size: tar.length,
    slice: (start, end) => new Blob([tar.subarray(0, 9800)]).slice(start, end),
  };
  await assertRejects(
    () => Array.fromAsync(scanTar(source)),
    TarError,
    "Cannot read tar at byte 9728: input ends at byte 9800, expected at least 10240 bytes",
  );
});

test("scanTar() refuses what is not a tar archive", async () => {
  for (const text of ["", "short", "just text\n".repeat(100)]) {
    await assertRejects(
      () => Array.fromAsync(scanTar(new Blob([text]))),
      TarError,
      "input is not a tar archive",
    );
  }
  assertEquals(await Array.fromAsync(scanTar(new Blob([new Uint8Array(1024)]))), []);
});

test("scanTar() ends with the reason of its signal", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const found: string[] = [];
  const error = await assertRejects(async () => {
    for await (const { path } of scanTar(legacySave(3, 2 ** 20), { signal: controller.signal })) {
      found.push(path);
      if (path.endsWith("layer.tar")) controller.abort(reason);
    }
  });
  assertStrictEquals(error, reason);
  assertEquals(found.length, 4);
});

test("scanTar() passes on an error of its source", async () => {
  const failure = new Error("disk failed");
  const source: BlobSource = {
    size: 4096,
    slice: () => ({ stream: () => new ReadableStream({ start: (it) => it.error(failure) }) }),
  };
  assertStrictEquals(await assertRejects(() => Array.fromAsync(scanTar(source))), failure);
});

test("scanTar() has the first block of a layer from the read of its header", async () => {
  const layers = ["a", "b"].map((letter) => letter.repeat(50_000));
  const tar = writeTar(layers.map((body, index) => ({ path: `${index}/layer.tar`, body })));
  const source = countedSource(tar.length, [{ at: 0, bytes: tar }]);
  const entries = await Array.fromAsync(scanTar(source));
  const { length } = source.reads;
  for (const [index, { body }] of entries.entries()) {
    const head = new TextDecoder().decode(await readRange(body, 0, 512));
    assertEquals(head, layers[index]?.slice(0, 512));
  }
  assertEquals(source.reads.length, length);
  const [first] = entries;
  assert(first);
  assertEquals(new TextDecoder().decode(await readRange(first.body, 510, 600)), "a".repeat(90));
  assertEquals(source.reads.length, length + 1);
});

test("scanTar() holds the first blocks of 4096 layers at most", async () => {
  const size = 16 * 1024;
  const step = 512 + size;
  const layers = Array.from({ length: 4098 }, (_, index) => ({
    at: index * step,
    bytes: header({ name: `${index}.tar`, size }),
  }));
  const source = countedSource(layers.length * step, layers);
  const entries = await Array.fromAsync(scanTar(source));
  assertEquals(entries.length, layers.length);
  const asked: number[] = [];
  for (const [index, { body }] of entries.entries()) {
    const before = source.reads.length;
    await readRange(body, 0, 512);
    if (source.reads.length > before) asked.push(index);
  }
  assertEquals(asked, [4096, 4097]);
});

test("scanTar() of a source that reads into memory gives what one that does not gives", async () => {
  // Runs of small entries, jumps over large bodies, and records that no window holds.
  const tar = writeTar(Array.from({ length: 400 }, (_, at) => ({
    path: `folder/${at}/${at % 7 === 0 ? LONG : "name"}`,
    body: String(at).repeat(at % 11 === 0 ? 20_000 : at),
    format: at % 2 === 0 ? "pax" as const : "gnu" as const,
    ...(at % 50 === 0 ? { pax: { comment: "c".repeat(2_000 * at) } } : {}),
  })));
  const blob = new Blob([tar]);
  const poisoned: BlobSource = {
    size: tar.length,
    slice: (start, end) => ({
      stream: () => blob.slice(start, end).stream(),
      readInto: (buffer) => {
        // Whoever still looks at what was read before finds this.
        buffer.fill(0xff);
        const bytes = tar.subarray(start, Math.min(end, start + buffer.length));
        buffer.set(bytes);
        return bytes.length;
      },
    }),
  };
  const listed = async (source: BlobSource) => {
    const entries = await Array.fromAsync(scanTar(source));
    return await Promise.all(entries.map(async ({ body, ...entry }) => ({
      ...entry,
      body: await readRange(body, 0, body.size),
      head: await readRange(body, 0, 512),
    })));
  };
  assertEquals(await listed(poisoned), await listed(blob));
});
