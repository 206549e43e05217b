import type { PassingBlob } from "../../archive/image_blobs.ts";
import type { PassingFile } from "../../archive/passing_file.ts";
import { checkHash, inPieces } from "../../archive/passing_streams.ts";
import { openFileBody } from "../../archive/read_blob.ts";
import { type Bytes, drain, giveUp } from "../../bytes.ts";
import type { Budget } from "../../concurrency.ts";
import type { Digest } from "../../digest.ts";
import { fitsSize, headBlob, headBlobElsewhere, type UploadHooks } from "../../registry/blobs.ts";
import { isRuntimeFetch, onSent } from "../../registry/http/http.ts";
import { isDigestRefusal } from "../../registry/upload/digest_refusal.ts";
import { uploadBlob } from "../../registry/upload/upload_blob.ts";
import {
  cancelUpload,
  openUpload,
  type UploadSession,
  withUpload,
} from "../../registry/upload/upload_session.ts";
import type { BlobStatus } from "../events.ts";
import { aloneWith, inTurn, mountBlob } from "../random_access/send_blob.ts";
import { knownBlob, rememberBlob, type RepositoryState } from "../repository_state.ts";
import { hooksFor, type UploadSettings } from "../upload_settings.ts";
import { ResumableBody } from "./resumable_body.ts";
import { sendPassing } from "./send_passing.ts";
import { asMismatch, type Staged, StagedUploads } from "./staged_uploads.ts";

/** The repository that needs a file first, and the digest that the file should have. */
export interface Destination {
  target: RepositoryState;
  digest?: Digest | undefined;
  /** Whether only the end tells if the file is needed, and where. */
  isUnsure?: boolean;
}

/** A blob of a pipe on its way. */
export interface Passage {
  destination: Destination;
  blob: PassingBlob;
  /** Its digest, where something tells it. */
  digest: Digest | undefined;
  hooks: UploadHooks;
}

/** Settings of {@linkcode PlainUploads}. */
export interface PlainSettings extends UploadSettings {
  budget: Budget;
  /** Whether images of the archive may be left out: nothing is committed then before it is known to be needed. */
  selective: boolean;
}

/** Pieces that streamed bodies are sent in: 64 KiB pieces, as pipes give them, cost Deno half its speed. */
const PIECE_BYTES = 1024 * 1024;
/** A replay window holds at least so many pieces. */
const WINDOW_PIECES = 4;

/** Sends the blobs of a pipe as they are: those that are held, and those that pass as a stream. */
export class PlainUploads {
  readonly settings: PlainSettings;
  /** What was sent and is to be committed when it is needed. */
  readonly staged = new StagedUploads();
  /** Blobs that have another length in their repository. */
  readonly #doubted = new Set<Digest>();

  constructor(settings: PlainSettings) {
    this.settings = settings;
  }

  /** Sends a blob as it is, unless it is there. */
  async place(passage: Passage): Promise<void> {
    const { destination: { target }, blob, digest, hooks } = passage;
    const { file, named, stream, likely } = blob;
    if (await this.#exists(passage)) return await stream?.cancel();
    // So many files that are no layers: should an image need one after all, the end says that it was passed over.
    if (!likely && this.staged.isFull) return await stream?.cancel();
    const later = this.isLater(passage);
    if (this.settings.dryRun) {
      // What only its end tells the digest of is sent, be it there or not.
      if (stream && !named) this.staged.add(file, { target });
      return await drain(stream);
    }
    if (later && !stream) {
      return await inTurn(target, hooks, () => this.#stageHeld(target, file, hooks));
    }
    // Nobody can wait for a blob of which only the end tells what it is.
    if (later || !digest || (stream && !named)) {
      return await this.#bring(passage, later);
    }
    let isBrought = false;
    const { status } = await aloneWith(target, digest, this.settings, async (holder) => {
      isBrought = true;
      await this.#bring(passage, later, holder);
      return { digest, status: knownBlob(target, digest) ?? "pushed" };
    });
    if (isBrought) return;
    file.digest = digest;
    await this.#done(digest, file, status);
    await stream?.cancel();
  }

  /** Whether a blob is not to be committed before the end tells that it is needed. */
  isLater({ destination: { isUnsure = false }, blob: { likely } }: Passage): boolean {
    return !likely || ((this.settings.selective || isUnsure) && !this.staged.isFull);
  }

  /** Has a blob mounted, or sends it. */
  async #bring(passage: Passage, later: boolean, holder?: string): Promise<void> {
    const { destination: { target }, blob: { file, named, stream }, hooks } = passage;
    // What is mounted is committed: that is for blobs that an image is known to need.
    const mount = later ? undefined : await this.#mount(passage, holder);
    if (mount === "mounted") return await stream?.cancel();
    await withUpload(mount, (take) =>
      inTurn(target, hooks, async () => {
        if (!stream) return await this.#sendHeld(target, file, hooks, take());
        const session = take() ?? await openUpload(target, hooks);
        await this.#pass(file, later ? undefined : named, stream, { target, session }, hooks);
      }));
  }

  /** Has a blob mounted that another repository has; else there may be an upload open. */
  async #mount(
    { destination: { target }, blob: { file, named, stream }, digest, hooks }: Passage,
    holder: string | undefined,
  ): Promise<"mounted" | UploadSession | undefined> {
    if (!digest) return undefined;
    const isCertain = !stream || named !== undefined;
    const mountFrom: string[] = [];
    for (const repository of this.settings.mountFrom) {
      // A name that may be wrong is good for no more than a blob of the same length.
      const fits = isCertain ||
        await headBlobElsewhere({ ...target, repository }, digest, hooks) === file.size;
      if (fits) mountFrom.push(repository);
    }
    const settings = { ...this.settings, mountFrom };
    const mount = await mountBlob({ target, digest, settings, hooks }, holder);
    if (mount !== "mounted") return mount;
    file.digest = digest;
    rememberBlob(target, digest, "mounted");
    await this.#done(digest, file, "mounted");
    return mount;
  }

  async #exists(
    { destination: { target }, blob: { file }, digest, hooks }: Passage,
  ): Promise<boolean> {
    if (!digest) return false;
    const known = target.blobs.get(digest);
    if (!known && this.settings.force) return false;
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
    this.settings.budget.giveBack(file.release(isRuntimeFetch(target.http)));
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
      await sendPassing(session, { body, size: file.size, digest: undefined }, hooks);
    } catch (error) {
      await cancelUpload(session);
      throw error;
    }
    this.staged.add(file, { target, session });
  }

  /** Lets a blob pass that does not fit into memory: the source gives it once. */
  async #pass(
    file: PassingFile,
    named: Digest | undefined,
    stream: ReadableStream<Bytes>,
    { target, session }: Required<Staged>,
    hooks: UploadHooks,
  ): Promise<void> {
    const { size, window } = file;
    const checked = named ? checkHash(stream, file, named) : stream;
    const pieces = inPieces(checked, Math.min(PIECE_BYTES, Math.ceil(window / WINDOW_PIECES)));
    const body = new ResumableBody(pieces, window, onSent(target.http));
    try {
      await sendPassing(session, { body, size, digest: named }, hooks);
    } catch (error) {
      giveUp(body, error);
      await cancelUpload(session);
      throw named ? asMismatch(error, file, named) : error;
    }
    body.forget();
    if (!named) return void this.staged.add(file, { target, session });
    file.digest = named;
    await this.#pushed(target, named, file);
  }

  async #pushed(target: RepositoryState, digest: Digest, file: PassingFile): Promise<void> {
    if (this.settings.force || this.#doubted.has(digest)) {
      const { readBackBlob } = await import("../read_back.ts");
      await readBackBlob(target, { digest, size: file.size }, hooksFor(this.settings));
    }
    rememberBlob(target, digest, "pushed");
    this.settings.onUploaded(file.size);
    await this.#done(digest, file, "pushed");
  }

  async #done(digest: Digest, file: PassingFile, status: BlobStatus): Promise<void> {
    await this.settings.emit({
      type: "blob-done",
      digest,
      path: file.path,
      size: file.size,
      status,
    });
  }
}
