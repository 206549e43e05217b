import { parseCosignTag } from "../cosign_tags.ts";
import { type ArchiveImage, tagsOf } from "./archive.ts";
import { digestOfTag } from "./entry_names.ts";

/**
 * Whether an image of an archive is none, but belongs to one that the archive has not: a signature, an SBOM, a list of
 * referrers. Programs that change an image in a folder leave behind what belonged to it before (`regctl image mod`).
 */
export function isLeftBehind(image: ArchiveImage): boolean {
  const { node } = image;
  if (node.kind === "docker") return false;
  const tags = tagsOf(image);
  if (tags.length === 0) return node.subject !== undefined;
  return tags.every((tag) => {
    if (parseCosignTag(tag)) return true;
    const subject = digestOfTag(tag);
    return subject !== undefined && subject !== node.digest && node.kind === "index" &&
      node.entries.every((entry) => entry.node?.subject?.digest === subject);
  });
}
