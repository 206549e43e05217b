import type { Digest } from "../digest.ts";
import type { ArchiveSummary } from "../image/inspect.ts";
import { MAX_PLACES } from "../image/left_out.ts";
import {
  formatReference,
  formatRepository,
  type ImageName,
  parseImageName,
  parsePinnedName,
  parseTarget,
  type Place,
  type Reference,
  requireRepository,
} from "../reference.ts";

/** An archive that has blobs which another need not have. */
export interface OtherArchive {
  /** What it is called in the record of what was left out. */
  name: string;
  /** What it holds, from `openArchive`. */
  archive: Pick<ArchiveSummary, "images">;
}

/** Where blobs may be that need not be in an archive. */
export type OtherPlace =
  | { kind: "archive"; name: string; repositories: ReadonlyMap<Digest, readonly string[]> }
  | { kind: "repository"; reference: Reference }
  | { kind: "place"; place: Place };

/**
 * Parses the places whose blobs are to be left out.
 *
 * @throws {SyntaxError} If a text is neither a registry nor a repository of one.
 * @throws {TypeError} If it names one image.
 */
export function parsePlaces(without: readonly (string | OtherArchive)[]): OtherPlace[] {
  return without.map((other) => {
    if (typeof other !== "string") {
      return { kind: "archive", name: other.name, repositories: repositoriesByBlob(other.archive) };
    }
    const target = parseTarget(other);
    if (target.kind === "place") return target;
    const { reference } = target;
    const action = `leave out what ${formatReference(reference)} has`;
    requireRepository(reference, action, "HOST or HOST/REPOSITORY");
    return { kind: "repository", reference };
  });
}

/** The blobs of an archive, each with the repositories that its images are named after. */
function repositoriesByBlob({ images }: OtherArchive["archive"]): Map<Digest, readonly string[]> {
  const found = new Map<Digest, readonly string[]>();
  for (const { layers, names } of images) {
    const own = [...new Set(names.flatMap(repositoryOf))];
    for (const { digest, path } of layers) {
      if (!digest || path === undefined) continue;
      const known = found.get(digest) ?? [];
      found.set(digest, [...new Set([...known, ...own])].slice(0, MAX_PLACES));
    }
  }
  return found;
}

function repositoryOf(text: string): string[] {
  const name = nameOf(text);
  return name ? [formatRepository(name)] : [];
}

/** An image's own name, whether it has a tag or a digest; undefined for another text. */
export function nameOf(text: string): ImageName | undefined {
  return parsePinnedName(text)?.name ?? parseImageName(text);
}
