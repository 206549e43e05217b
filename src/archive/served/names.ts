import { type ArchiveImage, tagsOf } from "../../image/archive.ts";
import { quoteName } from "../../quote_name.ts";
import { type ImageName, isRepository, parseImageName } from "../../reference.ts";

/** A name under which a registry of archives has an image. */
export interface ServedName {
  /** Host of the image's own name; "" for Docker Hub's, and where nothing tells. */
  host: string;
  repository: string;
  /** Absent where the image can be had by its digest alone; of a name that the caller gives, where images keep their tags. */
  tag: string | undefined;
}

/** Repository of images without a name, where the archive's name makes none. */
const NAMELESS = "image";

/**
 * Parses the name that the images of an archive shall have.
 *
 * @param text `[HOST/]REPOSITORY[:TAG]`.
 * @throws {TypeError} If it is none.
 */
export function parseGivenName(text: string): ServedName {
  const name = parseImageName(text);
  if (!name) {
    throw new TypeError(
      `Cannot serve images as ${quoteName(text)}: it is no name, expected REPOSITORY[:TAG]`,
    );
  }
  const { host, repository, tag } = name;
  return { host, repository, tag: /:[^/]*$/.test(text) ? tag : undefined };
}

/**
 * The names that an image gets: its own, without their hosts. Bare tags, and images that have no name at all, need a
 * repository: that is called after the archive.
 *
 * @param archive What the archive is called: its path.
 * @param isOnly Whether the archive has no other image: without any tag it is `latest` then.
 */
export function ownNames(image: ArchiveImage, archive: string, isOnly: boolean): ServedName[] {
  const names = image.names.flatMap((text) => parseImageName(text) ?? []);
  const pinned = image.pinned.flatMap((text) => toPinned(parseImageName(text)));
  if (names.length + pinned.length > 0) return [...names, ...pinned];
  const name = { host: "", repository: repositoryFor(archive) };
  return tagged(name, image.tags, isOnly);
}

/** The names that an image gets where the caller gives one: with all of its own tags, unless that has one. */
export function givenNames(
  image: ArchiveImage,
  { tag, ...name }: ServedName,
  isOnly: boolean,
): ServedName[] {
  return tag === undefined ? tagged(name, tagsOf(image), isOnly) : [{ ...name, tag }];
}

/** A name as it is asked for: `team/app:1`. */
export function formatServedName({ repository, tag }: ServedName): string {
  return tag === undefined ? repository : `${repository}:${tag}`;
}

function toPinned(name: ImageName | undefined): ServedName[] {
  return name ? [{ ...name, tag: undefined }] : [];
}

function tagged(
  name: Pick<ServedName, "host" | "repository">,
  tags: readonly string[],
  isOnly: boolean,
): ServedName[] {
  if (tags.length > 0) return tags.map((tag) => ({ ...name, tag }));
  return [{ ...name, tag: isOnly ? "latest" : undefined }];
}

/** A repository called after a file: `Nightly Build.tar` gives `nightly-build`. */
function repositoryFor(path: string): string {
  const file = path.split(/[/\\]/).findLast((part) => !/^\.{0,2}$/.test(part)) ?? "";
  const text = file.toLowerCase().replace(/\.tar$/, "")
    .replace(/[^a-z0-9._]+/g, "-")
    .replace(/[._-]{2,}/g, "-")
    .replace(/^[._-]+|[._-]+$/g, "");
  return isRepository(text) ? text : NAMELESS;
}
