import { type BuildRecord, buildRecordOf, commonRecord } from "../build_record.ts";
import type { Bytes } from "../bytes.ts";
import { type Digest, digestAlgorithm, digestBytes } from "../digest.ts";
import { type ArchiveError, DigestMismatchError } from "../errors.ts";
import { MAX_JSON_DEPTH, readJson } from "../json_depth.ts";
import {
  type Descriptor,
  isConfigType,
  isForeignLayer,
  isJsonObject,
  type JsonObject,
  type Platform,
} from "../media_types.ts";
import { quoteName } from "../quote_name.ts";
import { type ArchiveFile, unreadable } from "./files.ts";

/** A blob that an image of an archive needs: config, layer, or content of an artifact. */
export interface ArchiveBlob {
  /** Absent for a compressed layer of a docker archive whose name says nothing: only reading it tells. */
  digest?: Digest;
  /**
   * Where the digest comes from. "named": it is the blob's name in an OCI layout. "diff-id": the config names it for an
   * uncompressed layer. "hint": the file is called after it. "hashed": it was computed. "descriptor": the archive
   * lacks the blob.
   */
  origin: "named" | "diff-id" | "hint" | "hashed" | "descriptor" | "unknown";
  /** Length in bytes. */
  size: number;
  mediaType: string;
  /** Where the content is; absent where the archive lacks it. */
  file?: ArchiveFile;
  /** Digest that a docker layer has when it is uncompressed. */
  diffId?: Digest;
  /** Whether an annotation names its digest: other bytes in its place would not be found by it. */
  isPinned?: true;
}

/** An image or artifact manifest. */
export interface ManifestNode {
  kind: "manifest";
  digest: Digest;
  mediaType: string;
  /** Exactly as in the archive. */
  bytes: Bytes;
  config?: ArchiveBlob;
  /** Layers in order, the same one as often as the manifest names it. */
  layers: ArchiveBlob[];
  subject?: Descriptor;
  artifactType?: string;
}

/** An index or manifest list. */
export interface IndexNode {
  kind: "index";
  digest: Digest;
  mediaType: string;
  /** Exactly as in the archive. */
  bytes: Bytes;
  entries: IndexEntry[];
  subject?: Descriptor;
}

export interface IndexEntry {
  descriptor: Descriptor;
  /** The descriptor as it stands in the index. */
  raw: JsonObject;
  /** What it names; absent where the archive lacks it. */
  node?: DocumentNode;
  /** The blob that it names where its type is none of a manifest: BuildKit's cache lists layers in an index. */
  blob?: ArchiveBlob;
}

/** What has bytes and a digest of its own. */
export type DocumentNode = ManifestNode | IndexNode;

/** An image of manifest.json for which the archive has no manifest: one is written for it. */
export interface DockerNode {
  kind: "docker";
  config: ArchiveBlob & { digest: Digest };
  layers: ArchiveBlob[];
  platform?: Platform;
}

/** Anything that can be pushed under a tag. */
export type ContentNode = DocumentNode | DockerNode;

/** The blobs of a node and, for an index, of all that is below it; each digest once, in order. */
export function blobsOf(node: ContentNode): ArchiveBlob[] {
  const blobs = new Map<string, ArchiveBlob>();
  const nodes = node.kind === "docker" ? [node] : walk(node);
  for (const blob of nodes.flatMap(ownBlobs)) {
    const key = blob.digest ?? `file ${blob.file?.path}`;
    const known = blobs.get(key);
    if (!known || (!known.file && blob.file)) blobs.set(key, blob);
  }
  return [...blobs.values()];
}

/** What a node itself names. */
function ownBlobs(node: ContentNode): ArchiveBlob[] {
  if (node.kind === "index") {
    return node.entries.map(({ blob }) => blob).filter((blob) => blob !== undefined);
  }
  return node.config ? [node.config, ...node.layers] : node.layers;
}

/** Something that a node needs and the archive lacks. */
export interface Absent {
  kind: "manifest" | "blob";
  digest: Digest;
}

/** What a node needs that the archive lacks; foreign layers may be absent by right. */
export function absentFrom(node: ContentNode): Absent[] {
  const absent = new Map<Digest, Absent>();
  if (node.kind === "index") {
    for (const { descriptor: { digest }, node: child, blob } of entriesBelow(node)) {
      if (!child && !blob) absent.set(digest, { kind: "manifest", digest });
    }
  }
  for (const { file, digest, mediaType } of blobsOf(node)) {
    if (!file && digest && !isForeignLayer(mediaType)) absent.set(digest, { kind: "blob", digest });
  }
  return [...absent.values()];
}

/** The manifests of a node: itself, or all that stand below an index, each once. */
export function manifestsOf(node: ContentNode): (ManifestNode | DockerNode)[] {
  if (node.kind !== "index") return [node];
  return walk(node).filter((below) => below.kind === "manifest");
}

/** Whether a manifest is that of something else than an image. */
export function isArtifact(
  { artifactType, config }: { artifactType?: unknown; config?: { mediaType: string } | undefined },
): boolean {
  return artifactType !== undefined || !isConfigType(config?.mediaType);
}

/** What BuildKit keeps of builds; undefined for any other node. */
export function buildRecord(node: ContentNode): BuildRecord | undefined {
  if (node.kind !== "index") return buildRecordOf(node.config?.mediaType);
  const { entries } = node;
  // Its cache was an index that lists layers and no image.
  if (entries.length > 0 && entries.every(({ blob }) => blob)) {
    const records = entries.map(({ descriptor }) => buildRecordOf(descriptor.mediaType));
    return records.find((record) => record !== undefined) ?? "build cache";
  }
  return commonRecord(
    entries.map(({ node }) =>
      node?.kind === "manifest" ? buildRecordOf(node.config?.mediaType) : undefined
    ),
  );
}

/** All nodes below and including the given ones, children before parents, each once. */
export function walk(...nodes: DocumentNode[]): DocumentNode[] {
  const seen = new Set<Digest>();
  return nodes.flatMap((node) => walkUnseen(node, seen));
}

/** Like {@linkcode walk} for one node, without what `seen` has; that grows by what is returned. */
export function walkUnseen(
  node: DocumentNode,
  seen: Set<Digest>,
): DocumentNode[] {
  const found: DocumentNode[] = [];
  // Documents name each other by hash, so there is no circle, but one may be named very often.
  const visit = (at: DocumentNode) => {
    if (seen.has(at.digest)) return;
    seen.add(at.digest);
    for (const entry of at.kind === "index" ? at.entries : []) if (entry.node) visit(entry.node);
    found.push(at);
  };
  visit(node);
  return found;
}

/** The nodes of entries, as far as the archive has them. */
export function nodesOf(entries: readonly IndexEntry[]): DocumentNode[] {
  return entries.flatMap(({ node }) => node ?? []);
}

/** The entries of all indexes among the given nodes and below them. */
export function entriesBelow(...nodes: DocumentNode[]): IndexEntry[] {
  return walk(...nodes).flatMap((node) => node.kind === "index" ? node.entries : []);
}

/**
 * Parses the JSON of a file.
 *
 * @throws {ArchiveError} If it is not JSON in UTF-8, or nests deeper than any real document.
 */
export function parseJson(file: ArchiveFile, bytes: Bytes): unknown {
  const read = readJson(bytes);
  if ("json" in read) return read.json;
  if (read.isDeep) throw malformed(file.path, `it nests more than ${MAX_JSON_DEPTH} levels deep`);
  // What does not decode is text of another kind: PowerShell writes UTF-16 where it is not told otherwise.
  const kind = read.cause instanceof TypeError ? "JSON in UTF-8" : "JSON";
  throw malformed(file.path, `it is not ${kind}`, read.cause);
}

/** Like {@linkcode parseJson}, for a document that must be an object. */
export function parseJsonObject(file: ArchiveFile, bytes: Bytes): JsonObject {
  const value = parseJson(file, bytes);
  if (isJsonObject(value)) return value;
  throw malformed(file.path, "it is not a JSON object");
}

/** The error for a document that is JSON but not what it should be. */
export function malformed(path: string, problem: string, cause?: unknown): ArchiveError {
  return unreadable(path, problem, { cause });
}

/**
 * Checks bytes that go under a digest.
 *
 * @throws {DigestMismatchError} If they have another one.
 */
export async function verifyBytes(path: string, bytes: Bytes, expected: Digest): Promise<void> {
  const actual = await digestBytes(bytes, digestAlgorithm(expected));
  if (actual !== expected) throw mismatch(path, expected, actual);
}

/** The error for content of the archive that does not have its digest. */
export function mismatch(
  path: string,
  expected: Digest,
  actual?: Digest,
  hint?: string,
): DigestMismatchError {
  const found = actual ? `its content has digest ${actual}` : "its content has another digest";
  return new DigestMismatchError(
    `Cannot trust ${quoteName(path)} of the archive: ${found}, expected ${expected}`,
    { expected, actual, hint },
  );
}
