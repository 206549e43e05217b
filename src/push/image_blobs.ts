import { type Compression, decompress, sniffCompression } from "../compression.ts";
import { type Digest, digestBytes } from "../digest.ts";
import { ArchiveError } from "../errors.ts";
import { malformed } from "../image/content.ts";
import { MAX_CONFIG_BYTES, MAX_MANIFEST_JSON_BYTES } from "../image/docker_save.ts";
import {
  type ArchiveFile,
  ArchiveFiles,
  cleanPath,
  digestOfName,
  digestOfPath,
  tooLarge,
} from "../image/files.ts";
import type { Hasher, IncrementalHash } from "../incremental_hash.ts";
import { quoteName } from "../quote_name.ts";
import { type BlobSource, type Bytes, bytesSource, toBytes } from "../source.ts";

/** What an untar stream yields, ours or another's, such as the one of `@std/tar`. */
export interface ImageTarEntry {
  /** Name as in the tar. */
  path: string;
  /** Header with the effective values. */
  header: { size?: number; typeflag?: string; linkname?: string };
  /** Body of a file. */
  readable?: ReadableStream<Uint8Array> | undefined;
}

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
}

/** Most bytes of JSON documents that are kept to the end; they come on top of the memory budget. */
const MAX_KEPT_BYTES = 32 * 1024 * 1024;
/** Share of the budget for small files that look like no layer and wait for the end. */
const WAITING_SHARE = 4;
/** Share of the budget for what a large blob may have to send again. */
const WINDOW_SHARE = 8;
/** What a broken upload can go back by: more than what sockets and runtimes have taken but not delivered. */
const MAX_WINDOW_BYTES = 4 * 1024 * 1024;
/** Bytes kept of every file: enough to tell gzip and zstd. */
const HEAD_BYTES = 16;
/** Bytes looked at to tell a tar. */
const PEEK_BYTES = 512;

/** What layers without a header of their own are called: an old tar, or none at all. */
const LAYER_NAME = /(?:^|\/)layer$|\.tar$/;

/** A file that passed by: its bytes are there while they are held, its digest once it is known. */
export class PassingFile implements ArchiveFile {
  readonly path: string;
  readonly size: number;
  readonly #head: Bytes;
  #held: Bytes | undefined;
  #reserved = 0;
  body?: BlobSource;
  digest?: Digest;
  inflatedDigest?: Digest;
  inflateError?: unknown;

  constructor(path: string, size: number, head: Bytes) {
    this.path = path;
    this.size = size;
    this.#head = head.slice(0, HEAD_BYTES);
  }

  hold(bytes: Bytes): void {
    this.#held = bytes;
    this.body = bytesSource(bytes);
  }

  /** Notes memory of the budget that sending this file needs besides what is held. */
  reserve(bytes: number): void {
    this.#reserved = bytes;
  }

  /** Memory for what may have to be sent again. */
  get window(): number {
    return this.#reserved;
  }

  /** Gives the memory back; returns how much that is. */
  release(): number {
    const size = (this.#held?.length ?? 0) + this.#reserved;
    this.#held = undefined;
    this.#reserved = 0;
    delete this.body;
    return size;
  }

  get held(): boolean {
    return this.#held !== undefined;
  }

  peek(): Promise<Bytes> {
    return Promise.resolve(this.#head);
  }

  bytes(limit: number): Promise<Bytes> {
    if (this.size > limit) return Promise.reject(tooLarge(this.path, this.size, limit));
    if (this.#held) return Promise.resolve(this.#held);
    // Every document is kept while there is room: what is asked for here and was not is none, or one too many.
    return Promise.reject(
      isJson(this.#head)
        ? new ArchiveError(
          `Cannot read ${
            quoteName(this.path)
          } of the archive: the JSON documents before it in the ` +
            `stream come to ${MAX_KEPT_BYTES / 1024 / 1024} MiB, the most that is kept`,
          { path: this.path, hint: "write the archive to a file first and push that" },
        )
        : malformed(this.path, "it is no JSON document"),
    );
  }
}

/** Memory for held blobs: taking waits until enough has been given back. */
export class MemoryBudget {
  readonly size: number;
  #free: number;
  readonly #waiting: { bytes: number; resume: () => void }[] = [];

  constructor(size: number) {
    this.size = this.#free = size;
  }

  async take(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && bytes <= this.#free) {
      this.#free -= bytes;
      return;
    }
    await new Promise<void>((resume) => this.#waiting.push({ bytes, resume }));
  }

  giveBack(bytes: number): void {
    this.#free += bytes;
    for (let next = this.#waiting[0]; next && next.bytes <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.bytes;
      next.resume();
    }
  }
}

/** Settings of {@linkcode ImageBlobs}. */
export interface ImageBlobsOptions {
  budget: MemoryBudget;
  hasher: Hasher;
  /** Hash every large blob on the way, not only those that nothing else would tell the digest of. */
  verify: boolean;
}

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
  #kept = 0;
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
    this.files.add(path, { typeflag, linkname }, () => file);
    if (isJson(head) && size <= limitOf(clean) && this.#kept + size <= MAX_KEPT_BYTES) {
      this.#kept += size;
      return await this.#keep(file, head, body);
    }
    return await this.#pass(file, head, body);
  }

  /** JSON that may be a manifest, an index or a config: only the end tells what is needed of it. */
  async #keep(file: PassingFile, head: Bytes, body: EntryReader): Promise<undefined> {
    const bytes = await body.readAll(head);
    file.hold(bytes);
    file.digest = await digestOf(file.path, bytes);
  }

  async #pass(file: PassingFile, head: Bytes, body: EntryReader): Promise<PassingBlob | undefined> {
    const { budget } = this.#options;
    const compression = sniffCompression(head);
    const named = digestOfPath(file.path);
    const likely = named !== undefined || compression !== undefined || isTar(head) ||
      LAYER_NAME.test(file.path);
    const blob: PassingBlob = { file, likely };
    if (named) blob.named = named;
    else {
      const hint = digestOfName(file.path);
      if (hint) blob.hint = hint;
    }
    const room = budget.size / WAITING_SHARE;
    if (!likely && this.#waiting + file.size <= room) return await this.#wait(blob, head, body);
    // What waits gives nothing back before the end.
    if (file.size > budget.size - room) return await this.#stream(blob, head, body, compression);
    await budget.take(file.size);
    const bytes = await body.readAll(head);
    file.hold(bytes);
    file.digest = await digestOf(file.path, bytes);
    if (!named && (compression === "gzip" || compression === "zstd")) {
      await this.#inflate(file, bytes, compression);
    }
    return blob;
  }

  /** A file like VERSION waits for the end while there is room. */
  async #wait(blob: PassingBlob, head: Bytes, body: EntryReader): Promise<undefined> {
    const { budget } = this.#options;
    const { file } = blob;
    this.#waiting += file.size;
    await budget.take(file.size);
    const bytes = await body.readAll(head);
    file.hold(bytes);
    file.digest = await digestOf(file.path, bytes);
  }

  async #stream(
    blob: PassingBlob,
    head: Bytes,
    body: EntryReader,
    compression: Compression | undefined,
  ): Promise<PassingBlob> {
    const { budget, verify, hasher } = this.#options;
    const { file, named } = blob;
    // Taken here, in order of the entries: behind a later one that is held, it might never come.
    const window = Math.min(MAX_WINDOW_BYTES, Math.floor(budget.size / WINDOW_SHARE));
    await budget.take(window);
    file.reserve(window);
    // Without a name the digest of a plain layer comes from the config, that of a compressed one only from its bytes.
    const compressed = compression !== undefined && !named;
    const hash = verify || compressed
      ? await hasher(named?.startsWith("sha512:") ? "sha512" : "sha256")
      : undefined;
    let stream = body.stream(head);
    if (hash) stream = hashed(stream, hash, (digest) => file.digest = digest);
    if (compressed && (compression === "gzip" || compression === "zstd")) {
      stream = inflated(stream, compression, file, hasher);
    }
    return { ...blob, stream };
  }

  async #inflate(file: PassingFile, bytes: Bytes, compression: Compression): Promise<void> {
    const source = bytesSource(bytes).slice(0, bytes.length).stream();
    await hashInflated(source, compression, file, this.#options.hasher);
  }
}

/** Reads one entry's body in parts. */
class EntryReader {
  readonly #path: string;
  readonly #size: number;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #rest: Bytes | undefined;

  constructor(path: string, size: number, readable: ReadableStream<Uint8Array>) {
    this.#path = path;
    this.#size = size;
    this.#reader = readable.getReader();
  }

  async next(): Promise<Bytes | undefined> {
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest) return rest;
    const { value } = await this.#reader.read();
    return value && toBytes(value);
  }

  /** The next `length` bytes. */
  async read(length: number): Promise<Bytes> {
    const bytes = new Uint8Array(length);
    await this.#fill(bytes, 0);
    return bytes;
  }

  /** The whole body, of which `head` has been read. */
  async readAll(head: Bytes): Promise<Bytes> {
    const bytes = new Uint8Array(this.#size);
    bytes.set(head);
    await this.#fill(bytes, head.length);
    // Reading on is what tells the untar stream that the body was wanted to its end.
    if (await this.next()) throw await this.#tooLong();
    return bytes;
  }

  /** The whole body as a stream, `head` first. */
  stream(head: Bytes): ReadableStream<Bytes> {
    let left = this.#size;
    let first: Bytes | undefined = head;
    return new ReadableStream<Bytes>({
      pull: async (controller) => {
        const piece = first ?? await this.next();
        first = undefined;
        if (!piece) {
          if (left > 0) throw endedEarly(this.#path, left);
          return controller.close();
        }
        left -= piece.length;
        if (left < 0) throw await this.#tooLong();
        controller.enqueue(piece);
      },
      cancel: () => this.cancel(),
    }, { highWaterMark: 0 });
  }

  async cancel(): Promise<undefined> {
    await this.#reader.cancel();
  }

  async #tooLong(): Promise<ArchiveError> {
    await this.cancel();
    const message = `its stream has more than the ${this.#size} bytes that its header says`;
    return new ArchiveError(
      `Cannot read ${quoteName(this.#path)} of the archive: ${message}`,
      { path: this.#path },
    );
  }

  async #fill(bytes: Bytes, from: number): Promise<void> {
    let filled = from;
    while (filled < bytes.length) {
      const piece = await this.next();
      if (!piece) throw endedEarly(this.#path, bytes.length - filled);
      const part = piece.subarray(0, bytes.length - filled);
      bytes.set(part, filled);
      filled += part.length;
      if (part.length < piece.length) this.#rest = piece.subarray(part.length);
    }
  }
}

function hashed(
  stream: ReadableStream<Bytes>,
  hash: IncrementalHash,
  onDigest: (digest: Digest) => void,
): ReadableStream<Bytes> {
  return stream.pipeThrough(
    new TransformStream<Bytes, Bytes>({
      async transform(piece, controller) {
        await hash.update(piece);
        controller.enqueue(piece);
      },
      flush: async () => onDigest(await hash.digest()),
    }),
  );
}

/** Lets a stream pass while its inflated content is hashed beside it, at the pace of the slower of the two. */
function inflated(
  stream: ReadableStream<Bytes>,
  compression: Compression,
  file: PassingFile,
  hasher: Hasher,
): ReadableStream<Bytes> {
  const side = new TransformStream<Bytes, Bytes>(undefined, { highWaterMark: 1 });
  const writer = side.writable.getWriter();
  const hashing = hashInflated(side.readable, compression, file, hasher);
  return stream.pipeThrough(
    new TransformStream<Bytes, Bytes>({
      async transform(piece, controller) {
        // Where inflating has failed, nobody takes the bytes.
        await Promise.race([writer.ready.catch(() => {}), hashing]);
        writer.write(piece).catch(() => {});
        controller.enqueue(piece);
      },
      async flush() {
        writer.close().catch(() => {});
        await hashing;
      },
    }),
  );
}

/** Notes the digest of the inflated content, or why there is none: the file may be one that no image needs. */
async function hashInflated(
  stream: ReadableStream<Uint8Array>,
  compression: Compression,
  file: PassingFile,
  hasher: Hasher,
): Promise<void> {
  try {
    const hash = await hasher("sha256");
    for await (const piece of decompress(stream, compression, quoteName(file.path))) {
      await hash.update(piece);
    }
    file.inflatedDigest = await hash.digest();
  } catch (error) {
    file.inflateError = error;
  }
}

async function digestOf(path: string, bytes: Bytes): Promise<Digest> {
  return await digestBytes(bytes, digestOfPath(path)?.startsWith("sha512:") ? "sha512" : "sha256");
}

function limitOf(path: string): number {
  return /(?:^|\/)manifest\.json$/.test(path) ? MAX_MANIFEST_JSON_BYTES : MAX_CONFIG_BYTES;
}

/** Whether content begins as a JSON object or list does. */
function isJson(head: Uint8Array): boolean {
  const first = head.find((byte) =>
    byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d
  );
  return first === 0x7b || first === 0x5b;
}

/** Whether content begins as a tar does: with a header whose checksum is right, or with zero blocks. */
function isTar(head: Uint8Array): boolean {
  if (head.length < PEEK_BYTES) return false;
  let sum = 8 * 0x20;
  for (const [at, byte] of head.entries()) if (at < 148 || at >= 156) sum += byte;
  if (sum === 8 * 0x20) return true;
  const stored = parseInt(new TextDecoder().decode(head.subarray(148, 156)), 8);
  return sum === stored;
}

function emptyFile(path: string): PassingFile {
  const file = new PassingFile(path, 0, new Uint8Array(0));
  file.hold(new Uint8Array(0));
  return file;
}

function endedEarly(path: string, missing: number): ArchiveError {
  return new ArchiveError(
    `Cannot read ${quoteName(path)} of the archive: its stream ended ${missing} bytes early`,
    { path },
  );
}
