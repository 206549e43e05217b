import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { checkArchive } from "../../src/archive/check_archive.ts";
import type { ArchivePart } from "../../src/archive/check_joins.ts";
import { joinParts, type JoinPartsOptions } from "../../src/archive/join_parts.ts";
import { digestBytes, digestHex } from "../../src/digest.ts";
import { ArchiveError, TarError } from "../../src/errors.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import type { BlobSource } from "../../src/source/blob_source.ts";
import { formatPartList, PartSummary } from "../../src/source/part_list.ts";
import {
  type Bytes,
  dockerSave,
  gzip,
  makeImage,
  makeLayer,
  OciLayout,
  seededBytes,
} from "../helpers/archives.ts";
import { zstdFrame } from "../helpers/compressed.ts";
import { assertClear, readBack } from "../helpers/expected.ts";
import { withValue } from "../helpers/globals.ts";
import { type TarWriterEntry, writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const PART_BYTES = 200_000;

/** An image with a layer that is in several parts, so that only its digest tells whether they fit. */
async function makeLayout(seed: number): Promise<TarWriterEntry[]> {
  const body = seededBytes(seed, 4 * PART_BYTES);
  const large = await makeLayer(writeTar([{ path: "large", body }]));
  const layout = await OciLayout.of(await makeImage([large, "small"]), { ref: "v1" });
  return layout.entries();
}

async function makeDocker(compression?: "gzip"): Promise<TarWriterEntry[]> {
  const body = seededBytes(1, 4 * PART_BYTES);
  const large = await makeLayer(writeTar([{ path: "large", body }]), compression);
  const image = await makeImage([large, "small"]);
  return dockerSave([{ image, repoTags: ["app:1"] }]);
}

function split(bytes: Bytes, stem = "app.tar.", size = PART_BYTES): ArchivePart[] {
  const parts: ArchivePart[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const name = `${stem}${`${parts.length + 1}`.padStart(3, "0")}`;
    parts.push({ name, source: new Blob([bytes.slice(at, at + size)]) });
  }
  return parts;
}

async function bytesOf(source: BlobSource): Promise<Bytes> {
  return await new Response(source.slice(0, source.size).stream()).bytes();
}

/** What `save --split` writes beside the parts. */
async function ownList(parts: readonly ArchivePart[]): Promise<string> {
  const listed = [];
  for (const { name, source } of parts) {
    const summary = await PartSummary.start();
    await summary.update(await bytesOf(source));
    listed.push(await summary.finish(name));
  }
  return formatPartList(listed);
}

/** What `sha256sum app.tar.*` writes. */
async function plainList(parts: readonly ArchivePart[]): Promise<string> {
  const lines = parts.map(async ({ name, source }) =>
    `${digestHex(await digestBytes(await bytesOf(source)))}  ${name}\n`
  );
  return (await Promise.all(lines)).join("");
}

// The same in each run: now and then noise in the place of a part decodes as what it is not, up to the part behind it.
const layout = writeTar(await makeLayout(1));
const other = split(writeTar(await makeLayout(2)));
const ARCHIVES: [what: string, bytes: Bytes][] = [
  ["an OCI layout", layout],
  ["a docker save", writeTar(await makeDocker())],
  ["a docker save with gzip layers", writeTar(await makeDocker("gzip"))],
  ["a tar.gz", await gzip(layout)],
  ["a tar.zst", await zstdFrame(layout)],
];

const LISTS: [
  what: string,
  make: (parts: readonly ArchivePart[]) => Promise<string | undefined>,
][] = [
  ["no list", () => Promise.resolve(undefined)],
  ["the list of sha256sum", plainList],
  ["its own list", ownList],
];

/** What can be wrong with parts, and what has to be said. */
const FAULTS: [
  what: string,
  change: (parts: ArchivePart[]) => ArchivePart[],
  named: RegExp,
][] = [
  ["without its last part", (parts) => parts.slice(0, -1), /"app\.tar\.00[456]"/],
  ["without its first part", (parts) => parts.slice(1), /"app\.tar\.001" is missing/],
  ["without one in the middle", ([a, , ...rest]) => keep(a, ...rest), /"app\.tar\.002" is missing/],
  ["with a part that was cut", (parts) => replace(parts, 2, cut), /"app\.tar\.003"/],
  ["out of order", ([a, b, c, ...rest]) => keep(a, c, b, ...rest), /"app\.tar\.002".*after/],
  ["with a part twice", ([a, b, ...rest]) => keep(a, b, b, ...rest), /"app\.tar\.002".*twice/],
  [
    "with a part of another archive",
    (parts) => replace(parts, 2, () => ({ name: "zap.tar.003", source: part(other, 2).source })),
    /"zap\.tar\.003"/,
  ],
  // The names are right, and what stands under them is not.
  [
    "with a part under another's name",
    (parts) => replace(parts, 2, () => part(parts, 1)),
    /"app\.tar\.00[23]"/,
  ],
  [
    "with two names exchanged",
    (parts) => replace(replace(parts, 1, () => part(parts, 2)), 2, () => part(parts, 1)),
    /"app\.tar\.00[23]"/,
  ],
  [
    "with a part of another archive under a name of its own",
    (parts) => replace(parts, 2, () => part(other, 2)),
    /"app\.tar\.00[23]"/,
  ],
];

function keep(...parts: (ArchivePart | undefined)[]): ArchivePart[] {
  return parts.filter((part) => part !== undefined);
}

function part(parts: readonly ArchivePart[], at: number): ArchivePart {
  const found = parts[at];
  if (!found) throw new Error(`no part ${at}`);
  return found;
}

/** Puts other content under a name, or another part in a place. */
function replace(
  parts: readonly ArchivePart[],
  at: number,
  change: (part: ArchivePart) => ArchivePart,
): ArchivePart[] {
  const changed = change(part(parts, at));
  const name = changed.name.startsWith("app.") ? part(parts, at).name : changed.name;
  return parts.with(at, { name, source: changed.source });
}

function cut({ name, source }: ArchivePart): ArchivePart {
  return { name, source: (source as Blob).slice(0, PART_BYTES / 2) };
}

for (const [what, bytes] of ARCHIVES) {
  for (const [listed, makeList] of LISTS) {
    test(`joinParts() makes ${what} of its parts, with ${listed}`, async () => {
      const parts = split(bytes);
      assert(parts.length >= 5);
      const options = { checksums: await makeList(parts) };
      for (const verify of ["auto", "all", "none"] as const) {
        assertEquals((await joinParts(parts, { ...options, verify })).size, bytes.length);
      }
      const registry = createRegistry();
      const joined = await joinParts(parts, options);
      await pushImage(joined, "localhost:5000/app:1", { fetch: registry });
      await readBack(registry, "app", "1");
      assert((await checkArchive(joined)).ok);
    });

    for (const [fault, change, named] of FAULTS) {
      test(`joinParts() refuses ${what} ${fault}, with ${listed}`, async () => {
        const parts = split(bytes);
        const checksums = await makeList(parts);
        const error = await assertRejects(
          () => joinParts(change(parts), { checksums }),
          ArchiveError,
        );
        assertStringIncludes(error.message, "app.tar");
        assert(named.test(error.message), error.message);
      });
    }
  }
}

test("joinParts() says of parts that do not fit what length, ends and list tell", async () => {
  const parts = split(layout);
  const lists = await Promise.all(LISTS.map(([, makeList]) => makeList(parts)));
  const [none, plain, own] = lists;
  const exchanged = replace(parts, 1, () => part(parts, 2));
  const content = 'it has the content of "app.tar.003", by the checksum file';
  const shorter = replace(parts, 2, cut);
  const cases: [parts: ArchivePart[], checksums: string | undefined, state: string][] = [
    [exchanged, plain, `"app.tar.002" as a part: ${content}`],
    [exchanged, own, `"app.tar.002" as a part: ${content}`],
    [exchanged, none, '"app.tar.003" as a part: it is the same as "app.tar.002"'],
    [
      shorter,
      own,
      '"app.tar.003" as a part: it was cut: it has 100000 bytes, expected 200000 by the checksum file',
    ],
    [shorter, none, '"app.tar.003" as a part: it was cut: it has 100000 bytes, others have 200000'],
  ];
  for (const [given, checksums, state] of cases) {
    await assertRejects(() => joinParts(given, { checksums }), ArchiveError, `Cannot use ${state}`);
  }
  // Nothing is to be read, and so the tar has to tell.
  const options = { checksums: plain, verify: "none" } as const;
  await assertRejects(() => joinParts(shorter, options), ArchiveError, "it was cut");
});

async function countRead(parts: readonly ArchivePart[], options: JoinPartsOptions) {
  let read = 0;
  const counted = parts.map(({ name, source }) => ({
    name,
    source: {
      size: source.size,
      slice: (start: number, end: number) => {
        read += Math.min(end, source.size) - start;
        return source.slice(start, end);
      },
    },
  }));
  await joinParts(counted, options);
  return read;
}

test("joinParts() reads little more than the ends of parts whose list tells of them", async () => {
  const parts = split(layout, undefined, 800_000);
  const read = await countRead(parts, { checksums: await ownList(parts) });
  assert(read <= 2 * 64 * 1024 * parts.length, `${read} bytes`);
  // A list without lengths costs a look at everything, unless nobody wants that.
  const checksums = await plainList(parts);
  assert(await countRead(parts, { checksums }) >= layout.length);
  assert(await countRead(parts, { checksums, verify: "none" }) < 200_000);
  assert(await countRead(parts, { verify: "none" }) < 200_000);
  const packed = split(await gzip(layout), undefined, 800_000);
  assert(await countRead(packed, { verify: "none" }) < 200_000);
});

test("joinParts() reads all with verify: all, and finds what the ends do not tell", async () => {
  const parts = split(layout);
  const checksums = await ownList(parts);
  const bytes = await bytesOf(part(parts, 1).source);
  bytes[PART_BYTES / 2] = ~(bytes[PART_BYTES / 2] ?? 0);
  const damaged = replace(parts, 1, ({ name }) => ({ name, source: new Blob([bytes]) }));
  await joinParts(damaged, { checksums });
  await assertRejects(
    () => joinParts(damaged, { checksums, verify: "all" }),
    ArchiveError,
    'Cannot use "app.tar.002" as a part: it is damaged, or of another archive: its SHA-256 is',
  );
});

test("joinParts() takes the parts of split whatever it calls them", async () => {
  const all = split(layout);
  const count = all.length;
  const series: [what: string, names: (at: number) => string][] = [
    ["numbers from 0", (at) => `app.tar.${`${at}`.padStart(2, "0")}`],
    ["numbers without zeros", (at) => `app.tar.part${at + 8}`],
    ["numbers from 7", (at) => `app-1.0.tar.${at + 7}`],
    ["letters", (at) => `app-1.0.tar.a${String.fromCharCode(97 + at)}`],
    ["letters alone", (at) => `xa${String.fromCharCode(97 + at)}`],
    [
      "more letters after a while",
      (at) => ["app.tar.yy", "app.tar.yz"][at] ?? `app.tar.zaa${"abcdef"[at - 2]}`,
    ],
    [
      "more digits after a while",
      (at) => ["app.tar.88", "app.tar.89"][at] ?? `app.tar.${8998 + at}`,
    ],
    ["a number in the middle", (at) => `app.part${at + 1}of${count}.tar`],
    ["words", (at) => ["one", "two", "three", "four", "five", "six"][at] ?? `more-${at}.bin`],
  ];
  for (const [what, nameOf] of series) {
    const parts = all.map(({ source }, at) => ({ name: nameOf(at), source }));
    assertEquals((await joinParts(parts)).size, layout.length, what);
    const turned = keep(parts[0], parts[2], parts[1], ...parts.slice(3));
    await assertRejects(() => joinParts(turned), ArchiveError, "as a part", what);
  }
  // Of names that tell no order, a list does.
  const words = all.map(({ source }, at) => ({ name: series.at(-1)?.[1](at) ?? "", source }));
  const checksums = await plainList(words);
  const turned = keep(words[1], words[0], ...words.slice(2));
  await assertRejects(
    () => joinParts(turned, { checksums }),
    ArchiveError,
    'Cannot use "one" as a part: it comes after "two", expected the order of the checksum file',
  );
});

test("joinParts() takes parts of several lengths, and blames none for its own", async () => {
  // As split -n 7 makes them: the last is longer.
  const size = Math.floor(layout.length / 7);
  assert(size * 7 < layout.length);
  const parts = split(layout.slice(0, 7 * size), undefined, size);
  const rest = layout.slice(6 * size);
  const uneven = parts.with(6, { name: "app.tar.007", source: new Blob([rest]) });
  assertEquals((await joinParts(uneven)).size, layout.length);
  const [first, second, third, ...more] = uneven;
  assert(first && second && third);
  const turned = [first, { ...second, source: third.source }, { ...third, source: second.source }];
  const error = await assertRejects(() => joinParts([...turned, ...more]), ArchiveError);
  assertStringIncludes(error.message, 'Cannot use "app.tar.002" as a part: it does not go on');
});

test("joinParts() does not take a list of something else for that of the parts", async () => {
  const parts = split(layout);
  const whole = digestHex(await digestBytes(layout));
  for (const checksums of [`${whole}  app.tar\n`, "", "no list\n", `${whole}  other.tar.001\n`]) {
    assertEquals((await joinParts(parts, { checksums })).size, layout.length);
  }
  // It knows some of them, and not this.
  const [first, ...rest] = (await plainList(parts)).split("\n");
  const error = await assertRejects(
    () => joinParts(parts, { checksums: rest.join("\n") }),
    ArchiveError,
  );
  assertEquals(
    error.message,
    'Cannot use "app.tar.001" as a part: the checksum file does not know it, expected one of its parts',
  );
  assert(first);
});

test("joinParts() does without ReadableStream.from, as browsers made of Chromium", async () => {
  for (const bytes of [layout, await gzip(layout)]) {
    await withValue(ReadableStream, "from", undefined, async () => {
      const joined = await joinParts(split(bytes));
      assertEquals(await bytesOf(joined), bytes);
    });
  }
});

test("joinParts() refuses no parts, and empty ones", async () => {
  await assertRejects(() => joinParts([]), TypeError, "there are none");
  const parts = split(layout);
  await assertRejects(
    () => joinParts(parts.with(1, { name: "app.tar.002", source: new Blob([]) })),
    ArchiveError,
    'Cannot use "app.tar.002" as a part: it is empty',
  );
});

test("joinParts() ends with the signal", async () => {
  const signal = AbortSignal.abort(new Error("stop"));
  const parts = split(layout);
  await assertRejects(() => joinParts(parts, { signal }), Error, "stop");
  const checksums = await plainList(parts);
  await assertRejects(() => joinParts(parts, { signal, checksums }), Error, "stop");
});

/** Refuses parts with no list beside them, and gives the message. */
async function refusal(
  parts: readonly ArchivePart[],
  verify: "auto" | "none" = "auto",
): Promise<string> {
  return (await assertRejects(() => joinParts(parts, { verify }), ArchiveError)).message;
}

test("joinParts() tells of a tar that has no end", async () => {
  const open = writeTar([{ path: "a", body: new Uint8Array(3 * 512) }], { end: 0 });
  for (const verify of ["none", "auto"] as const) {
    assertEquals(
      await refusal(split(distinct(open), undefined, 1024), verify),
      'Cannot use the parts: what follows "app.tar.002" is missing, the tar has no end',
    );
  }
  assertEquals(
    await refusal(split(distinct(open), undefined, 1536)),
    'Cannot use "app.tar.002" as a part: it is the last that was given, and the tar has no end: it was cut, or the parts behind it are missing',
  );
  const error = await refusal(split(await gzip(distinct(open)), undefined, 100));
  assertStringIncludes(error, "the tar has no end");
  const packed = split(await gzip(layout));
  assertEquals(
    await refusal(packed.slice(0, -1)),
    `Cannot use the parts: what follows "${
      packed.at(-2)?.name
    }" is missing, its gzip data does not end`,
  );
});

test("joinParts() takes a wrong sum for no cut alone", async () => {
  const packed = await gzip(layout);
  const sum = packed.length - 8;
  packed[sum] = (packed[sum] ?? 0) ^ 1;
  assertStringIncludes(
    await refusal(split(packed)),
    "its gzip data does not end: it was cut, the parts behind it are missing, or one is damaged",
  );
});

/** A tar of one file with other bytes in each block, so that no two parts are the same. */
function distinct(tar: Bytes): Bytes {
  return tar.map((byte, at) => at < 512 ? byte : 1 + Math.floor(at / 512));
}

test("joinParts() tells of what follows the end of a tar", async () => {
  const whole = distinct(writeTar([{ path: "a", body: new Uint8Array(1024) }], { end: 0 }));
  const tar = new Uint8Array([...whole, ...new Uint8Array(1024)]);
  const more = (bytes: number) => new Uint8Array([...tar, ...seededBytes(1, bytes)]);
  assertStringIncludes(
    await refusal(split(more(500), undefined, 1300)),
    'Cannot use "app.tar.002" as a part: the tar ends in it, and something else follows',
  );
  assertStringIncludes(
    await refusal(split(more(1280), undefined, 1280)),
    'Cannot use "app.tar.003" as a part: the tar ends in "app.tar.002", before it',
  );
});

test("joinParts() tells where a part does not begin an entry of the tar", async () => {
  const tar = writeTar([{ path: "a", body: "a" }, { path: "b", body: "b" }]);
  tar.fill(0xff, 1024, 1536);
  assertStringIncludes(
    await refusal(split(tar, undefined, 1000)),
    'Cannot use "app.tar.002" as a part: it does not go on as the parts before it do, its byte 24 should begin an entry of the tar',
  );
});

test("joinParts() leaves to the tar what is none at all", async () => {
  const parts = split(seededBytes(1, 3000), undefined, 1000);
  await assertRejects(() => joinParts(parts), TarError, "input is not a tar archive");
});

test("joinParts() takes a layer that is merely called after another digest", async () => {
  const body = seededBytes(1, 4 * PART_BYTES);
  const image = await makeImage([await makeLayer(writeTar([{ path: "large", body }]), "gzip")]);
  const layerPath = () => `${"0".repeat(64)}.tar.gz`;
  const tar = writeTar(dockerSave([{ image, repoTags: ["app:1"] }], { layerPath }));
  assertEquals((await joinParts(split(tar))).size, tar.length);
});

test("joinParts() names the part in which a document goes wrong", async () => {
  const tar = layout.slice();
  // Parts end within the manifest, whose rest is not what its digest says.
  const at = new TextDecoder("latin1").decode(tar).indexOf('"layers":[');
  assert(at > 0);
  const sound = split(tar, undefined, at);
  assertEquals((await joinParts(sound)).size, tar.length);
  tar.set([0x21], at + 3);
  const message = await refusal(split(tar, undefined, at));
  assertStringIncludes(
    message,
    'Cannot use "app.tar.002" as a part: it does not go on as "app.tar.001" does: "blobs/sha256/',
  );
});

test("joinParts() ends with the signal while it inflates", async () => {
  const bytes = await gzip(layout);
  const abort = new AbortController();
  const parts = split(bytes).map(({ name, source }, part) => ({
    name,
    source: {
      size: source.size,
      slice: (start: number, end: number) => {
        if (part === 2) abort.abort(new Error("stop"));
        return source.slice(start, end);
      },
    },
  }));
  await assertRejects(() => joinParts(parts, { signal: abort.signal }), Error, "stop");
});

/** The parts of a package as Zarf writes them, behind a head that tells what they are together. */
async function zarfParts(): Promise<[head: ArchivePart, ...parts: ArchivePart[]]> {
  const bytes = await gzip(writeTar(await makeLayout(1)));
  const parts = split(bytes, "package.tar.zst.part");
  const head = {
    Sha256Sum: digestHex(await digestBytes(bytes)),
    Bytes: bytes.length,
    Count: parts.length,
  };
  return [{ name: "package.tar.zst.part000", source: new Blob([JSON.stringify(head)]) }, ...parts];
}

test("joinParts() takes the head of a package of Zarf for what it is", async () => {
  const [head, ...parts] = await zarfParts();
  const whole = await bytesOf(await joinParts(parts));
  assertEquals(await bytesOf(await joinParts([head, ...parts])), whole);
  const checksums = await ownList([head, ...parts]);
  assertEquals(await bytesOf(await joinParts([head, ...parts], { checksums })), whole);
  const text = new TextDecoder().decode(await bytesOf(head.source));
  const older = text.replace("Sha", "sha").replace("Bytes", "bytes").replace("Count", "count");
  const olderHead = { name: head.name, source: new Blob([older]) };
  assertEquals(await bytesOf(await joinParts([olderHead, ...parts])), whole);
});

test("joinParts() refuses parts that are not those of their head", async () => {
  const [head, ...parts] = await zarfParts();
  const [first, ...rest] = parts;
  if (!first) throw new Error("unreachable: there are several");
  const damaged = await bytesOf(first.source);
  damaged[1000] = (damaged[1000] ?? 0) ^ 1;
  const cut = { name: first.name, source: new Blob([damaged.subarray(0, 1000)]) };
  const cases: [ArchivePart[], string][] = [
    [
      parts.slice(0, -1),
      `it tells of ${parts.length} parts behind it, and ${rest.length} are there`,
    ],
    [[cut, ...rest], "bytes together, and they have"],
    [[{ name: first.name, source: new Blob([damaged]) }, ...rest], "one is damaged"],
  ];
  for (const [given, message] of cases) {
    const error = await assertRejects(() => joinParts([head, ...given]), ArchiveError, message);
    assertEquals(error.path, head.name);
  }
});

test("joinParts() takes for no head what names no digest", async () => {
  const [head, ...parts] = await zarfParts();
  const text = new TextDecoder().decode(await bytesOf(head.source));
  const hostile = new Blob([text.replace(/[0-9a-f]{64}/, "\\u001b[2J")]);
  const error = await assertRejects(
    () => joinParts([{ name: head.name, source: hostile }, ...parts]),
    TarError,
  );
  assertClear(error);
});
