import { type Digest, digestAlgorithm, digestHex, toDigest } from "./digest.ts";
import { isTag } from "./reference.ts";

/** What cosign keeps beside an image: its signatures, its attestations, an SBOM. */
export type CosignKind = "sig" | "att" | "sbom";

/** Every kind that there is. */
export const COSIGN_KINDS: readonly CosignKind[] = ["sig", "att", "sbom"];

const COSIGN_TAG = /^(sha256|sha512)-([0-9a-f]+)\.(sig|att|sbom)$/;

/**
 * The tag under which `cosign verify` and the like look for what belongs to an image.
 *
 * @returns `sha256-HEX.sig`; undefined for a digest that is too long to make a tag.
 */
export function cosignTag(subject: Digest, kind: CosignKind): string | undefined {
  const tag = `${digestAlgorithm(subject)}-${digestHex(subject)}.${kind}`;
  return isTag(tag) ? tag : undefined;
}

/** What a tag of {@linkcode cosignTag} says; undefined for any other. */
export function parseCosignTag(tag: string): { subject: Digest; kind: CosignKind } | undefined {
  const [, algorithm = "", hex = "", kind] = COSIGN_TAG.exec(tag) ?? [];
  const subject = toDigest(algorithm, hex);
  const known = COSIGN_KINDS.find((each) => each === kind);
  return subject && known && { subject, kind: known };
}
