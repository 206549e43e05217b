import { createPromise } from "../concurrency.ts";
import type { BlobWriter, Storage } from "../storage.ts";

/** One request and how it was answered. */
export interface AnsweredRequest {
  /** When it was answered, in milliseconds since 1970. */
  time: number;
  /** Address of the client; empty where there is none. */
  client: string;
  method: string;
  /** Path and query. */
  path: string;
  status: number;
  /** Bytes of the answer's body, as they were announced; 0 where they were not. */
  bytes: number;
  /** Until the answer began: with the whole of a body that was sent, without that of the answer. */
  milliseconds: number;
}

/** What is counted, in the order in which it is told: its name, type and meaning. */
const METRICS = {
  received: ["tarpush_received_bytes_total", "counter", "Bytes of blobs that were uploaded"],
  sent: ["tarpush_sent_bytes_total", "counter", "Bytes of answers, as announced"],
  blobs: ["tarpush_blobs_total", "counter", "Blobs whose upload came to its end"],
  uploads: ["tarpush_uploads_open", "gauge", "Uploads that have begun and not ended"],
  errors: ["tarpush_errors_total", "counter", "Requests that failed inside the registry"],
} as const;

/** An upload that has begun. */
interface OpenUpload {
  /** When it began, or something of it came last, in milliseconds since 1970. */
  touched: number;
  ended: Promise<void>;
  /** Notes that it has ended. */
  end: () => void;
}

/**
 * Sees what a registry does: counts it, and tells of each request. Its storage is to be wrapped as well, which knows of
 * uploads and their bytes.
 */
export class RegistryObserver {
  readonly #counts = { received: 0, sent: 0, blobs: 0, errors: 0 };
  readonly #uploads = new Map<BlobWriter, OpenUpload>();
  readonly #requests = new Map<string, number>();
  readonly #onAnswer: (request: AnsweredRequest) => void;
  readonly #now: () => number;

  /** @param now The clock, in milliseconds. */
  constructor(onAnswer: (request: AnsweredRequest) => void, now: () => number = Date.now) {
    this.#onAnswer = onAnswer;
    this.#now = now;
  }

  get uploads(): number {
    // A storage may end by itself what nobody goes on with.
    for (const [writer, { end }] of this.#uploads) if (writer.isEnded) end();
    return this.#uploads.size;
  }

  /**
   * Uploads that somebody goes on with: clients leave behind those that were refused or interrupted.
   *
   * @param quietMilliseconds After so long without a byte nobody does.
   * @returns For each what is settled when it has ended.
   */
  activeUploads(quietMilliseconds: number): Promise<void>[] {
    if (this.uploads === 0) return [];
    const since = this.#now() - quietMilliseconds;
    return [...this.#uploads.values()].filter(({ touched }) => touched > since)
      .map(({ ended }) => ended);
  }

  /** Counts what failed inside. */
  countError(): void {
    this.#counts.errors++;
  }

  /** The same storage, seen. */
  watch<Inner extends Storage>(storage: Inner): Inner {
    const createBlob = async () => this.#watchWriter(await storage.createBlob());
    return new Proxy(storage, {
      get(target, name) {
        if (name === "createBlob") return createBlob;
        const member: unknown = Reflect.get(target, name);
        // Private members are those of the storage itself, which a proxy has none of.
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
  }

  /** The same handler, seen. */
  observe(
    handler: (request: Request) => Promise<Response>,
  ): (request: Request, client?: string) => Promise<Response> {
    return async (request, client = "") => {
      const start = performance.now();
      const response = await handler(request);
      const { pathname, search } = new URL(request.url);
      const { method } = request;
      const { status } = response;
      const bytes = method === "HEAD" ? 0 : Number(response.headers.get("Content-Length") ?? 0);
      const key = `method="${knownMethod(method)}",status="${status}"`;
      this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
      this.#counts.sent += bytes;
      const milliseconds = Math.round(performance.now() - start);
      const time = Date.now();
      const path = pathname + search;
      this.#onAnswer({ time, client, method, path, status, bytes, milliseconds });
      return response;
    };
  }

  /** What was counted, in the text format of Prometheus (version 0.0.4). */
  metrics(): string {
    const name = "tarpush_requests_total";
    const lines = [`# HELP ${name} Requests that were answered`, `# TYPE ${name} counter`];
    for (const [labels, count] of this.#requests) lines.push(`${name}{${labels}} ${count}`);
    const counts = { ...this.#counts, uploads: this.uploads };
    for (const [key, [name, type, help]] of Object.entries(METRICS)) {
      const count = counts[key as keyof typeof METRICS];
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, `${name} ${count}`);
    }
    return `${lines.join("\n")}\n`;
  }

  #watchWriter(writer: BlobWriter): BlobWriter {
    const counts = this.#counts;
    const now = this.#now;
    const { promise: ended, resolve } = createPromise();
    const end = () => {
      this.#uploads.delete(writer);
      resolve();
    };
    const upload = { touched: now(), ended, end };
    this.#uploads.set(writer, upload);
    return {
      get size() {
        return writer.size;
      },
      get isEnded() {
        return writer.isEnded ?? false;
      },
      async write(bytes) {
        const before = writer.size;
        try {
          await writer.write(bytes);
        } finally {
          upload.touched = now();
          counts.received += writer.size - before;
          // One that could not be written is over.
          if (writer.isEnded) end();
        }
      },
      async commit(repository, digest) {
        try {
          await writer.commit(repository, digest);
          counts.blobs++;
        } finally {
          end();
        }
      },
      async discard() {
        end();
        await writer.discard();
      },
    };
  }
}

/** Whatever a client calls its method, there are only so many lines. */
function knownMethod(method: string): string {
  return /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/.test(method) ? method : "other";
}
