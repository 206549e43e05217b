import { parseUrl } from "../../parse_url.ts";
import { hasCode, type RegistryErrorEntry } from "../../errors.ts";
import { lacksProject, proxyAnswerHint, wantsLogin } from "./answer_content.ts";
import { type Call, headerOf, type Http, isPage, isWebPage } from "./call.ts";
import { describeStranger } from "./describe_stranger.ts";
import { entryWords, isDiskFailure, saysCut } from "./error_details.ts";
import type { Meaning } from "./forbidden.ts";
import { isRegistry } from "./place.ts";
import { moveBetween } from "./redirect.ts";
import { askForText, schemeHint, schemeText, speaksOtherScheme } from "./scheme.ts";
import { CUT_HINT, isLargeBody } from "./stranger.ts";
import { CLIENT_CERTIFICATE_HINT, wantsClientCertificate } from "./tls_reasons.ts";

/** What a message says of an answer. */
export interface Explanation {
  /** What follows the status in the message. */
  state: string;
  hint?: string | undefined;
}

const KNOWN_SERVERS: readonly [RegExp, Explanation][] = [
  [/^AirTunes\b/i, {
    state: ": it is no registry but AirPlay, which takes port 5000 on a Mac",
    hint:
      "give the registry another port, such as 5001, or switch off AirPlay Receiver in the settings of macOS",
  }],
];

/** What Go, nginx and Apache answer on a TLS port to a request without TLS. */
const PLAIN_HTTP_REFUSED =
  /HTTP request (?:was sent )?to (?:an )?HTTPS|speaking plain HTTP to an SSL/i;

/** An answer that refuses something, and what was read of it. */
export interface Refusal {
  http: Http;
  call: Call;
  url: URL;
  response: Response;
  text: string;
  errors: readonly RegistryErrorEntry[];
  /** The proxy whose own answer it may be. */
  proxy: string | undefined;
  /** What it may mean where it forbids something. */
  meaning: Meaning | undefined;
  /** Whether nginx refuses it for want of room. */
  isCrowd: boolean;
}

/** Says what a refusal means and, where something can be done about it, what. */
export async function explainRefusal(refusal: Refusal): Promise<Explanation> {
  const { http, call, url, response, text, errors, meaning, isCrowd } = refusal;
  const { status } = response;
  if (await wantsTls(refusal)) return { state: `: ${schemeText(url)}`, hint: schemeHint(url) };
  if (await isWithoutCertificate(refusal)) {
    return { state: ": it wants a client certificate", hint: CLIENT_CERTIFICATE_HINT };
  }
  const known = errors.length === 0 && (explainRedirect(refusal) ?? knownServer(response));
  if (known) return known;
  const state = stateOf(refusal);
  if (refusal.proxy !== undefined) return { state, hint: proxyAnswerHint(status, url) };
  if (wantsLogin(response, errors)) return { state, hint: loginHint(response) };
  const refused = isUnsupported(refusal) ? explainMethod(refusal) : undefined;
  if (refused) {
    const said = state.replace(/^ with (.*) that is no registry error$/, ", with $1");
    return { state: refused.state + said, hint: refused.hint };
  }
  if (isDiskFailure(status, errors)) return { state, hint: DISK_HINT };
  if (isCrowd) return { state, hint: CROWD_HINT };
  if (meaning) return { state, hint: meaning.hint };
  // That is no limit on a request, whatever the status says.
  if (/quota/i.test(text)) return { state };
  if (status === 413) {
    return { state, hint: "a limit on the size of a request: try a smaller --chunk-size" };
  }
  if (lacksProject(errors) || (status === 404 && call.method === "POST" && errors.length > 0)) {
    return { state, hint: ABSENT_HINT };
  }
  if ((status === 400 || status === 500) && /\bsha512(?::|%3A)/i.test(url.href)) {
    return { state, hint: ALGORITHM_HINT };
  }
  if (wantsNamespace(refusal)) return { state, hint: NAMESPACE_HINT };
  if (call.method === "PUT" && saysCut(errors)) return { state, hint: LOST_BODY_HINT };
  // What a registry says in its own words needs no guess.
  if (errors.length > 0 || !isRegistry(http, url)) return { state };
  if (status === 401 || status === 403) return { state, hint: forbidden(call) };
  if (text && status !== 200 && isLargeBody(call, url)) return { state, hint: CUT_HINT };
  if (status === 404 || status === 200) {
    const hint = `check that ${http.origin} is a registry: ${http.origin}/v2/ should answer 200`;
    return { state, hint: status === 404 ? `${hint}; ${NAMES_HINT}` : hint };
  }
  return { state, hint: isPage(response) ? PAGE_HINTS[status] ?? PAGE_HINT : undefined };
}

const NAMESPACE_HINT =
  "the registry may want a name of two parts: HOST/NAMESPACE/REPOSITORY, as Quay does";
/** What is asked of a repository whose name has one part. */
const ONE_PART = /^\/v2\/[^/]+\/(?:blobs|manifests|tags|referrers)\//;

/** Whether a name may be refused for having one part; the answer to a HEAD has no text that could say so. */
function wantsNamespace({ call: { method }, url, response, text, errors }: Refusal): boolean {
  if (response.status !== 400 || !ONE_PART.test(url.pathname) || isPage(response)) return false;
  return method === "HEAD" || hasCode({ errors }, "NAME_INVALID") || /\bnamespace\b/i.test(text);
}

const DISK_HINT = "the registry cannot write to its disk: look for room and rights there";
const ALGORITHM_HINT =
  "the digest is one of sha512: a registry that knows sha256 alone does not take such images";
const ABSENT_HINT =
  "the registry makes no repository by itself: make it there first, or the project that it belongs to";
const LOST_BODY_HINT =
  "the registry got nothing of it, or the beginning: a proxy before it drops what is sent, as one for pulls alone may do";
const NAMES_HINT =
  "one that does may have no user or project of that name, or take no name with so many parts";
const CROWD_HINT =
  "nginx answers so above its limit_req or limit_conn (try --max-requests-per-second 2), and where no registry runs behind it";
const PAGE_HINT =
  "a page comes from a firewall, proxy or web server before the registry, or in its place";
const GATEWAY_HINT = "the proxy that answers does not reach the registry: check that it is running";
const PAGE_HINTS: Record<number, string> = {
  502: GATEWAY_HINT,
  503: GATEWAY_HINT,
  504: GATEWAY_HINT,
};

async function wantsTls({ http, call, url, response, text }: Refusal): Promise<boolean> {
  if (response.status !== 400 || url.protocol !== "http:") return false;
  if (PLAIN_HTTP_REFUSED.test(text)) return true;
  // The answer to a HEAD has no text that could say so.
  return !http.seen.answered && call.method === "HEAD" &&
    await speaksOtherScheme(http, url, call.signal);
}

/** nginx completes the handshake without a client certificate, and says then that it wants one. */
async function isWithoutCertificate(
  { http, call, url, response, text }: Refusal,
): Promise<boolean> {
  if (response.status !== 400 || url.protocol !== "https:") return false;
  if (call.method !== "HEAD" || http.seen.answered) return wantsClientCertificate(text);
  // The answer to a HEAD has no text that could say so.
  return wantsClientCertificate(await askForText(http, url, call.signal));
}

/** Ory Oathkeeper (2026-07) drops the slash at the end of a path, and distribution sends back to the path with one. */
const SAME_HINT =
  "something before the registry changes the path, such as the / at its end, and the registry sends it back: have it leave what is below /v2/ as it is";

/** A write that is redirected so that it would not stay one, or a request that is sent back to where it went. */
function explainRedirect({ url, response }: Refusal): Explanation | undefined {
  const { status } = response;
  const location = headerOf(response, "location");
  const target = status > 300 && status < 400 && location ? parseUrl(location, url) : undefined;
  if (!target) return undefined;
  if (target.href === url.href) {
    return { state: ": it redirects to the same address", hint: SAME_HINT };
  }
  const { to } = moveBetween(url, target) ?? {};
  if (to === target.origin) {
    return { state: `: it redirects to ${to}`, hint: `write ${to}/... in the reference` };
  }
  const [, path] = /^\/v2(\/.+)$/.exec(to?.slice(target.origin.length) ?? "") ?? [];
  if (path) {
    const name = `${target.origin}${path}`;
    return { state: `: it redirects to ${name}`, hint: `write ${name} in the reference` };
  }
  return {
    state: `: it redirects to ${target.origin}${target.pathname}`,
    hint:
      "no registry does that to what is sent to it: a sign-in page or a web server may stand before it",
  };
}

/** What the answer says: a registry's own words, or what else it is. */
function stateOf({ call, response, text, errors }: Refusal): string {
  if (errors.length > 0) {
    return `: ${errors.map(entryWords).join("; ")}`;
  }
  const found = describeStranger(response, text);
  if (isWebPage(call, response)) return ` with ${found}, expected the answer of a registry`;
  if (text) return ` with ${found} that is no registry error`;
  const server = response.headers.get("server");
  return server && !wantsLogin(response, errors) ? ` (Server: ${server})` : "";
}

/** Whether a method is refused as such; `ociserver` of CUE that only reads says so of uploads with 400. */
function isUnsupported({ call: { method }, url, response: { status }, errors }: Refusal): boolean {
  return status === 405 || status === 501 ||
    (status === 400 && method === "POST" && url.search === "" &&
      hasCode({ errors }, "UNSUPPORTED"));
}

/**
 * What it means that a method is refused. distribution answers so where it is read-only or the cache of another registry,
 * as do web servers that only read; where an upload was opened, it is something before the registry.
 */
function explainMethod({ call: { method }, url, text, errors }: Refusal): Explanation | undefined {
  const isManifest = method === "PUT" && url.pathname.includes("/manifests/");
  // ECR refuses a manifest for its type so.
  if (isManifest && errors.length > 0 && !/operation is unsupported/i.test(text)) return undefined;
  if (method === "POST" || isManifest) {
    return {
      state: ": it takes no uploads",
      hint: "it is read-only or a pull-through cache: push to a registry that takes uploads",
    };
  }
  // What a registry says in its own words was let through.
  if ((method !== "PUT" && method !== "PATCH") || errors.length > 0) return undefined;
  return {
    state: `: ${method} is not let through`,
    hint: `a proxy or firewall before the registry has to allow ${method}`,
  };
}

function forbidden({ method }: Call): string {
  return method === "GET" || method === "HEAD"
    ? "it names no login, as a registry would: a firewall, proxy or web server refuses it, or no registry is there"
    : `writing is forbidden here: it names no login, so a firewall, proxy or web server before the registry refuses ${method}`;
}

/** What is done about a login, for messages. Docker Hub and others give a token to anybody who asks for one. */
export function loginHint(response: Response): string {
  const isToken = /^\s*bearer\b/i.test(headerOf(response, "www-authenticate") ?? "");
  const means = isToken
    ? ", and asks for no token, which some give to anybody: use a registry that needs none"
    : ": use a registry without one";
  return `the registry wants a login, and tarpush has none${means}, or the module's headers option`;
}

/** A server that is known by its name, and is no registry: what it is, and what to do. */
export function knownServer({ headers }: Response): Explanation | undefined {
  const server = headers.get("server") ?? "";
  return KNOWN_SERVERS.find(([pattern]) => pattern.test(server))?.[1];
}
