import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Digest, digestBytes, digestHex } from "../../../src/digest.ts";
import type { IncrementalHash } from "../../../src/incremental_hash.ts";
import { FileHashes, type FileHashTools } from "../../../src/runtime/storage/file_hash.ts";
import { test } from "../../helpers/test.ts";

const MIB = 1024 * 1024;
const CONTENT = new Uint8Array(5 * MIB).fill(7);
const DIGEST = await digestBytes(CONTENT);
const NOTHING = await digestBytes(new Uint8Array(0));

type Program = (
  args: readonly string[],
  signal: AbortSignal | undefined,
) => Promise<string | undefined> | string | undefined;

/** What a program that works writes, for a file or for its empty input. */
const works: Program = (args) => `${digestHex(args.includes("file") ? DIGEST : NOTHING)} *file\n`;

/** One that does not come to an end by itself. */
const hangs: Program = (_args, signal) =>
  new Promise((resolve) => signal?.addEventListener("abort", () => resolve(undefined)));

/** Hashes by way of these programs, and what was run. */
function hashesWith(programs: Record<string, Program>, { atOnce = 4 } = {}) {
  const runs: string[] = [];
  const tools: FileHashTools = {
    run: async (program, args, signal) => {
      runs.push(program + (args.includes("file") ? " file" : ""));
      return await programs[program]?.(args, signal);
    },
    read: () => Promise.resolve(CONTENT.slice()),
    async *readPieces() {
      for (let at = 0; at < CONTENT.length; at += MIB) yield CONTENT.slice(at, at + MIB);
    },
    trialMilliseconds: 10,
    programs: atOnce,
  };
  return { hashes: new FileHashes(tools), runs };
}

async function feed(hash: IncrementalHash): Promise<Digest> {
  for (let at = 0; at < CONTENT.length; at += MIB) {
    await hash.update(CONTENT.subarray(at, at + MIB));
  }
  return await hash.digest();
}

async function bothDigests(hashes: FileHashes): Promise<Digest[]> {
  const growing = await hashes.growing("file", "sha256");
  const whole = await hashes.whole("file", "sha256", undefined);
  return [await feed(growing), await feed(whole)];
}

test("FileHashes has a program hash large files, after a trial of it", async () => {
  const { hashes, runs } = hashesWith({ openssl: works });
  assertEquals(await bothDigests(hashes), [DIGEST, DIGEST]);
  assertEquals(runs, ["openssl", "openssl file", "openssl file"]);
});

test("FileHashes takes the next program where one lies, hangs, fails or is not there", async () => {
  const lies: Program = () => `${"1".repeat(64)} *file\n`;
  for (const openssl of [lies, hangs, () => undefined, () => "OpenSSL 3.0.0\n"]) {
    const { hashes, runs } = hashesWith({ openssl, sha256sum: works });
    assertEquals(await bothDigests(hashes), [DIGEST, DIGEST]);
    assertEquals(runs.slice(0, 3), ["openssl", "sha256sum", "sha256sum file"]);
  }
});

test("FileHashes does without programs where there are none", async () => {
  const { hashes, runs } = hashesWith({});
  assertEquals(await bothDigests(hashes), [DIGEST, DIGEST]);
  assertEquals(runs, ["openssl", "sha256sum"]);
});

test("FileHashes hashes a file itself where the program fails for it", async () => {
  const breaks: Program = (args) => args.includes("file") ? undefined : works(args, undefined);
  const { hashes, runs } = hashesWith({ openssl: breaks });
  assertEquals(await bothDigests(hashes), [DIGEST, DIGEST]);
  assertEquals(runs.length, 3);
});

test("FileHashes reads what sha256sum says of a file whose name it escapes", async () => {
  const sha256sum: Program = (args) => `\\${works(args, undefined)}`;
  const { hashes, runs } = hashesWith({ sha256sum });
  assertEquals(await bothDigests(hashes), [DIGEST, DIGEST]);
  assertEquals(runs, ["openssl", "sha256sum", "sha256sum file", "sha256sum file"]);
});

test("FileHashes ends the program of a file that nobody reads any more", async () => {
  const ended: boolean[] = [];
  const runsLong: Program = async (args, signal) => {
    if (!args.includes("file")) return works(args, signal);
    await hangs(args, signal);
    ended.push(signal?.aborted === true);
    return undefined;
  };
  const { hashes } = hashesWith({ openssl: runsLong }, { atOnce: 1 });
  const reader = new AbortController();
  const waiting = new AbortController();
  const hash = await hashes.whole("file", "sha256", reader.signal);
  // There is no place for this one.
  const other = await hashes.whole("file", "sha256", waiting.signal);
  waiting.abort();
  await assertRejects(async () => await other.digest());
  reader.abort();
  await assertRejects(async () => await hash.digest());
  assertEquals(ended, [true]);
});

test("FileHashes runs no more programs at a time than there are places", async () => {
  let running = 0;
  let most = 0;
  const counted: Program = async (args, signal) => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    return works(args, signal);
  };
  const { hashes } = hashesWith({ openssl: counted }, { atOnce: 2 });
  const all = Array.from({ length: 20 }, () => hashes.whole("file", "sha256", undefined));
  for (const hash of await Promise.all(all)) assertEquals(await hash.digest(), DIGEST);
  assert(most <= 2, `${most} at a time`);
});
