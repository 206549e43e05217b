import { parseCosignTag } from "../cosign_tags.ts";
import { type Digest, digestHex, shortDigest } from "../digest.ts";
import { AmbiguousImageError, ArchiveError } from "../errors.ts";
import { type ArchiveImage, type ImageArchive, tagsOf } from "../image/archive.ts";
import { buildRecord } from "../image/content.ts";
import { isReferrersList } from "../image/entry_names.ts";
import { quoteName } from "../quote_name.ts";
import { formatImageName, parseImageName } from "../reference.ts";

/** Names that a message lists before it only counts. */
export const MAX_LISTED = 12;

/** Fewest hex digits of a digest that select an image. */
const MIN_DIGEST_DIGITS = 12;

/**
 * Finds the images that the option `images` names; when it names none, all of them but what BuildKit keeps of builds,
 * or that where there is nothing else.
 *
 * @throws {ArchiveError} If a name fits no image.
 * @throws {AmbiguousImageError} If a bare tag or a digest's first digits fit several.
 */
export function selectImages(
  archive: Pick<ImageArchive, "images">,
  wanted: readonly string[],
): ArchiveImage[] {
  if (wanted.length === 0) {
    const images = archive.images.filter(({ node }) => !buildRecord(node));
    return images.length > 0 ? images : [...archive.images];
  }
  const chosen = new Set(wanted.map((text) => selectImage(archive.images, text)));
  return archive.images.filter((image) => chosen.has(image));
}

/**
 * Finds the one image that a text names.
 *
 * @throws {ArchiveError} If it fits none.
 * @throws {AmbiguousImageError} If a bare tag or a digest's first digits fit several.
 */
export function selectImage(images: readonly ArchiveImage[], text: string): ArchiveImage {
  const name = parseImageName(text);
  const formatted = name && formatImageName(name);
  const rules: ((image: ArchiveImage) => boolean)[] = [
    (image) => image.id === text,
    (image) => image.aliases.includes(text) && !image.tags.includes(text),
    (image) => formatted !== undefined && image.names.includes(formatted),
    (image) => tagsOf(image).includes(text),
    (image) => hasDigest(image, text),
  ];
  for (const rule of rules) {
    const [only, ...others] = images.filter(rule);
    if (!only) continue;
    if (others.length === 0) return only;
    throw ambiguous(`Cannot choose image ${quoteName(text)}`, [only, ...others], images);
  }
  throw new ArchiveError(
    `Cannot find image ${quoteName(text)} in the archive: it has ${listImages(images, images)}`,
    { hint: "choose by a full name, a tag, a digest, or #N as inspect prints" },
  );
}

function hasDigest({ node, digest }: ArchiveImage, text: string): boolean {
  const hex = text.replace(/^sha(?:256|512):/, "");
  if (hex.length < MIN_DIGEST_DIGITS || !/^[0-9a-f]+$/.test(hex)) return false;
  const digests = [
    node.kind === "docker" ? digest : node.digest,
    node.kind === "index" ? undefined : node.config?.digest,
  ];
  return digests.some((digest) => digest && digestHex(digest).startsWith(hex));
}

/**
 * The shortest texts that select images, each one image and no other: a full name, a tag, another name, or `#N`.
 *
 * @param all Those of the whole archive.
 */
export function choicesOf(
  images: readonly ArchiveImage[],
  all: readonly ArchiveImage[],
): string[] {
  const counts = new Map<string, number>();
  for (const image of all) {
    for (const name of new Set([...namesFor(image), ...tagsOf(image)])) {
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return images.map((image) => namesFor(image).find((name) => counts.get(name) === 1) ?? image.id);
}

/** Names and tags of an image; where it has neither, what the archive calls it all the same. */
function namesFor({ names, tags, aliases }: ArchiveImage): string[] {
  return names.length + tags.length > 0 ? [...names, ...tags] : aliases;
}

/**
 * Makes the error for several images where there may be one.
 *
 * @param what What cannot be done, for the message.
 * @param all The images of the archive, which the choices must tell apart.
 */
export function ambiguous(
  what: string,
  images: readonly ArchiveImage[],
  all: readonly ArchiveImage[],
): AmbiguousImageError {
  const choices = choicesOf(images, all);
  const areTold = images.every(({ id }, index) => choices[index] !== id);
  // A shell takes what follows a # for a comment.
  const numbers = choices.slice(0, MAX_LISTED).map((choice) => `--image '${choice}'`).join(" or ");
  return new AmbiguousImageError(
    `${what}: the archive has ${images.length} images for it, ${
      listImages(images, all)
    }, expected one`,
    {
      choices,
      hint: areTold
        ? `choose one with --image NAME${togetherHint(images)}`
        : `choose one: ${numbers}`,
    },
  );
}

/** The images that one reference may be meant for: what is left behind only where there is nothing else. */
export function withoutLeftBehind(images: ArchiveImage[], notices: string[]): ArchiveImage[] {
  const left = images.filter(isLeftBehind);
  if (left.length === 0 || left.length === images.length) return images;
  notices.push(
    `${
      listImages(left, images)
    } belongs to an image that the archive has not: it is not pushed; choosing it with --image pushes it`,
  );
  return images.filter((image) => !isLeftBehind(image));
}

/** The images that one reference may be meant for: an index without a name stands for those below it, where all are named. */
export function withoutPlatforms(images: ArchiveImage[]): ArchiveImage[] {
  const index = images.find(({ node, aliases }) => node.kind === "index" && aliases.length === 0);
  if (index?.node.kind !== "index") return images;
  const others = new Set<unknown>(
    images.filter((image) => image !== index).map(({ node }) => node),
  );
  const { entries } = index.node;
  const areSame = others.size === entries.length && entries.every(({ node }) => others.has(node));
  return areSame ? [index] : images;
}

/**
 * Whether an image of an archive is none, but belongs to one that the archive has not: a signature, an SBOM, a list of
 * referrers. Programs that change an image in a folder leave behind what belonged to it before (`regctl image mod`).
 */
function isLeftBehind(image: ArchiveImage): boolean {
  const { node } = image;
  if (node.kind === "docker") return false;
  const tags = tagsOf(image);
  if (tags.length === 0) return node.subject !== undefined;
  return tags.every((tag) => parseCosignTag(tag) || isReferrersList(node, tag));
}

/** How to push all of several images, where that is possible with nothing but their names or tags. */
function togetherHint(images: readonly ArchiveImage[]): string {
  const areApart = (texts: readonly string[]) => new Set(texts).size === texts.length;
  const haveNames = images.every(({ names, pinned }) => names.length + pinned.length > 0);
  if (haveNames && areApart(images.flatMap(({ names }) => names))) {
    return ", or push all under their own names: HOST[:PORT]";
  }
  const haveTags = images.every((image) => tagsOf(image).length > 0);
  if (!haveTags || !areApart(images.flatMap(tagsOf))) return "";
  return ", or push all under their tags: HOST[:PORT]/REPOSITORY --all-tags";
}

/** Images for a message: a name where it is one's own, else the number and the digest; many are only counted. */
function listImages(images: readonly ArchiveImage[], all: readonly ArchiveImage[]): string {
  const shown = images.slice(0, MAX_LISTED);
  const choices = choicesOf(shown, all);
  const texts = shown.map((image, index) => {
    const choice = choices[index] ?? image.id;
    if (choice !== image.id) return quoteName(choice);
    const [name] = image.names.concat(image.tags);
    if (name === undefined) return `${image.id} (${shortDigest(digestOf(image))})`;
    return `${quoteName(name)} (${image.id}, ${digestOf(image)})`;
  });
  const more = images.length - texts.length;
  return texts.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** The digest that a push gives an image; that of its config where only its layers tell. */
function digestOf({ node, digest }: ArchiveImage): Digest {
  return node.kind === "docker" ? digest ?? node.config.digest : node.digest;
}
