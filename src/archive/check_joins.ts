import { drain, piecesOf, toStream } from "../bytes.ts";
import { type Compression, MAGIC_BYTES, sniffCompression } from "../codec/magic.ts";
import { decompress } from "../codec/decompress.ts";
import { blobPath } from "../digest.ts";
import { ArchiveError, DigestMismatchError, TarError } from "../errors.ts";
import { readArchive } from "../image/archive.ts";
import { type ArchiveBlob, blobsOf } from "../image/content.ts";
import { cleanPath, scanFiles } from "../image/files.ts";
import { findTrailing } from "../image/tar_end.ts";
import type { Hasher } from "../incremental_hash.ts";
import { quoteName } from "../quote_name.ts";
import { type BlobSource, readRange } from "../source/blob_source.ts";
import type { JoinedSource } from "../source/joined_source.ts";
import { readEdges } from "../source/part_list.ts";
import { missingPart, previousName, unusablePart } from "../source/part_names.ts";
import { NotTarError, TruncatedTarError } from "../tar/header.ts";
import { scanTar } from "../tar/scan.ts";
import { UntarStream } from "../tar/untar_stream.ts";
import { hashBlob } from "./read_blob.ts";

/** A part of an archive: what `split` made of it, or `save --split`. */
export interface ArchivePart {
  /** Name of its file, without folders: it tells the order, and stands in messages. */
  name: string;
  /** Its content. */
  source: BlobSource;
}

/** How parts are read. */
export interface PartReading {
  /** What is read of them beyond their ends and the headers of the tar; "auto": what nothing else tells. */
  verify: "auto" | "all" | "none";
  signal: AbortSignal | undefined;
  hasher: Hasher;
}

/** A part, and where it begins in the archive. */
interface PlacedPart extends ArchivePart {
  start: number;
}

/** A file of the archive that begins in one part and ends in another. */
interface Span {
  start: number;
  end: number;
}

/**
 * Checks parts by what they hold, where no list tells: the tar must go on from each to the next, and end in the last. What
 * begins in one part and ends in another must have its digest, unless nothing is to be read.
 *
 * @throws {ArchiveError} If one is missing, cut, out of order, given twice or of another archive; the message names it.
 */
export async function checkJoins(
  parts: readonly ArchivePart[],
  joined: JoinedSource,
  reading: PartReading,
): Promise<void> {
  let start = 0;
  const placed = parts.map((part) => {
    const at = { ...part, start };
    start += part.source.size;
    return at;
  });
  await new JoinCheck(placed, joined, reading).run();
}

class JoinCheck {
  readonly #parts: readonly PlacedPart[];
  readonly #joined: JoinedSource;
  readonly #reading: PartReading;

  constructor(parts: readonly PlacedPart[], joined: JoinedSource, reading: PartReading) {
    this.#parts = parts;
    this.#joined = joined;
    this.#reading = reading;
  }

  async run(): Promise<void> {
    const compression = sniffCompression(await readRange(this.#joined, 0, MAGIC_BYTES));
    if (!compression) return await this.#checkTar();
    const isRead = this.#reading.verify !== "none" && compression !== "bzip2";
    if (isRead) await this.#checkCompressed(compression);
  }

  async #checkTar(): Promise<void> {
    const { signal, verify } = this.#reading;
    const spans = new Map<string, Span>();
    let end: number | undefined;
    try {
      const onEnd = (at: number | undefined) => void (end = at);
      for await (const entry of scanTar(this.#joined, { signal, onEnd })) {
        const span = { start: entry.bodyOffset, end: entry.bodyOffset + entry.header.size };
        const path = cleanPath(entry.path);
        if (path !== undefined && this.#isJoined(span)) spans.set(path, span);
      }
    } catch (error) {
      throw await this.#explainTar(error);
    }
    await this.#checkEnd(end);
    if (verify !== "none" && spans.size > 0) await this.#checkSpans(spans);
  }

  /** A tar without an end, or with something behind it, has one part too few or too many. */
  async #checkEnd(end: number | undefined): Promise<void> {
    if (end === undefined) throw await this.#incomplete("the tar has no end");
    const trailing = await findTrailing(this.#joined, end, this.#reading.signal, Infinity);
    if (trailing === undefined) return;
    const part = this.#partAt(trailing);
    const last = this.#partAt(end - 1);
    throw await this.#broken(
      part,
      part === last
        ? "the tar ends in it, and something else follows"
        : `the tar ends in ${quoteName(last.name)}, before it`,
    );
  }

  async #explainTar(error: unknown): Promise<unknown> {
    if (error instanceof NotTarError || (error instanceof TarError && error.offset === 0)) {
      const [first] = this.#parts;
      const before = first && previousName(this.#parts.map(({ name }) => name));
      if (!first || before === undefined) return error;
      return missingPart(
        before,
        `${quoteName(first.name)}, the first that was given, is no beginning of a tar`,
      );
    }
    if (error instanceof TruncatedTarError) return await this.#incomplete("the tar goes on", error);
    if (!(error instanceof TarError)) return error;
    const part = this.#partAt(error.offset);
    const state = "it does not go on as the parts before it do, " +
      `its byte ${error.offset - part.start} should begin an entry of the tar`;
    return await this.#broken(part, state, error);
  }

  /** Inflates all of it: where that fails, a part is not what it should be. */
  async #checkCompressed(compression: Compression): Promise<void> {
    let at = 0;
    const whole = this.#joined.slice(0, this.#joined.size).stream();
    const counted = async function* () {
      for await (const piece of piecesOf(whole)) {
        at += piece.length;
        yield piece;
      }
    };
    const untar = new UntarStream();
    try {
      const tar = decompress(toStream(counted()), compression, "the archive");
      for await (const { readable } of piecesOf(tar.pipeThrough(untar))) {
        this.#reading.signal?.throwIfAborted();
        await drain(readable);
      }
    } catch (error) {
      if (!(error instanceof ArchiveError || error instanceof TarError)) throw error;
      const isAtEnd = at === this.#joined.size;
      // A wrong sum, at the end of all, cannot be told from data that goes on.
      if (isAtEnd) {
        throw await this.#incomplete(`its ${compression} data does not end`, error, true);
      }
      const part = this.#partAt(Math.max(0, at - 1));
      throw await this.#broken(part, `the ${compression} data cannot be read on in it`, error);
    }
    if (untar.end === undefined) throw await this.#incomplete("the tar has no end");
  }

  /** What begins in one part and ends in another must have its digest: all else lies within one part. */
  async #checkSpans(spans: ReadonlyMap<string, Span>): Promise<void> {
    const blobs = await this.#readBlobs(spans);
    // In their order: where one is right, so are the joins within it.
    for (const [path, span] of [...spans].sort(([, a], [, b]) => a.start - b.start)) {
      const blob = blobs.get(path);
      if (blob && !await this.#isWhole(blob)) throw await this.#torn(path, span);
    }
  }

  /** Configs and layers by their paths; documents are read, and so are known to be whole. */
  async #readBlobs(spans: ReadonlyMap<string, Span>): Promise<Map<string, ArchiveBlob>> {
    try {
      const files = await scanFiles(this.#joined, this.#reading.signal);
      const { images, beside } = await readArchive(files);
      const blobs = [...images, ...beside].flatMap(({ node }) => blobsOf(node));
      return new Map(blobs.flatMap((blob) => blob.file ? [[blob.file.path, blob]] : []));
    } catch (error) {
      const path = error instanceof ArchiveError
        ? error.path
        : error instanceof DigestMismatchError
        ? blobPath(error.expected)
        : undefined;
      const span = path === undefined ? undefined : spans.get(path);
      throw path !== undefined && span ? await this.#torn(path, span, error) : error;
    }
  }

  /** The error for a file that begins in one part, and does not go on in the next. */
  async #torn(path: string, span: Span, cause?: unknown): Promise<ArchiveError> {
    const [first, second, ...more] = this.#partsOf(span);
    if (!first || !second) throw new TypeError("unreachable: it is in two parts at least");
    const last = more.at(-1);
    const culprit = last ? `one of those to ${quoteName(last.name)}` : "it";
    return await this.#broken(
      second,
      `it does not go on as ${quoteName(first.name)} does: ${
        quoteName(path)
      }, which is in both, is not what it should be, so ${culprit} is damaged, out of place or of another archive`,
      cause,
    );
  }

  async #isWhole(blob: ArchiveBlob): Promise<boolean> {
    if (!blob.file || !(blob.digest ?? blob.diffId)) return true;
    try {
      const digest = await hashBlob(blob, this.#reading.hasher, this.#reading.signal);
      // What a file is merely called after may be wrong, as long as it inflates to what the config says.
      return !blob.digest || digest === blob.digest || (blob.origin === "hint" && !!blob.diffId);
    } catch (error) {
      if (error instanceof DigestMismatchError || error instanceof ArchiveError) return false;
      throw error;
    }
  }

  /** The error where the archive goes on behind the last part, or seems to since one is damaged. */
  async #incomplete(
    state: string,
    cause?: unknown,
    mayBeDamaged = false,
  ): Promise<ArchiveError> {
    const known = await this.#known(cause);
    if (known) return known;
    const { name, source } = this.#partAt(this.#joined.size - 1);
    const isFull = this.#parts.length > 1 &&
      this.#parts.every((part) => part.source.size === source.size);
    if (!isFull) {
      const what = `it is the last that was given, and ${state}`;
      const why = mayBeDamaged
        ? "it was cut, the parts behind it are missing, or one is damaged"
        : "it was cut, or the parts behind it are missing";
      return unusablePart(name, `${what}: ${why}`, { cause });
    }
    const message = `Cannot use the parts: what follows ${quoteName(name)} is missing, ${state}`;
    return new ArchiveError(message, { path: name, cause });
  }

  /** The error where a part is not what follows the one before it. */
  async #broken(part: PlacedPart, state: string, cause?: unknown): Promise<ArchiveError> {
    return await this.#known(cause) ?? unusablePart(part.name, state, {
      cause,
      hint: "give all parts of one archive, in order",
    });
  }

  /**
   * What lengths and ends tell of parts that do not fit: `split` makes all of one length, but the last, which is shorter or, of
   * so many parts as were wanted, longer by fewer bytes than there are parts.
   */
  async #known(cause: unknown): Promise<ArchiveError | undefined> {
    const usual = this.#parts.reduce((most, { source }) => Math.max(most, source.size), 0);
    const least = usual - this.#parts.length;
    const short = this.#parts.slice(0, -1).find(({ source }) => source.size < least);
    if (short) {
      const state = `it was cut: it has ${short.source.size} bytes, others have ${usual}`;
      return unusablePart(short.name, state, { cause });
    }
    const seen = new Map<string, string>();
    for (const { name, source } of this.#parts) {
      const edges = `${await readEdges(source)} ${source.size}`;
      const same = seen.get(edges);
      if (same !== undefined) {
        return unusablePart(name, `it is the same as ${quoteName(same)}`, { cause });
      }
      seen.set(edges, name);
    }
    return undefined;
  }

  #partAt(position: number): PlacedPart {
    const part = this.#parts[this.#indexAt(position)];
    if (part) return part;
    throw new TypeError("unreachable: there are parts");
  }

  #indexAt(position: number): number {
    return this.#joined.indexAt(Math.min(Math.max(position, 0), this.#joined.size - 1));
  }

  #isJoined({ start, end }: Span): boolean {
    return start < end && this.#indexAt(start) !== this.#indexAt(end - 1);
  }

  #partsOf({ start, end }: Span): readonly PlacedPart[] {
    return this.#parts.slice(this.#indexAt(start), this.#indexAt(end - 1) + 1);
  }
}
