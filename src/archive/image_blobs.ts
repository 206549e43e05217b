import type { Bytes } from "../bytes.ts";
import { type Compression, isLayerCompression, sniffCompression } from "../codec/magic.ts";
import { algorithmOf, type Digest, digestBytes, digestOfName, digestOfPath } from "../digest.ts";
import { DocumentRoom } from "../image/document_room.ts";
import { EntryReader } from "../image/entry_reader.ts";
import { ArchiveFiles, cleanPath, isJson, PEEK_BYTES } from "../image/files.ts";
import type { Hasher } from "../incremental_hash.ts";
import { isTar } from "../tar/header.ts";
import type { ImageTarEntry } from "../source/open_source.ts";
import type { Budget } from "../concurrency.ts";
import { emptyFile, PassingFile } from "./passing_file.ts";
import { hashed, hashInflated, inflated } from "./passing_streams.ts";

/** A blob on its way through a one-pass push: held in memory, or passing as a stream that must be read to its end. */
export interface PassingBlob {
  file: PassingFile;
  /** What its name says of its digest: an OCI layout's name is certain, `HEX.tar.gz` is a hint. */
  named?: Digest;
  hint?: Digest;
  /** Absent where the blob is held; the file then has memory reserved for a replay window. */
  stream?: ReadableStream<Bytes>;
  /** Whether it looks like a layer: a tar, compressed, or named by digest. */
  likely: boolean;
  /** Whether it looks like a layer that is not compressed. */
  isPlain: boolean;
}

/** Share of the budget for small files that look like no layer and wait for the end. */
const WAITING_SHARE = 4;
/** Share of the budget for what a large blob may have to send again. */
const WINDOW_SHARE = 4;
/**
 * What a broken upload can go back by: more than what sockets and runtimes have taken but not delivered, which is 4 to 10
 * MB on Linux.
 */
const MAX_WINDOW_BYTES = 16 * 1024 * 1024;

/** What layers without a header of their own are called: an old tar, or none at all. */
const LAYER_NAME = /(?:^|\/)layer$|\.tar$/;

/** Settings of {@linkcode ImageBlobs}. */
export interface ImageBlobsOptions {
  budget: Budget;
  hasher: Hasher;
  /** Hash every large blob on the way, not only those that nothing else would tell the digest of. */
  verify: boolean;
  /**
   * Whether layers that are not compressed are held only where they are small: who compresses them needs the memory.
   * @default {false}
   */
  streamsPlain?: boolean;
}

/** A layer of this size is compressed at once. */
const SMALL_PLAIN_BYTES = 1024 * 1024;

/**
 * Sorts the entries of a tar, for `pipeThrough`. JSON documents are kept in {@linkcode files} to the end, files that look
 * like nothing an image needs wait there while there is room; everything else comes out as a {@linkcode PassingBlob}:
 * held, hashed and named, or as a stream where it does not fit the budget.
 *
 * The bytes of a held blob count against the budget until they are released and given back.
 */
export class ImageBlobs extends TransformStream<ImageTarEntry, PassingBlob> {
  /** Every file and link seen so far. */
  readonly files: ArchiveFiles;

  constructor(options: ImageBlobsOptions) {
    const sorter = new EntrySorter(options);
    super(
      {
        async transform(entry, controller) {
          const blob = await sorter.sort(entry);
          if (blob) controller.enqueue(blob);
        },
      },
      { highWaterMark: 1 },
      { highWaterMark: 0 },
    );
    this.files = sorter.files;
  }
}

class EntrySorter {
  readonly files = new ArchiveFiles();
  readonly #options: ImageBlobsOptions;
  readonly #documents = new DocumentRoom();
  #waiting = 0;

  constructor(options: ImageBlobsOptions) {
    this.#options = options;
  }

  async sort({ path, header, readable }: ImageTarEntry): Promise<PassingBlob | undefined> {
    const { typeflag = "0", linkname = "", size = 0 } = header;
    const clean = cleanPath(path);
    if (!readable || clean === undefined || clean === "") {
      await readable?.cancel();
      this.files.add(path, { typeflag, linkname }, (clean) => emptyFile(clean));
      return;
    }
    const body = new EntryReader(clean, size, readable);
    const head = await body.read(Math.min(size, PEEK_BYTES));
    const file = new PassingFile(clean, size, head);
    const blob = await this.#take(file, head, body);
    // Only now: who sends the blobs before it looks for documents meanwhile, and must find this one whole or not yet.
    this.files.add(path, { typeflag, linkname }, () => file);
    return blob;
  }

  async #take(file: PassingFile, head: Bytes, body: EntryReader): Promise<PassingBlob | undefined> {
    if (!isJson(head) || !this.#documents.take(file.path, file.size)) {
      return await this.#pass(file, head, body);
    }
    // A manifest, an index or a config, perhaps: only the end tells what is needed of it.
    await hold(file, head, body);
    return undefined;
  }

  async #pass(file: PassingFile, head: Bytes, body: EntryReader): Promise<PassingBlob | undefined> {
    const { budget, hasher, streamsPlain = false } = this.#options;
    const compression = sniffCompression(head);
    const named = digestOfPath(file.path);
    const likely = named !== undefined || compression !== undefined || isTar(head) ||
      LAYER_NAME.test(file.path);
    const isPlain = compression === undefined &&
      (isTar(head) || (!named && LAYER_NAME.test(file.path)));
    const blob: PassingBlob = { file, likely, isPlain };
    if (named) blob.named = named;
    else {
      const hint = digestOfName(file.path);
      if (hint) blob.hint = hint;
    }
    const room = budget.size / WAITING_SHARE;
    if (!likely && this.#waiting + file.size <= room) {
      // A file like VERSION waits for the end while there is room.
      this.#waiting += file.size;
      await budget.take(file.size);
      await hold(file, head, body);
      return;
    }
    const isStreamed = isPlain && streamsPlain && file.size > SMALL_PLAIN_BYTES;
    // What waits gives nothing back before the end.
    const most = budget.size - room;
    if (file.size > most || isStreamed) {
      const window = Math.min(MAX_WINDOW_BYTES, Math.floor(budget.size / WINDOW_SHARE));
      return await this.#stream(blob, head, body, compression, window);
    }
    // No other fits beside it: its name is all that there is to know before it is sent, so it is sent while it is read.
    if (named && file.size > most / 2) {
      return await this.#stream(blob, head, body, compression, file.size);
    }
    // It is read as far as there is room: the rest comes when a blob before it was sent.
    const bytes = await hold(file, head, body, (size) => budget.take(size));
    if (!named && isLayerCompression(compression)) {
      await hashInflated(bytes, compression, file, hasher);
    }
    return blob;
  }

  async #stream(
    blob: PassingBlob,
    head: Bytes,
    body: EntryReader,
    compression: Compression | undefined,
    window: number,
  ): Promise<PassingBlob> {
    const { budget, verify, hasher } = this.#options;
    const { file, named } = blob;
    // Taken here, in order of the entries: behind a later one that is held, it might never come.
    await budget.take(window);
    file.reserve(window);
    // Without a name the digest of a plain layer comes from the config, that of a compressed one only from its bytes.
    const compressed = compression !== undefined && !named;
    const hash = verify || compressed ? await hasher(algorithmOf(file.path)) : undefined;
    let stream = body.stream(head);
    if (hash) stream = hashed(stream, hash, (digest) => file.digest = digest);
    if (compressed && isLayerCompression(compression)) {
      stream = inflated(stream, compression, file, hasher);
    }
    return { ...blob, stream };
  }
}

async function hold(
  file: PassingFile,
  head: Bytes,
  body: EntryReader,
  room?: (bytes: number) => Promise<void>,
): Promise<Bytes> {
  const bytes = await body.readAll(head, room);
  file.hold(bytes);
  file.digest = await digestBytes(bytes, algorithmOf(file.path));
  return bytes;
}
