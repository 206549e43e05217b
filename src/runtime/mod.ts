/**
 * What Deno and Bun have and the web lacks: files that are opened lazily, and what a program needs of its runtime.
 *
 * @example Pushing a file by its path
 * ```ts
 * import { pushImage } from "@tarpush/tarpush";
 * import { openFile } from "@tarpush/tarpush/runtime";
 *
 * async function push(path: string, target: string) {
 *   await using file = await openFile(path);
 *   return await pushImage(file, target);
 * }
 * ```
 *
 * @module
 */
import { createBunHost } from "./bun.ts";
import { createDenoHost } from "./deno.ts";
import type { FolderSource } from "../source/blob_source.ts";
import type { Host, OpenFile } from "./host.ts";
import type { FolderRegistryStorage, StorageOptions } from "./storage/open_storage.ts";
import { runtimeName } from "./runtime_name.ts";

export type { BlobSource, FolderFile, FolderSource, SourceSlice } from "../source/blob_source.ts";
export type { Bytes } from "../bytes.ts";
export type { BlobWriter, Storage, StoredManifest } from "../storage.ts";
export type { Digest, DigestAlgorithm } from "../digest.ts";
export type { CollectedContent, CollectOptions } from "./storage/collect.ts";
export type { FolderRegistryStorage, StorageOptions } from "./storage/open_storage.ts";
export type { StorageProblem } from "./storage/scrub.ts";
export type {
  ByteInput,
  ByteOutput,
  FileInfo,
  Host,
  ListeningServer,
  ListenOptions,
  NewFile,
  OpenFile,
  OpenFileOptions,
  ServeHandler,
  TextOutput,
  TlsOptions,
} from "./host.ts";

/**
 * The host for the runtime that this code runs on. Nothing is read or opened before one of its members is used.
 *
 * @returns The host.
 * @throws {TypeError} If the runtime is neither Deno nor Bun.
 */
export function currentHost(): Host {
  return runtimeName(globalThis) === "deno" ? createDenoHost() : createBunHost();
}

/**
 * Opens a file as a source that is read lazily, in pieces, at any offset: a push of a large archive holds a few MiB of
 * it at a time. Needs `--allow-read` for that one file on Deno.
 *
 * Streams are pull-driven: a reader that stops reading stops the disk, one that cancels closes its handle. The caller
 * owns the file; `await using` closes it.
 *
 * @example Reading a part of a file
 * ```ts
 * import { openFile } from "@tarpush/tarpush/runtime";
 * await using file = await openFile("deno.json");
 * const start = await new Response(file.slice(0, 1).stream()).text();
 * if (start !== "{") throw new Error("unreachable");
 * ```
 *
 * @param path Path, or `file:` URL.
 * @returns The open file.
 * @throws {OciError} If there is no such file, it may not be read, or it is a directory or a pipe.
 */
export function openFile(path: string | URL): Promise<OpenFile> {
  return currentHost().openFile(path);
}

/**
 * Opens a folder with an image: an OCI layout, what `skopeo copy` writes to `dir:`, or an unpacked `docker save`. Its files
 * are opened when they are read, so there is nothing to close. Needs `--allow-read` for the folder on Deno.
 *
 * A link leads to a file of the folder, or is refused; folders that are links are not looked into.
 *
 * @example Pushing a folder
 * ```ts
 * import { pushImage } from "@tarpush/tarpush";
 * import { openDirectory } from "@tarpush/tarpush/runtime";
 *
 * async function push(path: string, target: string) {
 *   return await pushImage(await openDirectory(path), target);
 * }
 * ```
 *
 * @param path Path of the folder.
 * @returns The folder.
 * @throws {OciError} If there is no such folder, or it may not be read.
 */
export function openDirectory(path: string): Promise<FolderSource> {
  return currentHost().openDirectory(path);
}

/**
 * Opens a folder as the storage of a registry: one OCI layout for each repository, in `PATH/team/app` what was pushed as
 * `team/app`, which other programs read (`skopeo copy oci:PATH/team/app:1.0 ...`, `tarpush push PATH/team/app ...`).
 *
 * A blob is streamed to a temporary name, hashed on the way, brought to the disk and renamed when it is whole; index.json is
 * replaced in one step. So whatever ends the process, what was answered with 201 is there, and nothing that is half there has
 * a name. Repositories share the files of blobs by hard links. One process at a time has a folder: another one is refused.
 * On Bun it takes the programs `flock`, `sync` and `ln` of the system. Needs `--allow-read` and `--allow-write` for the
 * folder on Deno, where `--allow-run=openssl` quarters the time for large blobs.
 *
 * @example A registry that outlives its process
 * ```ts
 * import { createRegistry } from "@tarpush/tarpush/registry";
 * import { currentHost, openStorage } from "@tarpush/tarpush/runtime";
 *
 * async function serve(path: string, signal: AbortSignal) {
 *   await using storage = await openStorage(path);
 *   const registry = createRegistry({ storage });
 *   const server = await currentHost().serve(registry, { hostname: "127.0.0.1", port: 5000 });
 *   await new Promise((resolve) => signal.addEventListener("abort", resolve));
 *   await server.finish();
 * }
 * ```
 *
 * @param path Path of the folder; it is made where there is none.
 * @param options Whether to write at all, and who is told of damage.
 * @returns The storage.
 * @throws {OciError} If the folder has something else in it, may not be written to, or another process has it.
 */
export function openStorage(
  path: string,
  options?: StorageOptions,
): Promise<FolderRegistryStorage> {
  return currentHost().openStorage(path, options);
}
