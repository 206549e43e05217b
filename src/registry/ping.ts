import { NetworkError, type OciError, RegistryError } from "../errors.ts";
import type { ReadHooks } from "./blobs.ts";
import {
  parseErrors,
  proxyAnswerHint,
  proxyOfAnswer,
  readShown,
  wantsLogin,
} from "./http/answer_content.ts";
import { contentType, discard, type Http, isPage } from "./http/call.ts";
import { describeStranger } from "./http/describe_stranger.ts";
import { knownServer, loginHint } from "./http/explain_refusal.ts";
import { requestOnce } from "./http/http.ts";
import { answeredAt } from "./http/redirect.ts";
import { explainScheme } from "./http/scheme.ts";

/** What is behind an address. */
export interface PingResult {
  /**
   * `registry`: one that answers. `refused`: a registry, or what guards it, that says that it wants a login. `web-page`: a
   * web server that is none. `other`: something else that answers. `unreachable`: nobody answers.
   */
  state: "registry" | "refused" | "web-page" | "other" | "unreachable";
  /** The URL that answered: the one that was asked, or where it redirects to. */
  url: string;
  /** HTTP status, where there was an answer. */
  status?: number;
  /** `Docker-Distribution-API-Version`, such as `registry/2.0`; newer registries may leave it out. */
  apiVersion?: string;
  /** Time until the answer, in milliseconds. */
  milliseconds: number;
  /** Why it cannot be used; absent for a registry that answers. */
  error?: OciError;
}

/** Answers that are looked at here; what may pass is told like any failure. */
const STATUSES = [200, 401, 403, 404, 405, 410, 501];
/** Longest time to read what a stranger says, in milliseconds. */
const SHOWN_MILLISECONDS = 5_000;

/**
 * Asks once whether there is a registry (distribution-spec, "Determining Support").
 *
 * @returns What was found; only an abort rejects.
 */
export async function pingRegistry(http: Http, hooks: ReadHooks = {}): Promise<PingResult> {
  const url = new URL("/v2/", http.origin);
  const action = `ping ${url.host}`;
  const start = performance.now();
  const elapsed = () => Math.round(performance.now() - start);
  try {
    const response = await requestOnce(http, {
      action,
      method: "GET",
      url,
      expect: STATUSES,
      signal: hooks.signal,
    });
    const milliseconds = elapsed();
    const at = answeredAt({ url }, response);
    const proxy = proxyOfAnswer(http, at, response);
    const shown = at === url ? url.href : at.origin + at.pathname;
    return await describe({ action, url: shown }, response, { milliseconds, proxy });
  } catch (error) {
    const state = error instanceof RegistryError ? "other" : "unreachable";
    if (!(error instanceof RegistryError || error instanceof NetworkError)) throw error;
    const milliseconds = elapsed();
    const reason = error instanceof NetworkError
      ? await explainScheme(http, error, { ...hooks, isLast: true })
      : error;
    const result: PingResult = { state, url: url.href, milliseconds, error: reason };
    if (error instanceof RegistryError) result.status = error.status;
    return result;
  }
}

/** What was asked, and where the answer came from in the end. */
interface Asked {
  action: string;
  url: string;
}

async function describe(
  asked: Asked,
  response: Response,
  { milliseconds, proxy }: { milliseconds: number; proxy: string | undefined },
): Promise<PingResult> {
  const { url } = asked;
  const { status, headers } = response;
  const apiVersion = headers.get("docker-distribution-api-version")?.trim().slice(0, 100);
  const result: PingResult = { state: "registry", url, status, milliseconds };
  if (apiVersion) result.apiVersion = apiVersion;
  const type = contentType(response);
  if (status === 200 && (apiVersion || type === "" || type.endsWith("json"))) {
    await discard(response);
    return result;
  }
  const text = await readShown(response, SHOWN_MILLISECONDS);
  if (wantsLogin(response, parseErrors(text))) {
    return fail(asked, result, "refused", `${status}: it wants a login`, loginHint(response));
  }
  const known = knownServer(response);
  if (known) return fail(asked, result, "other", `${status}${known.state}`, known.hint);
  const found = `${status} with ${describeStranger(response, text, "nothing")}`;
  if (proxy !== undefined) {
    const hint = proxyAnswerHint(status, new URL(url));
    return fail(asked, result, "other", `${found}, through ${proxy}`, hint);
  }
  return isPage(response) && !apiVersion
    ? fail(asked, result, "web-page", `${found}: it is a web server, and no registry`, ADDRESS_HINT)
    : fail(asked, result, "other", `${found}, expected 200 and a registry`, ADDRESS_HINT);
}

const ADDRESS_HINT = "check host and port, and that a proxy in between passes on /v2/";

function fail(
  { action, url }: Asked,
  result: PingResult,
  state: PingResult["state"],
  found: string,
  hint: string | undefined,
): PingResult {
  const error = new RegistryError(`Cannot ${action}: ${url} answered ${found}`, {
    method: "GET",
    url,
    status: result.status ?? 0,
    hint,
  });
  return { ...result, state, error };
}
