import { OciError } from "../errors.ts";
import { withoutSecrets } from "../quote_name.ts";
import { reasonOf } from "./file_error.ts";
import type { ListenOptions } from "./host.ts";

/** How the TLS libraries below the runtimes say it. */
const OTHER_KEY = /KeyMismatch|KEY_VALUES_MISMATCH|KEY_TYPE_MISMATCH/;

/**
 * The error for a server that cannot listen.
 *
 * @param isInUse Whether that says that the port is taken.
 */
export function listenFailure(
  { hostname, port }: ListenOptions,
  cause: unknown,
  isInUse: boolean,
): OciError {
  const reason = reasonOf(cause);
  const state = isInUse
    ? "the port is in use"
    : OTHER_KEY.test(reason)
    ? "the key is not that of the certificate"
    : reason;
  const message = `Cannot listen on ${hostname}:${port}: ${state}`;
  return new OciError(withoutSecrets(message), { cause });
}
