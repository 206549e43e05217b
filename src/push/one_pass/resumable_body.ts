import { type Bytes, createStream, giveUp } from "../../bytes.ts";

/**
 * A body that comes once, of which the last bytes are kept: when a connection breaks, what it lost on the way can be
 * sent again.
 */
export class ResumableBody {
  readonly #again: (() => ReadableStream<Bytes>) | undefined;
  #reader: ReadableStreamDefaultReader<Bytes>;
  readonly #window: number;
  readonly #onPassed: ((piece: Bytes) => void) | undefined;
  #kept: Bytes[] = [];
  #start = 0;
  #end = 0;
  #ended = false;
  #reading: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  /** Number of the stream that was opened last; the ones before it are dead. */
  #opened = 0;

  /**
   * Takes a stream over.
   *
   * @param window Bytes to keep; one piece of the stream comes on top.
   * @param onPassed Gets each piece that is kept no longer; a reader that is done with each piece before it asks for the
   * next does not have it either.
   * @param again Opens the stream anew, with the same bytes, where that can be done.
   */
  constructor(
    stream: ReadableStream<Bytes>,
    window: number,
    onPassed?: (piece: Bytes) => void,
    again?: () => ReadableStream<Bytes>,
  ) {
    this.#reader = stream.getReader();
    this.#window = window;
    this.#onPassed = onPassed;
    this.#again = again;
  }

  /** Position of the first byte that is still there. */
  get start(): number {
    return this.#start;
  }

  /** How many bytes were read of the stream. */
  get end(): number {
    return this.#end;
  }

  /** Whether the stream was read to its end. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Whether the first byte is still there, or can be had again. */
  get canRewind(): boolean {
    return this.#start === 0 || this.#again !== undefined;
  }

  /** What the stream itself failed with, if it did. */
  get failure(): { error: unknown } | undefined {
    return this.#failure;
  }

  /**
   * Opens the body. A stream that was opened before ends as an error; cancelling one leaves the body as it is.
   *
   * @param from Position of the first byte, from `start` to `end`.
   * @returns The body from there to its end.
   */
  open(from: number): ReadableStream<Bytes> {
    if (from < this.#start || from > this.#end) {
      throw new RangeError(
        `Cannot open a body at ${from}: it is there from ${this.#start} to ${this.#end}`,
      );
    }
    const number = ++this.#opened;
    let at = from;
    return createStream(async () => {
      while (at === this.#end && !this.#ended && number === this.#opened) {
        await this.#read();
        // A piece that was read for a stream that has ended meanwhile takes none out of the window.
        if (number === this.#opened) this.#letGo();
      }
      if (number !== this.#opened) throw new TypeError("Cannot read a body that was opened anew");
      const piece = this.#pieceAt(at);
      at += piece?.length ?? 0;
      return piece;
    });
  }

  /** Whether what is gone cannot be had again. */
  get comesOnce(): boolean {
    return this.#again === undefined;
  }

  /** Ends the stream that is open: the request that it was for may still be reading it when its answer has come. */
  halt(): void {
    this.#opened++;
  }

  /** Goes back to the first byte; to be called only where {@linkcode canRewind} says so. */
  rewind(): void {
    if (this.#start === 0 || !this.#again) return;
    this.halt();
    giveUp(this.#reader);
    this.#reader = this.#again().getReader();
    this.#kept = [];
    [this.#start, this.#end, this.#ended] = [0, 0, false];
  }

  /** Forgets what is kept: all has arrived. */
  forget(): void {
    this.halt();
    for (const piece of this.#kept.splice(0)) if (this.#ended) this.#onPassed?.(piece);
  }

  /** Gives the rest of the stream up. */
  async cancel(reason: unknown): Promise<void> {
    this.halt();
    await this.#reader.cancel(reason);
  }

  /** The rest of the kept piece that a position lies in. */
  #pieceAt(position: number): Bytes | undefined {
    let start = this.#start;
    for (const piece of this.#kept) {
      if (position < start + piece.length) return piece.subarray(position - start);
      start += piece.length;
    }
  }

  /** Reads one piece. A stream may die while this is under way; the piece is then there for the next. */
  #read(): Promise<void> {
    return this.#reading ??= this.#readOn(this.#reader).finally(() => this.#reading = undefined);
  }

  async #readOn(reader: ReadableStreamDefaultReader<Bytes>): Promise<void> {
    try {
      const { done, value } = await reader.read();
      // Of a stream that was opened anew, what the one before it gave is of no use.
      if (reader !== this.#reader) return;
      if (done) return void (this.#ended = true);
      this.#kept.push(value);
      this.#end += value.length;
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /** Forgets what is before the window. */
  #letGo(): void {
    for (;;) {
      const [first, ...rest] = this.#kept;
      if (!first || this.#end - this.#start - first.length < this.#window) return;
      this.#start += first.length;
      this.#kept = rest;
      this.#onPassed?.(first);
    }
  }
}
