import { encodeJson } from "../bytes.ts";
import { DiskError, type RegistryErrorEntry } from "../errors.ts";

/** What a {@linkcode Problem} may carry beside its error list. */
export interface ProblemOptions extends ErrorOptions {
  headers?: Record<string, string>;
}

/** A request that is answered with an error list (distribution-spec, "Error Codes"); thrown inside the registry only. */
export class Problem extends Error {
  override name = "Problem";
  readonly status: number;
  readonly errors: readonly RegistryErrorEntry[];
  readonly headers: Record<string, string>;

  constructor(
    status: number,
    errors: RegistryErrorEntry | readonly RegistryErrorEntry[],
    { headers = {}, ...options }: ProblemOptions = {},
  ) {
    const list = "code" in errors ? [errors] : errors;
    super(list.map(({ code, message }) => `${code}: ${message}`).join("; "), options);
    this.status = status;
    this.errors = list;
    this.headers = headers;
  }
}

/** The answer to a request that failed with `error`. */
export function problemResponse(error: unknown): Response {
  if (error instanceof Problem) {
    return jsonResponse({ errors: error.errors }, error.headers, error.status);
  }
  if (error instanceof DiskError) {
    // Who pushes cannot help it, but has to know that trying again is no use (RFC 4918, 11.5).
    const message = `the registry can keep nothing more: ${error.state}`;
    return jsonResponse({ errors: [{ code: "UNKNOWN", message }] }, {}, 507);
  }
  return jsonResponse({ errors: [{ code: "UNKNOWN", message: "internal error" }] }, {}, 500);
}

/** A JSON answer whose length is known. */
export function jsonResponse(
  value: unknown,
  headers: Record<string, string> = {},
  status = 200,
): Response {
  const body = encodeJson(value);
  return new Response(body, {
    status,
    headers: {
      "Content-Type": "application/json",
      "Content-Length": `${body.length}`,
      ...headers,
    },
  });
}

/** An answer without a body. */
export function emptyResponse(status: number, headers: Record<string, string> = {}): Response {
  // A 204 has no Content-Length, and that of a 304 would be the content's (RFC 9110, 8.6).
  const hasLength = status !== 204 && status !== 304;
  const length: Record<string, string> = hasLength ? { "Content-Length": "0" } : {};
  return new Response(null, { status, headers: { ...length, ...headers } });
}
