import { parseUrl } from "../parse_url.ts";

/** Where requests go according to the environment. */
export interface Proxies {
  /** Address of the proxy on the way to a URL, without a login; undefined where a request goes past every proxy. */
  proxyFor(url: URL): string | undefined;
}

/** The variables that a runtime takes proxies from, those that win first. */
export interface ProxyVariables {
  http: readonly string[];
  https: readonly string[];
  /** Schemes of proxies that it can use; `http` stands where there is none. */
  schemes: readonly string[];
}

/**
 * Reads which requests go through a proxy. Those to this machine itself never do, and neither do those to what
 * `NO_PROXY` or `no_proxy` names: hosts, domains with all that is below them, addresses, networks (`10.0.0.0/8`), each of
 * them with a port if need be, or `*`.
 *
 * @returns Undefined where no proxy is set.
 */
export function readProxies(
  env: (name: string) => string | undefined,
  { http, https, schemes }: ProxyVariables,
): Proxies | undefined {
  const first = (names: readonly string[]) =>
    names.map((name) => addressOf(env(name), schemes)).find((address) => address !== undefined);
  const proxies: Record<string, string | undefined> = {
    "http:": first(http),
    "https:": first(https),
  };
  if (!proxies["http:"] && !proxies["https:"]) return undefined;
  const entries = ["NO_PROXY", "no_proxy"].flatMap((name) => parseNoProxy(env(name) ?? ""));
  return {
    proxyFor: (url) => isPast(url, entries) ? undefined : proxies[url.protocol],
  };
}

function addressOf(value: string | undefined, schemes: readonly string[]): string | undefined {
  if (!value) return undefined;
  const url = parseUrl(value.includes("://") ? value : `http://${value}`);
  if (!url || !schemes.includes(url.protocol.slice(0, -1))) return undefined;
  return `${url.protocol}//${url.host}`;
}

/** What is not to go through a proxy: an address with its leading bits that count, a domain, or everything. */
type NoProxyEntry = { port: string } & ({ bytes: number[]; bits: number } | { domain: string });

function isPast(url: URL, entries: readonly NoProxyEntry[]): boolean {
  const host = nameOf(url);
  const bytes = addressBytes(host);
  if (bytes ? isLoopback(bytes) : /(?:^|\.)localhost$/.test(host)) return true;
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return entries.some((entry) => {
    if (entry.port !== "" && entry.port !== port) return false;
    if ("bytes" in entry) return bytes !== undefined && isWithin(bytes, entry);
    return entry.domain === "*" || host === entry.domain || host.endsWith(`.${entry.domain}`);
  });
}

function parseNoProxy(list: string): NoProxyEntry[] {
  return list.toLowerCase().split(/[\s,]+/).flatMap((text): NoProxyEntry[] => {
    // An IPv6 address without brackets has colons of its own.
    const match = /^(\[[^\]]*\]|[^\s:]*)(?::(\d+))?$/.exec(text);
    const [host, port] = match ? [match[1] ?? "", match[2] ?? ""] : [text, ""];
    const [, name = host, length] = /^(.*)\/(\d+)$/.exec(host) ?? [];
    const bytes = addressBytes(name);
    // The first 96 bits of an IPv6 address that means one of IPv4 are left out.
    const isMapped = bytes?.length === 4 && name.includes(":");
    const bits = length === undefined ? Infinity : Number(length) - (isMapped ? 96 : 0);
    if (bytes) return [{ bytes, bits, port }];
    const domain = host.replace(/^\*?\./, "").replace(/\.$/, "");
    return domain === "" ? [] : [{ domain, port }];
  });
}

function nameOf({ hostname }: URL): string {
  return hostname.replace(/\.$/, "");
}

/** The bytes of an IP address, an IPv6 one with or without brackets; undefined for a name. */
function addressBytes(text: string): number[] | undefined {
  if (/^\d+(?:\.\d+){3}$/.test(text)) return text.split(".").map(Number);
  const bare = text.replace(/^\[|\]$/g, "");
  // URLs write it in one way only.
  const hostname = bare.includes(":") ? parseUrl(`http://[${bare}]`)?.hostname : undefined;
  if (hostname === undefined) return undefined;
  const [head = [], tail] = hostname.slice(1, -1).split("::").map((part) =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16))
  );
  const groups = tail
    ? [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail]
    : head;
  return unmapped(groups.flatMap((group) => [group >> 8, group & 255]));
}

function isLoopback(bytes: readonly number[]): boolean {
  return bytes.length === 4
    ? bytes[0] === 127
    : bytes.every((byte, index) => byte === (index === 15 ? 1 : 0));
}

/** An IPv4 address that is written as one of IPv6 (RFC 4291, section 2.5.5.2) is that: `::ffff:127.0.0.1`. */
function unmapped(bytes: number[]): number[] {
  const isMapped = bytes.length === 16 &&
    bytes.slice(0, 12).every((byte, index) => byte === (index < 10 ? 0 : 255));
  return isMapped ? bytes.slice(12) : bytes;
}

function isWithin(
  bytes: readonly number[],
  network: { bytes: readonly number[]; bits: number },
): boolean {
  return bytes.length === network.bytes.length && bytes.every((byte, index) => {
    const bits = Math.min(8, Math.max(0, network.bits - index * 8));
    return (byte ^ (network.bytes[index] ?? 0)) >> (8 - bits) === 0;
  });
}
