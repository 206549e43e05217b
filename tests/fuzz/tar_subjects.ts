import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { TarError } from "../../src/errors.ts";
import { bytesSource } from "../../src/source/blob_source.ts";
import { MAX_NAME_BYTES, parsePax } from "../../src/tar/extensions.ts";
import { headerPath, paddedSize, parseHeader } from "../../src/tar/header.ts";
import { seededBytes } from "../helpers/archives.ts";
import {
  readByReference,
  readByScan,
  readByStream,
  type TarReading,
} from "../helpers/tar_readers.ts";
import { GNU, header, join, pad, paxRecords, record, USTAR, V7 } from "../helpers/tar_writer.ts";
import {
  anyBytesMutation,
  type Bytes,
  chunkSizes,
  fieldChange,
  mutate,
  repairChecksum,
  setField,
  streamOf,
  tarMutation,
} from "./mutations.ts";
import { subject } from "./subject.ts";

/** What an entry is, and in which of the formats' ways each part of it is written. */
interface EntryRecipe {
  format: "v7" | "ustar" | "pax" | "gnu";
  kind: "file" | "directory" | "symlink" | "link";
  path: string;
  linkname: string;
  body: { seed: number; length: number };
  mode: number;
  /** Records beside what the names need: other keys, and the size where the header lies about it. */
  extra: ("comment" | "mtime" | "size" | "size, header lies" | "path" | "gnu path")[];
}

const letters = fc.constantFrom(..."abcXYZ019._-/ äö名\u{1F600}");
const name = fc.noShrink(fc.oneof(
  { arbitrary: fc.array(letters, { maxLength: 20 }), weight: 4 },
  { arbitrary: fc.array(letters, { minLength: 90, maxLength: 270 }), weight: 1 },
)).map((parts) => `n${parts.join("")}e`);

const entryRecipe: fc.Arbitrary<EntryRecipe> = fc.record({
  format: fc.constantFrom("v7", "ustar", "pax", "gnu"),
  kind: fc.constantFrom("file", "file", "file", "directory", "symlink", "link"),
  path: name,
  linkname: name,
  body: fc.record({
    seed: fc.integer(),
    length: fc.oneof(fc.constantFrom(0, 1, 511, 512, 513, 1024), fc.nat(3000)),
  }),
  mode: fc.nat(0o7777),
  extra: fc.subarray(["comment", "mtime", "size", "size, header lies", "path", "gnu path"], {
    maxLength: 2,
  }),
});

/** A tar: its entries, and how many zero blocks end it. */
interface TarRecipe {
  entries: EntryRecipe[];
  zeroBlocks: number;
}

const tarRecipe: fc.Arbitrary<TarRecipe> = fc.record({
  entries: fc.array(entryRecipe, { minLength: 1, maxLength: 8 }),
  // Fewer than two are read here, too; modern-tar refuses them.
  zeroBlocks: fc.constantFrom(2, 2, 3, 18),
});

function makeTar({ entries, zeroBlocks }: TarRecipe): Bytes {
  return join([...entries.flatMap(writeEntry), new Uint8Array(zeroBlocks * 512)]);
}

const TYPEFLAGS = { file: "0", directory: "5", symlink: "2", link: "1" };

function pathOf({ kind, path }: EntryRecipe): string {
  return kind === "directory" ? `${path}/` : path;
}

function linkOf({ kind, linkname }: EntryRecipe): string {
  return kind === "symlink" || kind === "link" ? linkname : "";
}

function bodyOf({ kind, body }: EntryRecipe): Bytes {
  return kind === "file" ? seededBytes(body.seed, body.length) : new Uint8Array(0);
}

function writeEntry(entry: EntryRecipe): Uint8Array[] {
  const { format, extra } = entry;
  const [path, linkname, body] = [pathOf(entry), linkOf(entry), bodyOf(entry)];
  const pax: Record<string, string> = {};
  const gnu: Uint8Array[] = [];
  // V7 and ustar have no room for long names: they get a record, as some writers do.
  const isGnu = format === "gnu" || (format === "v7" && extra.includes("gnu path"));
  if (!fits(path) || extra.includes("path") || extra.includes("gnu path")) {
    if (isGnu) gnu.push(record("L", `${path}\0`));
    else pax.path = path;
  }
  if (!fits(linkname)) {
    if (isGnu) gnu.push(record("K", `${linkname}\0`));
    else pax.linkpath = linkname;
  }
  if (extra.includes("comment")) pax["comment"] = `a=b\n${path}`;
  if (extra.includes("mtime")) pax["mtime"] = "1.5";
  const lies = entry.kind === "file" && extra.includes("size, header lies");
  if (lies || extra.includes("size")) pax["size"] = `${body.length}`;
  return [
    // modern-tar forgets a PAX record when a GNU one follows it.
    ...gnu,
    ...(Object.keys(pax).length > 0 ? [record("x", paxRecords(pax))] : []),
    header({
      name: cut(path),
      linkname: cut(linkname),
      typeflag: format === "v7" && entry.kind === "file" ? "\0" : TYPEFLAGS[entry.kind],
      size: lies ? 7 : body.length,
      mode: entry.mode,
      magic: format === "v7" ? V7 : format === "gnu" ? GNU : USTAR,
    }),
    pad(body),
  ];
}

function fits(name: string): boolean {
  return new TextEncoder().encode(name).length <= 100;
}

function cut(name: string): string {
  let kept = name.slice(0, 100);
  while (!fits(kept)) kept = kept.slice(0, -1);
  return kept;
}

/** What every message must be: free of what steers a terminal, and short. */
function checkError(error: unknown): asserts error is TarError {
  assert(error instanceof TarError, `${error}`);
  assert(!/\p{Cc}/u.test(error.message), JSON.stringify(error.message));
  // Two names, each cut to 256 characters, all of which may have to be escaped with six.
  assert(error.message.length < 3500, `${error.message.length} characters`);
  assert(Number.isSafeInteger(error.offset) && error.offset >= 0, `offset ${error.offset}`);
}

const validTar = subject(
  "tar-valid",
  60,
  fc.tuple(tarRecipe, chunkSizes),
  async ([recipe, sizes], tally) => {
    const tar = makeTar(recipe);
    const expected = recipe.entries.map((entry) =>
      toLine(pathOf(entry), TYPEFLAGS[entry.kind], linkOf(entry), bodyOf(entry))
    );
    const check = (reading: TarReading, reader: string) => {
      if (reading.error) throw new Error(reader, { cause: reading.error });
      assertEquals(linesOf(reading), expected, reader);
    };
    check(await readByReference(tar), "modern-tar");
    check(await readByStream(streamOf(tar, sizes)), "UntarStream");
    check(await readByScan(bytesSource(tar)), "scanTar()");
    tally("read alike by all three");
  },
);

const mutatedTar = subject(
  "tar-mutated",
  150,
  fc.record({
    recipe: tarRecipe,
    other: tarRecipe,
    spliceAt: fc.option(fc.nat(), { freq: 2 }),
    mutations: fc.array(tarMutation, { minLength: 1, maxLength: 4 }),
    sizes: chunkSizes,
    sizesAgain: chunkSizes,
    /** Which bodies are left unread, over and over. */
    skips: fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }),
  }),
  async ({ recipe, other, spliceAt, mutations, sizes, sizesAgain, skips }, tally) => {
    const whole = makeTar(recipe);
    const spliced = spliceAt === null
      ? whole
      : join([whole.subarray(0, spliceAt % (whole.length / 512) * 512), makeTar(other)]);
    const tar = mutate(spliced, mutations);
    const scanned = await readByScan(bytesSource(tar));
    for (const pieces of [sizes, sizesAgain]) {
      assertAlike(await readByStream(streamOf(tar, pieces)), scanned);
    }
    const skipped = await readByStream(
      streamOf(tar, sizes),
      (index) => skips[index % skips.length] === true,
    );
    assertEquals(skipped.error?.message, scanned.error?.message);
    await compareWithReference(tar, scanned, tally);
    if (scanned.error) checkError(scanned.error);
    tally(scanned.error ? "refused" : "read");
  },
);

/** Entries as lines, for comparing and for reading. */
function linesOf({ entries }: TarReading): string[] {
  return entries.map(({ path, typeflag, linkname, body }) =>
    toLine(path, typeflag, linkname, body)
  );
}

function toLine(path: string, typeflag: string, linkname: string, body: Uint8Array): string {
  let hash = 0x811c9dc5; // FNV-1a
  for (const byte of body) hash = Math.imul(hash ^ byte, 0x01000193);
  const link = linkname === "" ? "" : ` -> ${JSON.stringify(linkname)}`;
  return `${typeflag} ${JSON.stringify(path)}${link} ${body.length} ${(hash >>> 0).toString(16)}`;
}

/** The stream gives an entry before it can know that its body is cut short. */
function assertAlike(streamed: TarReading, scanned: TarReading): void {
  assertEquals(streamed.error?.message, scanned.error?.message);
  const { length } = scanned.entries;
  assert(streamed.entries.length - length <= (scanned.error ? 1 : 0), "too many entries");
  assertEquals(linesOf(streamed).slice(0, length), linesOf(scanned));
}

/** What is read as a tar here must not be another tar to an independent reader. */
async function compareWithReference(
  tar: Bytes,
  scanned: TarReading,
  tally: (outcome: string) => void,
): Promise<void> {
  if (scanned.error || isBeyondReference(tar)) return;
  const reference = await readByReference(tar);
  if (reference.error) return tally("read here, refused by modern-tar");
  assertEquals(linesOf(asReference(scanned)), linesOf(asReference(reference)), "modern-tar");
}

/** Whether an extension record follows a PAX one, which modern-tar then forgets, or is of the kind that it does not know. */
function isBeyondReference(tar: Bytes): boolean {
  const typeAt = (at: number) => String.fromCharCode(tar[at + 156] ?? 0);
  for (let at = 0; at + 512 <= tar.length; at += 512) {
    if (!/[xX]/.test(typeAt(at))) continue;
    try {
      const { size = 0 } = parseHeader(tar.subarray(at, at + 512), at) ?? {};
      if (typeAt(at) === "X") return true;
      if (/[LKgx]/.test(typeAt(at + 512 + paddedSize(size)))) return true;
    } catch {
      continue; // No header but a part of a body.
    }
  }
  return false;
}

/** Unknown types are files to modern-tar, and whatever ends in a slash is a directory. */
function asReference({ entries, error }: TarReading): TarReading {
  const changed = entries.map((entry) => {
    const typeflag = /[0-6]/.test(entry.typeflag) ? entry.typeflag : "0";
    const isDirectory = typeflag === "0" && entry.path.endsWith("/");
    return isDirectory || typeflag === "5"
      ? { ...entry, typeflag: "5", body: new Uint8Array(0) }
      : { ...entry, typeflag };
  });
  return { entries: changed, error };
}

const headerBlock = subject(
  "tar-header",
  2000,
  fc.record({
    format: fc.constantFrom(V7, USTAR, GNU, "ustar\x0000"),
    fields: fc.array(fieldChange, { maxLength: 3 }),
    mutations: fc.array(anyBytesMutation, { maxLength: 1 }),
    isRepaired: fc.nat(9).map((chance) => chance > 0),
    random: fc.oneof({ arbitrary: fc.constant(null), weight: 19 }, fc.integer()),
    offset: fc.constantFrom(0, 512, 10_240),
  }),
  ({ format, fields, mutations, isRepaired, random, offset }, tally) => {
    const start = random === null ? header({ magic: format, size: 5 }) : seededBytes(random, 512);
    for (const { field, value } of fields) setField(start, field, value);
    const mutated = mutate(start, mutations);
    const block = join([mutated, new Uint8Array(512)]).slice(0, 512);
    if (isRepaired) repairChecksum(block);
    examineHeader(block, offset, tally);
  },
);

function examineHeader(block: Bytes, offset: number, tally: (outcome: string) => void): void {
  let parsed;
  try {
    parsed = parseHeader(block, offset);
  } catch (error) {
    checkError(error);
    assertEquals(error.offset, offset);
    return tally("refused");
  }
  if (!parsed) {
    assert(block.every((byte) => byte === 0), "a block with content is none");
    return tally("zeros");
  }
  const { size, name, linkname, typeflag, checksum } = parsed;
  assert(Number.isSafeInteger(size) && size >= 0, `size ${size}`);
  assertEquals(size, sizeField(block), "size");
  for (const field of ["mode", "uid", "gid", "mtime"] as const) {
    // Beyond 2^53 they are rounded.
    assert(Number.isInteger(parsed[field]), `${field} ${parsed[field]}`);
  }
  assert(typeflag.length === 1, typeflag);
  assert(![name, linkname, headerPath(parsed)].some((text) => text.includes("\0")), "a NUL");
  assert(checksum <= 512 * 255, `checksum ${checksum}`);
  tally("read");
}

/** The size by big integers: octal digits behind spaces up to a space or NUL, or base-256. */
function sizeField(block: Bytes): number {
  const field = block.subarray(124, 136);
  if ((field[0] ?? 0) >= 0x80) {
    const hex = [...field].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return Number(BigInt.asUintN(95, BigInt(`0x${hex}`)));
  }
  const text = String.fromCharCode(...field);
  const digits = /^ *([0-7]*)[ \0]*$/.exec(text.replace(/\0[^]*$/, ""))?.[1];
  assert(digits !== undefined, `octal ${JSON.stringify(text)}`);
  return digits === "" ? 0 : Number(BigInt(`0o${digits}`));
}

const paxKey = fc.oneof(
  fc.constantFrom("path", "linkpath", "size", "mtime", "GNU.sparse.size", "SCHILY.xattr.user.x"),
  fc.string({ minLength: 1, maxLength: 10 }).filter((key) => !/[=\0]/.test(key)),
);

const paxRecord = subject(
  "tar-pax",
  600,
  fc.record({
    records: fc.array(
      fc.tuple(
        paxKey,
        fc.oneof(
          fc.string({ maxLength: 30 }),
          fc.string({ unit: "binary", maxLength: 30 }),
          fc.nat().map(String),
          fc.constantFrom("", "9".repeat(30), "-1", "x".repeat(MAX_NAME_BYTES)),
        ),
      ),
      { maxLength: 5 },
    ),
    mutations: fc.array(anyBytesMutation, { maxLength: 2 }),
  }),
  ({ records, mutations }, tally) => {
    const written = records.map(([key, value]) => paxRecords({ [key]: value }));
    const content = mutate(join(written), mutations);
    let overrides;
    try {
      overrides = parsePax(content, 512);
    } catch (error) {
      checkError(error);
      return tally("refused");
    }
    const { path, linkpath, size } = overrides;
    for (const name of [path, linkpath]) assert(!name?.includes("\0"), "a NUL in a name");
    assert(size === undefined || size === null || (Number.isSafeInteger(size) && size >= 0));
    if (mutations.length === 0) {
      const last = new Map(records);
      const toText = (value: string) => new TextDecoder().decode(new TextEncoder().encode(value));
      for (const key of ["path", "linkpath"] as const) {
        assertEquals(overrides[key], last.has(key) ? toText(last.get(key) ?? "") : undefined);
      }
      const stated = last.get("size");
      assertEquals(size, stated === undefined ? undefined : stated === "" ? null : Number(stated));
    }
    tally("read");
  },
);

/** What reads tar. */
export const tarSubjects = [validTar, mutatedTar, headerBlock, paxRecord];
