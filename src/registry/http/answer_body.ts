import { type Bytes, collect, giveUp, type PieceReader, streamOf, toBytes } from "../../bytes.ts";
import { RegistryError, TimeoutError } from "../../errors.ts";
import { MAX_JSON_DEPTH, readJson } from "../../json_depth.ts";
import { isJsonObject, type JsonObject } from "../../media_types.ts";
import { escapeText } from "../../quote_name.ts";
import type { Alarm } from "./alarms.ts";
import { type Call, contentType, describe, type Http } from "./call.ts";
import { codingOf, inflateText } from "./content_encoding.ts";
import { requestOnce, withRetry } from "./http.ts";

/** What is read, for messages. */
export type ReadCall = Pick<Call, "action" | "method" | "url" | "signal" | "isDocument">;

const PACKED_HINT =
  "something before the registry compresses what it passes on: have it leave the answers of /v2/ as they are";

/** The same as {@linkcode readAnswer} as a stream. */
export function openAnswer(
  http: Http,
  response: Response,
  call: ReadCall,
): ReadableStream<Bytes> {
  return streamOf(readAnswer(http, response, call));
}

/**
 * Reads the body of an answer with the limits that requests have: it fails when no byte moves for too long, at once when it
 * is aborted, and says what was being done when the connection breaks.
 *
 * @param call The request that was answered; a document that was compressed on the way is inflated.
 * @returns What reads it; to cancel it ends the connection.
 */
export function readAnswer(http: Http, response: Response, call: ReadCall): PieceReader {
  const body = response.body ?? new Blob([]).stream();
  const coding = call.isDocument ? codingOf(response) : undefined;
  const content = coding === undefined ? body : inflateText(
    body,
    coding,
    (cause) =>
      badAnswer(call, response, `what is compressed with ${coding}, and was asked not to`, {
        cause,
        hint: PACKED_HINT,
      }),
  );
  const reader = new LimitedReader(content, http, call);
  const read = async () => {
    try {
      const value = await reader.read();
      return value && toBytes(value);
    } catch (error) {
      giveUp(reader, error);
      call.signal?.throwIfAborted();
      if (error instanceof TimeoutError || error instanceof RegistryError) throw error;
      const { toNetworkError } = await import("./network.ts");
      throw toNetworkError(error, call.action, describe(call));
    }
  };
  const answer: PieceReader = { read, cancel: (reason) => reader.cancel(reason) };
  const { pace } = http.seen;
  return pace?.countsBytes ? pace.slowed(answer, call.signal) : answer;
}

/**
 * Sends a GET and reads the whole answer, both again where the failure may pass: also one in the middle of the body.
 *
 * @returns The answer, its body consumed, and the bytes of that.
 * @throws {RegistryError} If the body is longer.
 */
export async function requestBytes(
  http: Http,
  call: Call,
  limit: number,
): Promise<{ response: Response; bytes: Bytes }> {
  return await withRetry(http, call, () => requestBytesOnce(http, call, limit));
}

/** The same, without another attempt. */
export async function requestBytesOnce(
  http: Http,
  call: Call,
  limit: number,
): Promise<{ response: Response; bytes: Bytes }> {
  const response = await requestOnce(http, call);
  const bytes = await collect(
    openAnswer(http, response, call),
    limit,
    () => badAnswer(call, response, `more than ${limit} bytes`),
  );
  return { response, bytes };
}

/**
 * Parses the JSON object that a registry sent.
 *
 * @throws {RegistryError} If it is none.
 */
export function parseAnswer(call: ReadCall, response: Response, bytes: Bytes): JsonObject {
  const read = readJson(bytes);
  if (!("json" in read)) {
    const found = read.isDeep
      ? `JSON that nests more than ${MAX_JSON_DEPTH} levels deep`
      : `${describeType(response)} that is not JSON`;
    throw badAnswer(call, response, found, { cause: read.cause });
  }
  if (isJsonObject(read.json)) return read.json;
  throw badAnswer(call, response, "JSON that is no object");
}

/** The error for an answer with a good status and content that is none. */
export function badAnswer(
  call: ReadCall,
  { status }: Response,
  found: string,
  { cause, hint }: { cause?: unknown; hint?: string } = {},
): RegistryError {
  return new RegistryError(`Cannot ${call.action}: ${call.url.host} sent ${escapeText(found)}`, {
    ...describe(call),
    status,
    cause,
    hint,
  });
}

function describeType(response: Response): string {
  return contentType(response).slice(0, 100) || "something";
}

/**
 * Reads an answer; each read ends when no byte comes for too long, and at once when it is aborted: not every `fetch` heeds that
 * by itself.
 */
class LimitedReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #call: ReadCall;
  readonly #http: Pick<Http, "alarms" | "timeouts">;
  readonly #alarm: Alarm = { deadline: Infinity, ring: () => this.#fail(this.#silence()) };
  readonly #stop = () => this.#fail(this.#call.signal?.reason);
  /** Ends the read that is under way. */
  #fail: (reason: unknown) => void = () => {};

  constructor(
    body: ReadableStream<Uint8Array>,
    http: Pick<Http, "alarms" | "timeouts">,
    call: ReadCall,
  ) {
    this.#reader = body.getReader();
    this.#http = http;
    this.#call = call;
    call.signal?.addEventListener("abort", this.#stop);
  }

  read(): Promise<Uint8Array | undefined> {
    const { alarms, timeouts } = this.#http;
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      if (this.#call.signal?.aborted) return this.#stop();
      this.#alarm.deadline = performance.now() + timeouts.idle;
      alarms.set(this.#alarm);
      this.#reader.read().then(({ value }) => {
        alarms.drop(this.#alarm);
        if (!value) this.#forget();
        resolve(value);
      }, reject);
    });
  }

  cancel(reason?: unknown): Promise<void> {
    this.#forget();
    return this.#reader.cancel(reason);
  }

  #forget(): void {
    this.#http.alarms.drop(this.#alarm);
    this.#call.signal?.removeEventListener("abort", this.#stop);
  }

  #silence(): TimeoutError {
    const { action, url } = this.#call;
    const seconds = this.#http.timeouts.idle / 1000;
    const message = `Cannot ${action}: ${url.host}: no byte moved for ${seconds} s`;
    return new TimeoutError(message, describe(this.#call));
  }
}
