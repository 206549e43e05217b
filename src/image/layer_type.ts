import type { Compression } from "../codec/magic.ts";

/** Layers of images: kind, how they are compressed, and whether they are encrypted. */
const LAYER_TYPE =
  /^application\/vnd\.(oci\.image\.layer\.(?:nondistributable\.)?v1\.tar|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar)([+.](gzip|zstd))?(\+encrypted)?$/;

/** Whether a media type is one of a layer of an image, and not of whatever an artifact holds. */
export function isLayerType(mediaType: string): boolean {
  return LAYER_TYPE.test(mediaType);
}

/** Whether a media type is one of an encrypted layer: its bytes say nothing. */
export function isEncryptedType(mediaType: string): boolean {
  return LAYER_TYPE.exec(mediaType)?.[4] !== undefined;
}

/** How a layer of a media type is compressed. */
export function compressionOfType(mediaType: string): string | undefined {
  return LAYER_TYPE.exec(mediaType)?.[3];
}

/**
 * Whether containerd unpacks a layer whose bytes are compressed so. It looks at the bytes, as podman does, unless the
 * type is one of an OCI layer that says nothing of gzip or zstd: then it takes them for a tar. Others than these two it
 * does not know (tried with containerd 2.4.2, `core/diff/stream.go`).
 */
export function isUnpacked(mediaType: string, compression: Compression | undefined): boolean {
  if (compression === undefined) return true;
  if (compression === "bzip2" || compression === "xz") return false;
  const [, kind, ending = ""] = LAYER_TYPE.exec(mediaType) ?? [];
  return kind?.startsWith("docker") ? !ending.startsWith("+") : ending.startsWith("+");
}
