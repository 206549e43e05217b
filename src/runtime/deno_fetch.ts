import { OciError } from "../errors.ts";
import type { NetworkFetch } from "../network_fetch.ts";
import { reasonOf } from "./file_error.ts";
import type { TlsOptions } from "./host.ts";
import type { Proxies } from "./proxies.ts";

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
 * @param env A variable; undefined where it is not set or may not be read.
 */
export function createDenoFetch(
  { ca, insecureHosts = [] }: TlsOptions,
  env: (name: string) => string | undefined,
): NetworkFetch {
  if (insecureHosts.length > 0) throw noInsecureHosts(insecureHosts);
  const create = () => createClient(ca);
  let client = ca === undefined ? undefined : create();
  let past: { proxies: Proxies | undefined; client: Deno.HttpClient } | undefined;
  const clientFor = (url: URL) => {
    if (past?.proxies && past.proxies.proxyFor(url) === undefined) return past.client;
    return url.protocol === "https:" ? client ??= create() : undefined;
  };
  const send = (input: string | URL | Request, init?: RequestInit) => {
    // To name the class would make Deno load it, for a push that makes no Request.
    const own = clientFor(
      new URL(typeof input === "object" && "url" in input ? input.url : input),
    );
    // Where nothing is to be changed it is the runtime's own, which plain http loads nothing for.
    return own ? fetch(input, { ...init, client: own }) : fetch(input, init);
  };
  // Asked for all of them at once: a question takes longer than to read a variable.
  const read = mayRead() ? (name: string) => Deno.env.get(name) : env;
  const isProxied = [...VARIABLES.http, ...VARIABLES.https].some((name) => read(name)) &&
    mayRead("NO_PROXY");
  // Made before any request is under way: what another thread reads of the environment meanwhile must not change.
  const direct = isProxied ? goPast(create) : undefined;
  const sendPast = async (input: string | URL | Request, init?: RequestInit) => {
    if (direct && !past) {
      const { readProxies } = await import("./proxies.ts");
      past ??= { proxies: readProxies(read, VARIABLES), client: direct };
    }
    return await send(input, init);
  };
  return Object.assign(direct ? sendPast : send, {
    proxyFor: (url: URL) => past?.proxies?.proxyFor(url),
  });
}

function createClient(ca: string | undefined): Deno.HttpClient {
  try {
    return Deno.createHttpClient({ http2: false, ...(ca !== undefined && { caCerts: [ca] }) });
  } catch (cause) {
    throw new OciError(`Cannot use the root certificates: ${reasonOf(cause)}`, { cause });
  }
}

function mayRead(variable?: string): boolean {
  const right = { name: "env", ...(variable !== undefined && { variable }) } as const;
  return Deno.permissions.querySync(right).state === "granted";
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
