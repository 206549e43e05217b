import { didYouMean } from "../did_you_mean.ts";
import { pushImage } from "../push/push.ts";
import type { PushOptions } from "../push/options.ts";
import { parseTarget, type Place, type Reference } from "../reference.ts";
import { dropRest, isServed } from "../served_body.ts";
import { servePage } from "./page.ts";
import { answerAtEnd, answerInLines } from "./answers.ts";
import { GatewayError, problem } from "./failures.ts";
import { openBody } from "./request_body.ts";

/** Options for {@linkcode createGateway}. */
export interface GatewayOptions extends
  Pick<
    PushOptions,
    | "concurrency"
    | "memoryBudget"
    | "chunkSize"
    | "verify"
    | "plainHttp"
    | "headers"
    | "fetch"
    | "hasher"
    | "retry"
    | "timeouts"
  > {
  /**
   * Where pushes may go: `HOST[:PORT]`, or a prefix that ends in `/`, each with `http://` or `https://` in front where that
   * is not to be guessed. Everything else is refused with 403.
   */
  allow: readonly string[];
  /** The page that `GET /` answers with, HTML: what {@linkcode readPage} gives, or one of your own. */
  page?: string;
}

/** What an edge runtime gives its worker beside the request; servers give something of their own. */
export interface GatewayContext {
  /** Keeps the worker alive until the promise is settled: uploads are cancelled after the client has gone. */
  waitUntil(promise: Promise<unknown>): void;
}

/** Where pushes are sent. */
const PREFIX = "/v2push/";
/** An edge worker has 128 MiB, and the runtime's own buffers take some of it. */
const MEMORY_BUDGET = 16 * 1024 * 1024;
/** Targets of one upload: each opens uploads of its own at its registry. */
const MAX_TARGETS = 100;
/** Query parameters that choose what is pushed, and where else. */
const PARAMETERS = ["also", "image", "platform", "all-tags"];

/**
 * Makes a fetch handler that pushes what it is sent, in one pass and in bounded memory, to a registry that is allowed.
 *
 * `PUT /v2push/HOST[:PORT]/REPOSITORY[:TAG]` takes an archive as its body, plain or compressed, or a form with one file
 * in it (`multipart/form-data`, for which `POST` is accepted too). `?also=` names a further `HOST[:PORT]/REPOSITORY[:TAG]`
 * for the same upload, up to 100 targets in all. `?image=`, `?platform=` and `?all-tags` choose as the options of the same
 * names do; all but the last may repeat. It answers with a JSON line for each {@linkcode PushEvent} while they happen and
 * the result (`{ "type": "result", ... }`) or the failure (`{ "type": "error", "error": { ... } }`) as the last line; where
 * the request accepts `application/json` alone, with one document at the end. What is wrong before the first event has
 * a status of its own: 400 for the request, 403 for a target that is not allowed and for a page of another site, 422 for the
 * archive, 502 and 504 for the registry. A client that goes away ends its push; uploads that it had opened are cancelled.
 *
 * @param options Where pushes may go, and settings of the pushes.
 * @returns The handler, which keeps nothing between requests. On an edge runtime it wants that one's {@linkcode GatewayContext},
 * too; what else servers hand over is left alone.
 * @throws {SyntaxError} If an entry of `allow` does not parse.
 * @throws {TypeError} If nothing is allowed, or an entry names an image.
 */
export function createGateway(
  options: GatewayOptions,
): (request: Request, context?: unknown) => Promise<Response> {
  const { allow, page, ...settings } = options;
  const places = parsePlaces(allow);
  return async (request, context) => {
    try {
      const { pathname } = new URL(request.url);
      if (pathname.startsWith(PREFIX)) return await push(request, places, settings, context);
      if (pathname === "/" && page !== undefined) {
        return servePage(request, page, { gateway: { allow } });
      }
      throw new GatewayError("NOT_FOUND", `There is nothing at ${pathname}: expected ${PREFIX}...`);
    } catch (error) {
      if (isServed(request)) dropRest(request);
      return problem(error);
    }
  };
}

function parsePlaces(allow: readonly string[]): Place[] {
  if (allow.length === 0) {
    throw new TypeError("Cannot make a gateway: nothing is allowed, expected HOST[:PORT]");
  }
  return allow.map((text) => {
    const target = parseTarget(text);
    if (target.kind === "place") return target.place;
    throw new TypeError(
      `Cannot allow ${JSON.stringify(text)}: expected HOST[:PORT], or a prefix that ends in /`,
    );
  });
}

async function push(
  request: Request,
  places: readonly Place[],
  settings: Omit<GatewayOptions, "allow" | "page">,
  context: unknown,
): Promise<Response> {
  const isForm = /^multipart\/form-data/i.test(request.headers.get("content-type") ?? "");
  if (request.method !== "PUT" && !(isForm && request.method === "POST")) {
    throw new GatewayError("METHOD", `Cannot push by ${request.method}: expected PUT`);
  }
  // A form needs nobody's leave to be sent from anywhere: a stranger's page would push with the reach of who looks at it.
  if (request.headers.get("sec-fetch-site") === "cross-site") {
    throw new GatewayError("DENIED", "Cannot push from a page of another site: it is not allowed");
  }
  const { pathname, searchParams } = new URL(request.url);
  const named = [decode(pathname.slice(PREFIX.length)), ...searchParams.getAll("also")];
  if (named.length > MAX_TARGETS) {
    const state = `Cannot push to ${named.length} targets at once`;
    throw new GatewayError("USAGE", `${state}: expected ${MAX_TARGETS} at most`);
  }
  const allowed = named.map((text) => allowedTarget(text, places));
  const targets = allowed.map(({ target }) => target);
  const choice = chosen(searchParams);
  const source = await openBody(request, isForm);
  // Who may push below a prefix gets nothing of what stands beside it.
  const mountRecorded = allowed.every(({ place }) => place.prefix === "");
  const options = { memoryBudget: MEMORY_BUDGET, ...settings, ...choice, mountRecorded };
  const start = (hooks: Pick<PushOptions, "signal" | "onEvent">) => {
    const pushing = pushImage(source, targets, { ...options, ...hooks });
    if (isGatewayContext(context)) context.waitUntil(pushing.catch(() => {}));
    return pushing;
  };
  return wantsDocument(request)
    ? await answerAtEnd(request, start)
    : await answerInLines(request, start);
}

function isGatewayContext(context: unknown): context is GatewayContext {
  return typeof context === "object" && context !== null && "waitUntil" in context &&
    typeof context.waitUntil === "function";
}

/** A target of a request, with the scheme that is allowed for it, and the place that allows it. */
function allowedTarget(
  text: string,
  places: readonly Place[],
): { target: string; place: Place } {
  const target = parseTarget(text);
  if (target.kind === "place" || /^https?:/i.test(text)) {
    const form = `${PREFIX}HOST[:PORT]/REPOSITORY[:TAG]`;
    throw new GatewayError("USAGE", `Cannot push to ${text}: expected PUT ${form}`);
  }
  const place = places.find((place) => isWithin(target.reference, place));
  if (place) return { target: place.scheme ? `${place.scheme}://${text}` : text, place };
  const { registry, repository } = target.reference;
  throw new GatewayError("DENIED", `Cannot push to ${registry}/${repository}: it is not allowed`);
}

function isWithin({ registry, repository }: Reference, place: Place): boolean {
  return registry.toLowerCase() === place.registry.toLowerCase() &&
    repository.startsWith(place.prefix);
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new GatewayError("USAGE", `Cannot read the path ${path}: it is not encoded as a URL is`);
  }
}

/**
 * What the query chooses. Routers, proxies and login pages add parameters of their own, which are theirs; one of ours that is
 * mistyped would have more pushed than was chosen.
 */
function chosen(query: URLSearchParams): Pick<PushOptions, "images" | "platforms" | "allTags"> {
  for (const name of query.keys()) {
    const hint = PARAMETERS.includes(name) ? undefined : didYouMean(name, PARAMETERS);
    if (hint) throw new GatewayError("USAGE", `Unknown parameter ${name}: ${hint}`);
  }
  const allTags = query.get("all-tags");
  return {
    images: query.getAll("image"),
    platforms: query.getAll("platform"),
    allTags: allTags !== null && allTags !== "false" && allTags !== "0",
  };
}

/** Whether one document is asked for: lines are what anybody gets who does not say. */
function wantsDocument({ headers }: Request): boolean {
  const accept = headers.get("accept") ?? "";
  return /\bapplication\/json\b/i.test(accept) && !/ndjson|jsonl|\*\/\*/i.test(accept);
}
