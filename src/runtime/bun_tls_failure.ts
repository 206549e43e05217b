import type { BunGlobals } from "./bun_globals.ts";

const { Bun } = globalThis as unknown as BunGlobals;

/** A question on the side must not be what a person waits for. */
const MILLISECONDS = 3_000;

/**
 * Says why TLS fails, which Bun's `fetch` does not: with every alert it throws the same.
 *
 * @returns An error in the words of BoringSSL; `cause` where another connection does not fail so.
 */
export async function explainTlsFailure(
  { hostname, port }: URL,
  ca: string | undefined,
  cause: unknown,
): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<Error | undefined>();
  const timer = setTimeout(() => resolve(undefined), MILLISECONDS);
  // IPv6 addresses stand in brackets in URLs alone.
  const host = hostname.replace(/^\[|\]$/g, "");
  const connection = await Bun.connect({
    hostname: host,
    port: Number(port || 443),
    tls: { serverName: host, rejectUnauthorized: false, ...(ca !== undefined && { ca }) },
    socket: {
      // A certificate that is not trusted is none of these: `fetch` says so itself.
      handshake: (_socket, isDone, error) => isDone || resolve(error ?? undefined),
      // With TLS 1.3 the other side looks at certificates when this one thinks that all is done.
      error: (_socket, error) => resolve(error),
      data() {},
      close: () => resolve(undefined),
    },
  }).catch(() => undefined);
  if (!connection) resolve(undefined);
  const reason = await promise;
  clearTimeout(timer);
  connection?.end();
  return reason ? new Error(reason.message, { cause }) : cause;
}
