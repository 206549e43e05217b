import { type Bytes, concat, piecesOf } from "../../bytes.ts";
import { decompress } from "../../codec/decompress.ts";
import type { LayerCompression } from "../../codec/magic.ts";
import type { Digest } from "../../digest.ts";
import { ArchiveError } from "../../errors.ts";
import type { Hasher, IncrementalHash } from "../../incremental_hash.ts";
import { quoteName } from "../../quote_name.ts";
import { isTar } from "../../tar/header.ts";
import { PEEK_BYTES } from "../files.ts";

/** What a layer of some content holds. */
export interface Content {
  /** Digest of what it inflates to; absent where that failed. */
  diffId: Digest | undefined;
  /** Why it does not inflate, in a few words. */
  problem: string | undefined;
  /** The error itself. */
  inflateError?: unknown;
  /** Whether that is nothing, a tar, or something else. */
  kind: "empty" | "tar" | "other";
}

interface InflateOptions {
  hasher: Hasher;
  signal?: AbortSignal;
}

/** What content begins with tells what it is. */
export function kindOf(head: Uint8Array): Content["kind"] {
  if (head.length === 0) return "empty";
  return isTar(head) ? "tar" : "other";
}

/** Inflates and hashes what is written to it, at the writer's pace; corrupt data stops the inflating alone. */
export class Inflated {
  readonly #writer: WritableStreamDefaultWriter<Bytes>;
  readonly #done: Promise<Content>;
  #trailing: number | undefined;

  constructor(path: string, compression: LayerCompression, options: InflateOptions) {
    const { readable, writable } = new TransformStream<Bytes, Bytes>(undefined, {
      highWaterMark: 1,
    });
    this.#writer = writable.getWriter();
    const content = decompress(
      readable,
      compression,
      quoteName(path),
      { onTrailing: (position) => this.#trailing = position },
    );
    this.#done = this.#run(content, options);
    // end() tells of a failure; where that is not called, another one is told.
    this.#done.catch(() => {});
  }

  async write(piece: Bytes): Promise<void> {
    // Once the data proves corrupt nothing takes more of it.
    await Promise.race([this.#writer.ready, this.#done]).catch(() => {});
    this.#writer.write(piece).catch(() => {});
  }

  async end(): Promise<Content & { trailing: number | undefined }> {
    this.#writer.close().catch(() => {});
    return { ...await this.#done, trailing: this.#trailing };
  }

  async abort(reason: unknown): Promise<void> {
    await this.#writer.abort(reason).catch(() => {});
  }

  async #run(
    content: ReadableStream<Bytes>,
    { hasher, signal }: InflateOptions,
  ): Promise<Content> {
    let hash: IncrementalHash | undefined;
    const head: Bytes[] = [];
    let length = 0;
    try {
      hash = await hasher("sha256");
      for await (const piece of piecesOf(content)) {
        signal?.throwIfAborted();
        if (length < PEEK_BYTES) head.push(piece.slice(0, PEEK_BYTES));
        length += piece.length;
        await hash.update(piece);
      }
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw error;
      const problem = error.cause instanceof Error ? error.cause.message : error.message;
      return { diffId: undefined, problem, inflateError: error, kind: "other" };
    }
    const start = concat(head);
    return { diffId: await hash.digest(), problem: undefined, kind: kindOf(start) };
  }
}
