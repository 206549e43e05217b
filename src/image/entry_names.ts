import { type CosignKind, parseCosignTag } from "../cosign_tags.ts";
import type { Digest } from "../digest.ts";
import { type Descriptor, REF_NAME } from "../media_types.ts";
import {
  formatImageName,
  isReferrersTag,
  isTag,
  parseImageName,
  parsePinnedName,
  referrersTag,
} from "../reference.ts";
import type { DocumentNode } from "./content.ts";

/** What an entry of index.json says of itself beside its digest. */
export interface BesideRole {
  kind: CosignKind | "referrer";
  /** What it is about, where its name is a tag of cosign's. */
  subject?: Digest;
  /** The tag that says what it is about, where it is a list of referrers. */
  listTag?: string;
  /** Whether an annotation says so, and not only its name. */
  isMarked: boolean;
}

/** The annotation for a full name, as containerd writes it. */
export const FULL_NAME = "io.containerd.image.name";
/** The annotation by which cosign and hauler tell entries of one name apart: `dev.cosignproject.cosign/sigs`. */
export const KIND_ANNOTATION = "kind";
const KIND = /(?:^|\/)(sigs|atts|sboms|referrers)(?:\/|$)/;
const KINDS: Readonly<Record<string, BesideRole["kind"]>> = {
  sigs: "sig",
  atts: "att",
  sboms: "sbom",
  referrers: "referrer",
};
/** The file of an archive that says what it leaves out. */
export const LEFT_OUT_PATH = "tarpush.json";

/** The role that an entry has by its annotations; undefined for an image. */
export function besideRole(descriptor: Descriptor): BesideRole | undefined {
  const { annotations = {} } = descriptor;
  const marked = KINDS[KIND.exec(annotations[KIND_ANNOTATION] ?? "")?.[1] ?? ""];
  const isMarked = marked !== undefined;
  for (const text of writtenNames(descriptor)) {
    const tag = isTag(text) ? text : parseImageName(text)?.tag ?? "";
    const cosign = parseCosignTag(tag);
    if (cosign) return { ...cosign, isMarked };
    if (isReferrersTag(tag)) return { kind: "referrer", listTag: tag, isMarked };
  }
  return marked && { kind: marked, isMarked };
}

/** Whether what stands under a tag is the list of referrers that clients keep there, and no image that is called so. */
export function isReferrersList(node: DocumentNode, tag: string): boolean {
  if (node.kind !== "index" || !isReferrersTag(tag) || referrersTag(node.digest) === tag) {
    return false;
  }
  return node.entries.every(({ node }) =>
    node?.subject && referrersTag(node.subject.digest) === tag
  );
}

/** Every name that an entry of index.json carries, as it is written. */
export function writtenNames({ annotations = {} }: Descriptor): string[] {
  return [annotations[REF_NAME], annotations[FULL_NAME]].filter((name) => name !== undefined);
}

/** The names that an entry of index.json carries: the full one when there is one, else what the user gave. */
export function namesOf({ annotations = {} }: Descriptor): string[] {
  const full = annotations[FULL_NAME];
  const given = annotations[REF_NAME];
  const usable = full !== undefined &&
    (parseImageName(full) ?? parsePinnedName(full)) !== undefined;
  return [usable ? full : given, usable ? undefined : full].filter((name) => name !== undefined);
}

/** A name of manifest.json: what could be taken for a bare tag is a repository. */
export function dockerName(text: string): string {
  return /[:/@]/.test(text) ? text : `${text}:latest`;
}

/** What two spellings of a name have in common. */
export function keyOf(text: string): string {
  const name = isTag(text) ? undefined : parseImageName(text);
  return name ? formatImageName(name) : text;
}
