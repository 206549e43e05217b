import type { Bytes } from "../../bytes.ts";
import type { Page } from "../../page.ts";
import type { Alarms } from "./alarms.ts";
import type { Pace, PaceLimits } from "./pace.ts";
import type { RetryOptions } from "./retry.ts";
import type { Clock, Timeouts } from "./time_limits.ts";

/** What answers requests: the runtime's `fetch`, or a registry in the same process. */
export type FetchHandler = (request: Request) => Promise<Response>;

/** What all requests to one registry share. */
export interface Http {
  /** Scheme, host and port. */
  readonly origin: string;
  readonly fetch: FetchHandler;
  /** The caller's headers, their names in lower case; sent to `origin` only. */
  readonly headers: Readonly<Record<string, string>>;
  readonly retry: Required<RetryOptions>;
  readonly timeouts: Required<Timeouts>;
  readonly alarms: Alarms;
  /** How fast it may be spoken to, where the caller says so. */
  readonly limits?: PaceLimits | undefined;
  /** The web page that this runs in. */
  readonly page?: Page | undefined;
  /** What this registry has shown of itself so far. */
  readonly seen: {
    answered: boolean;
    /** Kinds of requests that it has given an answer to that was expected. */
    served?: Set<string>;
    /** The pace of requests, once there is one. */
    pace?: Pace;
    /** Whether it speaks the other one of http and https. */
    otherScheme?: Promise<boolean>;
    /** Bodies above this size go in chunks: the caller wants it, or the registry refused a larger one. */
    chunkSize?: number;
    /** What redirects of reads put in the place of what, both in one text, where the end of the path stayed. */
    movedReads?: Set<string>;
    /** Those of these that writes are redirected by as well: requests go to the new place at once. */
    moves?: Map<string, string>;
    /** Other servers that have answered: where uploads and redirects lead. */
    others?: Set<string>;
    /** Something before it may keep answers: what must be fresh is asked past that at once; false where that fails. */
    mayKeep?: boolean;
    /** Answers in plain http have passed Squid. */
    passesSquid?: boolean;
    /** Whether it reads the header Accept as one type; false where that was not what failed. */
    wantsOneType?: boolean;
    /** Whether it has the lists of what refers to manifests that it says it keeps. */
    hasReferrersList?: boolean;
    /** It refused a body without a length. */
    wantsLength?: boolean;
    /** A small body that went as a stream broke: others go as bytes. */
    breaksStreams?: boolean;
    /** Of a blob that it took without naming its digest it had all afterwards, or does not tell. */
    keepsBlobs?: boolean;
    /** Whether it takes the body of an upload in the PUT that ends it; false where only a PATCH brought one. */
    takesPut?: boolean;
    /** False where the second PATCH of an upload was refused, and one with all of it taken. */
    takesChunks?: boolean;
  };
}

/** A file that `fetch` is given as a body. */
export interface FileBody {
  /** Whether it still has all that is to be sent: of one that does not, nothing more comes. */
  isWhole(): Promise<boolean>;
  /** Told that all of it may have been handed over. */
  onEnd(): void;
}

/** One request. */
export interface Call {
  /** What it does, for messages: `push blob sha256:... to host/repository`. */
  action: string;
  method: "HEAD" | "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  url: URL;
  headers?: Record<string, string>;
  /** All of it, or a function that opens the body; it is called once for each time that the request is sent. */
  body?: Bytes | Blob | (() => ReadableStream<Bytes>);
  /** Whether bytes go as a stream of one piece: `fetch` would copy them. */
  asPiece?: boolean | undefined;
  /** Of a Blob that is a part of a file, large enough to be watched on its way. */
  file?: FileBody | undefined;
  /** Length of a streamed body, where it is known. */
  size?: number | undefined;
  /** Whether reading the body has time limits of its own: while it is waited for, none runs here. */
  isPatient?: boolean | undefined;
  /** Whether the answer to a GET is a document of the registry, and a page for people therefore none: a blob may be one. */
  isDocument?: boolean;
  /** Whether an old answer, which a cache has kept, would do harm although the content never changes: writes follow from it. */
  isFresh?: boolean | undefined;
  /** Statuses to return; any other becomes a {@linkcode RegistryError}. */
  expect: readonly number[];
  signal?: AbortSignal | undefined;
  /**
   * How long the answer to a request under way is still waited for after an abort, in milliseconds: what it opened has to
   * be closed again.
   * @default {0}
   */
  grace?: number;
  /** Told how much of a Blob has gone, where that is seen: in a web page, and of a file. */
  onSent?: ((bytes: number) => void | Promise<void>) | undefined;
  /** Told before each wait for another attempt. */
  onRetry?: ((attempt: number, delay: number, error: Error) => void | Promise<void>) | undefined;
}

/** A request on its way, in parts that are sent by others than `fetch` alone. */
export interface SentCall {
  call: Call;
  url: URL;
  /** As `fetch` takes it. */
  init: RequestInit;
  clock: Clock;
  /** Told when the body fails, or who listens to it: the request ends with that. */
  onError(error: unknown): void;
}

/** Method and URL of a request for an error; the query stays out, it may hold a secret. */
export function describe(
  { method, url }: Pick<Call, "method" | "url">,
  { origin, pathname } = url,
): { method: string; url: string } {
  return { method, url: origin + pathname };
}

/** `host[:port]` of an origin, for messages and names. */
export function hostOf({ origin }: { readonly origin: string }): string {
  return origin.slice(origin.indexOf("//") + 2);
}

/** What a request has in common with others that a firewall lets through, or not, with it. */
export function kindOf({ method, url: { pathname }, headers }: Call): string {
  const folder = pathname.slice(0, pathname.lastIndexOf("/"));
  const isPart = headers?.["content-range"] !== undefined;
  return `${method} ${folder} ${headers?.["content-type"]} ${isPart}`;
}

/** Reads the rest of an answer that nobody needs, so that its connection is free again. */
export async function discard(response: Response): Promise<void> {
  // A HEAD or empty answer is at its end already; a long one is not worth reading.
  if (response.body) await response.body.cancel().catch(() => {});
}

/** A value that came several times, as `fetch` joins them. */
const REPEATED = /^(.+?)(?:, ?\1)+$/;

/**
 * What a header of an answer says. A proxy may add one that the registry has sent already: the same said twice is said once.
 *
 * @returns Without spaces around it; undefined where there is none, or an empty one.
 */
export function headerOf({ headers }: Pick<Response, "headers">, name: string): string | undefined {
  const text = headers.get(name)?.trim() || undefined;
  return text?.includes(",") ? REPEATED.exec(text)?.[1] ?? text : text;
}

/** The number of bytes that a header tells; undefined where it tells none. */
export function lengthIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** `Content-Length` of an answer, where it tells one. */
export function contentLength(response: Response): number | undefined {
  return lengthIn(headerOf(response, "content-length"));
}

/** The media type of an answer, in lower case and without parameters; "" where it has none. */
export function contentType(response: Response): string {
  return headerOf(response, "content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** Whether an answer is a page for people. */
export function isPage(response: Response): boolean {
  return ["text/html", "application/xhtml+xml"].includes(contentType(response));
}

/**
 * Whether this is a web server that answers 200 to everything, and no registry at all. What names a digest is one, whatever
 * it calls the content: some frameworks (Flask) call everything a page.
 */
export function isWebPage({ method, isDocument }: Call, response: Response): boolean {
  return response.status === 200 && (method !== "GET" || isDocument === true) && isPage(response) &&
    !response.headers.has("docker-content-digest");
}

/** Whether an answer says how to log in; Harbor (2.16) leaves the header empty where a login changes nothing. */
export function namesLogin(response: Response): boolean {
  return headerOf(response, "www-authenticate") !== undefined;
}
