import { type Bytes, toBytes } from "../bytes.ts";
import { free } from "../owned_bytes.ts";
import { quoteName } from "../quote_name.ts";
import type { ParsedEntry } from "./entry_parser.ts";
import { BLOCK_BYTES } from "./header.ts";

/** The body of the current entry: how much is left of it, who wants it, and the source of the stream of it. */
export class EntryBody implements UnderlyingDefaultSource<Bytes> {
  readonly entry: ParsedEntry;
  remaining: number;
  padding: number;
  wanted = false;
  skipped = false;
  stream: ReadableStream<Bytes> | undefined;
  #controller: ReadableStreamDefaultController<Bytes> | undefined;
  #failure: { reason: unknown } | undefined;
  readonly #advance: () => void;

  constructor(entry: ParsedEntry, advance: () => void) {
    const { size } = entry.header;
    this.entry = entry;
    this.remaining = size;
    this.padding = (BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES;
    this.#advance = advance;
  }

  get done(): boolean {
    return this.remaining === 0;
  }

  open(): ReadableStream<Bytes> {
    return this.stream ??= new ReadableStream(this, { highWaterMark: 0 });
  }

  start(controller: ReadableStreamDefaultController<Bytes>): void {
    if (this.skipped) controller.error(this.#skipError());
    else if (this.#failure) controller.error(this.#failure.reason);
    else this.#controller = controller;
  }

  pull(): void {
    this.wanted = true;
    this.#advance();
  }

  cancel(): void {
    this.skipped = true;
    this.#controller = undefined;
    this.#advance();
  }

  /** Takes the next bytes of the body, for whoever wants them. */
  give(piece: Uint8Array): void {
    this.remaining -= piece.length;
    this.wanted = false;
    const controller = this.#controller;
    if (this.done) this.#controller = undefined;
    if (!controller) return free(toBytes(piece));
    controller.enqueue(toBytes(piece));
    if (this.done) controller.close();
  }

  /** Gives the rest up unread; whoever reads it later is told. */
  skip(): void {
    if (this.done || this.skipped) return;
    this.skipped = true;
    this.#controller?.error(this.#skipError());
    this.#controller = undefined;
  }

  fail(reason: unknown): void {
    if (this.done || this.skipped) return;
    this.#failure = { reason };
    this.#controller?.error(reason);
    this.#controller = undefined;
  }

  #skipError(): TypeError {
    const object = `the body of tar entry ${quoteName(this.entry.path)}`;
    return new TypeError(`Cannot read ${object}: it was skipped when the next entry was read`);
  }
}
