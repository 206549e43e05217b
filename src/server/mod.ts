/**
 * A container registry as a fetch handler, for tests, tools and local networks: the whole of the OCI
 * distribution-spec v1.1, without a socket and without a login.
 *
 * @example Pushing a blob and reading it back
 * ```ts
 * import { createRegistry } from "@tarpush/tarpush/registry";
 *
 * const registry = createRegistry();
 * const digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
 * const pushed = await registry(
 *   new Request(`http://registry/v2/app/blobs/uploads/?digest=${digest}`, {
 *     method: "POST",
 *     body: "hello",
 *   }),
 * );
 * if (pushed.status !== 201) throw new Error("unreachable");
 * const pulled = await registry(new Request(`http://registry/v2/app/blobs/${digest}`));
 * if (await pulled.text() !== "hello") throw new Error("unreachable");
 * ```
 *
 * With a socket it is `Deno.serve(createRegistry())`, or `Bun.serve({ fetch: createRegistry(), ...limits })` with
 * `maxRequestBodySize` and `idleTimeout` far above what Bun has by itself (128 MiB, 10 seconds).
 *
 * @module
 */

export { createRegistry, type RegistryOptions } from "./handler.ts";
export type { ChunkLimits, RegistryQuirks } from "./quirks.ts";
export type { RateLimit, RegistryTroubles } from "./troubles.ts";
export { MemoryStorage, type MemoryStorageOptions } from "./memory.ts";
export type { BlobWriter, Storage, StoredManifest } from "../storage.ts";
export { DiskError, OciError, type OciErrorOptions } from "../errors.ts";
export type { Digest, DigestAlgorithm } from "../digest.ts";
export type { Hasher, IncrementalHash } from "../incremental_hash.ts";
export type { BlobSource, SourceSlice } from "../source/blob_source.ts";
export type { Bytes } from "../bytes.ts";
