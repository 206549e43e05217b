import type { ContentBlob } from "../image/write_archive.ts";
import type { OpenOptions } from "./read_image.ts";

/** At most so many events a second tell how a blob comes along. */
const EVENTS_PER_SECOND = 10;

/** Tells of a blob: when its turn has come, how much of it there is, and when it is whole. */
export class BlobWatch {
  readonly #blob: Pick<ContentBlob, "digest" | "size">;
  readonly #emit: OpenOptions["emit"];
  readonly #now: () => number;
  #received: number | undefined;
  #told = 0;

  /** @param now A clock, in milliseconds. */
  constructor(
    blob: Pick<ContentBlob, "digest" | "size">,
    emit: OpenOptions["emit"],
    now: () => number = () => performance.now(),
  ) {
    this.#blob = blob;
    this.#emit = emit;
    this.#now = now;
  }

  /** Whether it is this one that is told of. */
  isOf({ digest }: Pick<ContentBlob, "digest">): boolean {
    return this.#blob.digest === digest;
  }

  /** Tells how much there is of it now; nothing before its turn, and no fewer bytes than before. */
  async receive(received: number): Promise<void> {
    if (this.#received === undefined || received <= this.#received) return;
    this.#received = received;
    const now = this.#now();
    if (now - this.#told < 1000 / EVENTS_PER_SECOND) return;
    this.#told = now;
    await this.#emit({ type: "blob-progress", digest: this.#blob.digest, received });
  }

  pass(content: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    const reader = content.getReader();
    const { digest, size } = this.#blob;
    let passed = 0;
    let isCancelled = false;
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        if (this.#received === undefined) {
          await this.#emit({ type: "blob-start", digest, size });
          this.#received = 0;
          this.#told = this.#now();
        }
        const { done, value } = await reader.read();
        // To a read that waits, being cancelled looks like the end.
        if (isCancelled) return;
        if (done) {
          await this.#emit({ type: "blob-done", digest, size });
          return controller.close();
        }
        controller.enqueue(value);
        await this.receive(passed += value.length);
      },
      cancel: (reason) => {
        isCancelled = true;
        return reader.cancel(reason);
      },
    }, { highWaterMark: 0 });
  }
}
