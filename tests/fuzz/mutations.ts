import fc from "fast-check";
import { seededBytes } from "../helpers/archives.ts";
import { join } from "../helpers/tar_writer.ts";

/** Bytes as `fetch` and `Blob` take them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Places are any number, and mean that modulo the length; another place makes no input simpler. */
const place = fc.noShrink(fc.nat());

/** One change of bytes. */
export type ByteMutation =
  | { kind: "flip"; at: number; bit: number }
  | { kind: "set"; at: number; bytes: Uint8Array }
  | { kind: "cut"; at: number }
  | { kind: "remove"; at: number; length: number }
  | { kind: "insert"; at: number; bytes: Uint8Array }
  | { kind: "copy block"; from: number; to: number }
  | { kind: "insert block"; from: number; to: number }
  | { kind: "remove block"; at: number }
  | { kind: "random block"; at: number; seed: number }
  | { kind: "header field"; at: number; field: number; value: Uint8Array };

const few = fc.uint8Array({ minLength: 1, maxLength: 16 });

/** Changes that anything may suffer on its way. */
export const anyBytesMutation: fc.Arbitrary<ByteMutation> = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at: place, bit: fc.nat(7) }),
  fc.record({ kind: fc.constant("set" as const), at: place, bytes: few }),
  fc.record({ kind: fc.constant("cut" as const), at: place }),
  fc.record({ kind: fc.constant("remove" as const), at: place, length: fc.nat(2000) }),
  fc.record({ kind: fc.constant("insert" as const), at: place, bytes: few }),
);

/** Offset and length of the fields of a tar header. */
const FIELDS = [
  [0, 100], // name
  [100, 8], // mode
  [108, 8], // uid
  [116, 8], // gid
  [124, 12], // size
  [136, 12], // mtime
  [156, 1], // typeflag
  [157, 100], // linkname
  [257, 8], // magic and version
  [265, 32], // uname
  [297, 32], // gname
  [329, 16], // device numbers
  [345, 155], // prefix
  [500, 12], // padding
] as const;

const text = (value: string) => new TextEncoder().encode(value);

const octal = fc.record({
  value: fc.oneof(fc.nat(5000), fc.maxSafeNat()),
  width: fc.nat(12),
  before: fc.constantFrom("", "0", " "),
  after: fc.constantFrom("", "\0", " ", " \0", "\0 "),
}).map(({ value, width, before, after }) =>
  text(`${value.toString(8).slice(-11).padStart(width, before)}${after}`)
);

const base256 = fc.oneof(
  fc.nat(5000).map(BigInt),
  fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
).map((value) => {
  const bytes = new Uint8Array(12);
  for (let at = 11; at >= 0; at--, value >>= 8n) bytes[at] = Number(value & 0xffn);
  bytes[0] = (bytes[0] ?? 0) | 0x80;
  return bytes;
});

/** What stands in a field of numbers, well or badly written. */
const numberValue: fc.Arbitrary<Uint8Array> = fc.oneof({ arbitrary: octal, weight: 4 }, base256);

/** What stands in a field of a header, or might. */
const fieldValue: fc.Arbitrary<Uint8Array> = fc.oneof(
  numberValue,
  fc.constantFrom(
    ...["", "0", " ", "\0\0\0", "7777777", "77777777777", "-1", "00000000009", "1 2", "0x10"],
    ...["1e3", "+5", "a/b/", "../x", "/", "\u001b[31m\u0007", "ustar  \0", "ustar\x0000", "ustar"],
    ..."01234567xgLKXSVMND\0".split(""),
  ).map(text),
  fc.uint8Array({ maxLength: 160 }),
);

const TEXTS = [0, 6, 7, 8, 9, 10, 11, 12, 13];
const NUMBERS = [1, 2, 3, 4, 4, 4, 5];

/** A field of a header and what is written to it: mostly something that could stand there. */
export const fieldChange: fc.Arbitrary<{ field: number; value: Uint8Array }> = fc.oneof(
  { arbitrary: fc.record({ field: fc.constantFrom(...TEXTS), value: fieldValue }), weight: 4 },
  { arbitrary: fc.record({ field: fc.constantFrom(...NUMBERS), value: numberValue }), weight: 4 },
  { arbitrary: fc.record({ field: fc.nat(FIELDS.length - 1), value: fieldValue }), weight: 1 },
);

/** Changes that a tar may suffer: those of any bytes, of whole blocks, and of a header whose checksum stays right. */
export const tarMutation: fc.Arbitrary<ByteMutation> = fc.oneof(
  { arbitrary: anyBytesMutation, weight: 3 },
  {
    weight: 5,
    arbitrary: fc.oneof(
      fc.record({ kind: fc.constant("copy block" as const), from: place, to: place }),
      fc.record({ kind: fc.constant("insert block" as const), from: place, to: place }),
      fc.record({ kind: fc.constant("remove block" as const), at: place }),
      fc.record({ kind: fc.constant("random block" as const), at: place, seed: fc.integer() }),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(place, fieldChange).map(([at, change]) => ({
      kind: "header field" as const,
      at,
      ...change,
    })),
  },
);

/** Applies changes in order; the bytes given stay as they are. */
export function mutate(bytes: Uint8Array, mutations: readonly ByteMutation[]): Bytes {
  return mutations.reduce<Bytes>(applyOne, new Uint8Array(bytes));
}

function applyOne(bytes: Bytes, mutation: ByteMutation): Bytes {
  const { length } = bytes;
  if (length === 0) return bytes;
  const blocks = Math.max(1, Math.floor(length / BLOCK));
  const blockAt = (number: number) => bytes.slice(number % blocks * BLOCK).subarray(0, BLOCK);
  switch (mutation.kind) {
    case "flip": {
      const at = mutation.at % length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << mutation.bit);
      return bytes;
    }
    case "set": {
      const at = mutation.at % length;
      bytes.set(mutation.bytes.subarray(0, length - at), at);
      return bytes;
    }
    case "cut":
      return bytes.slice(0, mutation.at % length);
    case "remove": {
      const at = mutation.at % length;
      return join([bytes.subarray(0, at), bytes.subarray(at + mutation.length)]);
    }
    case "insert": {
      const at = mutation.at % length;
      return join([bytes.subarray(0, at), mutation.bytes, bytes.subarray(at)]);
    }
    case "copy block":
      bytes.set(blockAt(mutation.from), mutation.to % blocks * BLOCK);
      return bytes;
    case "insert block": {
      const at = mutation.to % blocks * BLOCK;
      return join([bytes.subarray(0, at), blockAt(mutation.from), bytes.subarray(at)]);
    }
    case "remove block": {
      const at = mutation.at % blocks * BLOCK;
      return join([bytes.subarray(0, at), bytes.subarray(at + BLOCK)]);
    }
    case "random block": {
      const at = mutation.at % blocks * BLOCK;
      bytes.set(seededBytes(mutation.seed, Math.min(BLOCK, length - at)), at);
      return bytes;
    }
    case "header field": {
      const at = mutation.at % blocks * BLOCK;
      setField(bytes.subarray(at, at + BLOCK), mutation.field, mutation.value);
      return bytes;
    }
  }
}

const BLOCK = 512;

/** Writes one field of a header block, and the checksum that the block then has. */
export function setField(block: Uint8Array, field: number, value: Uint8Array): void {
  if (block.length < BLOCK) return;
  const [offset, length] = FIELDS[field] ?? FIELDS[0];
  block.subarray(offset, offset + length).fill(0);
  block.set(value.subarray(0, length), offset);
  repairChecksum(block);
}

/** Makes the checksum of a header block right. */
export function repairChecksum(block: Uint8Array): void {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((all, byte) => all + byte, 0);
  block.set(text(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
}

/** Sizes of pieces; they are used over and over. */
export const chunkSizes: fc.Arbitrary<readonly number[]> = fc.oneof(
  fc.constantFrom<readonly number[]>([1 << 20], [1, 511, 512, 513], [512], [513]),
  fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 5 }),
);

/** The bytes as a stream, in pieces of these sizes, each made when it is asked for. */
export function streamOf(bytes: Uint8Array, sizes: readonly number[]): ReadableStream<Bytes> {
  let at = 0;
  let piece = 0;
  return new ReadableStream<Bytes>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      const size = sizes[piece++ % sizes.length] ?? bytes.length;
      controller.enqueue(new Uint8Array(bytes.subarray(at, at += size)));
    },
  }, { highWaterMark: 0 });
}

/** One change of a JSON value: the node in the `pick`-th place becomes something else. */
export interface JsonMutation {
  pick: number;
  change: "replace" | "delete" | "duplicate" | "rename" | "wrap" | "nest";
  value: unknown;
}

/** Values that have made programs stumble, and any others. */
const jsonValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    ...[null, true, 0, -1, 1, 1.5, 2 ** 53, 1e308, "", "x", "0", [], {}, [null], [[]], { "": "" }],
    ...["../../etc/passwd", "__proto__", "constructor", "toString", "\u0000", "a\u0000b", "\ud800"],
    ...["\u001b]0;title\u0007\u001b[2J\u009b31m\u202e\r\n", "x".repeat(5000), "manifest.json"],
    ...[
      "sha256:",
      `sha256:${"0".repeat(64)}`,
      `sha512:${"0".repeat(128)}`,
      `SHA256:${"A".repeat(64)}`,
    ],
    ...["application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"],
    ...[
      "application/vnd.oci.empty.v1+json",
      "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ],
  ),
  fc.jsonValue({ maxDepth: 2 }),
);

export const jsonMutation: fc.Arbitrary<JsonMutation> = fc.record({
  pick: fc.nat(),
  change: fc.constantFrom("replace", "replace", "delete", "duplicate", "rename", "wrap", "nest"),
  value: jsonValue,
});

/** Applies changes in order to a copy of the value. */
export function mutateJson(value: unknown, mutations: readonly JsonMutation[]): unknown {
  const box = { root: structuredClone(value) };
  for (const mutation of mutations) {
    const places = placesOf(box);
    const chosen = places[mutation.pick % places.length];
    if (chosen) change(chosen.parent, chosen.key, mutation);
  }
  return box.root;
}

type Parent = Record<string, unknown>;

function placesOf(parent: unknown): { parent: Parent; key: string }[] {
  if (typeof parent !== "object" || parent === null) return [];
  return Object.keys(parent).flatMap((key) => [
    { parent: parent as Parent, key },
    ...placesOf((parent as Parent)[key]),
  ]);
}

function change(parent: Parent, key: string, { change, value }: JsonMutation): void {
  const old = parent[key];
  if (change === "replace") parent[key] = structuredClone(value);
  else if (change === "wrap") parent[key] = typeof value === "string" ? { [value]: old } : [old];
  else if (change === "nest") {
    for (let depth = 0; depth < 40; depth++) parent[key] = [parent[key]];
  } else if (change === "rename" && !Array.isArray(parent)) {
    delete parent[key];
    parent[typeof value === "string" ? value : `${key}s`] = old;
  } else if (change === "delete") {
    if (Array.isArray(parent)) parent.splice(Number(key), 1);
    else delete parent[key];
  } else if (Array.isArray(parent)) parent.push(structuredClone(old));
  else parent[`${key}2`] = structuredClone(old);
}
