import { assert, assertEquals, assertRejects } from "@std/assert";
import { createTarDecoder } from "modern-tar";
import { ArchiveError } from "../../src/errors.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { type ImageTarEntry, openSource } from "../../src/source/open_source.ts";
import { UntarStream } from "../../src/tar/untar_stream.ts";
import {
  type Bytes,
  dockerSave,
  encode,
  gzip,
  makeImage,
  makeLayer,
  storeAsZstd,
  toBlob,
} from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const TARGET = "localhost:5000/app:1";
const SMALL = { memoryBudget: 1024 * 1024 };
const { signal } = new AbortController();

/** Large enough to pass as a stream, and with a link, a folder and small files around it. */
const large = await makeLayer(writeTar([{ path: "x", body: new Uint8Array(1024 * 1024 + 7) }]));
const image = await makeImage([large, "b", large, await makeLayer("c", "gzip")]);
const tar = toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));
const expected = await pushImage(tar, TARGET, { fetch: createRegistry() });

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Bytes> {
  return await new Response(stream as ReadableStream<Bytes>).bytes();
}

async function assertEntries(entries: ReadableStream<ImageTarEntry>): Promise<void> {
  const registry = createRegistry();
  const { images } = await pushImage({ entries }, TARGET, { ...SMALL, fetch: registry });
  assertEquals(images[0]?.digest, expected.images[0]?.digest);
  await readBack(registry, "app", "1");
}

test("openSource() reads a plain file at any offset, and little of it", async () => {
  const source = new Blob([encode("0123456789")]);
  await using input = await openSource(source, signal);
  assert(input.kind === "random");
  assertEquals(input.read(), 6);
  assertEquals(encode("3456"), await bytesOf(input.source.slice(3, 7).stream()));
  assertEquals(input.read(), 10);
});

for (
  const [name, compress] of Object.entries({
    gzip,
    zstd: (bytes: Bytes) => Promise.resolve(storeAsZstd(bytes)),
  })
) {
  test(`openSource() undoes ${name} of a file, as often as asked`, async () => {
    const compressed = await compress(encode("content"));
    await using input = await openSource(new Blob([compressed]), signal);
    assert(input.kind === "bytes" && input.again);
    for (let time = 1; time <= 2; time++) {
      assertEquals(await bytesOf(await input.open() as ReadableStream<Bytes>), encode("content"));
      assertEquals(input.read(), 6 + time * compressed.length);
    }
  });

  test(`openSource() finds ${name} in a stream of single bytes`, async () => {
    const compressed = await compress(encode("content"));
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of compressed) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    await using input = await openSource(stream, signal);
    assert(input.kind === "bytes" && !input.again);
    assertEquals(await bytesOf(await input.open() as ReadableStream<Bytes>), encode("content"));
    assertEquals(input.read(), compressed.length);
  });
}

test("openSource() gives a stream that is shorter than any magic as it is", async () => {
  for (const text of ["", "a", "abc"]) {
    await using input = await openSource(new Blob([text]).stream(), signal);
    assert(input.kind === "bytes");
    assertEquals(await bytesOf(await input.open() as ReadableStream<Bytes>), encode(text));
  }
});

test("openSource() reads nothing of a stream before it is opened, and cancels it when disposed of", async () => {
  let pulls = 0;
  let reason: unknown;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      pulls++;
      controller.enqueue(new Uint8Array(10));
    },
    cancel: (given) => void (reason = given),
  }, { highWaterMark: 0 });
  {
    await using _ = await openSource(stream, signal);
  }
  assertEquals(pulls, 0);
  assert(reason instanceof DOMException);
});

test("openSource() refuses what is no source", async () => {
  for (const source of ["image.tar", undefined, null, 5, {}, { entries: [] }, [1]]) {
    // deno-lint-ignore no-explicit-any
    await assertRejects(() => openSource(source as any, signal), TypeError, "expected a Blob");
  }
});

test("openSource() refuses a stream of anything but bytes, where it comes", async () => {
  for (const piece of ["text", "", null, {}]) {
    const reasons: unknown[] = [];
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(new Uint8Array(512));
        controller.enqueue(piece);
      },
      cancel: (reason) => void reasons.push(reason),
    });
    const pushing = () => pushImage(stream, "h/a:1");
    const error = await assertRejects(pushing, TypeError, "expected Uint8Array");
    assertEquals(reasons, [error]);
  }
});

test("openSource() refuses a stream that somebody else reads", async () => {
  const stream = new Blob(["a"]).stream();
  stream.getReader();
  await assertRejects(() => openSource(stream, signal), TypeError);
});

test("pushImage() takes the entries of UntarStream", async () => {
  await assertEntries(tar.stream().pipeThrough(new UntarStream()));
});

test("pushImage() takes the entries of modern-tar", async () => {
  const TYPES: Record<string, string> = { file: "0", link: "1", symlink: "2", directory: "5" };
  const entries = tar.stream().pipeThrough(createTarDecoder()).pipeThrough(
    new TransformStream({
      transform({ header, body }, controller) {
        const { name, size, linkname = "", type = "file" } = header;
        const typeflag = TYPES[type] ?? type;
        const entry = { path: name, header: { size, linkname, typeflag } };
        controller.enqueue(typeflag === "0" ? { ...entry, readable: body } : entry);
        return typeflag === "0" ? undefined : body.cancel();
      },
    }),
  );
  await assertEntries(entries);
});

const STD_TAR = "@std/tar";
const stdTar = await import(STD_TAR).catch(() => undefined);

test(
  "pushImage() takes the entries of @std/tar",
  async () => await assertEntries(tar.stream().pipeThrough(new stdTar.UntarStream())),
  { skip: stdTar ? undefined : "JSR cannot be reached" },
);

test("pushImage() takes entries whose bodies can be read in any order", async () => {
  const entries: ImageTarEntry[] = [];
  for await (const { path, header, readable } of tar.stream().pipeThrough(new UntarStream())) {
    const body = readable && await bytesOf(readable);
    entries.push({ path, header, readable: body && new Blob([body]).stream() });
  }
  for (let first = 0; first < entries.length; first++) {
    const turned = [...entries.slice(first), ...entries.slice(0, first)].map((entry) => {
      const [one, other] = entry.readable?.tee() ?? [];
      entry.readable = one;
      return { ...entry, readable: other };
    });
    await assertEntries(ReadableStream.from(turned));
  }
});

for (const size of [3, 1024, 2 * 1024 * 1024]) {
  for (const [what, difference] of [["shorter", 1], ["longer", -1]] as const) {
    test(`pushImage() refuses an entry of ${size} bytes whose header says ${what === "shorter" ? "more" : "less"}`, async () => {
      const body = new Uint8Array(size);
      const entry: ImageTarEntry = {
        path: "layer.tar",
        header: { size: size + difference, typeflag: "0", linkname: "" },
        readable: new Blob([body]).stream(),
      };
      const registry = createRegistry();
      await assertRejects(
        () =>
          pushImage({ entries: ReadableStream.from([entry]) }, TARGET, {
            ...SMALL,
            fetch: registry,
          }),
        ArchiveError,
        what === "shorter" ? "ended 1 bytes early" : "has more than",
      );
      assertEquals(await allTags(registry), []);
    });
  }
}

test("pushImage() cancels entries when it fails", async () => {
  let reason: unknown;
  const entries = new ReadableStream<ImageTarEntry>({
    pull(controller) {
      controller.enqueue({
        path: "layer.tar",
        header: { size: 1024, typeflag: "0", linkname: "" },
        readable: new Blob([new Uint8Array(1024)]).stream(),
      });
    },
    cancel: (given) => void (reason = given),
  }, { highWaterMark: 0 });
  const fetch = () => Promise.resolve(new Response(null, { status: 403 }));
  await assertRejects(() => pushImage({ entries }, TARGET, { fetch }));
  assert(reason !== undefined);
});

test("pushImage() of entries to a place fails at the first blob that comes before the names", async () => {
  let [pulls, asked] = [0, 0];
  const body = new Uint8Array(1024);
  const entries = new ReadableStream<ImageTarEntry>({
    pull(controller) {
      pulls++;
      const readable = new Blob([body]).stream();
      const header = { size: body.length, typeflag: "0" };
      controller.enqueue({ path: `${pulls}/layer.tar`, header, readable });
    },
  }, { highWaterMark: 0 });
  const fetch = () => Promise.reject(new Error(`asked ${asked++} times`));
  await assertRejects(
    () => pushImage({ entries }, "localhost:5000", { fetch }),
    TypeError,
    "too late",
  );
  assertEquals(asked, 0);
  // Some are on their way through the pipes.
  assert(pulls <= 6, `${pulls} entries were read`);
});

test("openSource() counts a file's bytes whichever way they are read, and leaves it every way", async () => {
  const bytes = new Uint8Array(100).map((_, at) => at);
  const file = {
    size: bytes.length,
    slice: (start: number, end: number) => ({
      stream: () => new Blob([bytes.slice(start, end)]).stream(),
      ownStream: () => new Blob([bytes.slice(start, end)]).stream(),
      arrayBuffer: () => Promise.resolve(bytes.slice(start, end).buffer),
      readInto: (buffer: Uint8Array) => {
        buffer.set(bytes.subarray(start, end));
        return end - start;
      },
      blob: () => new Blob([bytes.slice(start, end)]),
    }),
  };
  await using input = await openSource(file, signal);
  assert(input.kind === "random");
  const before = input.read();
  const slice = input.source.slice(10, 30);
  const buffer = new Uint8Array(20);
  assertEquals(slice.readInto?.(buffer), 20);
  assertEquals(input.read() - before, 20);
  const { ownStream = slice.stream } = slice;
  for (const open of [slice.stream, ownStream]) assertEquals(await bytesOf(open()), buffer);
  assertEquals(new Uint8Array(await slice.arrayBuffer?.() ?? []), buffer);
  assertEquals(await slice.blob?.().bytes(), buffer);
  assertEquals(input.read() - before, 100);
});
