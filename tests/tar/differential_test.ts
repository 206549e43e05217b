import { assert, assertEquals } from "@std/assert";
import { packTar, type TarHeader } from "modern-tar";
import { FIXTURES, readFixtureTar } from "../helpers/expected.ts";
import {
  readByReference,
  readByScan,
  readByStream,
  type ReadEntry,
} from "../helpers/tar_readers.ts";
import { type TarWriterEntry, type TarWriterFormat, writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

type Bytes = Uint8Array<ArrayBuffer>;

async function assertAgree(tar: Bytes, message: string): Promise<ReadEntry[]> {
  const expected = await readByReference(tar);
  assertEquals(expected.error, undefined, message);
  assertEquals(await readByStream(new Blob([tar]).stream()), expected, `UntarStream, ${message}`);
  assertEquals(await readByScan(new Blob([tar])), expected, `scanTar(), ${message}`);
  return expected.entries;
}

/** Numbers that look random and are the same in each run (mulberry32). */
function randomNumbers(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const SIZES = [0, 1, 511, 512, 513, 1024, 4000, 70_000];
const FORMATS: TarWriterFormat[] = ["v7", "ustar", "pax", "gnu"];

function randomEntry(random: (below: number) => number): TarWriterEntry {
  const format = FORMATS[random(4)] ?? "ustar";
  const holdsLong = format === "pax" || format === "gnu";
  const name = () => {
    const letters = holdsLong ? "abcäö名/.-" : "abc/.-";
    const length = 1 + random(holdsLong ? 300 : 80);
    return "n" + Array.from({ length }, () => letters[random(letters.length)]).join("") + "e";
  };
  const entry = { path: name(), format, mode: random(0o10000), mtime: random(2 ** 31) };
  const kind = random(8);
  if (kind === 0) return { ...entry, type: "directory", path: entry.path + "/" };
  if (kind === 1) return { ...entry, type: "symlink", linkname: name() };
  if (kind === 2) return { ...entry, type: "link", linkname: name() };
  const body = new Uint8Array(SIZES[random(SIZES.length)] ?? 0).map(() => random(256));
  return { ...entry, body };
}

test("UntarStream and scanTar() agree with modern-tar on archives of all formats", async () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = randomNumbers(seed);
    const entries = Array.from({ length: 1 + random(20) }, () => randomEntry(random));
    const listed = await assertAgree(writeTar(entries), `seed ${seed}`);
    assertEquals(listed.map(({ path }) => path), entries.map(({ path }) => path));
  }
});

test("UntarStream and scanTar() read what modern-tar writes", async () => {
  for (let seed = 0; seed < 30; seed++) {
    const random = randomNumbers(1000 + seed);
    const entries = Array.from({ length: 1 + random(20) }, () => {
      const { path, body, linkname, type = "file", mode = 0, mtime = 0 } = randomEntry(random);
      const data = body instanceof Uint8Array ? body : new Uint8Array(0);
      const header: TarHeader = {
        name: path,
        size: data.length,
        type: type as "file" | "directory",
        mode,
        mtime: new Date(mtime * 1000),
        ...(linkname === undefined ? {} : { linkname }),
      };
      return { header, body: data };
    });
    const listed = await assertAgree(await packTar(entries), `seed ${seed}`);
    assertEquals(listed.map(({ path }) => path), entries.map(({ header }) => header.name));
  }
});

for (const name of FIXTURES.keys()) {
  test(`UntarStream and scanTar() agree with modern-tar on ${name}`, async () => {
    assert((await assertAgree(await readFixtureTar(name), name)).length > 0);
  });
}
