/** What a registry says of its limits. */
export interface RateLimit {
  /** Requests that it will still answer. */
  remaining?: number | undefined;
  /** Milliseconds until it answers as many as ever. */
  reset?: number | undefined;
}

/** Larger numbers of seconds are no wait but a time since 1970. */
const LONGEST_WAIT_SECONDS = 1e9;

/**
 * Reads what an answer says of limits: `RateLimit-Remaining` and `RateLimit-Reset` (draft-ietf-httpapi-ratelimit-headers up
 * to 07), the same with `X-` before it, and `RateLimit` with both (`limit=10, remaining=0, reset=5` up to draft 07,
 * `"name";r=0;t=5` since). Docker Hub writes a window behind the number: `0;w=21600`.
 *
 * @param now Present time in milliseconds since 1970.
 */
export function readRateLimit(headers: Headers, now: number): RateLimit {
  const both = headers.get("ratelimit") ?? "";
  const remaining = readNumber(headers, "remaining") ?? numberIn(both, /\b(?:remaining|r)=(\d+)/i);
  const seconds = readNumber(headers, "reset") ?? numberIn(both, /\b(?:reset|t)=(\d+)/i);
  if (seconds === undefined) return { remaining };
  const reset = seconds * 1000 - (seconds > LONGEST_WAIT_SECONDS ? now : 0);
  return { remaining, reset: Math.max(0, reset) };
}

function readNumber(headers: Headers, name: string): number | undefined {
  const text = headers.get(`ratelimit-${name}`) ?? headers.get(`x-ratelimit-${name}`) ?? "";
  return numberIn(text, /^\s*(\d+)\s*(?:[;,]|$)/);
}

function numberIn(text: string, pattern: RegExp): number | undefined {
  const digits = pattern.exec(text)?.[1];
  // More digits are no number of anything.
  return digits === undefined || digits.length > 12 ? undefined : Number(digits);
}
