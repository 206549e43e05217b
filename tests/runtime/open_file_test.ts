import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { collect } from "../../src/bytes.ts";
import { OciError } from "../../src/errors.ts";
import { currentHost, openFile } from "../../src/runtime/mod.ts";
import { readRange } from "../../src/source/blob_source.ts";
import { runProcess, temporaryFolder } from "../helpers/process.ts";
import { optionalProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";

const FIXTURES = new URL("../fixtures/", import.meta.url);
const FIXTURE = new URL("docker29-multiplatform.tar", FIXTURES);
const MIB = 1024 * 1024;

const readAll = (stream: ReadableStream<Uint8Array>) =>
  collect(stream, 64 * MIB, () => new Error("too large"));

test("openFile() lets timers and signals have their turn while a file is read, however fast", async () => {
  await using folder = await temporaryFolder();
  await using file = await openFile(await folder.write("zeros", new Uint8Array(160 * MIB)));
  const pieces = file.slice(0, file.size).stream().getReader();
  // The first piece is read elsewhere, before anything is known of the file.
  await pieces.read();
  let hadTurn = false;
  setTimeout(() => hadTurn = true);
  while (!(await pieces.read()).done);
  assert(hadTurn);
});

test("openFile() tells the size and reads any range", async () => {
  await using file = await openFile(FIXTURE);
  const whole = await readAll(file.slice(0, file.size).stream());
  assertEquals(whole.length, file.size);
  assertEquals(await readRange(file, 512, 1024), whole.slice(512, 1024));
  assertEquals(await readRange(file, 0, 0), new Uint8Array(0));
  assertEquals(await readRange(file, file.size - 10, file.size + 10), whole.slice(-10));
  assertEquals(await readAll(file.slice(3, file.size - 3).stream()), whole.slice(3, -3));
});

test("openFile() reads a large body in pieces of at most 1 MiB", async () => {
  const size = 2 * MIB + MIB / 2 + 3;
  await using folder = await temporaryFolder();
  await using file = await openFile(await folder.write("large", patterned(size)));
  const lengths: number[] = [];
  let position = 1;
  for await (const piece of file.slice(1, size).stream()) {
    lengths.push(piece.length);
    assertEquals(piece[0], position % 251);
    position += piece.length;
  }
  assertEquals(position, size);
  assert(lengths.length >= 3 && Math.max(...lengths) <= MIB, `pieces of ${lengths} bytes`);
});

test(
  "openFile() has small pieces for many readers, which may all be stalled, and large ones again after them",
  async () => {
    await using folder = await temporaryFolder();
    await using file = await openFile(await folder.write("large", patterned(8 * MIB)));
    const open = () => file.slice(0, file.size).stream().getReader();
    const readers = Array.from({ length: 200 }, open);
    let held = 0;
    for (const reader of readers) {
      await reader.read();
      held += (await reader.read()).value?.length ?? 0;
    }
    assert(held <= 64 * MIB, `${held} bytes are held`);
    await Promise.all(readers.map((reader) => reader.cancel()));
    const alone = open();
    await alone.read();
    const { value } = await alone.read();
    assert(value && value.length > held / readers.length, `a piece has ${value?.length} bytes`);
    await alone.cancel();
  },
  { skip: "Deno" in globalThis ? undefined : "Bun cuts its pieces by itself" },
);

test("openFile() ends early where the file was cut", async () => {
  await using folder = await temporaryFolder();
  await using file = await openFile(await folder.write("cut", patterned(3 * MIB)));
  await folder.write("cut", patterned(100));
  assertEquals((await readAll(file.slice(0, 3 * MIB).stream())).length, 100);
  assertEquals((await readAll(file.slice(50, 1000).stream())).length, 50);
});

test("a host's openFile() reads a file that it does not keep open, and refuses what it cannot open", async () => {
  const { openFile } = currentHost();
  const options = { isHeld: false };
  await using held = await openFile(FIXTURE);
  const file = await openFile(FIXTURE, options);
  assertEquals(await readRange(file, 512, 1024), await readRange(held, 512, 1024));
  const [one, other] = [file, held].map((each) => readAll(each.slice(3, each.size).stream()));
  assertEquals(await one, await other);
  await file[Symbol.asyncDispose]();
  await assertRejects(() => readRange(file, 0, 10), OciError, "it has been closed");
  await assertRejects(() => openFile("no such file", options), OciError, "no such file");
});

test("openFile() takes a path as text", async () => {
  await using file = await openFile("deno.json");
  assertEquals(new TextDecoder().decode(await readRange(file, 0, 1)), "{");
});

test("openFile() streams independently of each other", async () => {
  await using file = await openFile(FIXTURE);
  const expected = await readAll(file.slice(0, 4096).stream());
  const ranges = Array.from({ length: 64 }, (_, index) => index * 64);
  const parts = await Promise.all(
    ranges.map((start) => readAll(file.slice(start, start + 64).stream())),
  );
  parts.forEach((part, index) => assertEquals(part, expected.slice(index * 64, index * 64 + 64)));
});

test("openFile() streams stop reading when they are cancelled, at any moment", async () => {
  await using file = await openFile(FIXTURE);
  await file.slice(0, file.size).stream().cancel();
  const early = file.slice(0, file.size).stream().getReader();
  const first = early.read();
  await early.cancel();
  await first;
  const late = file.slice(0, file.size).stream().getReader();
  assert(((await late.read()).value?.length ?? 0) > 0);
  await late.cancel();
  assert((await late.read()).done);
});

test("openFile() hands out pieces that stay as they are", async () => {
  await using file = await openFile(FIXTURE);
  const pieces: Uint8Array[] = [];
  const copies: Uint8Array[] = [];
  for (let start = 0; start < 8192; start += 512) {
    for await (const piece of file.slice(start, start + 512).stream()) {
      pieces.push(piece);
      copies.push(piece.slice());
    }
  }
  assertEquals(pieces, copies);
});

test("openFile() refuses to read a file that was closed", async () => {
  const file = await openFile(FIXTURE);
  await file[Symbol.asyncDispose]();
  await file[Symbol.asyncDispose]();
  const error = await assertRejects(
    async () => await readAll(file.slice(0, 10).stream()),
    OciError,
  );
  assertMatch(error.message, /^Cannot read ".*": it has been closed$/);
  await assertRejects(async () => await readAll(file.slice(0, file.size).stream()), OciError);
});

test("openFile() says in one line why a file cannot be opened", async () => {
  const missing = await assertRejects(() => openFile("tests/no-such.tar"));
  assertInstanceOf(missing, OciError);
  assertEquals(missing.message, 'Cannot open "tests/no-such.tar": no such file');
  const directory = await assertRejects(() => openFile("tests"), OciError);
  assertEquals(directory.message, 'Cannot open "tests": it is a directory, expected a file');
  assertMatch(directory.hint ?? "", /tar -cf/);
});

test("openFile() refuses a device", async () => {
  const isUnix = !("Deno" in globalThis) || Deno.build.os !== "windows";
  if (!isUnix) return;
  const error = await assertRejects(() => openFile("/dev/null"), OciError);
  assertEquals(error.message, 'Cannot open "/dev/null": it is a pipe or device, expected a file');
});

/** Bytes of which the one at offset `n` is `n % 251`. */
function patterned(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => index % 251);
}

test("openFile() tells that a file has changed, was replaced, or is gone", async () => {
  await using folder = await temporaryFolder();
  const ask = async (change: (path: string) => Promise<unknown>) => {
    const path = await folder.write("file", "content");
    await using file = await openFile(path);
    const slice = file.slice(0, 7);
    await slice.checkUnchanged?.();
    await change(path);
    const error = await assertRejects(async () => await slice.checkUnchanged?.(), OciError);
    return error.message.replace(JSON.stringify(path), "FILE");
  };
  const changed = "Cannot read FILE: it has changed since it was opened";
  assertEquals(await ask((path) => runProcess("sh", ["-c", `printf x >> '${path}'`])), changed);
  assertEquals(
    await ask((path) =>
      runProcess("sh", ["-c", `cp -p '${path}' '${path}2' && mv '${path}2' '${path}'`])
    ),
    changed,
  );
  assertEquals(
    await ask((path) => runProcess("touch", ["-d", "2001-01-01", path])),
    changed,
  );
  assertEquals(
    await ask((path) => runProcess("rm", [path])),
    "Cannot read FILE: no such file",
  );
}, { skip: optionalProgram("sh").skip });
