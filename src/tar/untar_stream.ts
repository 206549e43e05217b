import type { Bytes } from "../bytes.ts";
import { EntryBody } from "./entry_body.ts";
import { EntryParser, hasBody, type ParsedEntry } from "./entry_parser.ts";
import { NotTarError, type TarHeader } from "./header.ts";
import { explainHead, ForeignHead } from "./not_a_tar.ts";

/** One entry of a tar that is read as a stream. */
export interface TarEntry {
  /** Whole name, as stated in the tar; it may be absolute or lead outside. */
  path: string;
  /** The header, with the effective `size`, `linkname` and `typeflag`. */
  header: TarHeader;
  /** Position of the entry's own header in the tar, after its extension records. */
  offset: number;
  /** Position of the first byte of the body. */
  bodyOffset: number;
  /** The body, `header.size` bytes; absent for links, directories, devices and pipes, which have none. */
  readonly readable?: ReadableStream<Bytes>;
}

/**
 * Splits the bytes of a tar into its entries, for `pipeThrough`. It can stand in for the class of the same name in
 * `@std/tar`, and reads PAX and GNU extensions, sizes above 8 GiB and V7 headers as well.
 *
 * **Order.** Entries come in archive order, each after the body before it was read to its end or cancelled; while that
 * body is locked by a reader or pipe, the next entry waits. A body that nobody has locked when the next entry is asked
 * for is skipped; reading it later is an error that says so.
 *
 * **Cost.** Bodies are views of the chunks written, never copies, and in their sizes. The source is read only when
 * somebody reads an entry or a body: at most one chunk is held, whatever its size, plus extension records (1 MiB at
 * most). After the two zero blocks the source is read to its end and thrown away, so that a writer is not stuck and an
 * error at the very end (a wrong checksum of the compression around it) is not missed; only then the entries end.
 *
 * **Failure.** An error of the source and a malformed tar both reach the open body and the entries. Cancelling the
 * entries cancels the source and fails an open body; cancelling a body skips the rest of it.
 *
 * @example Reading one file
 * ```ts
 * import { UntarStream } from "@tarpush/tarpush/tar";
 *
 * async function readFirst(tar: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string | undefined> {
 *   for await (const entry of tar.pipeThrough(new UntarStream())) {
 *     if (entry.readable) return await new Response(entry.readable).text();
 *   }
 * }
 *
 * const twoZeroBlocks = new Blob([new Uint8Array(1024)]);
 * if (await readFirst(twoZeroBlocks.stream()) !== undefined) throw new Error("unreachable");
 * ```
 */
export class UntarStream implements TransformStream<Uint8Array, TarEntry> {
  /** The entries. */
  readonly readable: ReadableStream<TarEntry>;
  /** Where the bytes of the tar go. Each write settles when the chunk is used up; one chunk is taken unasked. */
  readonly writable: WritableStream<Uint8Array>;

  readonly #parser = new EntryParser();
  #entries: ReadableStreamDefaultController<TarEntry> | undefined;
  #input: WritableStreamDefaultController | undefined;
  #entryWanted = false;
  #body: EntryBody | undefined;
  /** What is not used of the chunk in hand, and how to tell its writer that nothing is left. */
  #chunk: Uint8Array = EMPTY;
  #release: (() => void) | undefined;
  /** Header or record that is spread over chunks. */
  #partial: Uint8Array = EMPTY;
  #partialFilled = 0;
  #advancing = false;
  /** What may be no tar, until enough of it is there to tell. */
  #foreign: ForeignHead | undefined;
  /** How many bytes came after the two zero blocks, and where among them the first is that is none. */
  #passedBytes = 0;
  #trailing: number | undefined;
  #failure: { reason: unknown } | undefined;

  /** Makes a pair of streams for one tar. */
  constructor() {
    this.readable = new ReadableStream<TarEntry>({
      start: (controller) => void (this.#entries = controller),
      pull: () => this.#wantEntry(),
      cancel: (reason) =>
        this.#fail(reason ?? new DOMException("Tar entries were cancelled", "AbortError")),
    }, { highWaterMark: 0 });
    this.writable = new WritableStream<Uint8Array>({
      start: (controller) => {
        this.#input = controller;
        // The abort() below waits for the write in flight, which waits for a reader.
        controller.signal?.addEventListener("abort", () => this.#fail(controller.signal.reason));
      },
      write: (chunk) => this.#take(chunk),
      close: () => this.#finish(),
      abort: (reason) => this.#fail(reason),
    });
  }

  /** Where the two zero blocks that end a tar ended; undefined until they were seen, and for a tar without them. */
  get end(): number | undefined {
    return this.#parser.ended ? this.#parser.offset : undefined;
  }

  /** Position of the first byte behind {@linkcode end} that is not zero, once it was seen; most tars have none. */
  get trailing(): number | undefined {
    return this.#trailing;
  }

  #take(chunk: Uint8Array): Promise<void> | void {
    if (!(chunk instanceof Uint8Array)) {
      const error = new TypeError("Cannot read tar: chunk is no Uint8Array");
      this.#fail(error);
      throw error;
    }
    this.#chunk = chunk;
    this.#advance();
    if (this.#failure) throw this.#failure.reason;
    if (this.#chunk.length === 0) return;
    return new Promise((resolve) => void (this.#release = resolve));
  }

  #wantEntry(): void {
    this.#entryWanted = true;
    const body = this.#body;
    if (body && !body.stream?.locked) body.skip();
    this.#advance();
  }

  /**
   * Goes as far as the chunk in hand and the readers' wishes allow. Never waits: reads and writes both call it. A read
   * may be made while a chunk is being handed out; it then only states a wish, for the loop that is already running.
   */
  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    try {
      while (this.#chunk.length > 0 && this.#step());
    } catch (error) {
      this.#fail(error);
    }
    this.#advancing = false;
    if (this.#chunk.length > 0) return;
    this.#release?.();
    this.#release = undefined;
  }

  /** Uses some of the chunk; false where nobody wants more of it. */
  #step(): boolean {
    if (this.#foreign) this.#stepForeign(this.#foreign);
    else if (this.#parser.ended) this.#passOver(this.#use(this.#chunk.length));
    else if (this.#body) return this.#stepBody(this.#body);
    else if (!this.#entryWanted) return false;
    else this.#stepHeader();
    return true;
  }

  #passOver(bytes: Uint8Array): void {
    const at = this.#trailing === undefined ? bytes.findIndex((byte) => byte !== 0) : -1;
    if (at >= 0) this.#trailing = this.#parser.offset + this.#passedBytes + at;
    this.#passedBytes += bytes.length;
  }

  #stepForeign(head: ForeignHead): void {
    const bytes = this.#use(head.needs);
    head.add(bytes);
    if (this.#parser.ended) this.#passOver(bytes);
    if (head.needs === 0) this.#explain(head);
  }

  #explain(head: ForeignHead): void {
    this.#foreign = undefined;
    const error = head.explain();
    if (error !== undefined) throw error;
  }

  /** Waits for more where a first block, of no header or of zeros, leaves open what this is. */
  #startForeign(first: Uint8Array, error?: unknown): void {
    this.#foreign = new ForeignHead(error);
    this.#foreign.add(first);
  }

  #stepBody(body: EntryBody): boolean {
    if (!body.done) {
      if (!body.wanted && !body.skipped) return false;
      body.give(this.#use(body.remaining));
      return true;
    }
    body.padding -= this.#use(body.padding).length;
    if (body.padding === 0) this.#body = undefined;
    return true;
  }

  #stepHeader(): void {
    const { needs } = this.#parser;
    const piece = this.#use(needs - this.#partialFilled);
    if (piece.length === needs) return this.#push(piece);
    if (this.#partialFilled === 0) this.#partial = new Uint8Array(needs);
    this.#partial.set(piece, this.#partialFilled);
    this.#partialFilled += piece.length;
    if (this.#partialFilled < needs) return;
    this.#partialFilled = 0;
    this.#push(this.#partial);
  }

  /** Takes up to `length` bytes off the chunk, as a view of it. */
  #use(length: number): Uint8Array {
    const chunk = this.#chunk;
    if (length >= chunk.length) {
      this.#chunk = EMPTY;
      return chunk;
    }
    this.#chunk = chunk.subarray(length);
    return chunk.subarray(0, length);
  }

  #push(bytes: Uint8Array): void {
    const parsed = this.#parse(bytes);
    if (!parsed) return;
    if (parsed.header.size > 0) this.#body = new EntryBody(parsed, () => this.#advance());
    this.#entryWanted = false;
    this.#entries?.enqueue(toEntry(parsed, this.#body));
  }

  #parse(bytes: Uint8Array): ParsedEntry | undefined {
    try {
      const parsed = this.#parser.push(bytes);
      if (this.#parser.isEmpty) this.#startForeign(new Uint8Array(this.#parser.offset));
      return parsed;
    } catch (error) {
      if (!(error instanceof NotTarError)) throw error;
      const explained = explainHead(error);
      if (explained) throw explained;
      this.#startForeign(bytes, error);
    }
  }

  #finish(): void {
    try {
      this.#checkEnd();
    } catch (error) {
      this.#fail(error);
      throw error;
    }
    this.#entries?.close();
  }

  #checkEnd(): void {
    if (this.#foreign) this.#explain(this.#foreign);
    if (this.#parser.ended) return;
    const { remaining = 0, padding = 0, entry } = this.#body ?? {};
    if (remaining === 0) return this.#finishParser();
    throw this.#parser.truncated(this.#parser.offset - remaining - padding, entry);
  }

  #finishParser(): void {
    try {
      this.#parser.finish(this.#partial.subarray(0, this.#partialFilled));
    } catch (error) {
      throw error instanceof NotTarError ? explainHead(error) ?? error : error;
    }
  }

  #fail(reason: unknown): void {
    if (this.#failure) return;
    this.#failure = { reason };
    this.#body?.fail(reason);
    this.#entries?.error(reason);
    // Where the writer aborts, the stream is about to error by itself: doing it here would fail the abort().
    if (!this.#input?.signal.aborted) this.#input?.error(reason);
    this.#chunk = this.#partial = EMPTY;
    this.#release?.();
  }
}

const EMPTY = new Uint8Array(0);

function toEntry(parsed: ParsedEntry, body: EntryBody | undefined): TarEntry {
  const { path, header, offset, bodyOffset } = parsed;
  if (!hasBody(header.typeflag)) return { path, header, offset, bodyOffset };
  let empty: ReadableStream<Bytes> | undefined;
  return {
    path,
    header,
    offset,
    bodyOffset,
    // Made when asked for: most entries of most tars are skipped, and streams are what costs there.
    get readable() {
      return body ? body.open() : empty ??= new ReadableStream({ start: (it) => it.close() });
    },
  };
}
