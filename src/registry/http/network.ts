import { BLOCKED_PORT } from "../../blocked_ports.ts";
import { NetworkError } from "../../errors.ts";
import {
  explainTunnel,
  type Obstacle,
  signedHint,
  throughHint,
  unreachableHint,
} from "./proxy_tunnel.ts";
import { NO_HANDSHAKE, NO_TLS, TLS_REASONS, UNTRUSTED } from "./tls_reasons.ts";

/** What was asked for, and what helps to say what failed. */
export interface FailedRequest {
  method: string;
  url: string;
  /** What to call the host, where the caller did not name it. */
  host?: string;
  /** What to look at then. */
  hint?: string | undefined;
  /** What to look at where the connection broke. */
  ifBroken?: string | undefined;
  /** The proxy on the way. */
  via?: string | undefined;
  /** Whether it is known to speak HTTP: something else is left over on its connection then, and another has none of it. */
  speaksHttp?: boolean | undefined;
}

/**
 * Turns what `fetch` threw into a {@linkcode NetworkError} that says the same on every runtime: Deno puts the reason
 * into `cause` and long text, Bun into `code`.
 *
 * @returns The typed error, with the original as `cause`.
 */
export function toNetworkError(
  error: unknown,
  action: string,
  request: FailedRequest,
): NetworkError {
  const { method, url, host, speaksHttp = false } = request;
  const { state, hint, isFinal } = explain(flatten(error), request);
  return new NetworkError(`Cannot ${action}: ${host ?? new URL(url).host}: ${state}`, {
    method,
    url,
    cause: error,
    retryable: !isFinal || (speaksHttp && state === NO_HTTP),
    hint,
  });
}

function explain(text: string, { url, hint, ifBroken, via }: FailedRequest): Obstacle {
  const told = withoutAddresses(text);
  const tunnel = explainTunnel(told, new URL(url), via);
  if (tunnel) return tunnel;
  const [, state = firstLine(text), end, known] = REASONS.find(([pattern]) => pattern.test(told)) ??
    [];
  if (via !== undefined && isConnecting(state)) {
    const proxy = `the proxy ${via}: ${state}`;
    return { state: proxy, hint: unreachableHint(new URL(url)), isFinal: false };
  }
  // A body that was cut has reasons of its own.
  const isCut = state === BROKEN && ifBroken !== undefined;
  const through = via && !isCut && throughReason(state, via, new URL(url));
  if (through) return { state, hint: through, isFinal: end === "final" };
  if (end === "final") {
    // Where nobody chose the port, how it came to that helps more.
    return { state, hint: state === NO_TLS[1] ? hint ?? known : known, isFinal: true };
  }
  // Where nobody named the host, how it came to be asked says more than that it is not there.
  return {
    state,
    hint: hint ?? known ?? (state === BROKEN ? ifBroken : undefined),
    isFinal: false,
  };
}

/** What a proxy on the way has to do with a failure that is not its own word. */
function throughReason(state: string, via: string, url: URL): string | undefined {
  if (state === UNTRUSTED) return signedHint(via, url);
  return [BROKEN, NO_HANDSHAKE[1]].includes(state) ? throughHint(via, url) : undefined;
}

const REFUSED = "connection refused, nothing listens there";
/** The state of a connection that was cut. */
export const BROKEN = "connection broken";
const UNKNOWN_HOST = "host name not found";
const UNREACHABLE = "network unreachable";
const TIMED_OUT = "connection timed out";
const NO_HTTP = "it answered with something that is no HTTP";

/** Whether a connection did not come about: one to a proxy, where there is one on the way. */
function isConnecting(state: string): boolean {
  return [REFUSED, UNKNOWN_HOST, UNREACHABLE, TIMED_OUT].includes(state);
}

/** Whether nothing listens at a host. */
export function isRefused({ message }: Error): boolean {
  return message.endsWith(`: ${REFUSED}`);
}

/** Whether a request cannot have reached a server: there is none at the address, or no address. */
export function isUnsent(error: Error): boolean {
  return isRefused(error) || error.message.endsWith(`: ${UNKNOWN_HOST}`);
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
    UNKNOWN_HOST,
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
    /(?:invalid|unexpected) [\w-]+(?: [\w-]+)? parsed|Malformed_HTTP/i,
    NO_HTTP,
    "final",
  ],
  [/ENETUNREACH|EHOSTUNREACH|unreachable|no route/i, UNREACHABLE, "retry"],
  [/ETIMEDOUT|timed out/i, TIMED_OUT, "retry"],
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
