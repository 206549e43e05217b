import type { Digest } from "../digest.ts";
import { PushError } from "../errors.ts";
import type { ArchiveImage } from "../image/archive.ts";
import {
  type ArchiveBlob,
  blobsOf,
  type ContentNode,
  manifestsOf,
  walk,
} from "../image/content.ts";
import {
  childImages,
  listPlatforms,
  listTexts,
  type PlatformOf,
  type PlatformOffer,
  platformOptions,
  selectPlatforms,
} from "../image/platforms.ts";
import { formatPlatform, isForeignLayer, type Platform } from "../media_types.ts";

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

/** Content to push under a reference, and what a person should know about the choice. */
export interface Choice {
  node: ContentNode;
  notices: string[];
}

/** Something that a node needs and the archive lacks. */
export interface Absent {
  kind: "manifest" | "blob";
  digest: Digest;
}

/**
 * Narrows an image to platforms: one gives the child manifest itself, several a new index of the chosen children and
 * their attestations.
 *
 * @param image The image.
 * @param platforms Platforms asked for; none keeps the whole image.
 * @param platformOf Reads a platform from a config.
 * @param words How messages call it.
 * @returns What to push.
 * @throws {PushError} If a platform is not there.
 */
export async function narrow(
  image: ArchiveImage,
  platforms: readonly Platform[],
  platformOf: PlatformOf,
  { verb, done, place }: PushWords,
): Promise<Choice> {
  const { node, isNew } = await selectPlatforms(image.node, platforms, platformOf, {
    verb,
    place,
    toError: (message, digest) =>
      new PushError(message, { step: "plan", origin: "archive", digest }),
  });
  if (!isNew || node.kind === "docker") return { node, notices: [] };
  const list = platforms.map(formatPlatform).join(", ");
  return { node, notices: [`a new index of ${list} is ${done}: ${node.digest}`] };
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

/**
 * Decides what to push when parts of an image are in neither the archive nor the registry: the one complete image of a
 * sparse index, if there is exactly one.
 *
 * @param name The reference, for messages.
 * @param image The image.
 * @param node What was to be pushed.
 * @param missing Digests that are nowhere.
 * @param platformOf Reads a platform from a config.
 * @param words How messages call it.
 * @returns What to push instead.
 * @throws {PushError} If there is no such image; the message lists the platforms that are there and those that are not.
 */
export async function fallBack(
  name: string,
  image: ArchiveImage,
  node: ContentNode,
  missing: ReadonlySet<Digest>,
  platformOf: PlatformOf,
  words: PushWords,
): Promise<Choice> {
  const { verb, done, place } = words;
  if (node.kind !== "index") throw missingContent(name, node, missing, words);
  const offered = await childImages(node, platformOf);
  const isComplete = ({ entry: { node } }: PlatformOffer) =>
    node !== undefined && absentFrom(node).every(({ digest }) => !missing.has(digest));
  const there = offered.filter(isComplete);
  const away = offered.filter((offer) => !isComplete(offer));
  // Where every image is complete, it is an attestation or the like that is nowhere.
  const lacks = away.length > 0 ? listPlatforms(away) : listTexts([...missing]);
  const named = there.filter(({ entry }) => image.named.some((named) => named === entry.node));
  const [only, ...others] = node === image.node && named.length === 1 ? named : there;
  if (only?.entry.node && others.length === 0 && node === image.node) {
    const notice = `the index of ${name} lacks ${lacks} in the ${place} and the registry: only ` +
      `${listPlatforms([only])} is ${done}`;
    return { node: only.entry.node, notices: [notice] };
  }
  const has = there.length > 0 ? `has ${listPlatforms(there)} and lacks` : "lacks";
  throw new PushError(
    `Cannot ${verb} ${name}: its index ${has} ${lacks}, which the registry has not either`,
    {
      step: "plan",
      origin: "archive",
      digest: node.digest,
      hint: there.length > 0 ? `${verb} what is there: ${platformOptions(there)}` : undefined,
    },
  );
}

function missingContent(
  name: string,
  node: ContentNode,
  missing: ReadonlySet<Digest>,
  { verb, place }: PushWords,
): PushError {
  const [digest] = missing;
  const more = missing.size > 1 ? ` and ${missing.size - 1} more` : "";
  const layer = manifestsOf(node).flatMap(({ layers }) => layers)
    .findIndex((blob: ArchiveBlob) => blob.digest === digest);
  const what = layer >= 0 ? `layer ${layer + 1}` : "config";
  return new PushError(
    `Cannot ${verb} ${name}: ${what} ${digest}${more} is in neither the ${place} nor the registry`,
    { step: "plan", origin: "archive", digest },
  );
}
