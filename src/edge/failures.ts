import {
  AmbiguousImageError,
  ArchiveError,
  DigestMismatchError,
  NetworkError,
  PushError,
  RegistryError,
  TarError,
  TimeoutError,
} from "../errors.ts";
import { failureDocument, pushedBefore } from "../failure_document.ts";

/** What kind of failure it was, for programs. */
export type FailureCode =
  | "USAGE"
  | "DENIED"
  | "NOT_FOUND"
  | "METHOD"
  | "ARCHIVE"
  | "REGISTRY"
  | "NETWORK"
  | "TIMEOUT"
  | "CANCELLED"
  | "INTERNAL";

const STATUS: Record<FailureCode, number> = {
  USAGE: 400,
  DENIED: 403,
  NOT_FOUND: 404,
  METHOD: 405,
  ARCHIVE: 422,
  // What nginx says of a client that went away; nobody reads it.
  CANCELLED: 499,
  INTERNAL: 500,
  REGISTRY: 502,
  NETWORK: 502,
  TIMEOUT: 504,
};

/** A request that the gateway does not take. */
export class GatewayError extends Error {
  override name = "GatewayError";
  readonly code: FailureCode;

  constructor(code: FailureCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A failure as one document, and the images that stand in spite of it. */
export function failureOf(error: unknown): {
  status: number;
  body: { images: readonly unknown[]; error: Record<string, unknown> };
} {
  const code = codeOf(error);
  const document = code === "INTERNAL"
    // What nobody foresaw may hold anything: it is for the log of whoever runs this.
    ? { message: "The gateway failed" }
    : failureDocument(error);
  return {
    status: STATUS[code],
    body: { images: pushedBefore(error), error: { code, ...document } },
  };
}

/** The answer to a request that failed before anything else was said. */
export function problem(error: unknown): Response {
  const { status, body } = failureOf(error);
  if (status === 500) console.error(error);
  const headers = { "content-type": "application/json", ...(status === 405 ? ALLOW : {}) };
  return new Response(`${JSON.stringify(body)}\n`, { status, headers });
}

const ALLOW = { allow: "PUT, POST, GET, HEAD" };

function codeOf(error: unknown): FailureCode {
  if (error instanceof GatewayError) return error.code;
  if (error instanceof DOMException && error.name === "AbortError") return "CANCELLED";
  if (error instanceof AmbiguousImageError) return "USAGE";
  if (error instanceof TimeoutError) return "TIMEOUT";
  if (error instanceof NetworkError) return "NETWORK";
  if (error instanceof RegistryError) return "REGISTRY";
  if (error instanceof PushError) return error.origin === "archive" ? "ARCHIVE" : "REGISTRY";
  const ofArchive = [TarError, ArchiveError, DigestMismatchError];
  if (ofArchive.some((kind) => error instanceof kind)) return "ARCHIVE";
  const ofCaller = [SyntaxError, TypeError, RangeError];
  return ofCaller.some((kind) => error instanceof kind) ? "USAGE" : "INTERNAL";
}
