import { type AmbiguousImageError, ArchiveError } from "../errors.ts";
import { type ArchiveImage, type ImageArchive, tagsOf } from "../image/archive.ts";
import { blobsOf, buildRecord } from "../image/content.ts";
import { quoteName } from "../quote_name.ts";
import {
  formatReference,
  parseReference,
  parseTarget,
  type Place,
  type Reference,
  requireRepository,
  type Target,
  withTag,
} from "../reference.ts";
import {
  ambiguous,
  choicesOf,
  MAX_LISTED,
  selectImage,
  selectImages,
  withoutLeftBehind,
  withoutPlatforms,
} from "./choices.ts";
import type { PushWords } from "./upload_settings.ts";
import type { ResolvedOptions } from "./options.ts";
import { parseRename, type Rename, renamed } from "./rename.ts";

/** One reference that a push will write, and the image it will name. */
export interface PlannedImage {
  image: ArchiveImage;
  reference: Reference;
}

/** What a push goes to. */
export type PushTarget = Target | {
  /** One image of several, by its place in the archive; of what is compressed, in a file that can be read twice. */
  kind: "image";
  /** `#1`, `#2`, ... */
  id: string;
  reference: Reference;
};

/** What the caller said about which images go where. */
export type PlanOptions = Pick<ResolvedOptions, "images" | "allTags" | "rename">;

/**
 * Parses the targets of a push: references, or places for the archive's own names.
 *
 * @returns The parsed targets, each once.
 * @throws {SyntaxError} If one does not parse.
 * @throws {TypeError} If there is none, or references are mixed with places.
 */
export function parseTargets(
  target: string | readonly string[],
  verb: PushWords["verb"] = "push",
): Target[] {
  const texts = new Set(Array.isArray(target) ? target : [target]);
  const targets = [...texts].map(parseTarget);
  if (targets.length === 0) {
    throw new TypeError(`Cannot ${verb}: no target given, expected HOST[:PORT]/REPOSITORY[:TAG]`);
  }
  if (new Set(targets.map(({ kind }) => kind)).size > 1) {
    throw new TypeError(
      `Cannot ${verb}: references and places are mixed, expected references (HOST/REPOSITORY) or places (HOST, HOST/PREFIX/)`,
    );
  }
  return targets;
}

/**
 * The same for an archive: what the options do not allow is told before anything of it is read.
 *
 * @throws {TypeError} Also if all tags are to go to what has a tag or a digest.
 */
export function parsePushTargets(
  target: string | readonly string[],
  { allTags }: Pick<PlanOptions, "allTags">,
): Target[] {
  const targets = parseTargets(target);
  for (const each of allTags ? targets : []) {
    if (each.kind === "place") continue;
    const { reference } = each;
    requireRepository(reference, `push all tags to ${formatReference(reference)}`);
  }
  return targets;
}

/**
 * Decides which image goes under which reference. Nothing is asked of a registry here.
 *
 * @returns The references in archive order, and hints for the user.
 * @throws {AmbiguousImageError} If several images compete for one reference.
 * @throws {ArchiveError} If a chosen image is not there, or has no name to push it under.
 */
export function planImages(
  archive: ImageArchive,
  targets: readonly PushTarget[],
  options: PlanOptions,
): { planned: PlannedImage[]; notices: string[] } {
  const renames = options.rename.map(parseRename);
  const images = selectImages(archive, options.images);
  const byId = new Map(archive.images.map((image) => [image.id, image]));
  const refuse = (what: string, images: readonly ArchiveImage[]) =>
    ambiguous(what, images, archive.images);
  const planned: PlannedImage[] = [];
  const isChosen = options.images.length > 0 || targets.every(({ kind }) => kind === "image");
  const notices = isChosen ? [] : noticesOfRecords(archive, images);
  for (const target of targets) {
    if (target.kind === "place") {
      planned.push(...planNames(images, target.place, renames, notices));
    } else if (target.kind === "image") {
      const image = byId.get(target.id) ?? selectImage(archive.images, target.id);
      planned.push(planOne([image], target.reference, notices, refuse));
    } else if (options.allTags) planned.push(...planTags(images, target.reference));
    else {
      const isExact = options.images.length > 0 || target.reference.digest !== undefined;
      const candidates = isExact ? images : withoutPlatforms(withoutLeftBehind(images, notices));
      planned.push(planOne(candidates, target.reference, notices, refuse));
    }
  }
  refuseCollisions(planned, refuse);
  for (const { from, isUsed } of renames) {
    // A typing error would go unnoticed: the image is then where nobody looks for it.
    if (!isUsed) {
      notices.push(`no name to push to starts with ${quoteName(from)}: nothing is renamed by that`);
    }
  }
  return { planned, notices };
}

/** How many blobs the images of a plan need, and their bytes; each blob counts once. */
export function totalsOf(planned: readonly PlannedImage[]): { blobs: number; bytes: number } {
  const sizes = new Map<string, number>();
  for (const image of new Set(planned.map(({ image }) => image))) {
    for (const { digest, file, size } of blobsOf(image.node)) {
      sizes.set(digest ?? file?.path ?? "", size);
    }
  }
  let bytes = 0;
  for (const size of sizes.values()) bytes += size;
  return { blobs: sizes.size, bytes };
}

function noticesOfRecords(archive: ImageArchive, images: readonly ArchiveImage[]): string[] {
  const records = archive.images.filter(({ node }) => buildRecord(node));
  const choices = choicesOf(records, archive.images);
  return records.flatMap((image, index) => {
    const record = buildRecord(image.node);
    const text = `${quoteName(choices[index] ?? image.id)} is a ${record} and no image`;
    return images.includes(image)
      ? [`${text}: it is pushed as it is, and cannot be run`]
      : [`${text}, so it is not pushed; choosing it with --image pushes it`];
  });
}

/** Makes the error for several images where there may be one. */
type RefuseSeveral = (what: string, images: readonly ArchiveImage[]) => AmbiguousImageError;

function planOne(
  images: ArchiveImage[],
  reference: Reference,
  notices: string[],
  refuse: RefuseSeveral,
): PlannedImage {
  const { digest } = reference;
  const exact = digest &&
    images.find(({ node }) => node.kind !== "docker" && node.digest === digest);
  const [only, ...others] = exact ? [exact] : images;
  const text = formatReference(reference);
  if (!only) throw new ArchiveError(`Cannot push to ${text}: the archive has no image`);
  if (others.length > 0) throw refuse(`Cannot push to ${text}`, images);
  if (reference.tag !== undefined || digest) return { image: only, reference };
  const tags = tagsOf(only).filter((tag) => tag !== "latest");
  if (tags.length > 0) {
    const list = tags.slice(0, MAX_LISTED).join(", ");
    notices.push(
      `${text} has no tag, so it becomes ${text}:latest; the archive calls the image ${list}: --all-tags pushes that`,
    );
  }
  return { image: only, reference: withTag(reference) };
}

function planTags(images: ArchiveImage[], reference: Reference): PlannedImage[] {
  const planned = images.flatMap((image) =>
    tagsOf(image).map((tag) => ({ image, reference: { ...reference, tag } }))
  );
  if (planned.length > 0) return planned;
  throw new ArchiveError(
    `Cannot push all tags to ${formatReference(reference)}: no image of the archive has a tag`,
    { hint: `name one: ${formatReference(reference)}:TAG` },
  );
}

/**
 * The references that images get at a place, under their own names.
 *
 * @throws {ArchiveError} If one has a bare tag alone, or none has a name.
 */
export function planNames(
  images: readonly ArchiveImage[],
  place: Place,
  renames: readonly Rename[],
  notices: string[],
): PlannedImage[] {
  const planned: PlannedImage[] = [];
  const where = `${place.registry}/${place.prefix}`;
  const scheme = place.scheme ? `${place.scheme}://` : "";
  for (const image of images) {
    const [tag] = image.tags;
    const hasName = image.names.length + image.pinned.length > 0;
    if (tag !== undefined && !hasName) {
      throw new ArchiveError(
        `Cannot push image ${image.id} under its own name to ${where}: it is only called ${
          quoteName(tag)
        }, expected a repository`,
        { hint: `push its tags to a repository: ${where}REPOSITORY --all-tags` },
      );
    }
    if (!hasName) notices.push(`image ${image.id} ${namelessState(image)} and is not pushed`);
    for (const text of image.names) {
      const { repository, tag } = renamed(text, renames);
      // Parsed again: prefix and name together may be too long.
      const reference = parseReference(`${scheme}${where}${repository}:${tag}`);
      planned.push({ image, reference });
    }
    const { node, pinned } = image;
    if (node.kind === "docker") continue;
    for (const text of pinned) {
      const { repository } = renamed(text, renames);
      const reference = parseReference(`${scheme}${where}${repository}@${node.digest}`);
      planned.push({ image, reference });
    }
  }
  if (planned.length > 0) return planned;
  const [only, ...others] = images;
  const state = only && others.length === 0 && only.aliases.length > 0
    ? `its image ${namelessState(only)}`
    : "no image of the archive has a name";
  throw new ArchiveError(`Cannot push own names to ${where}: ${state}`, {
    hint: `give one: ${where}REPOSITORY:TAG`,
  });
}

/** Why an image has no name to push under. */
function namelessState({ aliases: [text] }: ArchiveImage): string {
  return text === undefined
    ? "has no name"
    : `has no name that registries take (${quoteName(text)})`;
}

/** Drops a reference that comes twice, and refuses one that two images compete for. */
function refuseCollisions(planned: PlannedImage[], refuse: RefuseSeveral): void {
  const seen = new Map<string, ArchiveImage>();
  for (const item of planned.splice(0)) {
    const { image, reference } = item;
    const text = formatReference(reference);
    const key = `${reference.scheme ?? ""} ${text}`;
    const other = seen.get(key);
    if (other && other !== image) throw refuse(`Cannot push to ${text}`, [other, image]);
    if (!other) planned.push(item);
    seen.set(key, image);
  }
}
