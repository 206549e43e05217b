import { type NetworkError, TimeoutError } from "../../errors.ts";
import { proxyFor } from "../../network_fetch.ts";
import { type Call, describe, type Http } from "./call.ts";
import { toNetworkError } from "./network.ts";
import { placeHint, placeOf } from "./place.ts";
import { throughHint } from "./proxy_tunnel.ts";
import { explainScheme } from "./scheme.ts";
import { brokenHint } from "./stranger.ts";
import type { Clock } from "./time_limits.ts";

/**
 * Says why a request got no answer.
 *
 * @param url Where it went.
 * @param expired What ran out, where it was the time.
 */
export async function explainFailure(
  http: Http,
  call: Call,
  url: URL,
  error: unknown,
  expired: Clock["expired"],
): Promise<NetworkError> {
  const host = placeOf(http, call, url);
  const via = proxyFor(http.fetch, url);
  if (expired) {
    const hint = expired.hint ?? placeHint(http, call, url) ?? (via && throughHint(via, url));
    const message = `Cannot ${call.action}: ${host}: ${expired.state}`;
    return new TimeoutError(message, { ...describe(call, url), hint });
  }
  const failure = toNetworkError(error, call.action, {
    ...describe(call, url),
    host,
    hint: placeHint(http, call, url),
    via,
    speaksHttp: url.origin === http.origin && http.seen.served !== undefined,
    ifBroken: brokenHint(call, url),
  });
  return await explainScheme(http, failure, call);
}
