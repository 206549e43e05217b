import type { Digest } from "../digest.ts";
import { DigestMismatchError } from "../errors.ts";
import { blobsOf, type ContentNode, walk } from "../image/content.ts";
import { isForeignLayer } from "../media_types.ts";
import { formatReference, type Reference } from "../reference.ts";

/** What a push is called in messages, and the place that its content comes from. */
export interface PushWords {
  verb: "push" | "copy";
  done: "pushed" | "copied";
  place: "archive" | "source";
}

/** An archive is pushed. */
export const PUSH_WORDS: PushWords = { verb: "push", done: "pushed", place: "archive" };
/** An image of a registry is copied. */
export const COPY_WORDS: PushWords = { verb: "copy", done: "copied", place: "source" };

/** Something that a node needs and the archive lacks. */
export interface Absent {
  kind: "manifest" | "blob";
  digest: Digest;
}

/** What a node needs that the archive lacks; foreign layers may be absent by right. */
export function absentFrom(node: ContentNode): Absent[] {
  const absent = new Map<Digest, Absent>();
  if (node.kind === "index") {
    for (const below of walk(node)) {
      if (below.kind !== "index") continue;
      for (const { descriptor: { digest }, node, blob } of below.entries) {
        if (!node && !blob) absent.set(digest, { kind: "manifest", digest });
      }
    }
  }
  for (const { file, digest, mediaType } of blobsOf(node)) {
    if (!file && digest && !isForeignLayer(mediaType)) absent.set(digest, { kind: "blob", digest });
  }
  return [...absent.values()];
}

/** Compares the digest of a reference with that of what was made for it. */
export function refuseOtherDigest(actual: Digest, reference: Reference, { verb }: PushWords): void {
  const { digest: expected } = reference;
  if (!expected || expected === actual) return;
  throw new DigestMismatchError(
    `Cannot ${verb} to ${
      formatReference(reference)
    }: the image's digest is ${actual}, expected ${expected}`,
    { expected, actual },
  );
}
