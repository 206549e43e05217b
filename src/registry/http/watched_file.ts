import { anySignal } from "../../concurrency.ts";
import type { SentCall } from "./call.ts";

/** How often it is looked what has gone, in milliseconds. */
const LOOK_MILLISECONDS = 100;
/** So little between two looks is what looking costs, in bytes: a connection moves in larger steps. */
const LEAST_STEP = 1024;
/** Without a step for so long, in milliseconds, it may be the file that has no more. */
const STILL_MILLISECONDS = 1_000;

/** How long files may go side by side, in milliseconds: one that stands still is not seen among others that move. */
const TOGETHER_MILLISECONDS = 300_000;

/** Counts what the system sent from files, for all of the process. */
type Count = () => Promise<number>;

const watches = new WeakMap<Count, FileWatch>();

/**
 * Has a file sent while its time limits are watched. Nobody tells what goes on one connection, but the system counts what
 * goes on all of them: where several files are under way, one that stands still is noticed when the others are through.
 */
export async function sendFile(
  count: Count,
  request: SentCall,
  fetch: (href: string, init: RequestInit) => Promise<Response>,
): Promise<Response> {
  const watch = watches.get(count) ?? new FileWatch(count);
  watches.set(count, watch);
  const sending = await watch.add(request);
  let end: SendingEnd = "failed";
  try {
    const { url, init, clock } = request;
    const signal = anySignal(clock.signal, sending.stop.signal);
    const response = await fetch(url.href, { ...init, signal });
    // A refusal may come in the middle.
    end = response.ok ? "taken" : "refused";
    return response;
  } finally {
    await watch.end(sending, end);
  }
}

/**
 * Whether one more file may be sent so. Where one has been under way for long, what begins beside it goes another way until
 * it has ended: a process that always sends something would not notice a connection that stands still.
 *
 * @param now The time, as `performance.now()` has it.
 */
export function maySendFile(count: Count, now: number = performance.now()): boolean {
  const oldest = watches.get(count)?.oldest ?? now;
  return now - oldest < TOGETHER_MILLISECONDS;
}

/** What became of a file: the registry has all of it, answered something else, or not at all. */
type SendingEnd = "taken" | "refused" | "failed";

/** A file under way. */
interface Sending extends SentCall {
  /** Bytes to send. */
  size: number;
  /** Ends the request. */
  stop: AbortController;
  /** When it began. */
  begun: number;
  /** What the count was at its start. */
  start: number;
  /** How much of what went since its start is known to be of others. */
  ofOthers: number;
  /** How much of it has gone, by estimate. */
  sent: number;
  /** So much has gone since its start that all of it may have. */
  mayBeSent: boolean;
  isTelling: boolean;
}

/** All files under way that are counted together. */
class FileWatch {
  readonly #count: Count;
  readonly #sendings = new Set<Sending>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #counted = 0;
  /** When the last step was seen. */
  #steppedAt = 0;
  /** Bytes that went and belong to no estimate yet; below 0, those that estimates have too much. */
  #unshared = 0;

  constructor(count: Count) {
    this.#count = count;
  }

  /** When that began which has been under way for longest. */
  get oldest(): number | undefined {
    // In the order in which they began.
    const [first] = this.#sendings;
    return first?.begun;
  }

  async add(request: SentCall): Promise<Sending> {
    await this.#look();
    const { body } = request.call;
    const sending = {
      ...request,
      size: body instanceof Blob ? body.size : 0,
      stop: new AbortController(),
      begun: performance.now(),
      start: this.#counted,
      ofOthers: 0,
      sent: 0,
      mayBeSent: false,
      isTelling: false,
    };
    if (this.#sendings.size === 0) [this.#unshared, this.#steppedAt] = [0, performance.now()];
    this.#sendings.add(sending);
    this.#timer ??= setTimeout(() => this.#onTime(), LOOK_MILLISECONDS);
    return sending;
  }

  async end(sending: Sending, end: SendingEnd): Promise<void> {
    // Whether all was sent decides what is made of a failure.
    if (end === "failed") await this.#look();
    this.#sendings.delete(sending);
    if (end === "taken") {
      this.#unshared -= sending.size - sending.sent;
      for (const other of this.#sendings) this.#noteTaken(other, sending);
    }
    if (this.#sendings.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #onTime(): Promise<void> {
    const timer = this.#timer;
    const hasStepped = await this.#look();
    if (!hasStepped && performance.now() - this.#steppedAt > STILL_MILLISECONDS) {
      this.#steppedAt = performance.now();
      await Promise.all([...this.#sendings].map(checkWhole));
    }
    // The last may have ended meanwhile, and others begun.
    if (this.#timer !== timer) return;
    this.#timer = setTimeout(() => this.#onTime(), LOOK_MILLISECONDS);
  }

  /** Takes in what has gone since the last look; returns whether it was anything. */
  async #look(): Promise<boolean> {
    const counted = await this.#count();
    const step = counted - this.#counted;
    if (step < 0) return false;
    this.#counted = counted;
    const isStep = step >= LEAST_STEP;
    if (isStep) {
      this.#steppedAt = performance.now();
      this.#share(step);
    }
    for (const sending of this.#sendings) this.#note(sending, isStep);
    return isStep;
  }

  /** Nobody knows whose bytes they were: each file gets as many. */
  #share(bytes: number): void {
    this.#unshared += bytes;
    const open = [...this.#sendings].filter(({ sent, size }) => sent < size);
    const part = Math.max(0, Math.floor(this.#unshared / open.length));
    for (const sending of open) {
      const share = Math.min(part, sending.size - sending.sent);
      sending.sent += share;
      this.#unshared -= share;
    }
  }

  #note(sending: Sending, isStep: boolean): void {
    const { call, clock } = sending;
    if (!sending.mayBeSent && this.#mayBeSent(sending)) {
      // The last piece may be no larger than what looking costs: that counts here, which errs on the patient side.
      sending.mayBeSent = true;
      clock.sent();
      call.file?.onEnd();
    } else if (isStep && sending.mayBeSent) clock.moved();
    else if (isStep) clock.movedInSight();
    if (isStep) tell(sending);
  }

  /** Takes in that another file has gone whole: what seemed to be the end of this one may have been of that. */
  #noteTaken(sending: Sending, { size, start }: Sending): void {
    sending.ofOthers += Math.max(0, size - Math.max(0, sending.start - start));
    if (!sending.mayBeSent || this.#mayBeSent(sending)) return;
    sending.mayBeSent = false;
    sending.clock.movedInSight();
  }

  #mayBeSent({ size, start, ofOthers }: Sending): boolean {
    return this.#counted - start - ofOthers >= size;
  }
}

async function tell(sending: Sending): Promise<void> {
  if (sending.isTelling) return;
  sending.isTelling = true;
  try {
    await sending.call.onSent?.(sending.sent);
    sending.isTelling = false;
  } catch (error) {
    fail(sending, error);
  }
}

async function checkWhole(sending: Sending): Promise<void> {
  // Bun takes the end of a file for the end of the body, and waits for an answer.
  if (await sending.call.file?.isWhole() !== false) return;
  fail(sending, new Error("The file has lost its end while it was sent"));
}

function fail({ onError, stop }: Sending, error: unknown): void {
  onError(error);
  stop.abort(error);
}
