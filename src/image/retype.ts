import type { Bytes } from "../bytes.ts";
import { type Digest, digestBytes } from "../digest.ts";
import {
  DOCKER_CONFIG,
  DOCKER_INDEX,
  DOCKER_LAYER,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
  readJsonObject,
} from "../media_types.ts";
import type { ArchiveBlob, DocumentNode } from "./content.ts";

/** Whose media types a manifest has: those of Docker's schema 2, or those of OCI. */
export type ManifestKind = "docker" | "oci";

/** Layers that may not be distributed (image-spec, layer.md, "Non-Distributable Layers"). */
const DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar";
const OCI_FOREIGN_LAYER = "application/vnd.oci.image.layer.nondistributable.v1.tar";

/** What Docker and OCI call the same thing. zstd is OCI's alone: docker has no type for it that registries know. */
const TYPES: readonly Readonly<Record<ManifestKind, string>>[] = [
  { docker: DOCKER_MANIFEST, oci: OCI_MANIFEST },
  { docker: DOCKER_INDEX, oci: OCI_INDEX },
  { docker: DOCKER_CONFIG, oci: OCI_CONFIG },
  { docker: DOCKER_LAYER, oci: OCI_LAYER },
  { docker: `${DOCKER_LAYER}.gzip`, oci: `${OCI_LAYER}+gzip` },
  { docker: DOCKER_FOREIGN_LAYER, oci: OCI_FOREIGN_LAYER },
  { docker: `${DOCKER_FOREIGN_LAYER}.gzip`, oci: `${OCI_FOREIGN_LAYER}+gzip` },
];

/** The kind that a media type belongs to. */
export function kindOfType(mediaType: string): ManifestKind {
  return mediaType.startsWith("application/vnd.docker.") ? "docker" : "oci";
}

/** What the other kind calls it; a type that only one of them has stays as it is. */
export function toKind(mediaType: string, kind: ManifestKind): string {
  const known = TYPES.find(({ docker, oci }) => docker === mediaType || oci === mediaType);
  return known?.[kind] ?? mediaType;
}

/**
 * Writes a manifest or index again in the types of a kind: the same config and layers, the same entries.
 *
 * @param node One that was written for this push; any other keeps its bytes.
 * @returns The manifest, with a digest of its own; the same where it has that kind.
 */
export async function retype(
  node: DocumentNode,
  kind: ManifestKind,
): Promise<DocumentNode> {
  const mediaType = toKind(node.mediaType, kind);
  if (mediaType === node.mediaType) return node;
  const json = readJsonObject(node.bytes);
  if (node.kind === "index") {
    // What its entries name stays what it is.
    return { ...node, mediaType, ...await encodeDocument({ ...json, mediaType }) };
  }
  const retyped = <T extends ArchiveBlob>(blob: T): T => ({
    ...blob,
    mediaType: toKind(blob.mediaType, kind),
  });
  return {
    ...node,
    mediaType,
    ...(node.config ? { config: retyped(node.config) } : {}),
    layers: node.layers.map(retyped),
    ...await encodeDocument(
      json,
      (key, value) => key === "mediaType" ? toKind(`${value}`, kind) : value,
    ),
  };
}

/** A JSON document as bytes, with its digest. */
export async function encodeDocument(
  json: unknown,
  replacer?: (key: string, value: unknown) => unknown,
): Promise<{ bytes: Bytes; digest: Digest }> {
  const bytes = new TextEncoder().encode(JSON.stringify(json, replacer));
  return { bytes, digest: await digestBytes(bytes) };
}
