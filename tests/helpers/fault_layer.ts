import type { FetchHandler } from "../../src/registry/http/call.ts";
import { connectionReset } from "./scripted_fetch.ts";

/** A request, before its body is read. */
export interface SeenRequest {
  /** Counted from 1. */
  number: number;
  method: string;
  /** Scheme, host and port. */
  origin: string;
  /** Path without query. */
  path: string;
  query: URLSearchParams;
  headers: Headers;
}

/** What happens to a request instead of what should. */
export type Fault =
  /** The connection breaks before the handler sees anything. */
  | { kind: "refuse" }
  /** The connection breaks when so many bytes of the body have passed; the handler sees a broken body. */
  | { kind: "cut-body"; after: number }
  /** The handler sees and does everything, its answer is lost. */
  | { kind: "lose-response" }
  /** The answer's body breaks after so many bytes. */
  | { kind: "cut-response"; after: number }
  /**
   * This answer comes from somewhere on the way; the handler sees nothing. `readBody` takes the body first, or drops what
   * still comes of it after the answer.
   */
  | { kind: "answer"; answer: () => Response; readBody?: boolean | "after" }
  /** The handler sees the request twice, and the second answer is returned: what runtimes do on their own. */
  | { kind: "double-send" }
  /** Runs before the handler sees the request. */
  | { kind: "before"; run: () => void | Promise<void> }
  /** Runs when the handler has answered, before the client sees it. */
  | { kind: "after"; run: () => void | Promise<void> }
  | { kind: "change-request"; change: (request: Request) => Request }
  | { kind: "change-response"; change: (response: Response) => Response };

/** A fetch handler with faults. */
export interface FaultLayer {
  readonly fetch: FetchHandler;
  /** Requests so far, in order. */
  readonly seen: readonly SeenRequest[];
  /** `METHOD path` of the requests so far, digests and session names left out. */
  lines(): string[];
}

/** Whether a request ends the upload of a blob. */
export function endsUpload({ method, path }: SeenRequest): boolean {
  return method === "PUT" && path.includes("/blobs/uploads/");
}

/** Digests of the blobs that were sent, in order. */
export function sentDigests(seen: readonly SeenRequest[]): string[] {
  return seen.filter(endsUpload).map(({ query }) => query.get("digest") ?? "");
}

/** Faults of a single request, the k-th from 1. */
export function atRequest(
  number: number,
  fault: Fault,
): (request: SeenRequest) => Fault | undefined {
  return (request) => request.number === number ? fault : undefined;
}

/**
 * Lays faults between a client and a handler.
 *
 * @param handler What answers.
 * @param plan Tells for each request what goes wrong; nothing where it returns undefined.
 */
export function faultLayer(
  handler: FetchHandler,
  plan: (request: SeenRequest) => Fault | undefined = () => undefined,
): FaultLayer {
  const seen: SeenRequest[] = [];
  const fetch: FetchHandler = async (request) => {
    const { origin, pathname, searchParams } = new URL(request.url);
    const entry: SeenRequest = {
      number: seen.length + 1,
      method: request.method,
      origin,
      path: pathname,
      query: searchParams,
      headers: request.headers,
    };
    seen.push(entry);
    const fault = plan(entry);
    return fault ? await inflict(fault, handler, request) : await handler(request);
  };
  return { fetch, seen, lines: () => seen.map(toLine) };
}

/** `METHOD path` with digests, session names and the API's prefix left out, for comparing orders. */
export function toLine({ method, path }: SeenRequest): string {
  const short = path
    .replace(/sha(?:256|512):[0-9a-f]+/, "DIGEST")
    .replace(/(\/blobs\/uploads\/).+/, "$1SESSION");
  return `${method} ${short.replace(/^\/v2\//, "")}`;
}

async function inflict(fault: Fault, handler: FetchHandler, request: Request): Promise<Response> {
  switch (fault.kind) {
    case "refuse":
      await request.body?.cancel();
      throw connectionReset();
    case "cut-body":
      // The handler's answer has nobody to go to.
      await discard(await handler(withBody(request, cutAfter(request.body, fault.after))));
      await request.body?.cancel().catch(() => {});
      throw connectionReset();
    case "lose-response":
      await discard(await handler(request));
      throw connectionReset();
    case "cut-response": {
      const response = await handler(request);
      return new Response(cutAfter(response.body, fault.after), response);
    }
    case "answer":
      if (fault.readBody === "after") request.body?.pipeTo(new WritableStream()).catch(() => {});
      else if (fault.readBody) await request.arrayBuffer();
      else await request.body?.cancel();
      return fault.answer();
    case "double-send": {
      const body = await request.bytes();
      const copy = () => body.length > 0 ? withBody(request, body) : withoutBody(request);
      await discard(await handler(copy()));
      return await handler(copy());
    }
    case "before":
      await fault.run();
      return await handler(request);
    case "after": {
      const response = await handler(request);
      await fault.run();
      return response;
    }
    case "change-request":
      return await handler(fault.change(request));
    case "change-response":
      return fault.change(await handler(request));
  }
}

/** The same request with another body. */
export function withBody(
  request: Request,
  body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>,
): Request {
  const { method, headers, signal, url } = request;
  const init: RequestInit & { duplex: "half" } = { method, headers, signal, body, duplex: "half" };
  return new Request(url, init);
}

/** The same answer with a header changed, or taken away by undefined. */
export function withHeader(response: Response, name: string, value: string | undefined): Response {
  const headers = new Headers(response.headers);
  if (value === undefined) headers.delete(name);
  else headers.set(name, value);
  return new Response(response.body, { status: response.status, headers });
}

function withoutBody({ method, headers, signal, url }: Request): Request {
  return new Request(url, { method, headers, signal });
}

/** The first bytes of a body, then a broken connection; shorter bodies break at their end. */
function cutAfter(
  body: ReadableStream<Uint8Array> | null,
  limit: number,
): ReadableStream<Uint8Array> {
  const reader = body?.getReader();
  let left = limit;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader?.read() ?? { done: true, value: undefined };
      const piece = value?.subarray(0, left);
      if (piece && piece.length > 0) controller.enqueue(piece);
      left -= piece?.length ?? 0;
      if (!done && left > 0) return;
      reader?.releaseLock();
      controller.error(new Error("the connection broke"));
    },
    cancel: () => reader?.releaseLock(),
  }, { highWaterMark: 0 });
}

async function discard({ body }: Response): Promise<void> {
  await body?.cancel();
}
