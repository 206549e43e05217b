/** Why a request did not get through, and what to do. */
export interface Obstacle {
  state: string;
  hint: string | undefined;
  /** Whether trying again is pointless. */
  isFinal: boolean;
}

/** What runtimes say of a proxy that opens no tunnel to an https server, which is all that they tell of its answer. */
const NO_TUNNEL =
  /unsuccessful tunnel|proxy authentication required|open a tunnel|while tunneling/i;
const NO_LOGIN = /proxy authentication required|tunnel: 407/i;

/**
 * Says so where a proxy is what a request failed at.
 *
 * @param via The proxy on the way, where that is known.
 */
export function explainTunnel(
  text: string,
  url: URL,
  via: string | undefined,
): Obstacle | undefined {
  const proxy = nameProxy(via);
  if (/UnsupportedProxyProtocol/.test(text)) {
    const state = `${proxy} has a scheme that Bun does not speak`;
    return { state, hint: `expected http or https; ${pastHint(url)}`, isFinal: true };
  }
  if (!NO_TUNNEL.test(text)) return undefined;
  if (NO_LOGIN.test(text)) {
    return { state: `${proxy} wants a login`, hint: proxyLoginHint(url), isFinal: true };
  }
  const [, status = ""] = /tunnel: (\d{3}(?: [\x20-\x7e]{1,60})?)/.exec(text) ?? [];
  const state = `${proxy} does not lead there${status && ` (${status})`}`;
  return { state, hint: `have the proxy allow it; ${pastHint(url)}`, isFinal: /^4/.test(status) };
}

/** What to do where the proxy itself cannot be reached. */
export function unreachableHint(url: URL): string {
  return `check the variable that names the proxy; ${pastHint(url)}`;
}

/** What a proxy is called, whose address may not be known. */
export function nameProxy(via: string | undefined): string {
  return via === undefined ? "a proxy on the way" : `the proxy ${via}`;
}

/** What to do where a proxy wants to know who asks. */
export function proxyLoginHint(url: URL): string {
  return `write it into the proxy's address (http://USER:PASSWORD@HOST:PORT); ${pastHint(url)}`;
}

/** What may be wrong where something on the way to a server failed, and a proxy is on that way. */
export function throughHint(via: string, url: URL): string {
  return `the way there leads through ${nameProxy(via)}, which may be the reason; ${pastHint(url)}`;
}

/** What to do where a proxy may show a certificate of its own in the place of the server's. */
export function signedHint(via: string, url: URL): string {
  return `${
    nameProxy(via)
  } may read along and sign with an authority of its own: name that with --ca FILE; ${
    pastHint(url)
  }`;
}

/** How to do without the proxy. */
export function pastHint({ hostname }: URL): string {
  return `NO_PROXY=${hostname} goes past the proxy`;
}
