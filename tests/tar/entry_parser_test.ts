import { assertEquals, assertThrows } from "@std/assert";
import { TarError } from "../../src/errors.ts";
import {
  EntryParser,
  MAX_ENTRIES,
  MAX_EXTENSION_BYTES,
  type ParsedEntry,
} from "../../src/tar/entry_parser.ts";
import { NotTarError } from "../../src/tar/header.ts";
import { explainHead } from "../../src/tar/not_a_tar.ts";
import {
  base256,
  GNU,
  header,
  join,
  paxRecords,
  record,
  type TarWriterEntry,
  V7,
  writeTar,
} from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const LONG = "long/".repeat(60) + "name";

/** All entries of a tar in memory, as a driver of the parser would find them. */
function parseAll(tar: Uint8Array): ParsedEntry[] {
  const parser = new EntryParser();
  const entries: ParsedEntry[] = [];
  while (!parser.ended) {
    const bytes = tar.subarray(parser.offset, parser.offset + parser.needs);
    if (bytes.length < parser.needs) {
      parser.finish(bytes);
      break;
    }
    const entry = parser.push(bytes);
    if (entry) entries.push(entry);
  }
  return entries;
}

function only(entry: TarWriterEntry): ParsedEntry | undefined {
  return parseAll(writeTar([entry]))[0];
}

test("EntryParser joins prefix and name", () => {
  const path = "p".repeat(120) + "/" + "n".repeat(90);
  assertEquals(only({ path })?.path, path);
});

test("EntryParser applies long names and link targets of PAX and GNU", () => {
  for (const format of ["pax", "gnu"] as const) {
    const entry = only({ path: LONG, type: "symlink", linkname: "../" + LONG, format });
    assertEquals(entry?.path, LONG);
    assertEquals(entry?.header.linkname, "../" + LONG);
  }
});

test("EntryParser uses the PAX size for the body, above 8 GiB too", () => {
  const size = 9 * 2 ** 30 + 5;
  const entry = parseAll(
    join([
      record("x", paxRecords({ size: String(size) })),
      header({ size: 0 }),
    ]).slice(),
  )[0];
  assertEquals(entry?.header.size, size);
  const inner = writeTar([{ path: "smuggled" }], { end: 0 });
  const tar = join([
    record("x", paxRecords({ size: "512" })),
    header({ name: "outer", size: 0 }),
    inner,
    writeTar([{ path: "after" }]),
  ]);
  assertEquals(parseAll(tar).map(({ path }) => path), ["outer", "after"]);
});

test("EntryParser reads base-256 sizes", () => {
  assertEquals(parseAll(header({ size: base256(2n ** 40n) }))[0]?.header.size, 2 ** 40);
});

test("EntryParser applies PAX to the next file only, not to GNU records between", () => {
  const tar = join([
    record("x", paxRecords({ size: "3", mtime: "0" })),
    record("L", LONG + "\0"),
    header({ magic: GNU, size: 0 }),
    new TextEncoder().encode("abc").slice(),
    new Uint8Array(509),
    writeTar([{ path: "next", body: "four" }]),
  ]);
  assertEquals(
    parseAll(tar).map(({ path, header }) => [path, header.size]),
    [[LONG, 3], ["next", 4]],
  );
});

test("EntryParser refuses two extension records of one kind for one entry", () => {
  const cases: [string, Uint8Array, Uint8Array][] = [
    ["PAX", record("x", paxRecords({ path: "one" })), record("x", paxRecords({ size: "3" }))],
    ["PAX", record("x", paxRecords({ path: "one" })), record("X", paxRecords({ path: "one" }))],
    ["GNU long name", record("L", "one\0"), record("L", "two\0")],
    ["GNU long link", record("K", "one\0"), record("K", "two\0")],
  ];
  for (const [kind, first, second] of cases) {
    const between = record("g", paxRecords({ comment: "any number of these" }));
    const tar = join([first, between, between, second, writeTar([{ path: "a", linkname: "b" }])]);
    const error = assertThrows(() => parseAll(tar), TarError, `the second ${kind} record`);
    assertEquals(error.offset, first.length + 2 * between.length);
  }
  const apart = writeTar([{ path: LONG, format: "gnu" }, { path: LONG + 2, format: "gnu" }]);
  assertEquals(parseAll(apart).map(({ path }) => path), [LONG, LONG + 2]);
});

test("EntryParser applies global records to all entries, under those of one entry", () => {
  const tar = writeTar([
    { path: "a", global: { linkpath: "everywhere", comment: "0123" }, type: "symlink" },
    { path: "b", type: "symlink", pax: { linkpath: "here" } },
    { path: "c", type: "symlink", linkname: "own", pax: { linkpath: "" } },
    { path: "d", type: "symlink", linkname: "own" },
  ]);
  assertEquals(parseAll(tar).map(({ header }) => header.linkname), [
    "everywhere",
    "here",
    "own",
    "everywhere",
  ]);
  assertEquals(
    parseAll(join([record("g", paxRecords({ comment: "x" })), new Uint8Array(1024)])),
    [],
  );
});

test("EntryParser keeps the header's size where PAX takes back a global one", () => {
  const tar = join([
    record("g", paxRecords({ size: "7" })),
    record("x", "8 size=\n"),
    header({ size: 0 }),
    header({ size: 0 }),
  ]);
  assertEquals(parseAll(tar).map(({ header }) => header.size), [0, 7]);
});

test("EntryParser refuses PAX and GNU names that differ", () => {
  const both = (pax: string) =>
    join([
      record("x", paxRecords({ path: pax })),
      record("L", "gnu\0"),
      writeTar([{ path: "short" }]),
    ]);
  assertEquals(parseAll(both("gnu"))[0]?.path, "gnu");
  const error = assertThrows(() => parseAll(both("pax")), TarError);
  assertEquals(
    error.message,
    'Cannot read tar entry "gnu" at byte 2048: PAX path is "pax", expected the same as the GNU one',
  );
});

test("EntryParser reads no body of links, directories, devices and pipes", () => {
  for (const typeflag of ["1", "2", "3", "4", "5", "6"]) {
    const tar = join([header({ typeflag, size: 1024 }), writeTar([{ path: "next" }])]);
    assertEquals(parseAll(tar).map(({ header }) => header.size), [0, 0], typeflag);
  }
});

test("EntryParser tells V7 directories by their name", () => {
  const tar = join([
    header({ magic: V7, typeflag: "\0", name: "a/" }),
    header({ magic: V7, typeflag: "\0", name: "a/b" }),
    new Uint8Array(1024),
  ]);
  assertEquals(parseAll(tar).map(({ header }) => header.typeflag), ["5", "0"]);
});

test("EntryParser refuses sparse files", () => {
  const cases = [
    writeTar([{ path: "s", type: "S", format: "gnu" }]),
    writeTar([{ path: "s", pax: { "GNU.sparse.major": "1", "GNU.sparse.name": "s" } }]),
    writeTar([{ path: "s", pax: { "GNU.sparse.map": "0,1", "GNU.sparse.size": "5" } }]),
    writeTar([{ path: "s", global: { "GNU.sparse.major": "1" } }]),
  ];
  for (const tar of cases) {
    const error = assertThrows(() => parseAll(tar), TarError, "it is a sparse file");
    assertEquals(error.entry, "s");
    assertEquals(error.hint?.includes("bsdtar --format=gnutar -cf - @FILE"), true);
  }
});

test("EntryParser accepts missing end blocks, one of them, and anything after two", () => {
  const entries = [{ path: "a", body: "a" }];
  const garbage = new Uint8Array(700).fill(0x41);
  for (
    const tar of [
      writeTar(entries, { end: 0 }),
      writeTar(entries, { end: 1 }),
      writeTar(entries),
      writeTar(entries, { end: 20 }),
      join([writeTar(entries), garbage]),
    ]
  ) assertEquals(parseAll(tar).map(({ path }) => path), ["a"]);
  assertEquals(parseAll(new Uint8Array(512)), []);
  assertEquals(parseAll(new Uint8Array(10_240)), []);
});

test("EntryParser refuses data after a single zero block", () => {
  const tar = join([writeTar([{ path: "a" }], { end: 1 }), writeTar([{ path: "b" }])]);
  assertThrows(
    () => parseAll(tar),
    TarError,
    "Cannot read tar at byte 1024: data follows a single zero block, expected a second one",
  );
});

test("EntryParser refuses an end that comes after an extension record", () => {
  for (
    const [typeflag, content] of [["x", paxRecords({ path: "a" })], ["L", "a\0"], [
      "x",
      "",
    ]] as const
  ) {
    for (const end of [0, 1, 2]) {
      assertThrows(
        () => parseAll(join([record(typeflag, content), new Uint8Array(end * 512)])),
        TarError,
        "tar ends after an extension record, expected its entry",
      );
    }
  }
});

test("EntryParser refuses empty and tiny input as not a tar archive", () => {
  const empty = assertThrows(
    () => parseAll(new Uint8Array(0)),
    NotTarError,
    "input is not a tar archive, it has 0 bytes",
  );
  assertEquals(
    explainHead(empty)?.message,
    "Cannot read tar at byte 0: input is not a tar archive, it is empty",
  );
  assertThrows(
    () => parseAll(new Uint8Array(511)),
    TarError,
    "input is not a tar archive, it has 511 bytes, expected at least 512",
  );
});

test("EntryParser limits the extension records of one entry", () => {
  const one = record("g", paxRecords({ comment: "c".repeat(MAX_EXTENSION_BYTES - 4096) }));
  assertEquals(parseAll(join([one, writeTar([{ path: "a" }]), ""])).length, 1);
  assertEquals(
    parseAll(join([
      one,
      writeTar([{ path: "a" }], { end: 0 }),
      one,
      writeTar([{ path: "b" }]),
    ])).length,
    2,
  );
  assertThrows(() => parseAll(join([one, one])), TarError, "expected at most 1048576");
  const headers = Array.from({ length: 2100 }, () => record("g", ""));
  assertThrows(() => parseAll(join(headers)), TarError, "expected at most 1048576");
  assertThrows(
    () => parseAll(header({ typeflag: "L", size: base256(2n ** 50n) })),
    TarError,
    "expected at most 1048576",
  );
});

test("EntryParser limits the number of entries", () => {
  const parser = new EntryParser();
  const block = header();
  for (let count = 0; count < MAX_ENTRIES; count++) parser.push(block);
  const error = assertThrows(() => parser.push(block), TarError);
  assertEquals(
    error.message,
    'Cannot read tar entry "name" at byte 512000000: it is one more than the 1000000 entries that are read',
  );
});

test("EntryParser refuses a body that would end beyond what numbers hold", () => {
  const tar = join([record("x", paxRecords({ size: String(2 ** 53 - 1) })), header()]);
  assertThrows(
    () => parseAll(tar),
    TarError,
    "size is 9007199254740991, expected an end below 2^53",
  );
});

test("EntryParser escapes control characters of names in messages", () => {
  const error = assertThrows(
    () => parseAll(writeTar([{ path: "\x1b]0;title\x07\x9b31m", type: "S" }])),
    TarError,
  );
  assertEquals(
    error.message,
    'Cannot read tar entry "\\u001b]0;title\\u0007\\u009b31m" at byte 0: ' +
      "it is a sparse file, expected one stored in full",
  );
  assertEquals(error.entry, "\x1b]0;title\x07\x9b31m");
});
