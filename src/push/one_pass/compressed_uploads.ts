import type { PassingBlob } from "../../archive/image_blobs.ts";
import { PassingFile } from "../../archive/passing_file.ts";
import { openFileBody } from "../../archive/read_blob.ts";
import { type Bytes, readHead } from "../../bytes.ts";
import type { Encoding } from "../../codec/block_encoder.ts";
import type { LayerCompression } from "../../codec/magic.ts";
import { type Digest, digestAlgorithm } from "../../digest.ts";
import { mismatch } from "../../image/content.ts";
import { compressLayer, type PassingLayer } from "../compression/compress_layer.ts";
import { type Compressing, SAMPLE_BYTES } from "../compression/compressing.ts";
import { hasKnown, type KnownLayers, readKnownLayers } from "../compression/known_layers.ts";
import { sendCompressed } from "../compression/send_compressed.ts";
import type { RepositoryState } from "../repository_state.ts";
import { hooksFor } from "../upload_settings.ts";
import type { LayerUploads } from "./passing_uploads.ts";
import type { Destination, Passage, PlainUploads } from "./plain_uploads.ts";

/** Layers of a pipe that are compressed while they pass. */
export class CompressedUploads implements LayerUploads {
  readonly #compressing: () => Promise<Compressing>;
  readonly #plain: PlainUploads;
  readonly #standing: string | undefined;
  /** What was made of layers, by the digests that they had. */
  readonly #made = new Map<Digest, NonNullable<PassingFile["compressed"]>>();
  #known: Promise<KnownLayers | undefined> | undefined;

  /** @param standing The tag that the image goes to: what stands there may tell what layers become. */
  constructor(
    compressing: () => Promise<Compressing>,
    plain: PlainUploads,
    standing: string | undefined,
  ) {
    this.#compressing = compressing;
    this.#plain = plain;
    this.#standing = standing;
  }

  /**
   * Compresses a layer and sends what it becomes; what would become larger is sent as it is. The layer is hashed, since
   * the registry does not see it.
   */
  async place(passage: Passage, onRead: () => void): Promise<void> {
    const { destination: { target }, blob: { file, named, stream }, hooks } = passage;
    const digest = named ?? file.digest;
    const compressing = await this.#compressing();
    const made = digest && await this.#find(target, file, digest, compressing.usual.kind);
    if (made) {
      file.digest = digest;
      file.compressed = made;
      return await stream?.cancel();
    }
    // It is not waited for a larger one, which may not come.
    if (!compressing.canTell(target, file.size)) return await this.#placePlain(passage);
    let whole = stream ?? openFileBody(file);
    const sample = async () => {
      const looked = await readHead(whole.getReader(), SAMPLE_BYTES);
      whole = looked.whole;
      return looked.head;
    };
    const encoding = await compressing.encodingFor(target, sample, hooks);
    if (!encoding) return await this.#placePlain(passage, whole);
    await this.#compress(passage, whole, encoding, compressing, onRead);
    if (file.digest && file.compressed) this.#made.set(file.digest, file.compressed);
  }

  async #compress(
    passage: Passage,
    stream: ReadableStream<Bytes>,
    encoding: Encoding,
    compressing: Compressing,
    onRead: () => void,
  ): Promise<void> {
    const { destination, blob } = passage;
    const { file, named } = blob;
    const { kind } = encoding;
    const algorithm = named ? digestAlgorithm(named) : "sha256";
    // What is held was hashed when it was read.
    const held = file.digest ? undefined : await compressing.hashes.start(algorithm, file.size);
    const check = (raw: Digest | undefined) => {
      if (raw) file.digest = raw;
      if (named && file.digest !== named) throw mismatch(file.path, named, file.digest);
    };
    try {
      const { signal } = this.#plain.settings;
      const hold = file.window || file.size;
      const layerEncoding = await compressing.layerEncoding(encoding, signal, hold);
      const isOnce = blob.stream !== undefined;
      const content = { size: file.size, stream, isOnce, hash: held?.hash };
      const compressed = await compressLayer(content, layerEncoding);
      if (compressed.kind === "kept") {
        return await this.#placePlain(passage, compressed.whole);
      }
      if (compressed.kind === "passing") {
        file.compressed = { file: await this.#send(passage, compressed.passing, check), kind };
        return;
      }
      check(compressed.raw);
      held?.release();
      const made = this.#hold(file, compressed.bytes, compressed.digest);
      onRead();
      await this.#placeHeld(destination, made);
      file.compressed = { file: made, kind };
    } finally {
      held?.release();
    }
  }

  /** Sends a layer as it is, its stream begun or not. */
  async #placePlain(passage: Passage, stream?: ReadableStream<Bytes>): Promise<void> {
    const { blob } = passage;
    if (blob.stream) {
      const begun = { ...blob, ...stream && { stream } };
      return await this.#plain.place({ ...passage, blob: begun, digest: blob.named });
    }
    await stream?.cancel();
    await this.#plain.place({ ...passage, digest: blob.file.digest });
  }

  /** Puts what was made of a layer in its place in memory. */
  #hold(file: PassingFile, bytes: Bytes, digest: Digest): PassingFile {
    const { budget } = this.#plain.settings;
    const made = new PassingFile(file.path, bytes.length, bytes);
    made.hold(bytes);
    made.digest = digest;
    // It is no longer than what was reserved for the layer, or than the layer itself.
    budget.giveBack(file.release() - bytes.length);
    return made;
  }

  async #placeHeld(destination: Destination, made: PassingFile): Promise<void> {
    const { settings } = this.#plain;
    const hooks = hooksFor(settings, { file: made });
    try {
      const blob: PassingBlob = { file: made, likely: true, isPlain: false };
      await this.#plain.place({ destination, blob, digest: made.digest, hooks });
    } finally {
      settings.budget.giveBack(made.release());
    }
  }

  /** Sends a layer while it is compressed. */
  async #send(
    passage: Passage,
    passing: PassingLayer,
    check: (raw: Digest | undefined) => void,
  ): Promise<PassingFile> {
    const { destination: { target }, blob: { file }, hooks } = passage;
    const { settings, staged } = this.#plain;
    const { path, size: mostBytes, window } = file;
    const body = { target, passing, path, mostBytes, window, check, settings, hooks };
    const isLater = () => this.#plain.isLater(passage);
    const { digest, size, session } = await sendCompressed(body, isLater);
    const made = toFile(path, digest, size);
    if (session) staged.add(made, { target, session });
    return made;
  }

  /** What was made of a layer whose digest is known before it is read: by this push, or by an earlier one if it is still there. */
  async #find(
    target: RepositoryState,
    file: PassingFile,
    digest: Digest,
    kind: LayerCompression,
  ): Promise<PassingFile["compressed"]> {
    const made = this.#made.get(digest);
    if (made) return made;
    const { settings } = this.#plain;
    if (this.#standing === undefined || settings.force) return undefined;
    const hooks = hooksFor(settings);
    this.#known ??= readKnownLayers(target, this.#standing, kind, hooks);
    const before = (await this.#known)?.get(digest);
    if (!before || !await hasKnown(target, before, hooks)) return undefined;
    const { size } = before;
    const done = { digest: before.digest, path: file.path, size, status: "exists" } as const;
    await settings.emit({ type: "blob-done", ...done });
    return { file: toFile(file.path, before.digest, size), kind };
  }
}

/** A file whose content has gone. */
function toFile(path: string, digest: Digest, size: number): PassingFile {
  const file = new PassingFile(path, size, new Uint8Array(0));
  file.digest = digest;
  return file;
}
