import type { Digest } from "../digest.ts";
import type { BlobStatus, PushEvent } from "../push/events.ts";

/** A blob on its way. */
export interface BlobInFlight {
  digest: Digest | undefined;
  path: string | undefined;
  size: number;
  sent: number;
  /** The attempt that is waited for, after one that failed. */
  attempt: number | undefined;
  /** When that begins, on the clock of the state. */
  resumesAt: number;
}

/** A number of blobs and the sum of their sizes. */
export interface BlobCount {
  blobs: number;
  bytes: number;
}

/** How far back the rate looks: shorter is nervous, longer lags behind. */
const RATE_WINDOW_MILLISECONDS = 5000;
/** Before that much time has passed a rate says nothing. */
const RATE_LEAST_MILLISECONDS = 500;

/** What the live display shows, of one archive or of many. */
export interface LiveState {
  readonly inFlight: readonly BlobInFlight[];
  /** Bytes that there are in all, as far as that is known. */
  readonly totalBytes: number | undefined;
  /** Bytes that need no more work. */
  readonly settledBytes: number;
  /** Until when something that belongs to no blob waits for another attempt. */
  readonly resumesAt: number;
  /** What the line for the whole is called, of 12 characters at most. */
  readonly label: string;
  /** How much of what is done, in words. */
  readonly count: string;
  /** Upload rate over the last seconds; undefined while there is too little to tell. */
  bytesPerSecond(now: number): number | undefined;
}

/** What is known of a running push, gathered from its events. */
export class ProgressState implements LiveState {
  /** What there is to do, as far as it is known; in one pass it comes last. */
  plan: BlobCount | undefined;
  readonly inFlight: BlobInFlight[] = [];
  readonly done: Record<BlobStatus, BlobCount> = {
    pushed: { blobs: 0, bytes: 0 },
    exists: { blobs: 0, bytes: 0 },
    mounted: { blobs: 0, bytes: 0 },
  };
  readonly label = "total";
  resumesAt = 0;
  readonly #rate = new ByteRate();

  /**
   * Takes an event in.
   *
   * @param now Time in milliseconds, on any clock that only goes forward.
   */
  apply(event: PushEvent, now: number): void {
    switch (event.type) {
      case "plan":
        this.plan = { blobs: event.blobs, bytes: event.bytes };
        break;
      case "blob-start":
        this.#remove(event);
        this.inFlight.push({
          digest: event.digest,
          path: event.path,
          size: event.size,
          sent: 0,
          attempt: undefined,
          resumesAt: 0,
        });
        break;
      case "blob-progress": {
        const blob = this.#find(event);
        if (blob) {
          blob.sent = event.sent;
          if (event.sent > 0) blob.attempt = undefined;
        }
        break;
      }
      case "retry": {
        const blob = this.#find(event);
        if (blob) blob.attempt = event.attempt;
        (blob ?? this).resumesAt = now + event.delay;
        break;
      }
      case "blob-done": {
        this.#remove(event);
        const count = this.done[event.status];
        count.blobs++;
        count.bytes += event.size;
        break;
      }
    }
    this.#extendPlan();
    this.#rate.sample(now, this.sentBytes);
  }

  get totalBytes(): number | undefined {
    return this.plan?.bytes;
  }

  get count(): string {
    return this.plan ? `${this.doneBlobs}/${this.plan.blobs} blobs` : `${this.doneBlobs} blobs`;
  }

  /** Blobs that are finished, whatever became of them. */
  get doneBlobs(): number {
    const { pushed, exists, mounted } = this.done;
    return pushed.blobs + exists.blobs + mounted.blobs;
  }

  get settledBytes(): number {
    return this.done.exists.bytes + this.done.mounted.bytes + this.sentBytes;
  }

  /** Bytes that went over the wire and were not in vain. */
  get sentBytes(): number {
    return this.inFlight.reduce((sum, blob) => sum + blob.sent, this.done.pushed.bytes);
  }

  bytesPerSecond(now: number): number | undefined {
    return this.#rate.perSecond(now, this.sentBytes);
  }

  /** What goes beside an image, such as its signature, is in no plan. */
  #extendPlan(): void {
    if (!this.plan) return;
    const { exists, mounted, pushed } = this.done;
    const bytes = this.inFlight.reduce(
      (sum, { size }) => sum + size,
      exists.bytes + mounted.bytes + pushed.bytes,
    );
    this.plan.blobs = Math.max(this.plan.blobs, this.doneBlobs + this.inFlight.length);
    this.plan.bytes = Math.max(this.plan.bytes, bytes);
  }

  #find({ digest, path }: BlobName): BlobInFlight | undefined {
    return this.inFlight.find((blob) =>
      (path !== undefined && blob.path === path) || (digest !== undefined && blob.digest === digest)
    );
  }

  /** Takes out a blob; one that has become smaller since it was begun makes the whole smaller. */
  #remove(event: BlobName & { size: number }): void {
    const blob = this.#find(event);
    if (!blob) return;
    this.inFlight.splice(this.inFlight.indexOf(blob), 1);
    if (this.plan) this.plan.bytes += event.size - blob.size;
  }
}

/** Time until all of a state is done at its present rate; undefined where that cannot be told. */
export function timeLeft(state: LiveState, now: number): number | undefined {
  const rate = state.bytesPerSecond(now);
  if (state.totalBytes === undefined || !rate) return undefined;
  return Math.max(0, state.totalBytes - state.settledBytes) * 1000 / rate;
}

interface BlobName {
  digest?: Digest;
  path?: string;
}

/** How fast a number of bytes grows. */
export class ByteRate {
  readonly #samples: { time: number; bytes: number }[] = [];

  /** Notes how many bytes there are by now. */
  sample(now: number, bytes: number): void {
    const samples = this.#samples;
    // One in a tenth of a second is enough, however many events come.
    const last = samples.at(-1);
    if (!last || now - last.time >= 100) samples.push({ time: now, bytes });
    while (samples[1] && now - samples[1].time >= RATE_WINDOW_MILLISECONDS) samples.shift();
  }

  /** The rate over the last seconds; undefined while there is too little to tell. */
  perSecond(now: number, bytes: number): number | undefined {
    const first = this.#samples[0];
    if (!first || now - first.time < RATE_LEAST_MILLISECONDS) return undefined;
    return Math.max(0, bytes - first.bytes) * 1000 / (now - first.time);
  }
}
