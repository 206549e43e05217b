import type { PassingBlob } from "../../archive/image_blobs.ts";
import type { PassingFile } from "../../archive/passing_file.ts";
import { checkHash, inPieces } from "../../archive/passing_streams.ts";
import { type Bytes, drain } from "../../bytes.ts";
import { anySignal, createPromise } from "../../concurrency.ts";
import type { Digest } from "../../digest.ts";
import { fitsSize, headBlob, type UploadHooks } from "../../registry/blobs.ts";
import { isRuntimeFetch, onSent } from "../../registry/http/http.ts";
import { uploadBlob } from "../../registry/upload/upload_blob.ts";
import {
  cancelUpload,
  openUpload,
  type UploadSession,
} from "../../registry/upload/upload_session.ts";
import type { BlobStatus } from "../events.ts";
import { openFileBody } from "../../archive/read_blob.ts";
import { aloneWith, inTurn, isDigestRefusal, mountBlob } from "../random_access/send_blob.ts";
import { knownBlob, rememberBlob, type RepositoryState } from "../repository_state.ts";
import { hooksFor } from "../upload_settings.ts";
import type { Destination, LayerUploads, PassingUploadSettings } from "./passing_settings.ts";
import { ResumableBody } from "./resumable_body.ts";
import { sendPassing } from "./send_passing.ts";
import { asMismatch, type Staged, StagedUploads } from "./staged_uploads.ts";

/** Pieces that streamed bodies are sent in: 64 KiB pieces, as pipes give them, cost Deno half its speed. */
const PIECE_BYTES = 1024 * 1024;
/** A replay window holds at least so many pieces. */
const WINDOW_PIECES = 4;

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
  readonly #settings: PassingUploadSettings;
  readonly #staged = new StagedUploads();
  /** Blobs that have another length in their repository. */
  readonly #doubted = new Set<Digest>();
  readonly #running = new Set<Promise<void>>();
  readonly #sending = new Map<Digest, Promise<void>>();
  readonly #failed = new AbortController();
  readonly #layers: LayerUploads | undefined;

  constructor(settings: PassingUploadSettings) {
    const signal = anySignal(settings.signal, this.#failed.signal);
    this.#settings = { ...settings, signal };
    this.#layers = settings.layerUploads?.({
      settings: this.#settings,
      place: (destination, blob, digest, hooks) => this.#place(destination, blob, digest, hooks),
      isLater: (destination, blob) => this.#isLater(destination, blob),
      stage: (file, staged) => this.#staged.add(file, staged),
    });
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
    const read = createPromise();
    const running = this.#upload(blob, read.resolve).catch((error) => this.#failed.abort(error));
    this.#running.add(running);
    running.finally(() => this.#running.delete(running));
    if (!blob.stream) return;
    await Promise.race([running, read.promise]);
    this.#settings.signal.throwIfAborted();
  }

  async #upload(blob: PassingBlob, onRead: () => void): Promise<void> {
    const { file, stream, named } = blob;
    const destination = await this.#settings.route(file);
    if (!destination) {
      await stream?.cancel();
      return this.#settings.budget.giveBack(file.release());
    }
    const digest = stream ? named ?? destination.digest ?? blob.hint : file.digest;
    await this.#settings.emit({ type: "blob-start", ...identityOf(file, digest), size: file.size });
    const hooks = hooksFor(this.#settings, { file, ...(digest ? { digest } : {}) });
    try {
      // A held blob with a wrong name is of no use; if an image needs it, the end says so.
      if (!stream && named && named !== digest) return;
      // Equal layers may follow each other: the second finds what the first has sent.
      if (digest) await this.#sending.get(digest);
      const sending = this.#layers && blob.isPlain
        ? this.#layers.place(destination, blob, hooks, onRead)
        : this.#place(destination, blob, digest, hooks);
      if (digest) this.#sending.set(digest, sending.catch(() => {}));
      await sending;
    } finally {
      if (digest) this.#sending.delete(digest);
      this.#settings.budget.giveBack(file.release());
    }
  }

  async #place(
    destination: Destination,
    blob: PassingBlob,
    digest: Digest | undefined,
    hooks: UploadHooks,
  ): Promise<void> {
    const { target } = destination;
    const { file, named, stream, likely } = blob;
    if (digest && await this.#exists(target, digest, file, hooks)) return await stream?.cancel();
    // So many files that are no layers: should an image need one after all, the end says that it was passed over.
    if (!likely && this.#staged.isFull) return await stream?.cancel();
    const later = this.#isLater(destination, blob);
    if (this.#settings.dryRun) return await drain(stream);
    if (later && !stream) {
      return await inTurn(target, hooks, () => this.#stageHeld(target, file, hooks));
    }
    // Nobody can wait for a blob of which only the end tells what it is.
    if (later || !digest || (stream && !named)) {
      return await this.#bring(target, blob, digest, later, hooks);
    }
    let isBrought = false;
    const { status } = await aloneWith(target, digest, this.#settings, async (holder) => {
      isBrought = true;
      await this.#bring(target, blob, digest, later, hooks, holder);
      return { digest, status: knownBlob(target, digest) ?? "pushed" };
    });
    if (isBrought) return;
    file.digest = digest;
    await this.#done(digest, file, status);
    await stream?.cancel();
  }

  /** Whether a blob is not to be committed before the end tells that it is needed. */
  #isLater({ isUnsure = false }: Destination, { likely }: PassingBlob): boolean {
    return !likely || ((this.#settings.selective || isUnsure) && !this.#staged.isFull);
  }

  /** Has a blob mounted, or sends it. */
  async #bring(
    target: RepositoryState,
    { file, named, stream }: PassingBlob,
    digest: Digest | undefined,
    later: boolean,
    hooks: UploadHooks,
    holder?: string,
  ): Promise<void> {
    // What is mounted is committed: that is for blobs that an image is known to need.
    const mount = later || !digest ? undefined : await this.#mount(
      target,
      digest,
      file,
      stream && !named ? "hint" : "certain",
      hooks,
      holder,
    );
    if (mount === "mounted") return await stream?.cancel();
    await inTurn(target, hooks, async () => {
      if (!stream) return await this.#sendHeld(target, file, hooks, mount);
      const session = mount ?? await openUpload(target, hooks);
      await this.#pass(file, later ? undefined : named, stream, { target, session }, hooks);
    });
  }

  /** Has a blob mounted that another repository has; else there may be an upload open. */
  async #mount(
    target: RepositoryState,
    digest: Digest,
    file: PassingFile,
    name: "hint" | "certain",
    hooks: UploadHooks,
    holder: string | undefined,
  ): Promise<"mounted" | UploadSession | undefined> {
    const mountFrom: string[] = [];
    for (const repository of this.#settings.mountFrom) {
      // A name that may be wrong is good for no more than a blob of the same length.
      const fits = name === "certain" ||
        await headBlob({ ...target, repository }, digest, hooks) === file.size;
      if (fits) mountFrom.push(repository);
    }
    const settings = { ...this.#settings, mountFrom };
    const mount = await mountBlob(target, digest, settings, hooks, holder);
    if (mount !== "mounted") return mount;
    file.digest = digest;
    rememberBlob(target, digest, "mounted");
    await this.#done(digest, file, "mounted");
    return mount;
  }

  async #exists(
    target: RepositoryState,
    digest: Digest,
    file: PassingFile,
    hooks: UploadHooks,
  ): Promise<boolean> {
    const known = target.blobs.get(digest);
    if (!known && this.#settings.force) return false;
    const found = known ? file.size : await headBlob(target, digest, hooks);
    if (found === undefined) return false;
    if (!fitsSize(found, file.size)) {
      this.#doubted.add(digest);
      return false;
    }
    file.digest = digest;
    if (known) return true;
    rememberBlob(target, digest, "exists");
    await this.#done(digest, file, "exists");
    return true;
  }

  /** Sends a held blob; it can be sent again after a failure. */
  async #sendHeld(
    target: RepositoryState,
    file: PassingFile,
    hooks: UploadHooks,
    session: UploadSession | undefined,
  ): Promise<void> {
    const { digest } = file;
    if (!digest) throw new TypeError("unreachable: held blobs are hashed");
    const blob = { digest, size: file.size, open: () => openFileBody(file) };
    try {
      await uploadBlob(target, blob, hooks, session);
    } catch (error) {
      if (!isDigestRefusal(error)) throw error;
      await uploadBlob(target, { ...blob, wasRefused: true }, hooks);
    }
    this.#settings.budget.giveBack(file.release(isRuntimeFetch(target.http)));
    await this.#pushed(target, digest, file);
  }

  async #stageHeld(
    target: RepositoryState,
    file: PassingFile,
    hooks: UploadHooks,
  ): Promise<void> {
    const session = await openUpload(target, hooks);
    const body = new ResumableBody(openFileBody(file), file.size);
    try {
      await sendPassing(target, session, { body, size: file.size, digest: undefined }, hooks);
    } catch (error) {
      await cancelUpload(target, session);
      throw error;
    }
    this.#staged.add(file, { target, session });
  }

  /** Lets a blob pass that does not fit into memory: the source gives it once. */
  async #pass(
    file: PassingFile,
    named: Digest | undefined,
    stream: ReadableStream<Bytes>,
    { target, session }: Staged,
    hooks: UploadHooks,
  ): Promise<void> {
    const { size, window } = file;
    const checked = named ? checkHash(stream, file, named) : stream;
    const pieces = inPieces(checked, Math.min(PIECE_BYTES, Math.ceil(window / WINDOW_PIECES)));
    const body = new ResumableBody(pieces, window, onSent(target.http));
    try {
      await sendPassing(target, session, { body, size, digest: named }, hooks);
    } catch (error) {
      // Not awaited: a source that hangs must not hold up the failure.
      body.cancel(error).catch(() => {});
      await cancelUpload(target, session);
      throw named ? asMismatch(error, file, named) : error;
    }
    body.forget();
    if (!named) return void this.#staged.add(file, { target, session });
    file.digest = named;
    await this.#pushed(target, named, file);
  }

  /**
   * Commits what was sent of a file.
   *
   * @param target The repository that needs it.
   * @param file A file that an image turned out to need.
   * @param digest Its digest, as the archive has it.
   * @returns Whether the repository has it by that.
   */
  async take(
    target: RepositoryState,
    file: PassingFile,
    digest: Digest,
    hooks: UploadHooks,
  ): Promise<boolean> {
    const place = await this.#staged.commit(file, digest, hooks);
    if (!place) return false;
    if (place === target) return true;
    // It went to another repository before it was known who needs it: from there it is mounted.
    rememberBlob(place, digest, "pushed");
    this.#settings.onUploaded(file.size);
    return false;
  }

  /** Cancels what was sent and nothing needed. */
  async cancelRest(): Promise<void> {
    await this.#staged.cancel();
  }

  async #pushed(target: RepositoryState, digest: Digest, file: PassingFile): Promise<void> {
    if (this.#settings.force || this.#doubted.has(digest)) {
      const { readBackBlob } = await import("../read_back.ts");
      await readBackBlob(target, { digest, size: file.size }, hooksFor(this.#settings));
    }
    rememberBlob(target, digest, "pushed");
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

function identityOf(
  file: PassingFile,
  digest: Digest | undefined,
): { path: string; digest?: Digest } {
  return digest ? { path: file.path, digest } : { path: file.path };
}
