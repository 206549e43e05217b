import type { FetchHandler } from "../registry/http.ts";
import type { Timeouts } from "../registry/time_limits.ts";
import type { Host } from "../runtime/host.ts";
import type { CommonOptions } from "./args.ts";
import { UsageError } from "./options.ts";

/** How a command reaches registries, as the options of a push and of a client have it. */
export interface ConnectionOptions {
  plainHttp: boolean;
  timeouts?: Timeouts;
  fetch?: FetchHandler;
}

/**
 * Reads what the options of every command say about connections.
 *
 * @param command The options.
 * @param _registries `HOST[:PORT]` of the registries that `--insecure` is about.
 * @param host Where files and connections come from.
 */
export async function connectionOptions(
  { plainHttp, ca, insecure, timeoutSeconds }: CommonOptions,
  _registries: readonly string[],
  host: Host,
): Promise<ConnectionOptions> {
  const options: ConnectionOptions = { plainHttp };
  if (timeoutSeconds !== undefined) options.timeouts = { idle: timeoutSeconds * 1000 };
  if (ca === undefined && !insecure) return options;
  options.fetch = host.fetchWith({
    ca: ca === undefined ? undefined : await readCertificates(ca, host),
    insecure,
  });
  return options;
}

async function readCertificates(path: string, host: Host): Promise<string> {
  const text = await host.readTextFile(path);
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new UsageError(
    `Cannot use ${JSON.stringify(path)} as root certificates: it has no PEM certificate`,
  );
}
