import type { Digest } from "../digest.ts";
import { DigestMismatchError } from "../errors.ts";
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
