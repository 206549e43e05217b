import type { Digest } from "../digest.ts";
import { PushError } from "../errors.ts";
import type { ArchiveImage } from "../image/archive.ts";
import {
  type Absent,
  absentFrom,
  type ArchiveBlob,
  type ContentNode,
  manifestsOf,
} from "../image/content.ts";
import {
  childImages,
  listPlatforms,
  type PlatformOffer,
  platformOptions,
  selectPlatforms,
} from "../image/platforms.ts";
import type { Platform } from "../media_types.ts";
import type { PushWords } from "./upload_settings.ts";
import { listTexts } from "../quote_name.ts";

/** Content to push under a reference, and what a person should know about the choice. */
export interface Choice {
  node: ContentNode;
  notices: string[];
}

/** What a choice of content depends on beside the image. */
export interface ChoiceOptions {
  /** The reference, for messages. */
  name: string;
  /** Platforms asked for; none keeps the whole image. */
  platforms: readonly Platform[];
  /** Whether the registry has what the archive lacks. */
  isThere(absent: Absent): Promise<boolean>;
  words: PushWords;
}

/**
 * Settles what is pushed when platforms were asked for, or when the archive lacks parts of the image: one platform gives
 * the child manifest itself, several a new index of the chosen children and their attestations. Where parts are in neither
 * the archive nor the registry, it is the one complete image of a sparse index, if there is exactly one.
 *
 * @throws {PushError} If a platform is not there, or nothing complete is; the message lists the platforms that are there
 * and those that are not.
 */
export async function chooseContent(
  image: ArchiveImage,
  { name, platforms, isThere, words }: ChoiceOptions,
): Promise<Choice> {
  const choice = await narrow(image, platforms, words);
  const missing = new Set<Digest>();
  for (const absent of absentFrom(choice.node)) {
    if (!await isThere(absent)) missing.add(absent.digest);
  }
  if (missing.size === 0) return choice;
  return await fallBack(name, image, choice.node, missing, words);
}

/** What is pushed of an image where platforms were asked for. */
export async function narrow(
  image: ArchiveImage,
  platforms: readonly Platform[],
  words: PushWords,
): Promise<Choice> {
  return await selectPlatforms(image.node, platforms, {
    ...words,
    toError: (message, digest) =>
      new PushError(message, { step: "plan", origin: "archive", digest }),
  });
}

/** Finds the one complete image of an index, where digests are nowhere that `node` needs. */
async function fallBack(
  name: string,
  image: ArchiveImage,
  node: ContentNode,
  missing: ReadonlySet<Digest>,
  words: PushWords,
): Promise<Choice> {
  const { verb, done, place } = words;
  if (node.kind !== "index") throw missingContent(name, node, missing, words);
  const offered = await childImages(node);
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
  const layer = manifestsOf(node).flatMap(({ layers }) => layers)
    .findIndex((blob: ArchiveBlob) => blob.digest === digest);
  const what = layer >= 0 ? `layer ${layer + 1}` : "config";
  const digests = listTexts([...missing], 1);
  return new PushError(
    `Cannot ${verb} ${name}: ${what} ${digests} is in neither the ${place} nor the registry`,
    { step: "plan", origin: "archive", digest },
  );
}
