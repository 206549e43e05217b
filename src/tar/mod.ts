/**
 * Reading tar: {@linkcode UntarStream} for bytes that pass by, {@linkcode scanTar} for a file that can be read at any
 * offset. Both know ustar, PAX, GNU and V7, sizes above 8 GiB, and refuse what is truncated or ambiguous.
 *
 * @example Listing a tar that comes as a stream
 * ```ts
 * import { UntarStream } from "@tarpush/tarpush/tar";
 *
 * const bytes = new Blob([new Uint8Array(1024)]).stream(); // An empty archive.
 * for await (const entry of bytes.pipeThrough(new UntarStream())) {
 *   console.log(entry.path, entry.header.size);
 *   await entry.readable?.cancel();
 * }
 * ```
 *
 * @module
 */
export { OciError, type OciErrorOptions, TarError } from "../errors.ts";
export type { BlobSource, SourceSlice } from "../source/blob_source.ts";
export type { Bytes } from "../bytes.ts";
export type { ParsedEntry } from "./entry_parser.ts";
export type { TarHeader } from "./header.ts";
export { type ScannedEntry, scanTar, type ScanTarOptions } from "./scan.ts";
export { type TarEntry, UntarStream } from "./untar_stream.ts";
