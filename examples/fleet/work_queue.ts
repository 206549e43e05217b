import { createInbox, type Msg, nanos } from "@nats-io/nats-core";
import { type Fleet, WORK, WORKERS } from "./fleet.ts";
import { readJob } from "./jobs.ts";
import { TakenJob } from "./taken_job.ts";

const NEXT = `$JS.API.CONSUMER.MSG.NEXT.${WORK}.${WORKERS}`;
/** How long the server waits for an archive, and that times how often there was none. */
const WAIT_MILLISECONDS = 100;
const MOST_MILLISECONDS = 1000;
/** A server that restarts forgets that it was asked. */
const NO_ANSWER_MILLISECONDS = 2000;

/**
 * Takes archives off the queue, one when it is asked for one. The consumer of the library would do, but ends a subscription
 * with each message, which no server answers: on Deno, whose WebSocket leaves Nagle's algorithm on, whatever is written next
 * waits for 40 ms then.
 */
export class WorkQueue {
  readonly #fleet: Fleet;
  readonly #worker: string;
  readonly #inbox = createInbox();
  readonly #arrived: TakenJob[] = [];
  /** How often it asked since there was an archive. */
  #asked = 0;
  #answered = () => {};

  constructor(fleet: Fleet, worker: string) {
    this.#fleet = fleet;
    this.#worker = worker;
    fleet.nats.subscribe(this.#inbox, { callback: (_, message) => this.#receive(message) });
  }

  /** Takes an archive; undefined where none comes for a while, a second at most. */
  async take(): Promise<TakenJob | undefined> {
    if (this.#arrived.length === 0) await this.#ask();
    return this.#arrived.shift();
  }

  /** Leaves to others what has come and was not taken. */
  leave(): void {
    for (const job of this.#arrived.splice(0)) job.leave();
  }

  async #ask(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, NO_ANSWER_MILLISECONDS);
    this.#answered = resolve;
    const wait = Math.min(WAIT_MILLISECONDS * ++this.#asked, MOST_MILLISECONDS);
    const one = JSON.stringify({ batch: 1, expires: nanos(wait) });
    this.#fleet.nats.publish(NEXT, one, { reply: this.#inbox });
    await promise;
    clearTimeout(timer);
  }

  #receive(message: Msg): void {
    const { code = 0 } = message.headers ?? {};
    // None, or none in time; anything else is tried again later.
    if (code === 404 || code === 408) this.#answered();
    if (code > 0) return;
    const job = readJob(message.string());
    this.#asked = 0;
    // Somebody else may have written it.
    if (job) this.#arrived.push(new TakenJob(this.#fleet, message, this.#worker, job));
    else message.respond("+TERM");
    this.#answered();
  }
}
