import type { ImageArchive } from "../../image/archive.ts";
import { type Absent, absentFrom, buildRecord } from "../../image/content.ts";
import type { Hasher } from "../../incremental_hash.ts";
import { listTexts, quoteName } from "../../quote_name.ts";
import { ServedRepositories } from "./archive_storage.ts";
import { ServedArchive, ServedImage } from "./image.ts";
import { formatServedName, givenNames, ownNames, type ServedName } from "./names.ts";

/** A name under which an image of an archive can be pulled. */
export interface ServedImageName {
  /** `team/app:1`; a repository alone where the image has no tag. */
  name: string;
  /** The archive it comes from. */
  archive: string;
}

/** Puts images of archives under their names. */
export class Shelf {
  readonly repositories = new ServedRepositories();
  readonly images: ServedImageName[] = [];
  readonly notices: string[] = [];
  /** Images whose archives lack parts of them, under each name. */
  readonly #sparse: { image: ServedImage; absent: Absent[]; name: ServedName }[] = [];
  readonly #hasher: Hasher;

  constructor(hasher: Hasher) {
    this.#hasher = hasher;
  }

  /**
   * Adds the images of an archive; their names go before those of the archives so far.
   *
   * @throws {TypeError} If one name is given to several images.
   */
  async add(
    { images, beside, notices }: ImageArchive,
    name: string,
    as: ServedName | undefined,
  ): Promise<void> {
    this.notices.push(...notices.map((notice) => `${quoteName(name)}: ${notice}`));
    // Caches and the like are no images that anybody pulls, unless there is nothing else.
    const found = images.filter(({ node }) => !buildRecord(node));
    const served = found.length > 0 ? found : images;
    const isOnly = served.length === 1;
    if (as?.tag !== undefined && !isOnly) throw severalImages(name, as, served.length);
    const archive = new ServedArchive(name, this.#hasher);
    for (const image of served) {
      const shown = new ServedImage(archive, image.node, beside);
      if (shown.isTold) await shown.root();
      const names = as ? givenNames(image, as, isOnly) : ownNames(image, name, isOnly);
      for (const name of names) this.#show(shown, name);
      const absent = absentFrom(image.node);
      if (absent.length === 0) continue;
      for (const name of names) this.#sparse.push({ image: shown, absent, name });
    }
  }

  /** Takes what an archive leaves out from the others, and tells what none of them has: when all have been added. */
  complete(): void {
    const told = new Set<ServedImage>();
    for (const { image, absent, name } of this.#sparse) {
      const left = absent.filter(({ digest }) =>
        !this.repositories.complete(name.repository, digest)
      );
      if (!told.has(image)) this.#tellAbsent(image, left, name);
      if (left.length > 0) told.add(image);
    }
  }

  #show(image: ServedImage, name: ServedName): void {
    const before = this.repositories.add(image, name);
    const { archive } = image;
    const text = formatServedName(name);
    this.images.push({ name: text, archive: archive.name });
    if (!before || isSame(before, image)) return;
    const [first, last] = [before.archive.name, archive.name].map((name) => quoteName(name));
    const places = before.archive === archive
      ? `two images of ${last}: the first is served`
      : `${first} and in ${last}: that of the last is served`;
    this.notices.push(`${text} is in ${places}`);
  }

  #tellAbsent({ archive }: ServedImage, absent: readonly Absent[], name: ServedName): void {
    const [first] = absent;
    if (!first) return;
    this.notices.push(
      `${formatServedName(name)} cannot be pulled as a whole: ${quoteName(archive.name)} lacks ` +
        `${first.kind} ${listTexts(absent.map(({ digest }) => digest), 1)}`,
    );
  }
}

/** Whether two images are the same, as far as that can be told without reading their layers. */
function isSame(one: ServedImage, other: ServedImage): boolean {
  return keyOf(one) === keyOf(other);
}

function keyOf({ node, known }: ServedImage): string {
  return known?.digest ?? (node.kind === "docker" ? `config ${node.config.digest}` : node.digest);
}

function severalImages(archive: string, as: ServedName, count: number): TypeError {
  return new TypeError(
    `Cannot serve ${quoteName(archive)} as ${formatServedName(as)}: it has ${count} images, ` +
      "expected one; without a tag all of them keep theirs",
  );
}
