import type { PassingBlob } from "../../archive/image_blobs.ts";
import type { PassingFile } from "../../archive/passing_file.ts";
import { anySignal, createPromise } from "../../concurrency.ts";
import type { Digest } from "../../digest.ts";
import type { UploadHooks } from "../../registry/blobs.ts";
import { rememberBlob, type RepositoryState } from "../repository_state.ts";
import { hooksFor, identityOf } from "../upload_settings.ts";
import {
  type Destination,
  type Passage,
  type PlainSettings,
  PlainUploads,
} from "./plain_uploads.ts";

/** Settings of `PassingUploads`. */
export interface PassingUploadSettings extends PlainSettings {
  /** Tells where files go. */
  route: Route;
  /** Makes what sends layers that are not compressed; absent where they go like all others. */
  layerUploads?: ((plain: PlainUploads) => LayerUploads) | undefined;
}

/** What sends layers that are not compressed. */
export interface LayerUploads {
  /**
   * Sends a layer.
   *
   * @param onRead Called when its stream was read to the end, where what is to be sent is held.
   */
  place(passage: Passage, onRead: () => void): Promise<void>;
}

/** Where a file goes; undefined where nothing needs it. */
export type Route = (file: PassingFile) => Promise<Destination | undefined>;

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
  readonly #running = new Set<Promise<void>>();
  readonly #sending = new Map<Digest, Promise<void>>();
  readonly #failed = new AbortController();
  readonly #plain: PlainUploads;
  readonly #layers: LayerUploads | undefined;

  constructor(settings: PassingUploadSettings) {
    const signal = anySignal(settings.signal, this.#failed.signal);
    this.#settings = { ...settings, signal };
    this.#plain = new PlainUploads(this.#settings);
    this.#layers = settings.layerUploads?.(this.#plain);
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
    await this.#settings.emit({
      type: "blob-start",
      ...identityOf({ file, digest }),
      size: file.size,
    });
    const hooks = hooksFor(this.#settings, { file, digest });
    const passage: Passage = { destination, blob, digest, hooks };
    try {
      // A held blob with a wrong name is of no use; if an image needs it, the end says so.
      if (!stream && named && named !== digest) return;
      // Equal layers may follow each other: the second finds what the first has sent.
      if (digest) await this.#sending.get(digest);
      const sending = this.#layers && blob.isPlain
        ? this.#layers.place(passage, onRead)
        : this.#plain.place(passage);
      if (digest) this.#sending.set(digest, sending.catch(() => {}));
      await sending;
    } finally {
      if (digest) this.#sending.delete(digest);
      this.#settings.budget.giveBack(file.release());
    }
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
    const place = await this.#plain.staged.commit(file, digest, hooks);
    if (!place) return false;
    if (place === target) return true;
    // It went to another repository before it was known who needs it: from there it is mounted.
    rememberBlob(place, digest, "pushed");
    this.#settings.onUploaded(file.size);
    return false;
  }

  /** Cancels what was sent and nothing needed. */
  async cancelRest(): Promise<void> {
    await this.#plain.staged.cancel();
  }
}
