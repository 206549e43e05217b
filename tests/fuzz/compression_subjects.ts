import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { decompress } from "../../src/codec/decompress.ts";
import { sniffCompression } from "../../src/codec/magic.ts";
import { ArchiveError } from "../../src/errors.ts";
import { gzip, seededBytes, storeAsZstd } from "../helpers/archives.ts";
import { join } from "../helpers/tar_writer.ts";
import { anyBytesMutation, type Bytes, chunkSizes, mutate, streamOf } from "./mutations.ts";
import { subject } from "./subject.ts";

/** Content: noise, which does not shrink, and runs, which do. */
const content: fc.Arbitrary<Bytes> = fc.array(
  fc.record({ seed: fc.integer(), length: fc.nat(2000), isNoise: fc.boolean() }),
  { maxLength: 4 },
).map((parts) =>
  join(
    parts.map(({ seed, length, isNoise }) =>
      isNoise ? seededBytes(seed, length) : new Uint8Array(length * 20).fill(seed)
    ),
  )
);

const recipe = fc.record({
  /** One gzip member or zstd frame for each. */
  contents: fc.array(content, { minLength: 1, maxLength: 3 }),
  padding: fc.constantFrom(0, 0, 0, 7, 512, 10_240),
  mutations: fc.array(anyBytesMutation, { maxLength: 3 }),
  sizes: chunkSizes,
  sizesAgain: chunkSizes,
});

/** Most that a mutated input may inflate to before its reader stops, as whoever meets a bomb would. */
const MOST_INFLATED = 8 * 1024 * 1024;

interface Inflated {
  content: Bytes;
  error: unknown;
}

async function inflate(
  bytes: Bytes,
  kind: "gzip" | "zstd",
  sizes: readonly number[],
): Promise<Inflated> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of decompress(streamOf(bytes, sizes), kind, "a layer")) {
      pieces.push(piece);
      size += piece.length;
      if (size > MOST_INFLATED) break;
    }
    return { content: join(pieces), error: undefined };
  } catch (error) {
    return { content: join(pieces), error };
  }
}

/** Not 0: decoders differ on a run of nothing, which no encoder writes. */
function runLength(content: Bytes): number {
  return 1 + content.length % 100_000;
}

/** A zstd frame of one block that is a run, which needs no encoder either (RFC 8878, "RLE_Block"). */
function runAsZstd(byte: number, length: number): Bytes {
  const word = (length << 3) | 0b011;
  const size = new Uint8Array(new Uint32Array([length]).buffer);
  return join([
    new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000]),
    size,
    new Uint8Array([word & 0xff, (word >> 8) & 0xff, (word >> 16) & 0xff, byte]),
  ]);
}

function inflating(kind: "gzip" | "zstd") {
  return subject(
    kind,
    60,
    recipe,
    async ({ contents, padding, mutations, sizes, sizesAgain }, tally) => {
      const parts: Bytes[] = [];
      for (const content of contents) {
        if (kind === "gzip") parts.push(await gzip(content));
        else parts.push(storeAsZstd(content), runAsZstd(content[0] ?? 0, runLength(content)));
      }
      const whole = join(kind === "gzip" ? [...parts, new Uint8Array(padding)] : parts);
      const bytes = mutate(whole, mutations);
      const first = await inflate(bytes, kind, sizes);
      const second = await inflate(bytes, kind, sizesAgain);
      assertEquals(second.error === undefined, first.error === undefined);
      if (!first.error) assert(equal(first.content, second.content), "chunks change the content");
      if (mutations.length === 0) {
        assertEquals(sniffCompression(bytes), kind);
        assertEquals(first.error, undefined);
        const expected = kind === "gzip" ? contents : contents.flatMap((content) => [
          content,
          new Uint8Array(runLength(content)).fill(content[0] ?? 0),
        ]);
        assert(equal(first.content, join(expected)), "another content");
      }
      if (!first.error) return tally("inflated");
      assert(first.error instanceof ArchiveError, `${first.error}`);
      assert(!/\p{Cc}/u.test(first.error.message), JSON.stringify(first.error.message));
      tally("refused");
    },
  );
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** What inflates. */
export const compressionSubjects = [inflating("gzip"), inflating("zstd")];
