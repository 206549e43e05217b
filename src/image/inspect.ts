import type { BuildRecord } from "../build_record.ts";
import { configCreated } from "../config_json.ts";
import { cosignTag } from "../cosign_tags.ts";
import type { Digest } from "../digest.ts";
import { formatPlatform, isAttestation, isForeignLayer, type Platform } from "../media_types.ts";
import type { ArchiveImage, ImageArchive } from "./archive.ts";
import { besideOf } from "./beside.ts";
import {
  type ArchiveBlob,
  blobsOf,
  buildRecord,
  type ContentNode,
  entriesBelow,
  type IndexEntry,
  type IndexNode,
  isArtifact,
} from "./content.ts";
import { knownManifest, manifestType } from "./docker_manifest.ts";
import { readConfig, readPlatform } from "./image_config.ts";
import type { NeededBlob } from "./left_out.ts";
import { childImages } from "./platforms.ts";

/** A layer, or a blob of an artifact, as `inspect` shows it. */
export interface LayerSummary {
  /** Absent where only hashing the content would tell. */
  digest?: Digest;
  /** Length in bytes. */
  size: number;
  /** Media type that a push gives it. */
  mediaType: string;
  /** Path in the archive, absent where the archive lacks it. */
  path?: string;
}

/** One manifest below an index. */
export interface IndexEntrySummary {
  /** An image, what was attested of one, or something else that a manifest describes. */
  kind: "image" | "attestation" | "artifact";
  /**
   * `linux/arm/v7` or `windows/amd64:10.0.20348.1+win32k`, where the index or the config tells, with its variant,
   * os.version and os.features: what the option `platforms` takes. An attestation has none.
   */
  platform?: string;
  /** Digest of the manifest. */
  digest: Digest;
  /** Sum of the sizes of its config and layers that the archive has, each blob once. */
  size: number;
  /** Whether all of it is in the archive, some of it, or nothing. */
  present: "whole" | "partly" | "no";
}

/** One image, index or artifact of an archive. */
export interface ImageSummary {
  /** `#1`, `#2`, ... : what the option `images` accepts. */
  id: string;
  /** An image, an index of several, or something else that a manifest describes. */
  kind: "image" | "index" | "artifact";
  /** What of builds it is, where BuildKit wrote it and it is no image. */
  buildRecord?: BuildRecord;
  /** Full original names, such as `held/basic:1`; `team/app@sha256:...` where one has the digest and no tag. */
  names: string[];
  /** Bare original tags, such as `v1`. */
  tags: string[];
  /** The first of its names, or of its tags; absent where it has neither. */
  primaryTag?: string;
  /** What the archive calls it where that is no name to push under: flatpak's `app/org.example.App/x86_64/stable`. */
  otherName?: string;
  /** Digest that a push gives it; absent where only hashing the layers would tell. */
  digest?: Digest;
  /** Media type of the manifest or index. */
  mediaType: string;
  /** Config digest of an image. */
  config?: Digest;
  /** `linux/amd64`, and what else it says of itself; of an index, all of its platforms; an artifact has none. */
  platforms: string[];
  /** RFC 3339, from the config. */
  created?: string;
  /** Layers of an image in order; of an index, the different blobs of all its children. */
  layers: LayerSummary[];
  /** Sum of the sizes of config and layers, each blob once. */
  size: number;
  /** Of an index, what is below it, in order. */
  entries?: IndexEntrySummary[];
  /** Signatures and the like that go along with it, where the archive has any. */
  beside?: BesideSummary[];
}

/** A manifest that belongs to an image or to what stands below it. */
export interface BesideSummary {
  /** What cosign keeps under a tag, or something that names its subject itself. */
  kind: "signature" | "attestation" | "sbom" | "referrer";
  /** Digest of the manifest. */
  digest: Digest;
  /** Digest of what it is about. */
  subject: Digest;
  /** Tag that a push gives it; a referrer needs none. */
  tag?: string;
}

/** What `inspect` tells of an archive. */
export interface ArchiveSummary {
  /** Who may have written it: `docker` (manifest.json), `oci` (index.json), or `docker+oci` (both). */
  dialect: "docker" | "oci" | "docker+oci";
  /** Images in archive order. */
  images: ImageSummary[];
  /** What a person should know about parts that cannot be used. */
  notices: string[];
  /** Blobs that the archive leaves out, and where they are; absent where it says nothing of that. */
  leftOut?: NeededBlob[];
}

/** Tells what an archive holds, for people and programs. Configs are read, layers are not. */
export async function summarizeArchive(archive: ImageArchive): Promise<ArchiveSummary> {
  const images: ImageSummary[] = [];
  for (const image of archive.images) {
    const summary = await summarizeImage(image);
    const beside = summarizeBeside(archive, image);
    images.push(beside.length > 0 ? { ...summary, beside } : summary);
  }
  const summary = { dialect: archive.dialect, images, notices: [...archive.notices] };
  if (!archive.leftOut) return summary;
  const { listNeeded } = await import("./left_out.ts");
  return { ...summary, leftOut: listNeeded(archive.images, archive.leftOut) };
}

function pinnedNames(repositories: readonly string[], node: ContentNode): string[] {
  return node.kind === "docker"
    ? []
    : repositories.map((repository) => `${repository}@${node.digest}`);
}

const BESIDE_KINDS = { sig: "signature", att: "attestation", sbom: "sbom" } as const;

function summarizeBeside({ beside }: ImageArchive, { node }: ArchiveImage): BesideSummary[] {
  if (node.kind === "docker") return [];
  return besideOf(beside, node).map(({ node: { digest }, subject, kind }) => {
    const tag = kind && cosignTag(subject, kind);
    const summary = { kind: kind ? BESIDE_KINDS[kind] : "referrer" as const, digest, subject };
    return tag === undefined ? summary : { ...summary, tag };
  });
}

async function summarizeImage(image: ArchiveImage): Promise<ImageSummary> {
  const { id, names, tags, pinned, aliases, node } = image;
  const { digest, mediaType } = await manifestOf(node);
  const blobs = node.kind === "index" ? blobsOf(node) : node.layers;
  const summary: ImageSummary = {
    id,
    kind: kindOf(node),
    names: [...names, ...pinnedNames(pinned, node)],
    tags,
    mediaType,
    platforms: await platformsOf(node),
    layers: blobs.map(summarizeLayer),
    size: blobsOf(node).reduce((sum, { size }) => sum + size, 0),
  };
  const record = buildRecord(node);
  if (record) summary.buildRecord = record;
  const primaryTag = names[0] ?? tags[0];
  if (primaryTag !== undefined) summary.primaryTag = primaryTag;
  else if (aliases[0] !== undefined && pinned.length === 0) summary.otherName = aliases[0];
  if (digest) summary.digest = digest;
  if (node.kind === "index") {
    summary.entries = await summarizeEntries(node);
    return summary;
  }
  if (node.config?.digest) summary.config = node.config.digest;
  const created = configCreated(await readConfig(node.config));
  if (created !== undefined) summary.created = created;
  return summary;
}

async function summarizeEntries(index: IndexNode): Promise<IndexEntrySummary[]> {
  const entries = new Map<string, IndexEntrySummary>();
  const platforms = await platformsBelow(index);
  for (const entry of entriesBelow(index).filter(({ blob }) => !blob)) {
    const { node, descriptor: { digest, artifactType } } = entry;
    const isRepeated = !isAttestation(entry.descriptor) && !platforms.has(entry);
    if (node?.kind === "index" || isRepeated) continue;
    const isNoImage = node ? kindOf(node) === "artifact" : artifactType !== undefined;
    const blobs = node ? blobsOf(node) : [];
    const summary: IndexEntrySummary = {
      kind: isAttestation(entry.descriptor) ? "attestation" : isNoImage ? "artifact" : "image",
      digest,
      size: blobs.reduce((sum, { size, file }) => sum + (file ? size : 0), 0),
      present: presenceOf(node, blobs),
    };
    const platform = platforms.get(entry);
    if (platform && summary.kind === "image") summary.platform = formatPlatform(platform);
    // One manifest may stand for several platforms.
    entries.set(`${digest} ${summary.platform ?? ""}`, summary);
  }
  return [...entries.values()];
}

/** Foreign layers are absent by right. */
function presenceOf(
  node: ContentNode | undefined,
  blobs: readonly ArchiveBlob[],
): IndexEntrySummary["present"] {
  if (!node) return "no";
  const needed = blobs.filter(({ mediaType }) => !isForeignLayer(mediaType));
  if (needed.every(({ file }) => file)) return "whole";
  return needed.some(({ file }) => file) ? "partly" : "no";
}

async function platformsBelow(index: IndexNode): Promise<Map<IndexEntry, Platform | undefined>> {
  const images = await childImages(index);
  return new Map(images.map(({ entry, platform }) => [entry, platform]));
}

async function manifestOf(node: ContentNode): Promise<{ digest?: Digest; mediaType: string }> {
  if (node.kind !== "docker") return node;
  return await knownManifest(node) ?? { mediaType: manifestType(node) };
}

function kindOf(node: ContentNode): ImageSummary["kind"] {
  if (node.kind === "index") return "index";
  if (node.kind === "docker") return "image";
  return isArtifact(node) ? "artifact" : "image";
}

async function platformsOf(node: ContentNode): Promise<string[]> {
  if (node.kind !== "index") {
    const platform = await readPlatform(node);
    return platform ? [formatPlatform(platform)] : [];
  }
  const platforms = [...(await platformsBelow(node)).values()];
  const known = platforms.filter((platform) => platform !== undefined);
  return [...new Set(known.map(formatPlatform))];
}

function summarizeLayer({ digest, size, mediaType, file }: ArchiveBlob): LayerSummary {
  const summary: LayerSummary = { size, mediaType };
  if (digest) summary.digest = digest;
  if (file) summary.path = file.path;
  return summary;
}
