import type { NetworkFetch } from "../network_fetch.ts";
import { errorCode } from "./file_error.ts";
import type { TlsOptions } from "./host.ts";
import type { Proxies } from "./proxies.ts";

/** As Bun reads them. */
const VARIABLES = {
  http: ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
  https: ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
  schemes: ["http", "https"],
};

/** What Bun's `fetch` takes beside the usual. */
interface BunInit extends RequestInit {
  tls?: BunTls;
  /** False goes past the proxies of the environment. */
  proxy?: false;
  /** False leaves what is labelled as compressed as it is, as Deno does. */
  decompress?: boolean;
}

interface BunTls {
  ca?: string;
  rejectUnauthorized?: boolean;
}

/** Makes the host's `fetch`; see `fetchWith` in host.ts. */
export function createBunFetch(
  { ca, insecureHosts = [] }: TlsOptions,
  env: (name: string) => string | undefined,
): NetworkFetch {
  let proxies: Proxies | undefined;
  let isRead = ![...VARIABLES.http, ...VARIABLES.https].some((name) => env(name));
  const trusted = new Map<string, BunTls>();
  const tlsFor = async (url: URL, init: BunInit): Promise<BunTls | undefined> => {
    if (url.protocol === "http:") return undefined;
    if (insecureHosts.includes(url.hostname)) return { rejectUnauthorized: false };
    if (ca === undefined) return undefined;
    const tls = trusted.get(url.origin) ?? await chooseTrust(url, ca, init);
    trusted.set(url.origin, tls);
    return tls;
  };
  const explain = async (error: unknown, url: URL): Promise<unknown> => {
    if (errorCode(error) !== "EPROTO" || proxies?.proxyFor(url) !== undefined) return error;
    const { explainTlsFailure } = await import("./bun_tls_failure.ts");
    return await explainTlsFailure(url, ca, error);
  };
  const send = async (input: string | URL | Request, init?: RequestInit) => {
    if (!isRead) {
      const { readProxies } = await import("./proxies.ts");
      proxies = readProxies(env, VARIABLES);
      isRead = true;
    }
    const request = typeof input === "object" && "url" in input ? input : undefined;
    const url = new URL(request?.url ?? String(input));
    const own: BunInit = { ...init, decompress: false };
    if (proxies && proxies.proxyFor(url) === undefined) own.proxy = false;
    if (request) own.signal ??= request.signal;
    try {
      const tls = await tlsFor(url, own);
      if (tls) own.tls = tls;
      return await fetch(input, own);
    } catch (error) {
      throw await explain(error, url);
    }
  };
  let counter: ReturnType<NonNullable<NetworkFetch["sentFromFiles"]>> | undefined;
  return Object.assign(send, {
    proxyFor: (url: URL) => proxies?.proxyFor(url),
    // Over TLS, which may be what a proxy speaks, Bun reads the file into memory, all of it and twice.
    async sentFromFiles(url: URL) {
      if (url.protocol !== "http:" || !isRead || proxies?.proxyFor(url) !== undefined) return;
      const { countSentBytes } = await import("./bun_sent_bytes.ts");
      return await (counter ??= countSentBytes());
    },
  });
}

// Bun's `ca` stands in place of the certificates that it trusts otherwise, those of NODE_EXTRA_CA_CERTS included. Which of
// the two a server needs shows in a handshake; it is asked for nothing, since a body could not be sent twice.
async function chooseTrust(
  { origin }: URL,
  ca: string,
  { proxy, signal }: BunInit,
): Promise<BunTls> {
  const init: BunInit = { method: "HEAD", redirect: "manual", tls: { ca } };
  if (proxy === false) init.proxy = proxy;
  if (signal) init.signal = signal;
  try {
    const response = await fetch(origin, init);
    await response.body?.cancel();
    return { ca };
  } catch (error) {
    if (isUntrusted(error)) return {};
    throw error;
  }
}

/** Whether nobody who is trusted vouches for the certificate; one that has expired is none of these. */
function isUntrusted(error: unknown): boolean {
  const codes = /^(?:UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED_|CERT_UNTRUSTED)/;
  return codes.test(String(errorCode(error)));
}
