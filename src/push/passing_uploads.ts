import type { Digest } from "../digest.ts";
import { digestAlgorithm } from "../digest.ts";
import { NetworkError, RegistryError } from "../errors.ts";
import { mismatch } from "../image/content.ts";
import {
  cancelUpload,
  commitUpload,
  headBlob,
  openUpload,
  sendBody,
  sendWhole,
  uploadBlob,
  type UploadHooks,
  type UploadSession,
} from "../registry/blobs.ts";
import { waitForRetry } from "../registry/http.ts";
import { type Bytes, concat } from "../source.ts";
import type { MemoryBudget, PassingBlob, PassingFile } from "./image_blobs.ts";
import { openFileBody } from "./read.ts";
import { hooksFor, type RepositoryState, type UploadSettings } from "./upload.ts";

/** Settings of {@linkcode PassingUploads}. */
export interface PassingUploadSettings extends UploadSettings {
  budget: MemoryBudget;
  /** Whether images of the archive may be left out: nothing is committed then before it is known to be needed. */
  selective: boolean;
}

/** Pieces that streamed bodies are sent in: 64 KiB pieces, as pipes give them, cost Deno half its speed. */
const PIECE_BYTES = 1024 * 1024;
/** Uploads left open at once until the end tells whether they are needed: registries limit them. */
const MAX_STAGED = 256;

/**
 * The last stage of a one-pass push: uploads of what passes, `concurrency` at a time. A blob that is held goes on in the
 * background while reading goes on; one that passes as a stream holds the source back until it has passed.
 *
 * Blobs that nothing tells the digest of, and all blobs where the caller chose among images, are sent but not
 * committed: {@linkcode take} commits them, {@linkcode cancelRest} gives up the others.
 */
export class PassingUploads {
  /** Where the passing blobs go. */
  readonly writable: WritableStream<PassingBlob>;
  readonly #target: RepositoryState;
  readonly #settings: PassingUploadSettings;
  readonly #staged = new Map<PassingFile, UploadSession>();
  readonly #running = new Set<Promise<void>>();
  readonly #sending = new Map<Digest, Promise<void>>();
  readonly #failed = new AbortController();

  constructor(target: RepositoryState, settings: PassingUploadSettings) {
    this.#target = target;
    const signal = AbortSignal.any([settings.signal, this.#failed.signal]);
    this.#settings = { ...settings, signal };
    this.writable = new WritableStream<PassingBlob>({
      start: (controller) => {
        signal.addEventListener("abort", () => controller.error(signal.reason), { once: true });
      },
      write: (blob) => this.#write(blob),
      close: async () => await this.#settle(0),
      abort: (reason) => this.#failed.abort(reason),
    }, { highWaterMark: 1 });
  }

  /** Waits until at most `limit` uploads run; throws the first failure. */
  async #settle(limit: number): Promise<void> {
    while (this.#running.size > limit) await Promise.race(this.#running);
    this.#settings.signal.throwIfAborted();
  }

  /** Waits for every upload to end, however it ends. */
  async settled(): Promise<void> {
    this.#failed.abort(new DOMException("The push has ended", "AbortError"));
    await Promise.all(this.#running);
  }

  async #write(blob: PassingBlob): Promise<void> {
    await this.#settle(this.#settings.concurrency - 1);
    const running = this.#upload(blob).catch((error) => this.#failed.abort(error));
    this.#running.add(running);
    running.finally(() => this.#running.delete(running));
    if (!blob.stream) return;
    await running;
    this.#settings.signal.throwIfAborted();
  }

  async #upload(blob: PassingBlob): Promise<void> {
    const { file, stream, named } = blob;
    const digest = stream ? named ?? blob.hint : file.digest;
    await this.#settings.emit({ type: "blob-start", ...identityOf(file, digest), size: file.size });
    const hooks = hooksFor(this.#settings, { file, ...(digest ? { digest } : {}) });
    try {
      // A held blob with a wrong name is of no use; if an image needs it, the end says so.
      if (!stream && named && named !== digest) return;
      // Equal layers may follow each other: the second finds what the first has sent.
      if (digest) await this.#sending.get(digest);
      const sending = this.#place(blob, digest, hooks);
      if (digest) this.#sending.set(digest, sending.catch(() => {}));
      await sending;
    } finally {
      if (digest) this.#sending.delete(digest);
      if (!stream) this.#settings.budget.giveBack(file.release());
    }
  }

  async #place(
    { file, named, stream, likely }: PassingBlob,
    digest: Digest | undefined,
    hooks: UploadHooks,
  ): Promise<void> {
    if (digest && await this.#exists(digest, file, hooks)) return await stream?.cancel();
    const isFull = this.#staged.size >= MAX_STAGED;
    // So many files that are no layers: should an image need one after all, the end says that it was passed over.
    if (!likely && isFull) return await stream?.cancel();
    const later = !likely || (this.#settings.selective && !isFull);
    if (stream) await this.#pass(file, later ? undefined : named, stream, hooks);
    else if (later) await this.#stageHeld(file, hooks);
    else await this.#sendHeld(file, hooks);
  }

  async #exists(digest: Digest, file: PassingFile, hooks: UploadHooks): Promise<boolean> {
    const known = this.#target.blobs.get(digest);
    const found = known ? file.size : await headBlob(this.#target, digest, hooks);
    if (found === undefined || (found >= 0 && found !== file.size)) return false;
    file.digest = digest;
    if (known) return true;
    this.#target.blobs.set(digest, "exists");
    await this.#done(digest, file, "exists");
    return true;
  }

  /** Sends a held blob; it can be sent again after a failure. */
  async #sendHeld(file: PassingFile, hooks: UploadHooks): Promise<void> {
    const { digest } = file;
    if (!digest) throw new TypeError("unreachable: held blobs are hashed");
    if (this.#settings.dryRun) return;
    await uploadBlob(
      this.#target,
      { digest, size: file.size, open: () => openFileBody(file) },
      hooks,
    );
    await this.#pushed(digest, file);
  }

  async #stageHeld(file: PassingFile, hooks: UploadHooks): Promise<void> {
    if (this.#settings.dryRun) return;
    const bytes = await file.bytes(file.size);
    for (let attempt = 2;; attempt++) {
      const session = await openUpload(this.#target, hooks);
      try {
        await sendBody(this.#target, session, bytes, hooks);
        return void this.#staged.set(file, session);
      } catch (error) {
        await cancelUpload(this.#target, session);
        await waitForRetry(this.#target.http, hooks, error, attempt);
      }
    }
  }

  /** Lets a blob pass that does not fit into memory: it is sent once. */
  async #pass(
    file: PassingFile,
    named: Digest | undefined,
    stream: ReadableStream<Bytes>,
    hooks: UploadHooks,
  ): Promise<void> {
    const body = inPieces(stream, PIECE_BYTES);
    if (this.#settings.dryRun) return await drain(body);
    const session = await this.#open(hooks);
    try {
      if (named) {
        const checked = checkHash(body, file, named);
        await sendWhole(
          this.#target,
          session,
          { digest: named, size: file.size, body: checked },
          hooks,
        );
        file.digest = named;
        return await this.#pushed(named, file);
      }
      await sendBody(this.#target, session, body, hooks);
      this.#staged.set(file, session);
    } catch (error) {
      await cancelUpload(this.#target, session);
      throw await this.#explain(error, file, named);
    }
  }

  /** Opens an upload, again where a failure may pass: nothing of the body is gone yet. */
  async #open(hooks: UploadHooks): Promise<UploadSession> {
    for (let attempt = 2;; attempt++) {
      try {
        return await openUpload(this.#target, hooks);
      } catch (error) {
        await waitForRetry(this.#target.http, hooks, error, attempt);
      }
    }
  }

  async #explain(error: unknown, file: PassingFile, named: Digest | undefined): Promise<unknown> {
    if (error instanceof RegistryError && error.status === 400 && named) {
      const wrong = mismatch(file.path, named);
      wrong.cause = error;
      return wrong;
    }
    if (!(error instanceof NetworkError || error instanceof RegistryError) || !error.retryable) {
      return error;
    }
    const again = "the stream comes only once, so this blob cannot be sent again";
    const options = { cause: error, hint: "write the archive to a file first and push that" };
    const message = `${error.message}; ${again}`;
    const { method, url } = error;
    return await Promise.resolve(
      error instanceof NetworkError
        ? new NetworkError(message, { ...options, method, url, retryable: false })
        : new RegistryError(message, {
          ...options,
          method,
          url,
          status: error.status,
          errors: error.errors,
        }),
    );
  }

  /**
   * Commits what was sent of a file.
   *
   * @param file A file that an image turned out to need.
   * @param digest Its digest, as the archive has it.
   * @returns Whether there was something to commit.
   */
  async take(file: PassingFile, digest: Digest, hooks: UploadHooks): Promise<boolean> {
    const session = this.#staged.get(file);
    if (!session) return false;
    this.#staged.delete(file);
    try {
      await commitUpload(this.#target, session, { digest, size: file.size }, hooks);
    } catch (error) {
      await cancelUpload(this.#target, session);
      if (!(error instanceof RegistryError && error.status === 400)) throw error;
      const wrong = mismatch(file.path, digest, file.digest);
      wrong.cause = error;
      throw wrong;
    }
    file.digest = digest;
    return true;
  }

  /** Cancels what was sent and nothing needed. */
  async cancelRest(): Promise<void> {
    const sessions = [...this.#staged.values()];
    this.#staged.clear();
    await Promise.all(sessions.map((session) => cancelUpload(this.#target, session)));
  }

  async #pushed(digest: Digest, file: PassingFile): Promise<void> {
    this.#target.blobs.set(digest, "pushed");
    this.#settings.onUploaded(file.size);
    await this.#done(digest, file, "pushed");
  }

  async #done(digest: Digest, file: PassingFile, status: "pushed" | "exists"): Promise<void> {
    await this.#settings.emit({
      type: "blob-done",
      digest,
      path: file.path,
      size: file.size,
      status,
    });
  }
}

/** Fails a stream at its end where a hash on the way gave another digest than the name: the registry gets no whole blob. */
function checkHash(
  stream: ReadableStream<Bytes>,
  file: PassingFile,
  named: Digest,
): ReadableStream<Bytes> {
  return stream.pipeThrough(
    new TransformStream<Bytes, Bytes>({
      flush(controller) {
        const { digest } = file;
        if (!digest || digest === named || digestAlgorithm(digest) !== digestAlgorithm(named)) {
          return;
        }
        controller.error(mismatch(file.path, named, digest));
      },
    }),
  );
}

/** Joins small pieces; large ones pass as they are. */
function inPieces(stream: ReadableStream<Bytes>, size: number): ReadableStream<Bytes> {
  const reader = stream.getReader();
  let next: Bytes | undefined;
  return new ReadableStream<Bytes>({
    async pull(controller) {
      const pieces: Bytes[] = [];
      let filled = 0;
      for (; filled < size; next = undefined) {
        next ??= (await reader.read()).value;
        if (!next || (filled > 0 && filled + next.length > size)) break;
        pieces.push(next);
        filled += next.length;
      }
      if (filled > 0) controller.enqueue(concat(pieces, filled));
      else controller.close();
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

async function drain(stream: ReadableStream<Bytes>): Promise<void> {
  const reader = stream.getReader();
  while (!(await reader.read()).done);
}

function identityOf(
  file: PassingFile,
  digest: Digest | undefined,
): { path: string; digest?: Digest } {
  return digest ? { path: file.path, digest } : { path: file.path };
}
