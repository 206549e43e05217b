import type { Storage } from "../storage.ts";
import type { RegistryQuirks } from "./quirks.ts";
import type { Permissions } from "./routes.ts";
import type { Sessions } from "./sessions.ts";

/** What every endpoint works with: the options of a registry, resolved. */
export interface RegistryContext {
  readonly storage: Storage;
  readonly sessions: Sessions;
  readonly permissions: Permissions;
  readonly maxManifestBytes: number;
  readonly maxBlobBytes: number;
  readonly quirks: RegistryQuirks;
  /** Tells of a failure that the answer to a request says nothing about. */
  readonly reportError: (error: unknown, request: Request) => void;
}
