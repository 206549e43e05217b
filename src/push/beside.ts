import { cosignTag } from "../cosign_tags.ts";
import { type ArchiveBeside, besideOf } from "../image/beside.ts";
import type { DocumentNode } from "../image/content.ts";
import type { PlannedImage } from "./plan.ts";

/** What goes into a repository beside an image: signatures and the like. */
export interface Beside {
  node: DocumentNode;
  /** The tag that it is looked for under; what names its subject needs none. */
  tag?: string | undefined;
}

/** Finds what goes beside an image, in an order in which it may be written. */
export type BesideOf = (
  root: DocumentNode,
) => Iterable<Beside> | AsyncIterable<Beside> | Promise<Iterable<Beside>>;

/**
 * What of an archive goes beside an image that was pushed.
 *
 * @param left What went beside no image so far; it shrinks.
 */
export function findBeside(
  root: DocumentNode,
  beside: readonly ArchiveBeside[],
  left: Set<ArchiveBeside>,
): Beside[] {
  return besideOf(beside, root).map((each) => {
    left.delete(each);
    const { node, subject, kind } = each;
    return { node, tag: kind && cosignTag(subject, kind) };
  });
}

/**
 * Tells what was left behind of the signatures and the like of images that were pushed: those of an index are about the index,
 * and no other digest.
 *
 * @returns One sentence; undefined where nothing was left behind.
 */
export function noticeOfLeft(
  planned: readonly PlannedImage[],
  left: readonly ArchiveBeside[],
): string | undefined {
  const subjects = new Set(
    planned.map(({ image: { node } }) => node.kind === "index" && node.digest),
  );
  const counts = left.filter(({ subject }) => subjects.has(subject)).length;
  if (counts === 0) return undefined;
  const [what, are] = counts === 1 ? ["one manifest", "is"] : [`${counts} manifests`, "are"];
  return `${what} that the archive has beside an index, such as its signature, ${are} not pushed: ` +
    `only a part of the index was, which has another digest`;
}
