import type { Digest } from "../digest.ts";
import { reachContent, readNamedContent } from "../named_content.ts";
import type { StoredManifest } from "../storage.ts";

/** How long a client may count on what it was told, in milliseconds. */
const HOUR = 3600 * 1000;
/** How long what was sent stays after it was named: a push may name it in several manifests, one after the other. */
const MOMENT = 1000;

/** What clients count on: how many, and since when. */
interface Promised {
  sent: number;
  sentLast: number;
  told: number;
  toldLast: number;
}

export class MemoryRepository {
  readonly blobs = new Set<Digest>();
  readonly manifests = new Map<Digest, StoredManifest>();
  readonly tags = new Map<string, Digest>();
  readonly #promises = new Map<Digest, Promised>();

  /** Notes that a client has sent a blob or manifest, and that something will name it. */
  noteSent(digest: Digest, time: number): void {
    const promise = this.#promise(digest);
    promise.sent++;
    promise.sentLast = time;
  }

  /** Notes that somebody was told that it is there: a client, or who is about to store a manifest that names it. */
  noteTold(digest: Digest, time: number): void {
    const promise = this.#promise(digest);
    promise.told++;
    promise.toldLast = time;
  }

  /** Notes that something names it: what was sent has found its use, and who stores that has been told before. */
  noteNamed(digest: Digest): void {
    const promise = this.#promises.get(digest);
    if (!promise) return;
    promise.sent = Math.max(0, promise.sent - 1);
    promise.told = Math.max(0, promise.told - 1);
  }

  /** Removes what no tag leads to and no client counts on. */
  collect(now: number): void {
    const promised = this.#promisedAt(now);
    const named = new Map(
      [...this.manifests.values()].map(({ digest, bytes }) => [digest, readNamedContent(bytes)]),
    );
    const needed = reachContent([...this.tags.values(), ...promised], named);
    for (const digest of [...this.manifests.keys()]) {
      if (!needed.manifests.has(digest)) this.manifests.delete(digest);
    }
    for (const digest of [...this.blobs]) {
      if (!needed.blobs.has(digest) && !promised.has(digest)) this.blobs.delete(digest);
    }
  }

  #promise(digest: Digest): Promised {
    const promise = this.#promises.get(digest) ??
      { sent: 0, sentLast: -Infinity, told: 0, toldLast: -Infinity };
    this.#promises.set(digest, promise);
    return promise;
  }

  /** What clients count on; the rest is forgotten. */
  #promisedAt(now: number): Set<Digest> {
    for (const [digest, { sent, sentLast, told, toldLast }] of this.#promises) {
      const isSent = now - sentLast < (sent > 0 ? HOUR : MOMENT);
      const isTold = told > 0 && now - toldLast < HOUR;
      if (!isSent && !isTold) this.#promises.delete(digest);
    }
    return new Set(this.#promises.keys());
  }
}
