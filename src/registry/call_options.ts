import type { Hasher } from "../incremental_hash.ts";
import type { ReadHooks } from "./blobs.ts";

/** Options that every call to a registry takes. */
export interface CallOptions {
  /** Aborts the call; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** Options of a list of names. */
export interface ListNamesOptions extends CallOptions {
  /**
   * Names to ask for at a time, 1000 at most; registry:2 sends all tags at once whatever it is asked for.
   * @default {1000}
   */
  pageSize?: number | undefined;
  /** Begin after this name; registry:2 begins at the first tag all the same. */
  last?: string | undefined;
  /**
   * Told at the end where there may be more names than the registry gave: it cuts its lists, and has no way to go on.
   * @default {none is told}
   */
  onWarning?: ((message: string) => void) | undefined;
}

/** What a {@linkcode Repository} shares with the client that made it. */
export interface RepositoryServices {
  /** Signal and listeners for a call; fails when the client is disposed of. */
  hooks(options: CallOptions): ReadHooks;
  /** Makes incremental hashes. */
  hasher: Hasher;
}
