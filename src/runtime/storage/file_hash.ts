import type { Bytes } from "../../bytes.ts";
import { OnceEach, Places } from "../../concurrency.ts";
import { type Digest, type DigestAlgorithm, digestBytes, toDigest } from "../../digest.ts";
import { createHash, hashAll, type IncrementalHash } from "../../incremental_hash.ts";
import { detach } from "../../owned_bytes.ts";

export interface FileHashTools {
  /**
   * What a program writes to stdout, whose input is empty; undefined where there is none, it may not be run, or fails, for
   * whatever reason. The signal ends it.
   */
  run(
    program: string,
    args: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<string | undefined>;
  read(path: string): Promise<Bytes | undefined>;
  readPieces(path: string): AsyncIterable<Bytes>;
  /** How long a program that is tried may take, in milliseconds. */
  trialMilliseconds: number;
  /** Most programs at a time: one for each core. */
  programs: number;
}

type Command = readonly [program: string, ...args: string[]];

/** Programs that hash a file, the fastest first. */
const COMMANDS: Readonly<Record<DigestAlgorithm, readonly Command[]>> = {
  sha256: [["openssl", "dgst", "-sha256", "-r"], ["sha256sum"]],
  sha512: [["openssl", "dgst", "-sha512", "-r"], ["sha512sum"]],
};

/** Up to here a file is hashed by Web Crypto, in one piece: a program takes longer to start. */
const ONE_PIECE_BYTES = 4 * 1024 * 1024;

/**
 * Hashes of files for a runtime without a fast one that takes a blob in pieces. That of WebAssembly takes 4 s for each GiB of
 * the thread that answers requests; openssl takes 0.6 s of another core, sha256sum 2. Where there is neither, the hash is
 * that of WebAssembly, made on the way; so is that of a file for which a program fails, made anew.
 */
export class FileHashes {
  readonly #tools: FileHashTools;
  readonly #places: Places;
  readonly #commands = new OnceEach<DigestAlgorithm, Command | undefined>();

  constructor(tools: FileHashTools) {
    this.#tools = tools;
    this.#places = new Places(tools.programs);
  }

  /** A hash of a file that is written: made when it is whole, if it need not be made before. */
  async growing(path: string, algorithm: DigestAlgorithm): Promise<IncrementalHash> {
    const command = await this.#command(algorithm);
    if (!command) return await createHash(algorithm);
    let size = 0;
    return {
      update: (bytes) => void (size += bytes.length),
      digest: () =>
        size > ONE_PIECE_BYTES
          ? this.#hash(path, algorithm, command, undefined)
          : this.#hashAtOnce(path, algorithm),
    };
  }

  /** A hash of a file that is read: it is begun at once, and ends with the signal. */
  async whole(
    path: string,
    algorithm: DigestAlgorithm,
    signal: AbortSignal | undefined,
  ): Promise<IncrementalHash> {
    const command = await this.#command(algorithm);
    if (!command) return await createHash(algorithm);
    const digest = this.#hash(path, algorithm, command, signal);
    // Who reads to the end hears of it; nobody has to.
    digest.catch(() => {});
    return { update: () => {}, digest: () => digest };
  }

  #command(algorithm: DigestAlgorithm): Promise<Command | undefined> {
    return this.#commands.get(algorithm, () => this.#findCommand(algorithm));
  }

  /** The first program that hashes nothing at all right, and in time. */
  async #findCommand(algorithm: DigestAlgorithm): Promise<Command | undefined> {
    const expected = await digestBytes(new Uint8Array(0), algorithm);
    for (const command of COMMANDS[algorithm]) {
      const limit = AbortSignal.timeout(this.#tools.trialMilliseconds);
      if (await this.#run(command, [], algorithm, limit) === expected) return command;
    }
    return undefined;
  }

  async #hash(
    path: string,
    algorithm: DigestAlgorithm,
    command: Command,
    signal: AbortSignal | undefined,
  ): Promise<Digest> {
    // What starts with a dash would be taken for an option.
    const file = path.replace(/^-/, "./-");
    const run = () => this.#run(command, [file], algorithm, signal);
    const digest = await this.#places.run(signal, run);
    signal?.throwIfAborted();
    if (digest) return digest;
    return await hashAll(this.#tools.readPieces(path), await createHash(algorithm), signal);
  }

  async #run(
    [program, ...args]: Command,
    files: readonly string[],
    algorithm: DigestAlgorithm,
    signal: AbortSignal | undefined,
  ): Promise<Digest | undefined> {
    const text = await this.#tools.run(program, [...args, ...files], signal) ?? "";
    // sha256sum has a backslash first where it escapes the name of the file.
    return toDigest(algorithm, /^\\?([0-9a-f]+)/.exec(text)?.[1] ?? "");
  }

  async #hashAtOnce(path: string, algorithm: DigestAlgorithm): Promise<Digest> {
    const bytes = await this.#tools.read(path) ?? new Uint8Array(0);
    try {
      return await digestBytes(bytes, algorithm);
    } finally {
      // Left to a collector, the bytes of many uploads would gather.
      detach(bytes.buffer);
    }
  }
}
