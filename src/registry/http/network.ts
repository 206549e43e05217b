import { BLOCKED_PORT } from "../../blocked_ports.ts";
import { NetworkError } from "../../errors.ts";
import { NO_HANDSHAKE, NO_TLS, TLS_REASONS } from "./tls_reasons.ts";

/**
 * Turns what `fetch` threw into a {@linkcode NetworkError} that says the same on every runtime: Deno puts the reason
 * into `cause` and long text, Bun into `code`.
 *
 * @param error What was thrown.
 * @param action What was being done, for the message.
 * @param request Method and URL; and where that is no host that the caller named, what to call it and what to look at;
 * what to look at where the connection broke.
 * @returns The typed error, with the original as `cause`.
 */
export function toNetworkError(
  error: unknown,
  action: string,
  { host, hint, ifBroken, ...request }: {
    method: string;
    url: string;
    host?: string;
    hint?: string | undefined;
    ifBroken?: string | undefined;
  },
): NetworkError {
  const text = flatten(error);
  const told = withoutAddresses(text);
  const known = REASONS.find(([pattern]) => pattern.test(told));
  const reason = known ? known[1] : firstLine(text);
  const dead = known?.[2] === "final";
  return new NetworkError(`Cannot ${action}: ${host ?? new URL(request.url).host}: ${reason}`, {
    ...request,
    cause: error,
    retryable: !dead,
    // Where nobody named the host, how it came to be asked says more than that it is not there.
    hint: dead ? known?.[3] : hint ?? known?.[3] ?? (reason === BROKEN ? ifBroken : undefined),
  });
}

const REFUSED = "connection refused, nothing listens there";
/** The state of a connection that was cut. */
export const BROKEN = "connection broken";

/** Whether nothing listens at a host. */
export function isRefused({ message }: Error): boolean {
  return message.endsWith(`: ${REFUSED}`);
}

/** Whether a connection was cut: its end, or something on the way, gave it up. */
export function isBroken({ message }: Error): boolean {
  return message.endsWith(`: ${BROKEN}`);
}

/** Whether a request failed because the runtime could not read its body from a file. */
export function isUnreadable({ cause }: Error): boolean {
  const { code } = cause instanceof Error ? cause as { code?: unknown } : {};
  return typeof code === "string" &&
    /^E(?:NOENT|NOTDIR|ISDIR|ACCES|PERM|IO|STALE|MFILE|NFILE)$/.test(code);
}

/** Pattern in the runtimes' texts and codes, what to say, whether trying again is pointless, a hint. */
type Reason = readonly [RegExp, string, "final" | "retry", string?];

const REASONS: readonly Reason[] = [
  [
    /connection ?refused|ECONNREFUSED/i,
    REFUSED,
    "retry",
    "check host and port, and that the registry is running",
  ],
  // Certificates before names: Deno's texts about them hold names.
  ...TLS_REASONS.map(final),
  [
    /dns error|ENOTFOUND|EAI_AGAIN|getaddrinfo|failed to lookup|DNS/i,
    "host name not found",
    "retry",
    "check the name of the registry, the part before the first slash",
  ],
  [
    /NotCapable|Requires net access/i,
    "no permission to reach it",
    "final",
    "run Deno with --allow-net",
  ],
  [BLOCKED_PORT.pattern, BLOCKED_PORT.state, "final", BLOCKED_PORT.hint],
  [/handshake eof/i, BROKEN, "retry"],
  ...[NO_TLS, NO_HANDSHAKE].map(final),
  [
    /invalid HTTP version|Malformed_HTTP/i,
    "it answered with something that is no HTTP",
    "final",
  ],
  [/ENETUNREACH|EHOSTUNREACH|unreachable|no route/i, "network unreachable", "retry"],
  [/ETIMEDOUT|timed out/i, "connection timed out", "retry"],
  [
    /ECONNRESET|reset by peer|connection reset|EPIPE|broken pipe|closed before|connection closed|socket.*closed|ConnectionClosed|IncompleteMessage|unexpected EOF/i,
    BROKEN,
    "retry",
  ],
];

function final([pattern, state, hint]: readonly [RegExp, string, string]): Reason {
  return [pattern, state, "final", hint];
}

function flatten(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error, depth = 0; at !== undefined && at !== null && depth < 5; depth++) {
    if (!(at instanceof Error)) {
      parts.push(String(at));
      break;
    }
    const { code } = at as { code?: unknown };
    parts.push(at.name, at.message, typeof code === "string" ? code : "");
    at = at.cause;
  }
  return parts.filter(Boolean).join("\n");
}

/** The text without URLs, hosts and names, which may hold any of the words that are looked for. */
function withoutAddresses(text: string): string {
  return text.replace(/https?:\/\/[^\s"]+|\([^\s()]+:\d+\)|"[^"\s]*"/g, "");
}

function firstLine(text: string): string {
  return text.split("\n").find((line) => line && !/^(?:(?:Type)?Error|fetch failed)$/.test(line)) ??
    "request failed";
}
