import type { PushEvent } from "../push/events.ts";
import type { ArchiveName, ArchiveResult } from "../push/push_all.ts";
import { type BlobInFlight, ByteRate, type LiveState, ProgressState } from "./progress_state.ts";

/** Longer ones have no room in the column of the labels. */
const LABEL_LENGTH = 12;

/** What is known of a running push of many archives. */
export class ArchivesState implements LiveState {
  ended = 0;
  /** Blobs that were sent, or mounted. */
  readonly blobs = { pushed: 0, mounted: 0 };
  readonly #noun: string;
  readonly #sizes: readonly (number | undefined)[] | undefined;
  readonly #running = new Map<number, ProgressState>();
  readonly #rate = new ByteRate();
  /** Bytes of archives that have ended, by their plans, and of those that have not, by their plans or sizes. */
  #endedBytes = 0;
  /** Bytes that archives which have ended have sent. */
  #bytesUploaded = 0;
  #openBytes = 0;

  /** @param sizes Sizes of the archives, as far as they are known; undefined where nobody knows how many there are. */
  constructor(noun: string, sizes: readonly (number | undefined)[] | undefined) {
    this.#noun = noun;
    this.#sizes = sizes;
    for (const size of sizes ?? []) this.#openBytes += size ?? 0;
  }

  apply(event: PushEvent, { index }: ArchiveName, now: number): void {
    const state = this.#running.get(index) ?? new ProgressState();
    this.#running.set(index, state);
    const before = this.#bytesOf(index);
    state.apply(event, now);
    this.#openBytes += this.#bytesOf(index) - before;
    if (event.type === "blob-done" && event.status !== "exists") this.blobs[event.status]++;
    this.#rate.sample(now, this.sentBytes);
  }

  /** Takes in that an archive has ended. */
  end({ index, bytesUploaded }: ArchiveResult): void {
    const bytes = this.#bytesOf(index);
    this.ended++;
    this.#endedBytes += bytes;
    this.#openBytes -= bytes;
    this.#bytesUploaded += bytesUploaded;
    this.#running.delete(index);
  }

  get inFlight(): BlobInFlight[] {
    return [...this.#running.values()].flatMap(({ inFlight }) => inFlight);
  }

  get totalBytes(): number {
    return this.#endedBytes + this.#openBytes;
  }

  get settledBytes(): number {
    return this.#sum(this.#endedBytes, ({ settledBytes }) => settledBytes);
  }

  get resumesAt(): number {
    return Math.max(0, ...[...this.#running.values()].map(({ resumesAt }) => resumesAt));
  }

  /** With the number of those that have ended: there may be no room for it in words. */
  get label(): string {
    return `total ${this.#ended}`.length > LABEL_LENGTH ? this.#ended : `total ${this.#ended}`;
  }

  get count(): string {
    return `${this.#ended} ${this.#noun}s`;
  }

  get #ended(): string {
    return this.#sizes ? `${this.ended}/${this.#sizes.length}` : `${this.ended}`;
  }

  bytesPerSecond(now: number): number | undefined {
    return this.#rate.perSecond(now, this.sentBytes);
  }

  /** Bytes that were sent, also of archives that have not ended. */
  get sentBytes(): number {
    return this.#sum(this.#bytesUploaded, ({ sentBytes }) => sentBytes);
  }

  #sum(start: number, bytesOf: (state: ProgressState) => number): number {
    let sum = start;
    for (const state of this.#running.values()) sum += bytesOf(state);
    return sum;
  }

  /** What an archive comes to: what its blobs are once that is known, before that its own size. */
  #bytesOf(index: number): number {
    return this.#running.get(index)?.plan?.bytes ?? this.#sizes?.[index] ?? 0;
  }
}
