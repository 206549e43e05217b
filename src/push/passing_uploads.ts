import type { Digest } from "../digest.ts";
import { digestAlgorithm } from "../digest.ts";
import { RegistryError } from "../errors.ts";
import { mismatch } from "../image/content.ts";
import {
  cancelUpload,
  commitUpload,
  headBlob,
  openUpload,
  sendBody,
  uploadBlob,
  type UploadHooks,
  type UploadSession,
} from "../registry/blobs.ts";
import { waitForRetry } from "../registry/http.ts";
import { type Bytes, concat } from "../source.ts";
import type { BlobStatus } from "./events.ts";
import type { MemoryBudget, PassingBlob, PassingFile } from "./image_blobs.ts";
import { openFileBody } from "./read.ts";
import { ResumableBody } from "./resumable_body.ts";
import { openPatiently, sendPassing } from "./send_passing.ts";
import {
  hooksFor,
  isDigestRefusal,
  mountBlob,
  type RepositoryState,
  type UploadSettings,
} from "./upload.ts";

/** Settings of {@linkcode PassingUploads}. */
export interface PassingUploadSettings extends UploadSettings {
  budget: MemoryBudget;
  /** Whether images of the archive may be left out: nothing is committed then before it is known to be needed. */
  selective: boolean;
}

/** Pieces that streamed bodies are sent in: 64 KiB pieces, as pipes give them, cost Deno half its speed. */
const PIECE_BYTES = 1024 * 1024;
/** A replay window holds at least so many pieces. */
const WINDOW_PIECES = 4;
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
      this.#settings.budget.giveBack(file.release());
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
    if (this.#settings.dryRun) return await drain(stream);
    if (later && !stream) return await this.#stageHeld(file, hooks);
    // What is mounted is committed: that is for blobs that an image is known to need.
    const mount = later || !digest
      ? undefined
      : await this.#mount(digest, file, stream && !named ? "hint" : "certain", hooks);
    if (mount === "mounted") return await stream?.cancel();
    if (!stream) return await this.#sendHeld(file, hooks, mount);
    const session = mount ?? await openPatiently(this.#target, hooks);
    await this.#pass(file, later ? undefined : named, stream, session, hooks);
  }

  /** Has a blob mounted that another repository has; else there may be an upload open. */
  async #mount(
    digest: Digest,
    file: PassingFile,
    name: "hint" | "certain",
    hooks: UploadHooks,
  ): Promise<"mounted" | UploadSession | undefined> {
    const mountFrom: string[] = [];
    for (const repository of this.#settings.mountFrom) {
      // A name that may be wrong is good for no more than a blob of the same length.
      const fits = name === "certain" ||
        await headBlob({ ...this.#target, repository }, digest, hooks) === file.size;
      if (fits) mountFrom.push(repository);
    }
    const mount = await mountBlob(this.#target, digest, { ...this.#settings, mountFrom }, hooks);
    if (mount !== "mounted") return mount;
    file.digest = digest;
    this.#target.blobs.set(digest, "mounted");
    await this.#done(digest, file, "mounted");
    return mount;
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
  async #sendHeld(
    file: PassingFile,
    hooks: UploadHooks,
    session: UploadSession | undefined,
  ): Promise<void> {
    const { digest } = file;
    if (!digest) throw new TypeError("unreachable: held blobs are hashed");
    await uploadBlob(
      this.#target,
      { digest, size: file.size, open: () => openFileBody(file) },
      hooks,
      session,
    );
    await this.#pushed(digest, file);
  }

  async #stageHeld(file: PassingFile, hooks: UploadHooks): Promise<void> {
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

  /** Lets a blob pass that does not fit into memory: the source gives it once. */
  async #pass(
    file: PassingFile,
    named: Digest | undefined,
    stream: ReadableStream<Bytes>,
    session: UploadSession,
    hooks: UploadHooks,
  ): Promise<void> {
    const { size, window } = file;
    const checked = named ? checkHash(stream, file, named) : stream;
    const pieces = inPieces(checked, Math.min(PIECE_BYTES, Math.ceil(window / WINDOW_PIECES)));
    const body = new ResumableBody(pieces, window);
    try {
      await sendPassing(this.#target, session, { body, size, digest: named }, hooks);
    } catch (error) {
      // Not awaited: a source that hangs must not hold up the failure.
      body.cancel(error).catch(() => {});
      await cancelUpload(this.#target, session);
      throw named ? asMismatch(error, file, named) : error;
    }
    if (!named) return void this.#staged.set(file, session);
    file.digest = named;
    await this.#pushed(named, file);
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
      throw asMismatch(error, file, digest);
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

  async #done(digest: Digest, file: PassingFile, status: BlobStatus): Promise<void> {
    await this.#settings.emit({
      type: "blob-done",
      digest,
      path: file.path,
      size: file.size,
      status,
    });
  }
}

/** The failure of a blob, in terms of the archive where the registry found another digest than expected. */
function asMismatch(error: unknown, file: PassingFile, digest: Digest): unknown {
  if (!(error instanceof RegistryError && error.status === 400 && isDigestRefusal(error))) {
    return error;
  }
  const wrong = mismatch(file.path, digest, file.digest);
  wrong.cause = error;
  return wrong;
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

async function drain(stream: ReadableStream<Bytes> | undefined): Promise<void> {
  for await (const _ of stream ?? []);
}

function identityOf(
  file: PassingFile,
  digest: Digest | undefined,
): { path: string; digest?: Digest } {
  return digest ? { path: file.path, digest } : { path: file.path };
}
