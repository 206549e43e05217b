import { assert, assertEquals, assertRejects } from "@std/assert";
import { ImageBlobs, type PassingBlob } from "../../src/archive/image_blobs.ts";
import { Budget } from "../../src/concurrency.ts";
import { digestBytes, digestHex } from "../../src/digest.ts";
import { ArchiveError } from "../../src/errors.ts";
import { createHash } from "../../src/incremental_hash.ts";
import { UntarStream } from "../../src/tar/untar_stream.ts";
import { type Bytes, encode, gzip, makeLayer } from "../helpers/archives.ts";
import { type TarWriterEntry, writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const BUDGET = 64 * 1024;

/** What came out for one blob. */
interface Seen {
  path: string;
  /** Undefined where it was held. */
  streamed: number | undefined;
  window: number;
  likely: boolean;
  named: string | undefined;
  hint: string | undefined;
}

async function sort(
  entries: readonly TarWriterEntry[],
  { verify = false, size = BUDGET }: { verify?: boolean; size?: number } = {},
) {
  const budget = new Budget(size);
  const blobs = new ImageBlobs({ budget, hasher: createHash, verify });
  const seen: Seen[] = [];
  const passing: PassingBlob[] = [];
  const tar = new Blob([writeTar(entries)]).stream();
  for await (const blob of tar.pipeThrough(new UntarStream()).pipeThrough(blobs)) {
    const { file, stream, likely, named, hint } = blob;
    let streamed: number | undefined;
    if (stream) streamed = (await new Response(stream).arrayBuffer()).byteLength;
    seen.push({ path: file.path, streamed, window: file.window, likely, named, hint });
    passing.push(blob);
    budget.giveBack(file.release());
  }
  return { seen, passing, files: blobs.files, budget };
}

const small = await makeLayer("small");
const large = await makeLayer(writeTar([{ path: "x", body: new Uint8Array(BUDGET) }]));

test("ImageBlobs keeps JSON documents, and lets layers out", async () => {
  const { seen, files } = await sort([
    { path: "x/layer.tar", body: small.bytes },
    { path: "config.json", body: '{"a":1}' },
    { path: "manifest.json", body: "\n [ ]" },
    { path: "x/VERSION", body: "1.0" },
  ]);
  assertEquals(seen.map(({ path, streamed }) => [path, streamed]), [["x/layer.tar", undefined]]);
  for (
    const [path, text] of [["config.json", '{"a":1}'], ["manifest.json", "\n [ ]"], [
      "x/VERSION",
      "1.0",
    ]] as const
  ) {
    assertEquals(await files.find(path)?.bytes(100), encode(text));
    assertEquals(files.find(path)?.digest, await digestBytes(encode(text)));
  }
});

test("ImageBlobs reads the next blob as far as there is room beside one that is still held", async () => {
  const layer = await makeLayer(writeTar([{ path: "x", body: new Uint8Array(BUDGET / 2) }]));
  const tar = writeTar(
    ["a", "b"].map((name) => ({ path: `${name}/layer.tar`, body: layer.bytes })),
  );
  let sent = 0;
  const source = new ReadableStream<Bytes>({
    pull(controller) {
      if (sent === tar.length) return controller.close();
      controller.enqueue(tar.slice(sent, sent += 512));
    },
  }, { highWaterMark: 0 });
  const budget = new Budget(BUDGET);
  const blobs = new ImageBlobs({ budget, hasher: createHash, verify: false });
  const reader = source.pipeThrough(new UntarStream()).pipeThrough(blobs).getReader();
  const first = (await reader.read()).value;
  const second = reader.read();
  for (let before = -1; before !== sent;) {
    before = sent;
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve));
  }
  // Headers, and what streams have in hand, come on top.
  assert(sent >= BUDGET - 512 && sent < BUDGET + 4096, `${sent} bytes were read`);
  budget.giveBack(first?.file.release() ?? 0);
  const { file } = (await second).value ?? {};
  assertEquals(file?.digest, layer.digest);
  budget.giveBack(file?.release() ?? 0);
  await budget.take(BUDGET);
});

test("ImageBlobs hashes what it holds, and inflates it where no name is certain", async () => {
  const zipped = await makeLayer("zipped", "gzip");
  const hex = digestHex(zipped.digest);
  const { passing } = await sort([
    { path: "layer.tar", body: small.bytes },
    { path: "zipped.tar.gz", body: zipped.bytes },
    { path: `blobs/sha256/${hex}`, body: zipped.bytes },
  ]);
  assertEquals(passing.map(({ file: { digest, inflatedDigest } }) => [digest, inflatedDigest]), [
    [small.digest, undefined],
    [zipped.digest, zipped.diffId],
    [zipped.digest, undefined],
  ]);
});

test("ImageBlobs lets a blob pass that does not fit, and reads its name", async () => {
  const hex = digestHex(large.digest);
  const { seen, passing } = await sort([
    { path: `blobs/sha256/${hex}`, body: large.bytes },
    { path: `${hex}.tar.gz`, body: large.bytes },
    { path: "a/layer.tar", body: large.bytes },
  ]);
  const streamed = large.bytes.length;
  assertEquals(seen.map(({ streamed, named, hint }) => [streamed, named, hint]), [
    [streamed, large.digest, undefined],
    [streamed, undefined, large.digest],
    [streamed, undefined, undefined],
  ]);
  assertEquals(passing.map(({ file }) => file.digest), [undefined, undefined, undefined]);
});

test("ImageBlobs lets a named blob pass that would be held alone, and keeps room for all of it", async () => {
  const layer = await makeLayer(writeTar([{ path: "x", body: new Uint8Array(BUDGET * 3 / 8) }]));
  const [{ length }, hex] = [layer.bytes, digestHex(layer.digest)];
  const { seen } = await sort([
    { path: `blobs/sha256/${hex}`, body: layer.bytes },
    { path: `${hex}.tar.gz`, body: layer.bytes },
    { path: `blobs/sha256/${digestHex(small.digest)}`, body: small.bytes },
  ]);
  assertEquals(seen.map(({ streamed }) => streamed), [length, undefined, undefined]);
  assertEquals(seen[0]?.window, length);
});

test("ImageBlobs hashes on the way what nothing else would tell the digest of", async () => {
  const body = await gzip(crypto.getRandomValues(new Uint8Array(60_000)));
  const layer = await makeLayer(await inflated(body), "gzip");
  const { passing } = await sort([{ path: "a/layer.tar", body: layer.bytes }]);
  assert(passing[0]?.stream);
  assertEquals(passing[0].file.digest, layer.digest);
  assertEquals(passing[0].file.inflatedDigest, layer.diffId);
  const verified = await sort([{ path: "a/layer.tar", body: large.bytes }], { verify: true });
  assertEquals(verified.passing[0]?.file.digest, large.digest);
});

async function inflated(bytes: Bytes): Promise<Bytes> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).bytes();
}

test("ImageBlobs goes by what content is, not by what it is called", async () => {
  const { seen } = await sort([
    { path: "readme", body: small.bytes },
    { path: "b.json", body: await gzip(encode("{}")) },
    { path: "empty.tar", body: "" },
  ]);
  assertEquals(seen.map(({ path, likely }) => [path, likely]), [
    ["readme", true],
    ["b.json", true],
    ["empty.tar", true],
  ]);
});

test("ImageBlobs lets files wait in a quarter of the budget, then lets them out as unlikely", async () => {
  const body = "x".repeat(BUDGET / 16);
  const entries = Array.from({ length: 6 }, (_, at) => ({ path: `${at}.txt`, body }));
  const { seen, files } = await sort(entries);
  assertEquals(seen.map(({ path, likely }) => [path, likely]), [["4.txt", false], [
    "5.txt",
    false,
  ]]);
  assertEquals((await files.find("3.txt")?.bytes(BUDGET))?.length, body.length);
  await assertRejects(
    async () => await files.find("4.txt")?.bytes(BUDGET),
    ArchiveError,
    "it is no JSON document",
  );
});

test("ImageBlobs comes to an end with blobs of every size while files wait", async () => {
  const waiting = { path: "VERSION", body: "x".repeat(BUDGET / 4) };
  for (const part of [1 / 4, 1 / 2, 3 / 4, 7 / 8, 1, 2]) {
    const body = writeTar([{ path: "x", body: new Uint8Array(BUDGET * part - 1536) }]);
    const { seen } = await sort([waiting, { path: "a/layer.tar", body }, {
      path: "b/layer.tar",
      body,
    }]);
    assertEquals(seen.length, 2, `${part}`);
  }
});

test("ImageBlobs leaves out folders, devices and names that lead outside", async () => {
  const { seen, files } = await sort([
    { path: "folder/", type: "directory" },
    { path: "device", type: "3" },
    { path: "../layer.tar", body: small.bytes },
    { path: "./a//layer.tar", body: small.bytes },
    { path: "b/layer.tar", linkname: "../a/layer.tar" },
  ]);
  assertEquals(seen.map(({ path }) => path), ["a/layer.tar"]);
  assertEquals(files.find("b/layer.tar")?.path, "a/layer.tar");
  assertEquals([...files.files()].length, 1);
});

test("ImageBlobs knows what a document is too long for", async () => {
  const { files } = await sort([{ path: "index.json", body: "{}" }]);
  await assertRejects(
    async () => await files.find("index.json")?.bytes(1),
    ArchiveError,
    "2 bytes",
  );
});

test("Budget lets takers in one after the other, large ones not last", async () => {
  const budget = new Budget(10);
  const order: string[] = [];
  await budget.take(8);
  const large = budget.take(9).then(() => order.push("large"));
  const small = budget.take(1).then(() => order.push("small"));
  await Promise.resolve();
  assertEquals(order, []);
  budget.giveBack(8);
  await Promise.all([large, small]);
  assertEquals(order, ["large", "small"]);
});
