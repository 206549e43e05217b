import { type Msg, nanos } from "@nats-io/nats-core";
import { type Fleet, patiently, SUBJECTS } from "./fleet.ts";
import { idOf, type Job, nameOf, type Receipt } from "./jobs.ts";

/** An archive that a worker has taken off the queue. Until it ends it belongs to nobody else, unless the worker dies. */
export class TakenJob {
  readonly job: Job;
  readonly name: string;
  /** How often it was taken, this time included. */
  readonly tries: number;
  readonly #fleet: Fleet;
  readonly #message: Msg;
  readonly #sequence: string;
  readonly #worker: string;
  readonly #heartbeat: ReturnType<typeof setInterval>;

  constructor(fleet: Fleet, message: Msg, worker: string, job: Job) {
    this.job = job;
    this.name = nameOf(job);
    // $JS.ACK.STREAM.CONSUMER.TRIES.SEQUENCE..., or the same with a domain and an account.
    const words = (message.reply ?? "").split(".").slice(2);
    const [, , tries, sequence] = words.length > 7 ? words.slice(2) : words;
    this.tries = Number(tries);
    this.#sequence = `${sequence}`;
    this.#fleet = fleet;
    this.#message = message;
    this.#worker = worker;
    this.#heartbeat = setInterval(() => message.respond("+WPI"), fleet.patience / 3);
  }

  /** Lets others have it, at once or later. */
  leave(milliseconds = 0): void {
    clearInterval(this.#heartbeat);
    this.#message.respond(`-NAK ${JSON.stringify({ delay: nanos(milliseconds) })}`);
  }

  async done(what: Partial<Receipt>): Promise<void> {
    await this.#end(SUBJECTS.done, what);
  }

  async giveUp(error: string): Promise<void> {
    console.error(`${this.name} is given up: ${error}`);
    await this.#end(SUBJECTS.dead, { error, job: this.job });
  }

  /** Writes the receipt, and only then takes it off the queue. */
  async #end(subject: string, what: Partial<Receipt>): Promise<void> {
    const { job, tries, name } = this;
    const id = await idOf(job);
    const base = { id, source: name, target: job.target, worker: this.#worker, tries };
    const receipt: Receipt = { ...base, ...what };
    const msgID = `${subject} ${this.#sequence}`;
    const { stream, nats } = this.#fleet;
    await patiently(() => stream.publish(subject, JSON.stringify(receipt), { msgID }));
    clearInterval(this.#heartbeat);
    // Where the server does not hear it, the archive comes once more, and stands already.
    await nats.request(`${this.#message.reply}`, "+ACK").catch(() => {});
  }
}
