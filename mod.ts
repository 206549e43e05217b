/**
 * Pushes container-image tar files to any registry that needs no login, without a Docker daemon.
 *
 * @example Pushing an archive to a registry in the same process
 * ```ts
 * import { pushImage } from "@tarpush/tarpush";
 * import { createRegistry } from "@tarpush/tarpush/registry";
 *
 * const fetch = createRegistry();
 * async function push(tar: Blob) {
 *   const { images } = await pushImage(tar, "localhost:5000/team/app:1.0", { fetch });
 *   return images[0]?.digest;
 * }
 * ```
 *
 * @module
 */
export { pushImage, type PushResult } from "./src/push/push.ts";
export type { PushedImage } from "./src/push/image_push.ts";
export {
  type ArchiveInput,
  type ArchiveName,
  type ArchiveResult,
  type FailedArchive,
  type GivenTag,
  pushAll,
  type PushAllOptions,
  type PushedArchive,
} from "./src/push/push_all.ts";
export { type ImageRepair, repairImage, type RepairImageOptions } from "./src/push/repair_image.ts";
export { copyImage, type CopyOptions } from "./src/push/copy.ts";
export { copyAll, type CopyAllOptions } from "./src/push/copy_all.ts";
export type { CopyInput } from "./src/push/copy_list.ts";
export type {
  CompressionChoice,
  ManifestType,
  OnExisting,
  PushOptions,
} from "./src/push/options.ts";
export type { MissingBlob, ShareBlob } from "./src/push/share_blob.ts";
export type { UploadedBlob } from "./src/push/repository_state.ts";
export type { BlobStatus, PushEvent } from "./src/push/events.ts";
export { pullImage, pullImages } from "./src/pull/pull.ts";
export type { ImageToPull } from "./src/pull/list_images.ts";
export type { PullImagesOptions, PullOptions } from "./src/pull/options.ts";
export type { OtherArchive } from "./src/pull/other_places.ts";
export { type AbsentBlob, findAbsent } from "./src/archive/find_absent.ts";
export type { LeftOutBlob, NeededBlob } from "./src/image/left_out.ts";
export type { PulledImage, PullEvent } from "./src/pull/events.ts";
export type { ArchiveFormat } from "./src/image/write_archive.ts";
export { checkImage, type CheckImageOptions, type ImageCheck } from "./src/pull/check_image.ts";
export { RegistryClient, type RegistryClientOptions } from "./src/registry/client.ts";
export type { CallOptions, ListNamesOptions } from "./src/registry/call_options.ts";
export type { Repository } from "./src/registry/repository.ts";
export type { BlobInput, RepositoryBlobs } from "./src/registry/repository_blobs.ts";
export type { RepositoryManifests } from "./src/registry/repository_manifests.ts";
export type { PingResult } from "./src/registry/ping.ts";
export type { ImageInfo, IndexEntryInfo } from "./src/registry/image.ts";
export type { BlobContent } from "./src/registry/blob_content.ts";
export type { BuildRecord } from "./src/build_record.ts";
export type { ManifestHead } from "./src/registry/manifests.ts";
export type { ManifestContent, PulledManifest } from "./src/registry/get_manifest.ts";
export type { Descriptor, JsonObject, Platform } from "./src/media_types.ts";
export type { FetchHandler } from "./src/registry/http/call.ts";
export type { Timeouts } from "./src/registry/http/time_limits.ts";
export type { RequestOptions } from "./src/registry/http/request_options.ts";
export type { RetryOptions } from "./src/registry/http/retry.ts";
export {
  openArchive,
  type OpenArchiveOptions,
  type OpenedArchive,
} from "./src/archive/open_archive.ts";
export {
  type ArchiveToServe,
  openArchives,
  type OpenArchivesOptions,
  type OpenedArchives,
} from "./src/archive/served/open_archives.ts";
export type { ServedImageName } from "./src/archive/served/shelf.ts";
export type { BlobWriter, Storage, StoredManifest } from "./src/storage.ts";
export {
  type ArchiveCheck,
  checkArchive,
  type CheckArchiveOptions,
  type CheckProgress,
} from "./src/archive/check_archive.ts";
export { joinParts, type JoinPartsOptions } from "./src/archive/join_parts.ts";
export type { ArchivePart } from "./src/archive/check_joins.ts";
export type { Finding, FindingCode, Severity } from "./src/image/check/findings.ts";
export type { ImageTarEntry, PushSource } from "./src/source/open_source.ts";
export type {
  ArchiveSummary,
  BesideSummary,
  ImageSummary,
  IndexEntrySummary,
  LayerSummary,
} from "./src/image/inspect.ts";
export { formatReference, parseReference, type Reference } from "./src/reference.ts";
export { type Digest, type DigestAlgorithm, isDigest, parseDigest } from "./src/digest.ts";
export { createHash, type Hasher, type IncrementalHash } from "./src/incremental_hash.ts";
export {
  type BlobSource,
  type FolderFile,
  type FolderSource,
  isBlobSource,
  type SourceSlice,
} from "./src/source/blob_source.ts";
export type { DirectoryHandle } from "./src/source/folder.ts";
export type { Bytes } from "./src/bytes.ts";
export {
  AmbiguousImageError,
  ArchiveError,
  DigestMismatchError,
  NetworkError,
  OciError,
  type OciErrorOptions,
  PushError,
  RegistryError,
  type RegistryErrorEntry,
  TarError,
  TimeoutError,
} from "./src/errors.ts";
