import { OciError } from "../errors.ts";
import type { NetworkFetch } from "../network_fetch.ts";
import { reasonOf } from "./file_error.ts";
import type { TlsOptions } from "./host.ts";
import { readProxies } from "./proxies.ts";

/** As Deno reads them. */
const VARIABLES = {
  http: ["ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"],
  https: ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"],
  schemes: ["http", "https", "socks5", "socks5h"],
};

/** What makes Deno go past every proxy: of the star alone it exempts addresses. */
const NO_PROXY = "*,0.0.0.0/0,::/0";

/**
 * Makes the host's `fetch`; see `fetchWith` in host.ts. What goes over https goes over HTTP/1.1: with the windows of 64
 * KiB that many servers have, Deno's HTTP/2 uploads 1.6 MiB/s whatever the line, and loads nothing faster.
 *
 * @param options How TLS connections are checked.
 * @param env A variable; undefined where it is not set or may not be read.
 */
export function createDenoFetch(
  { ca, insecureHosts = [] }: TlsOptions,
  env: (name: string) => string | undefined,
): NetworkFetch {
  if (insecureHosts.length > 0) throw noInsecureHosts(insecureHosts);
  const create = () => createClient(ca);
  let client = ca === undefined ? undefined : create();
  const proxies = mayGoPast() ? readProxies(env, VARIABLES) : undefined;
  // Made before any request is under way: what another thread reads of the environment meanwhile must not change.
  const direct = proxies && goPast(create);
  const clientFor = (url: URL) => {
    if (proxies && proxies.proxyFor(url) === undefined) return direct;
    return url.protocol === "https:" ? client ??= create() : undefined;
  };
  return Object.assign(
    (input: string | URL | Request, init?: RequestInit) => {
      const own = clientFor(new URL(input instanceof Request ? input.url : input));
      // Where nothing is to be changed it is the runtime's own, which plain http loads nothing for.
      return own ? fetch(input, { ...init, client: own }) : fetch(input, init);
    },
    { proxyFor: (url: URL) => proxies?.proxyFor(url) },
  );
}

function createClient(ca: string | undefined): Deno.HttpClient {
  try {
    return Deno.createHttpClient({ http2: false, ...(ca !== undefined && { caCerts: [ca] }) });
  } catch (cause) {
    throw new OciError(`Cannot use the root certificates: ${reasonOf(cause)}`, { cause });
  }
}

function mayGoPast(): boolean {
  return Deno.permissions.querySync({ name: "env", variable: "NO_PROXY" }).state === "granted";
}

/** Makes a client that knows no proxy: Deno has no option for it, but reads the environment when one is made. */
function goPast(create: () => Deno.HttpClient): Deno.HttpClient {
  const before = Deno.env.get("NO_PROXY");
  Deno.env.set("NO_PROXY", NO_PROXY);
  try {
    return create();
  } finally {
    if (before === undefined) Deno.env.delete("NO_PROXY");
    else Deno.env.set("NO_PROXY", before);
  }
}

function noInsecureHosts(hosts: readonly string[]): OciError {
  const flag = `--unsafely-ignore-certificate-errors=${hosts.join(",")}`;
  return new OciError(
    "Cannot switch off the check of certificates: Deno has a flag of its own for it",
    { hint: `start with: deno run ${flag} ...` },
  );
}
