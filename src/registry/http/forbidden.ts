import type { RegistryErrorEntry } from "../../errors.ts";
import { type Call, discard, type Http, isPage, kindOf, namesLogin } from "./call.ts";
import { isRegistry } from "./place.ts";
import { send } from "./send.ts";
import { isLargeBody } from "./stranger.ts";

/** What a page that forbids something may mean, where that need not stay so. */
export interface Meaning {
  isShutOut?: boolean;
  isLarge?: boolean;
  hint: string;
}

/** mod_evasive and the limits of some firewalls forbid all for a while. */
const SHUT_OUT: Meaning = {
  isShutOut: true,
  hint:
    "the same was let through before: a firewall, or mod_evasive, may shut out who sends too many requests (try --max-requests-per-second 2)",
};
/** Nothing was sent for a while, and that has not changed. */
const STILL_SHUT_OUT: Meaning = {
  isShutOut: true,
  hint:
    "the same was let through before, and now nothing is, not even after a pause: a firewall shuts this machine out for longer, " +
    "which ends by itself or by who runs it (then try --max-requests-per-second 2)",
};
/** ModSecurity 3 in nginx forbids what is above its SecRequestBodyLimit. */
const SIZE: Meaning = {
  isLarge: true,
  hint: "a firewall may forbid it for its size: try a smaller --chunk-size",
};

/** Reads a page that forbids something; where the same was let through before, one more request tells whether all is forbidden now. */
export async function meaningOf(
  http: Http,
  call: Call,
  url: URL,
  response: Response,
  errors: readonly RegistryErrorEntry[],
): Promise<Meaning | undefined> {
  const isPlain = response.status === 403 && isPage(response) && errors.length === 0 &&
    !namesLogin(response) && isRegistry(http, url);
  if (!isPlain) return undefined;
  const wasLetThrough = http.seen.served?.has(kindOf(call)) === true;
  if (wasLetThrough && await isShutOut(http, call)) {
    return http.seen.pace?.refusalsInARow ? STILL_SHUT_OUT : SHUT_OUT;
  }
  return isLargeBody(call, url) ? SIZE : undefined;
}

/** Whether the registry's front page is forbidden as well. */
async function isShutOut(http: Http, { signal }: Call): Promise<boolean> {
  const url = new URL("/v2/", http.origin);
  try {
    const response = await send(http, {
      action: `ask ${url.host} again`,
      method: "GET",
      url,
      expect: [],
      signal,
    }, url);
    await discard(response);
    return response.status === 403;
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}
