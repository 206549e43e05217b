import { asyncDispose } from "../async_dispose.ts";
import type { Bytes } from "../bytes.ts";
import {
  type BlockEncoder,
  type EncoderSettings,
  type Encoding,
  startEncoder,
} from "./block_encoder.ts";
import { encoderModule } from "./encoders.ts";

/**
 * Bytes of a block, each of which is compressed for itself: blocks are the same whatever machine they are compressed
 * on, and so is the whole. 1 MiB costs 1% of what one stream would save, and half of a small machine's cores are never idle.
 */
export const BLOCK_BYTES = 1024 * 1024;
/** A worker takes some MiB, and one that has nothing to do is of no use: a registry takes no more than these make. */
const MAX_WORKERS = 16;

/** Encoders that work side by side; disposing of them gives them back. */
export interface Encoders extends AsyncDisposable {
  /** How many blocks are compressed at the same time. */
  readonly size: number;
  /** Memory for a block, of {@linkcode BLOCK_BYTES}. */
  takeBlock(): Bytes;
  /** Compresses a block, or the start of one; its memory is gone then. */
  encode(block: Bytes): Promise<Bytes>;
}

/** Encoders that several use. */
interface Shared {
  encoders: Promise<Encoders>;
  users: number;
}

const shared = new Map<string, Shared>();

/**
 * Starts encoders, on workers where the runtime has them; those of one kind and level are shared by all who use them at
 * the same time.
 *
 * @returns The encoders; whoever asked for them disposes of them.
 * @throws {OciError} If the runtime has no way to compress so.
 */
export async function useEncoders(encoding: Encoding): Promise<Encoders> {
  const key = `${encoding.kind} ${encoding.level}`;
  const entry = shared.get(key) ?? { encoders: start(encoding), users: 0 };
  shared.set(key, entry);
  entry.users++;
  const giveBack = async () => {
    if (--entry.users > 0) return;
    shared.delete(key);
    await (await entry.encoders)[asyncDispose]();
  };
  try {
    const { size, takeBlock, encode } = await entry.encoders;
    return { size, takeBlock, encode, [asyncDispose]: giveBack };
  } catch (error) {
    await giveBack().catch(() => {});
    throw error;
  }
}

async function start(encoding: Encoding): Promise<Encoders> {
  const module = await encoderModule(encoding.kind);
  const settings = { ...encoding, blockBytes: BLOCK_BYTES, module };
  return await startWorkers(settings) ?? await startHere(settings);
}

/** What compresses where there are no workers: blocks take turns with everything else. */
async function startHere(settings: EncoderSettings): Promise<Encoders> {
  const encode: BlockEncoder = await startEncoder(settings);
  return {
    size: 1,
    takeBlock: () => new Uint8Array(BLOCK_BYTES),
    encode: async (block) => await encode(block),
    [asyncDispose]: () => Promise.resolve(),
  };
}

/** Starts workers, all of them; undefined where one cannot be started. */
async function startWorkers(settings: EncoderSettings): Promise<Encoders | undefined> {
  if (typeof Worker !== "function" || typeof URL.createObjectURL !== "function") return undefined;
  const { hardwareConcurrency = 1 } = globalThis.navigator ?? {};
  const size = Math.min(Math.max(1, hardwareConcurrency), MAX_WORKERS);
  const url = URL.createObjectURL(new Blob([workerText()], { type: "text/javascript" }));
  const workers: EncoderWorker[] = [];
  // Garbage collectors see little of what workers have been given: blocks go round.
  const spare: Bytes[] = [];
  try {
    for (let count = 0; count < size; count++) workers.push(new EncoderWorker(url, spare));
    await Promise.all(workers.map((worker) => worker.start(settings)));
  } catch {
    // No file may be read, the policy of a page is against it, or there are no threads left.
    for (const worker of workers) worker.stop();
    return undefined;
  } finally {
    URL.revokeObjectURL(url);
  }
  return {
    size,
    takeBlock: () => spare.pop() ?? new Uint8Array(BLOCK_BYTES),
    encode: (block) => leastBusy(workers).encode(block),
    [asyncDispose]: () => {
      for (const worker of workers) worker.stop();
      return Promise.resolve();
    },
  };
}

function workerText(): string {
  return `const startEncoder = ${startEncoder};
let encode;
onmessage = async ({ data }) => {
  try {
    if (!encode) {
      encode = await startEncoder(data);
      return postMessage({});
    }
    const bytes = await encode(data);
    postMessage({ bytes, block: data.buffer }, [bytes.buffer, data.buffer]);
  } catch (error) {
    postMessage({ error: String(error) });
  }
};`;
}

function leastBusy([first, ...others]: readonly EncoderWorker[]): EncoderWorker {
  if (!first) throw new TypeError("unreachable: there is a worker");
  return others.reduce((least, other) => other.waiting < least.waiting ? other : least, first);
}

/** What a worker answers. */
interface Answer {
  bytes?: Bytes;
  /** The memory of the block that it was given. */
  block?: ArrayBuffer;
  error?: string;
}

/** Whoever waits for an answer of a worker. */
interface Waiting {
  resolve(bytes: Bytes | undefined): void;
  reject(error: unknown): void;
}

/** One worker; it answers in the order in which it was asked. */
class EncoderWorker {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  /** There once it answers no more. */
  #failure: { error: unknown } | undefined;

  /** @param spare Gets the memory of blocks that are done. */
  constructor(url: string, spare: Bytes[]) {
    this.#worker = new Worker(url, { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if (data.block) spare.push(new Uint8Array(data.block));
      this.#answer(data);
    };
    this.#worker.onerror = (event) => {
      // Deno ends the process where nobody heeds it.
      event.preventDefault?.();
      this.#fail(
        new Error(`Cannot compress: a worker failed, ${event.message || "not saying why"}`),
      );
    };
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  async start(settings: EncoderSettings): Promise<void> {
    await this.#ask(() => this.#worker.postMessage(settings));
  }

  async encode(block: Bytes): Promise<Bytes> {
    const bytes = await this.#ask(() => this.#worker.postMessage(block, [block.buffer]));
    if (bytes) return bytes;
    throw new TypeError("unreachable: a worker that was started answers with bytes");
  }

  /** Ends it; what it has not answered fails. */
  stop(): void {
    this.#worker.terminate();
    this.#fail(new DOMException("The encoders were given back", "AbortError"));
  }

  #ask(send: () => void): Promise<Bytes | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure.error);
      this.#waiting.push({ resolve, reject });
      send();
    });
  }

  #answer({ bytes, error }: Answer): void {
    const first = this.#waiting.shift();
    if (error === undefined) first?.resolve(bytes);
    else first?.reject(new Error(`Cannot compress a block: ${error}`));
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
