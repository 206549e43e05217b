import type { Bytes } from "../../bytes.ts";
import { type Digest, type DigestAlgorithm, digestBytes, toDigest } from "../../digest.ts";
import { OciError } from "../../errors.ts";
import { createHash, type IncrementalHash } from "../../incremental_hash.ts";
import { detach } from "../../owned_bytes.ts";

/** What file hashes are made with. */
export interface FileHashTools {
  /** What a program writes to stdout; undefined where there is none, it may not be run, or fails. */
  run(program: string, args: readonly string[]): Promise<string | undefined>;
  /** Reads a whole file. */
  read(path: string): Promise<Bytes | undefined>;
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
 * that of WebAssembly, made on the way.
 */
export class FileHashes {
  readonly #tools: FileHashTools;
  readonly #commands = new Map<DigestAlgorithm, Promise<Command | undefined>>();

  constructor(tools: FileHashTools) {
    this.#tools = tools;
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
          ? this.#hash(path, algorithm, command)
          : this.#hashAtOnce(path, algorithm),
    };
  }

  /** A hash of a file that is read: it is begun at once. */
  async whole(path: string, algorithm: DigestAlgorithm): Promise<IncrementalHash> {
    const command = await this.#command(algorithm);
    if (!command) return await createHash(algorithm);
    const digest = this.#hash(path, algorithm, command);
    // Who reads to the end hears of it; nobody has to.
    digest.catch(() => {});
    return { update: () => {}, digest: () => digest };
  }

  #command(algorithm: DigestAlgorithm): Promise<Command | undefined> {
    const known = this.#commands.get(algorithm) ?? this.#findCommand(algorithm);
    this.#commands.set(algorithm, known);
    return known;
  }

  async #findCommand(algorithm: DigestAlgorithm): Promise<Command | undefined> {
    for (const command of COMMANDS[algorithm]) {
      const [program] = command;
      const version = program === "openssl" ? "version" : "--version";
      if (await this.#tools.run(program, [version]) !== undefined) return command;
    }
    return undefined;
  }

  async #hash(
    path: string,
    algorithm: DigestAlgorithm,
    [program, ...args]: Command,
  ): Promise<Digest> {
    // What starts with a dash would be taken for an option.
    const text = await this.#tools.run(program, [...args, path.replace(/^-/, "./-")]) ?? "";
    const digest = toDigest(algorithm, /^[0-9a-f]+/.exec(text)?.[0] ?? "");
    if (digest) return digest;
    throw new OciError(`Cannot hash ${JSON.stringify(path)}: ${program} has failed`);
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
