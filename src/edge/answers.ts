import { anySignal } from "../concurrency.ts";
import type { PushOptions } from "../push/options.ts";
import type { PushResult } from "../push/push.ts";
import { failureOf, problem } from "./failures.ts";

export type StartPush = (
  hooks: Pick<PushOptions, "signal" | "onEvent">,
) => Promise<PushResult>;

/** Answers with one document when the push has ended. */
export async function answerAtEnd(request: Request, start: StartPush): Promise<Response> {
  // Requests of programs made with StarlingMonkey have none.
  const { signal = new AbortController().signal } = request;
  try {
    const result = await start({ signal });
    const headers = { "content-type": "application/json" };
    return new Response(`${JSON.stringify(result)}\n`, { headers });
  } catch (error) {
    return problem(reasonOf(error, signal));
  }
}

/** What ended a push: servers give reasons of their own where the client has gone, Errors and texts among them. */
function reasonOf(error: unknown, signal: AbortSignal): unknown {
  const isGone = signal.aborted && error === signal.reason;
  return isGone ? new DOMException("The client went away", "AbortError") : error;
}

/**
 * Answers with a line for each event as it happens, and the outcome as the last one. A reader that is slow slows the push;
 * one that goes away ends it. Where the push fails before its first event the answer is that failure alone.
 */
export async function answerInLines(request: Request, start: StartPush): Promise<Response> {
  const gone = new AbortController();
  const signal = anySignal(request.signal, gone.signal);
  const lines = new Lines((reason) => gone.abort(reason));
  // What has ended waits for no reader, and one that is still there is told.
  signal.addEventListener("abort", () => lines.waitNoMore(), { once: true });
  const outcome = start({ signal, onEvent: (event) => lines.write(event) });
  const ended = outcome.then(
    (result) => lines.end({ type: "result", ...result }),
    (error) => lines.end({ type: "error", ...failureOf(reasonOf(error, signal)).body }),
  );
  try {
    await Promise.race([lines.begun, outcome]);
  } catch (error) {
    await lines.drop();
    return problem(reasonOf(error, signal));
  }
  // What it ends with is in the lines.
  ended.catch(() => {});
  return new Response(lines.readable, { headers: { "content-type": "application/x-ndjson" } });
}

/** A stream of JSON documents, each on a line; what is written waits until it is read. */
class Lines {
  readonly readable: ReadableStream<Uint8Array>;
  /** Settled with the first line. */
  readonly begun: Promise<void>;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #begin = () => {};
  readonly #waiting: (() => void)[] = [];
  #isOver = false;
  #isPatient = true;
  readonly #encoder = new TextEncoder();

  constructor(onCancel: (reason: unknown) => void) {
    this.begun = new Promise((resolve) => void (this.#begin = resolve));
    this.readable = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#resume(),
      cancel: (reason) => {
        this.#isOver = true;
        this.#resume();
        onCancel(reason ?? new DOMException("The client went away", "AbortError"));
      },
    });
  }

  async write(document: object): Promise<void> {
    this.#put(document);
    while (!this.#isOver && this.#isPatient && (this.#controller?.desiredSize ?? 0) < 0) {
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
  }

  #put(document: object): void {
    if (this.#isOver) return;
    this.#controller?.enqueue(this.#encoder.encode(`${JSON.stringify(document)}\n`));
    this.#begin();
  }

  #resume(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** From here on lines do not wait until they are read. */
  waitNoMore(): void {
    this.#isPatient = false;
    this.#resume();
  }

  /** Writes the last line; whoever reads gets those before it first. */
  end(document: object): void {
    if (this.#isOver) return;
    this.#put(document);
    this.#isOver = true;
    this.#controller?.close();
  }

  /** Gives up what nobody will read. */
  async drop(): Promise<void> {
    this.#isOver = true;
    await this.readable.cancel().catch(() => {});
  }
}
