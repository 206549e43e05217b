import type { TarError } from "../errors.ts";
import { quoteName } from "../quote_name.ts";
import { type Overrides, parseLongName, parsePax } from "./extensions.ts";
import {
  BLOCK_BYTES,
  headerPath,
  NotTarError,
  paddedSize,
  parseHeader,
  tarError,
  type TarHeader,
  TruncatedTarError,
} from "./header.ts";

/** Most bytes of extension records before one entry: they are held in memory. Go's archive/tar has the same. */
export const MAX_EXTENSION_BYTES = 1024 * 1024;

/** Most entries of one tar: image archives hold thousands, and whoever lists them keeps every name. */
export const MAX_ENTRIES = 1_000_000;

/** One entry's place and meaning, its extension records applied. */
export interface ParsedEntry {
  /** Whole name, as stated in the tar; it may be absolute or lead outside. */
  path: string;
  /** The header, with the effective `size`, `linkname` and `typeflag`. */
  header: TarHeader;
  /** Position of the entry's own header, after its extension records. */
  offset: number;
  /** Position of the first byte of the body, which has `header.size` bytes. */
  bodyOffset: number;
}

/**
 * Where the body of an entry ends. A tar may end there, too: a program in Go that does not close its writer leaves out the
 * padding of the last body with the two zero blocks, and what else is in Go, as docker and podman are, reads that.
 */
export function endOfBody({ bodyOffset, header }: ParsedEntry): number {
  return bodyOffset + header.size;
}

/**
 * Turns blocks into entries: the one place that decides what a header means. It reads nothing itself. Its driver gives
 * it the `needs` bytes at `offset`, again and again, until `ended` or the input is over.
 */
export class EntryParser {
  /** How many bytes the next {@linkcode EntryParser.push} takes. */
  needs = BLOCK_BYTES;
  /** Where in the tar they start; after an entry that is behind its body. */
  offset = 0;
  /** Whether the two zero blocks that end a tar were seen. */
  ended = false;

  #zeroBlock = false;
  #record: ExtensionRecord | undefined;
  #extensionBytes = 0;
  #entries = 0;
  /** Overrides for all entries from here, those for the next one, and the GNU names for the next one. */
  #global: Overrides = {};
  #next: Overrides = {};
  #gnu: Pick<Overrides, "path" | "linkpath"> = {};
  /** Kinds of extension records that wait for their entry. */
  readonly #waiting = new Set<RecordKind>();

  /** Whether two zero blocks have ended the tar before anything else: it is empty, or no tar. */
  get isEmpty(): boolean {
    return this.ended && this.offset === 2 * BLOCK_BYTES;
  }

  /**
   * Takes the next bytes.
   *
   * @param bytes Exactly `needs` bytes, from `offset`.
   * @returns The entry whose header they complete, if they do.
   * @throws {TarError} If they are malformed, past a limit, or of a kind that cannot be read.
   */
  push(bytes: Uint8Array): ParsedEntry | undefined {
    const offset = this.offset;
    this.offset += bytes.length;
    if (this.#record) return this.#applyRecord(this.#record, bytes);
    const header = parseHeader(bytes, offset);
    if (!header) return this.#endBlock(offset);
    if (this.#zeroBlock) {
      throw tarError(offset, undefined, "data follows a single zero block, expected a second one");
    }
    return isExtension(header.typeflag)
      ? this.#startRecord({ header, offset })
      : this.#entry(header, offset);
  }

  /**
   * Checks that the input may end here.
   *
   * @param available As many of the `needs` bytes as there were.
   * @throws {TarError} If the input is empty or truncated.
   */
  finish(available: Uint8Array): void {
    const end = this.offset + available.length;
    if (end < BLOCK_BYTES) {
      throw new NotTarError(`it has ${end} bytes, expected at least 512`, available);
    }
    if (available.length > 0 || this.#record) throw this.truncated(end);
    this.#checkNothingPending(end);
  }

  /** Makes the error for input that ends at `end`, within what is needed next or within the body of `entry`. */
  truncated(end: number, entry?: ParsedEntry): TarError {
    const expected = entry ? endOfBody(entry) : this.offset + this.needs;
    const offset = entry?.offset ?? this.#record?.offset ?? this.offset;
    return tarError(
      offset,
      entry?.path,
      `input ends at byte ${end}, expected at least ${expected} bytes`,
      { Kind: TruncatedTarError },
    );
  }

  #endBlock(offset: number): undefined {
    this.#checkNothingPending(offset);
    this.ended = this.#zeroBlock;
    this.#zeroBlock = true;
  }

  #checkNothingPending(end: number): void {
    if (this.#waiting.size === 0) return;
    throw tarError(end, undefined, "tar ends after an extension record, expected its entry");
  }

  #startRecord(record: ExtensionRecord): undefined {
    const { header, offset } = record;
    this.#extensionBytes += BLOCK_BYTES + header.size;
    if (this.#extensionBytes > MAX_EXTENSION_BYTES) {
      const state = `extension records take ${this.#extensionBytes} bytes`;
      throw tarError(offset, undefined, `${state}, expected at most ${MAX_EXTENSION_BYTES}`);
    }
    if (header.size === 0) return this.#applyRecord(record, new Uint8Array(0));
    this.#record = record;
    this.needs = paddedSize(header.size);
  }

  #applyRecord({ header, offset }: ExtensionRecord, bytes: Uint8Array): undefined {
    this.#record = undefined;
    this.needs = BLOCK_BYTES;
    const content = bytes.subarray(0, header.size);
    if (header.typeflag === "g") {
      Object.assign(this.#global, parsePax(content, offset));
      return;
    }
    const kind = RECORD_KINDS[header.typeflag] ?? "PAX";
    this.#await(kind, offset);
    if (kind === "GNU long name") this.#gnu.path = parseLongName(content, offset);
    else if (kind === "GNU long link") this.#gnu.linkpath = parseLongName(content, offset);
    else this.#next = parsePax(content, offset);
  }

  /** Of two records of a kind, Go and GNU tar take the last, Python the first of each key: no writer makes two. */
  #await(kind: RecordKind, offset: number): void {
    if (this.#waiting.has(kind)) {
      throw tarError(
        offset,
        undefined,
        `it is the second ${kind} record of one entry, expected one`,
      );
    }
    this.#waiting.add(kind);
  }

  #entry(header: TarHeader, offset: number): ParsedEntry {
    const path = this.#name("path", offset) || headerPath(header);
    if (header.typeflag === "S" || (this.#next.sparse ?? this.#global.sparse)) {
      const state = "it is a sparse file, expected one stored in full";
      throw tarError(offset, path, state, { hint: SPARSE_HINT });
    }
    header.linkname = this.#name("linkpath", offset) || header.linkname;
    const { size = this.#global.size } = this.#next;
    if (typeof size === "number") header.size = size;
    // Writers older than ustar have no other way to mark a directory.
    if (header.typeflag === "\0") header.typeflag = path.endsWith("/") ? "5" : "0";
    if (!hasBody(header.typeflag)) header.size = 0;

    const bodyOffset = this.offset;
    this.offset += paddedSize(header.size);
    if (!Number.isSafeInteger(this.offset)) {
      throw tarError(offset, path, `size is ${header.size}, expected an end below 2^53`);
    }
    if (++this.#entries > MAX_ENTRIES) {
      throw tarError(offset, path, `it is one more than the ${MAX_ENTRIES} entries that are read`);
    }
    if (this.#extensionBytes > 0) this.#forgetExtensions();
    return { path, header, offset, bodyOffset };
  }

  /**
   * GNU tar and Go disagree on which of two long names counts. No known writer gives both, so a tar where they differ
   * is made to be read in two ways.
   */
  #name(key: "path" | "linkpath", offset: number): string | undefined {
    const gnu = this.#gnu[key];
    const pax = this.#next[key];
    if (gnu !== undefined && pax && pax !== gnu) {
      throw tarError(
        offset,
        gnu,
        `PAX ${key} is ${quoteName(pax)}, expected the same as the GNU one`,
      );
    }
    return gnu ?? pax ?? this.#global[key];
  }

  #forgetExtensions(): void {
    this.#next = {};
    this.#gnu = {};
    this.#waiting.clear();
    this.#extensionBytes = 0;
  }
}

/**
 * Whether entries of a type have a body. As in Go's archive/tar, links, devices, directories and pipes have none
 * whatever their size field says.
 */
export function hasBody(typeflag: string): boolean {
  return !(typeflag >= "1" && typeflag <= "6");
}

interface ExtensionRecord {
  header: TarHeader;
  offset: number;
}

/** bsdtar writes a file with holes as a sparse one unless it is told not to; its gnutar format has none. */
const SPARSE_HINT = "write it in full: bsdtar --format=gnutar -cf - @FILE | tarpush push - TARGET";

type RecordKind = "PAX" | "GNU long name" | "GNU long link";

const RECORD_KINDS: Record<string, RecordKind> = { L: "GNU long name", K: "GNU long link" };

function isExtension(typeflag: string): boolean {
  // "X" is the PAX record of Solaris, written before the format was a standard.
  return typeflag === "x" || typeflag === "g" || typeflag === "L" || typeflag === "K" ||
    typeflag === "X";
}
