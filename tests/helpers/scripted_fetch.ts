import { assert, assertEquals, assertMatch } from "@std/assert";
import type { FetchHandler } from "../../src/registry/http/call.ts";

/** A request as it came, its body read. */
export interface SentRequest {
  method: string;
  /** Scheme, host and port. */
  origin: string;
  /** Path and query. */
  path: string;
  headers: Headers;
  body: Uint8Array<ArrayBuffer>;
}

/** What a request of a script is answered with. */
export interface ScriptedAnswer {
  /** @default {200} */
  status?: number;
  headers?: Record<string, string>;
  body?: BodyInit;
}

/**
 * An answer; `drop` for a connection that breaks; `silence` for none until the request is aborted; or a function that
 * makes the answer.
 */
export type ScriptedReply =
  | ScriptedAnswer
  | "drop"
  | "silence"
  | ((request: SentRequest) => ScriptedAnswer | Promise<ScriptedAnswer>);

/** An expected request, `METHOD PATH` or a pattern of that, and what it is answered with. */
export type ScriptStep = readonly [request: string | RegExp, reply: ScriptedReply];

/** A fetch handler that follows a script. */
export interface ScriptedFetch {
  readonly fetch: FetchHandler;
  /** What has been sent so far, in order. */
  readonly requests: readonly SentRequest[];
  /** Fails unless every step was asked for, in order, and nothing else. */
  assertDone(): void;
}

/**
 * Answers requests by a list of expected ones. A request that is not the next of the list breaks like a connection, and
 * fails {@linkcode ScriptedFetch.assertDone}.
 */
export function scriptedFetch(steps: readonly ScriptStep[]): ScriptedFetch {
  const requests: SentRequest[] = [];
  const surprises: string[] = [];
  const rest = [...steps];
  const fetch: FetchHandler = async (request) => {
    const { origin, pathname, search } = new URL(request.url);
    const sent: SentRequest = {
      method: request.method,
      origin,
      path: pathname + search,
      headers: request.headers,
      body: await request.bytes(),
    };
    requests.push(sent);
    const line = `${sent.method} ${sent.path}`;
    const step = rest.shift();
    if (!step || !fits(step[0], line)) {
      surprises.push(`${line}, expected ${step ? step[0] : "nothing more"}`);
      throw connectionReset();
    }
    return await reply(step[1], sent, request.signal);
  };
  return {
    fetch,
    requests,
    assertDone() {
      assertEquals(surprises, []);
      assertEquals(rest.map(([request]) => String(request)), [], "requests that did not come");
    },
  };
}

/** What `fetch` throws when a connection breaks; Deno and Bun word it differently, both say reset. */
export function connectionReset(): TypeError {
  return new TypeError("error sending request", {
    cause: new Error("Connection reset by peer (os error 104)"),
  });
}

/** The n-th request, counted from 0; fails where there were fewer. */
export function sentRequest({ requests }: ScriptedFetch, index: number): SentRequest {
  const request = requests[index];
  assert(request, `only ${requests.length} requests were sent`);
  return request;
}

/** Checks the lines `METHOD PATH` of what was sent against patterns. */
export function assertRequests({ requests }: ScriptedFetch, patterns: readonly RegExp[]): void {
  const lines = requests.map(({ method, path }) => `${method} ${path}`);
  assertEquals(lines.length, patterns.length, lines.join("\n"));
  for (const [index, pattern] of patterns.entries()) assertMatch(lines[index] ?? "", pattern);
}

function fits(expected: string | RegExp, line: string): boolean {
  return typeof expected === "string" ? expected === line : expected.test(line);
}

async function reply(
  step: ScriptedReply,
  sent: SentRequest,
  signal: AbortSignal,
): Promise<Response> {
  if (step === "drop") throw connectionReset();
  if (step === "silence") return await untilAborted(signal);
  const { status = 200, headers = {}, body = null } = typeof step === "function"
    ? await step(sent)
    : step;
  const answer = new Response(sent.method === "HEAD" ? null : body, { status, headers });
  const digest = new URL(sent.path, sent.origin).searchParams.get("digest");
  // Nearly all registries name what arrived; those that do not are asked for it.
  const isNamed = answer.headers.has("docker-content-digest");
  if (digest && status === 201 && sent.method === "PUT" && !isNamed) {
    answer.headers.set("docker-content-digest", digest);
  }
  return answer;
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
