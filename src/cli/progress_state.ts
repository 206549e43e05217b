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

/** What is known of a running push, gathered from its events. */
export class ProgressState {
  /** What there is to do, as far as it is known; in one pass it comes last. */
  plan: BlobCount | undefined;
  readonly inFlight: BlobInFlight[] = [];
  readonly done: Record<BlobStatus, BlobCount> = {
    pushed: { blobs: 0, bytes: 0 },
    exists: { blobs: 0, bytes: 0 },
    mounted: { blobs: 0, bytes: 0 },
  };
  /** Until when something that belongs to no blob waits for another attempt. */
  resumesAt = 0;
  readonly #samples: { time: number; bytes: number }[] = [];

  /**
   * Takes an event in.
   *
   * @param event What happened.
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
    this.#sample(now);
  }

  /** Blobs that are finished, whatever became of them. */
  get doneBlobs(): number {
    const { pushed, exists, mounted } = this.done;
    return pushed.blobs + exists.blobs + mounted.blobs;
  }

  /** Bytes that need no more work: those of finished blobs and those sent of the others. */
  get settledBytes(): number {
    return this.done.exists.bytes + this.done.mounted.bytes + this.sentBytes;
  }

  /** Bytes that went over the wire and were not in vain. */
  get sentBytes(): number {
    return this.inFlight.reduce((sum, blob) => sum + blob.sent, this.done.pushed.bytes);
  }

  /** Upload rate over the last seconds; undefined while there is too little to tell. */
  bytesPerSecond(now: number): number | undefined {
    const first = this.#samples[0];
    if (!first || now - first.time < RATE_LEAST_MILLISECONDS) return undefined;
    return Math.max(0, this.sentBytes - first.bytes) * 1000 / (now - first.time);
  }

  /** Time until the blobs are done at the present rate; undefined where that cannot be told. */
  millisecondsLeft(now: number): number | undefined {
    const rate = this.bytesPerSecond(now);
    if (!this.plan || !rate) return undefined;
    return Math.max(0, this.plan.bytes - this.settledBytes) * 1000 / rate;
  }

  #find({ digest, path }: BlobName): BlobInFlight | undefined {
    return this.inFlight.find((blob) =>
      (path !== undefined && blob.path === path) || (digest !== undefined && blob.digest === digest)
    );
  }

  #remove(name: BlobName): void {
    const blob = this.#find(name);
    if (blob) this.inFlight.splice(this.inFlight.indexOf(blob), 1);
  }

  #sample(now: number): void {
    const samples = this.#samples;
    // One in a tenth of a second is enough, however many events come.
    const last = samples.at(-1);
    if (!last || now - last.time >= 100) samples.push({ time: now, bytes: this.sentBytes });
    while (samples[1] && now - samples[1].time >= RATE_WINDOW_MILLISECONDS) samples.shift();
  }
}

interface BlobName {
  digest?: Digest;
  path?: string;
}
