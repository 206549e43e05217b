import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type ArchiveCheck, checkArchive } from "../../src/archive/check_archive.ts";
import { openArchive } from "../../src/archive/open_archive.ts";
import { ArchiveError, DigestMismatchError, TarError } from "../../src/errors.ts";
import { createHash } from "../../src/incremental_hash.ts";
import type { BlobSource } from "../../src/source/blob_source.ts";
import type { PushSource } from "../../src/source/open_source.ts";
import { UntarStream } from "../../src/tar/untar_stream.ts";
import {
  dockerSave,
  encode,
  flipByte,
  gzip,
  makeImage,
  makeLayer,
  OciLayout,
  pathOf,
  randomBytes,
  replaceBody,
  storeAsZstd,
  toBlob,
} from "../helpers/archives.ts";
import { inPieces } from "../helpers/findings.ts";
import { withValue } from "../helpers/globals.ts";
import { header, join, pad, writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const image = await makeImage(["one", await makeLayer("two", "gzip")]);
const layout = await OciLayout.of(image, { ref: "v1" });
const entries = layout.entries([{ image, repoTags: ["app:1"] }]);
const tar = writeTar(entries);
const [layer] = image.layers;
const layerPath = layer ? pathOf(layer) : "";
const broken = writeTar(replaceBody(entries, layerPath, flipByte(layer?.bytes ?? encode(""), 600)));

/** Every kind of source that has this content. */
async function sourcesOf(bytes: Uint8Array<ArrayBuffer>): Promise<[string, () => PushSource][]> {
  const [zipped, zstd] = [await gzip(bytes), storeAsZstd(bytes)];
  return [
    ["a Blob", () => new Blob([bytes])],
    ["a stream", () => inPieces(new Blob([bytes]), 1000)],
    ["a source with pieces of no bytes", () => withEmptyPieces(new Blob([bytes]))],
    ["a gzip file", () => new Blob([zipped])],
    ["a gzip stream", () => inPieces(new Blob([zipped]), 100)],
    ["a zstd file", () => new Blob([zstd])],
    ["entries", () => ({ entries: new Blob([bytes]).stream().pipeThrough(new UntarStream()) })],
  ];
}

/** The same, with a piece of no bytes before and behind each. */
function withEmptyPieces(blob: Blob): BlobSource {
  const empty = new Uint8Array(0);
  const stream = (part: Blob) =>
    part.stream().pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(piece, controller) {
          for (const each of [empty, piece, empty]) controller.enqueue(each);
        },
      }),
    );
  return {
    size: blob.size,
    slice: (start, end) => ({ stream: () => stream(blob.slice(start, end)) }),
  };
}

test("checkArchive() tells the same of every kind of source", async () => {
  let expected: ArchiveCheck | undefined;
  for (const [name, open] of await sourcesOf(broken)) {
    const check = await checkArchive(open());
    expected ??= check;
    assertEquals(check, expected, name);
  }
  assertEquals(expected?.ok, false);
  assertEquals(expected?.dialect, "docker+oci");
  assertEquals(expected?.files, entries.filter(({ type }) => type !== "directory").length);
  assertEquals(expected?.findings.map(({ code }) => code), ["wrong-digest"]);
  for (const [name, open] of await sourcesOf(tar)) {
    const { ok, findings } = await checkArchive(open());
    assertEquals([ok, findings], [true, []], name);
  }
});

test("checkArchive() reads a URL, in ranges and as a whole", async () => {
  for (const hasRanges of [true, false]) {
    const fetch = (_: URL | string | Request, init?: RequestInit) => {
      const asked = /bytes=(\d+)-(\d+)/.exec(new Headers(init?.headers).get("range") ?? "");
      if (!hasRanges || !asked) return Promise.resolve(new Response(broken));
      const [start, end] = [Number(asked[1]), Math.min(Number(asked[2]) + 1, broken.length)];
      return Promise.resolve(
        new Response(broken.slice(start, end), {
          status: 206,
          headers: { "content-range": `bytes ${start}-${end - 1}/${broken.length}` },
        }),
      );
    };
    const { findings } = await withValue(
      globalThis,
      "fetch",
      fetch,
      () => checkArchive(new URL("http://files.test/image.tar")),
    );
    assertEquals(findings.map(({ code }) => code), ["wrong-digest"]);
  }
});

test("checkArchive() tells compression around the archive that is corrupt or cut", async () => {
  const zipped = await gzip(writeTar([...entries, { path: "noise", body: randomBytes(300_000) }]));
  const cases = [zipped.subarray(0, zipped.length - 4), flipByte(zipped, zipped.length - 6)];
  for (const bytes of cases) {
    for (const source of [new Blob([bytes.slice()]), inPieces(new Blob([bytes.slice()]), 77)]) {
      const { findings, files } = await checkArchive(source);
      assertEquals(findings.map(({ code }) => code), ["broken-tar"]);
      assertStringIncludes(findings[0]?.message ?? "", "Cannot inflate the archive");
      assert(files > 0, "what was read before counts");
    }
  }
  const bzip2 = await assertRejects(
    () => checkArchive(new Blob([new TextEncoder().encode("BZh91AY&SY")])),
    ArchiveError,
  );
  assertStringIncludes(bzip2.hint ?? "", "bunzip2 -c");
});

test("checkArchive() passes errors of the source on, and stops when it is aborted", async () => {
  const failure = new Error("the disk is gone");
  const failing = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(failure),
  });
  assertEquals(await assertRejects(() => checkArchive(failing)), failure);
  const source: BlobSource = {
    size: tar.length,
    slice: (start, end) => ({
      stream: () =>
        start > 2000
          ? new ReadableStream({ pull: (controller) => controller.error(failure) })
          : new Blob([tar.slice(start, end)]).stream(),
    }),
  };
  assertEquals(await assertRejects(() => checkArchive(source)), failure);

  for (const open of [() => new Blob([tar]), () => inPieces(new Blob([tar]), 100)]) {
    const controller = new AbortController();
    const reason = new Error("enough");
    const onProgress = () => controller.abort(reason);
    const { signal } = controller;
    assertEquals(
      await assertRejects(() => checkArchive(open(), { signal, onProgress })),
      reason,
    );
    assertEquals(await assertRejects(() => checkArchive(open(), { signal })), reason);
  }
});

test("checkArchive() cancels a source that it does not read to the end", async () => {
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(512).fill(1)),
    cancel: () => void (cancelled = true),
  }, { highWaterMark: 0 });
  const { findings } = await checkArchive(endless);
  assertEquals([findings[0]?.code, cancelled], ["broken-tar", true]);
});

test("checkArchive() reports progress up to the whole", async () => {
  const zipped = await gzip(tar);
  const sizes = entries.map(({ body = "" }) =>
    typeof body === "string" ? encode(body).length : body.length
  );
  const content = sizes.reduce((sum, size) => sum + size, 0);
  const cases: [PushSource, number, number | undefined][] = [
    [new Blob([tar]), content, content],
    [inPieces(new Blob([tar]), 700), tar.length, undefined],
    [new Blob([zipped]), zipped.length, zipped.length],
  ];
  for (const [source, most, total] of cases) {
    const seen: number[] = [];
    await checkArchive(source, {
      onProgress: (progress) => {
        seen.push(progress.bytes);
        assertEquals(progress.total, total);
      },
    });
    assertEquals(seen, seen.toSorted((a, b) => a - b));
    assert(
      (seen.at(-1) ?? 0) <= most && (seen.at(-1) ?? 0) > most / 4,
      `${seen.at(-1)} of ${most}`,
    );
  }
});

test("checkArchive() holds a few pieces of a large layer, and waits for the inflater", async () => {
  const PIECE = 1024 * 1024;
  const MOST = 64;
  let ahead = 0;
  let pulled = 0;
  let hashed = 0;
  const size = MOST * PIECE;
  const body = new Uint8Array(PIECE);
  const source = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (pulled === 0) controller.enqueue(header({ name: "big.tar", size }));
      if (pulled++ === MOST) {
        controller.enqueue(new Uint8Array(1024));
        return controller.close();
      }
      ahead = Math.max(ahead, pulled * PIECE - hashed);
      controller.enqueue(body);
    },
  }, { highWaterMark: 0 });
  const hasher: typeof createHash = async (algorithm) => {
    const hash = await createHash(algorithm);
    return {
      update: async (bytes) => {
        hashed += bytes.length;
        await hash.update(bytes);
      },
      digest: () => hash.digest(),
    };
  };
  const { bytes } = await checkArchive(source, { hasher });
  assertEquals(bytes, size);
  assert(ahead <= 8 * PIECE, `${ahead / PIECE} MiB ahead`);
});

test("checkArchive() reads at most three files at once", async () => {
  const many = writeTar(Array.from({ length: 20 }, (_, at) => ({
    path: `${at}`,
    body: new Uint8Array(70_000),
  })));
  let open = 0;
  let most = 0;
  const source: BlobSource = {
    size: many.length,
    slice: (start, end) => ({
      arrayBuffer: () => Promise.resolve(many.slice(start, end).buffer),
      stream() {
        most = Math.max(most, ++open);
        const reader = new Blob([many.slice(start, end)]).stream().getReader();
        return new ReadableStream({
          async pull(controller) {
            const { done, value } = await reader.read();
            if (!done) return controller.enqueue(value);
            open--;
            controller.close();
          },
        }, { highWaterMark: 0 });
      },
    }),
  };
  await checkArchive(source);
  assertEquals([open, most], [0, 3]);
});

test("checkArchive() reads each document once, for its digest and for what it says", async () => {
  const padded = new OciLayout();
  const annotations = { padding: "x".repeat(1024 * 1024) };
  const manifest = await padded.image(await makeImage(["one"]), { annotations });
  padded.add(manifest);
  const archive = toBlob(padded.entries());
  let read = 0;
  const slice = (start: number, end: number) => ({
    stream() {
      read += end - start;
      return archive.slice(start, end).stream();
    },
  });
  const { findings } = await checkArchive({ size: archive.size, slice });
  assertEquals(findings, []);
  assert(read < 1.5 * manifest.size, `${read} bytes of ${archive.size}`);
});

test("checkArchive() keeps the documents of a stream up to a limit", async () => {
  const json = encode(`{"a":"${"x".repeat(2 * 1024 * 1024 - 8)}"}`);
  const full = Array.from({ length: 16 }, (_, at) => ({ path: `${at}.json`, body: json }));
  const archive = toBlob([...full, ...entries]);
  const { findings } = await checkArchive(archive);
  assertEquals(findings.filter(({ severity }) => severity === "error"), []);
  const passing = await checkArchive(inPieces(archive, 1024 * 1024));
  assertStringIncludes(passing.findings[0]?.message ?? "", "more than is kept");
  assertEquals(passing.ok, false);
});

for (const path of ["manifest.json", "index.json", "tarpush.json", "oci-layout"]) {
  test(`checkArchive() tells that ${path} is a link to itself`, async () => {
    const others = entries.filter((entry) => entry.path !== path);
    const { findings } = await checkArchive(toBlob([...others, { path, linkname: path }]));
    assert(findings.some(({ message }) => message.includes(`"${path}" in the archive: its links`)));
  });
}

test("checkArchive() refuses entries of another stream whose bodies have another length", async () => {
  for (const size of [3, 5]) {
    const entry = { path: "a", header: { size }, readable: new Blob(["four"]).stream() };
    const { findings } = await checkArchive({ entries: ReadableStream.from([entry]) });
    assertEquals(findings.map(({ code }) => code), ["broken-tar"]);
  }
});

// openArchive()

test("openArchive() gives validate() for every kind of source", async () => {
  const damaged = writeTar(replaceBody(entries, layerPath, join([layer?.bytes ?? "", " "])));
  for (const [name, open] of await sourcesOf(tar)) {
    const archive = await openArchive(open());
    assertEquals(archive.images[0]?.primaryTag, "app:1", name);
    assertEquals(await archive.validate(), [], name);
    assertEquals(await archive.validate(), [], `${name}, again`);
  }
  const { findings } = await checkArchive(new Blob([damaged]));
  assertEquals(findings.length > 0, true);
  // A flaw that does not keep it from being opened.
  const noted = writeTar([...entries, { path: "README", body: "x" }]);
  for (const [name, open] of await sourcesOf(noted)) {
    const found = await (await openArchive(open())).validate();
    assertEquals(found.map(({ code, path }) => [code, path]), [["unreferenced", "README"]], name);
  }
  const summary = await openArchive(new Blob([tar]));
  assertEquals("validate" in JSON.parse(JSON.stringify(summary)), false);
});

test("openArchive() of a stream refuses validate() where it was not to hash", async () => {
  const archive = await openArchive(inPieces(new Blob([tar]), 500), { verify: false });
  assertEquals(archive.images.length, 1);
  await assertRejects(() => archive.validate(), TypeError, "expected verify: true");
  const file = await openArchive(new Blob([tar]), { verify: false });
  assertEquals(await file.validate(), []);
});

test("openArchive() throws for broken archives as before, from a stream too", async () => {
  const legacy = dockerSave([{ image, repoTags: ["app:1"] }]);
  const [path] = legacy.map(({ path }) => path).filter((path) => path.endsWith("layer.tar"));
  const wrong = toBlob(replaceBody(legacy, path ?? "", flipByte(layer?.bytes ?? encode(""), 600)));
  await assertRejects(() => openArchive(inPieces(wrong, 999)), DigestMismatchError);
  const gzipPath = legacy.map(({ path }) => path).filter((path) => path.endsWith("layer.tar"))[1];
  const corrupt = toBlob(
    replaceBody(legacy, gzipPath ?? "", image.layers[1]?.bytes.slice(0, -3) ?? ""),
  );
  await assertRejects(() => openArchive(inPieces(corrupt, 999)), ArchiveError, "Cannot inflate");
  const cut = new Blob([tar.subarray(0, 1540)]);
  await assertRejects(() => openArchive(inPieces(cut, 999)), TarError);
  await assertRejects(() => openArchive(cut), TarError);
  await assertRejects(() => openArchive(inPieces(toBlob([]), 999)), ArchiveError);
  const stray = join([header({ name: "a", size: 4 }), pad(encode("text")), new Uint8Array(1024)]);
  await assertRejects(() => openArchive(inPieces(new Blob([stray]), 10)), ArchiveError);
});

test("openArchive() stops validate() when it is aborted", async () => {
  const archive = await openArchive(new Blob([tar]));
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => archive.validate({ signal }), Error, "enough");
});
