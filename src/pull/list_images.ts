import { parseCosignTag } from "../cosign_tags.ts";
import { formatReference, parseImageName, parseReference, type Reference } from "../reference.ts";
import type { Http } from "../registry/http/call.ts";
import { listWantedTags } from "./list_tags.ts";
import type { OpenOptions, WantedImage } from "./read_image.ts";

/** An image to save, and what the archive is to call it. */
export interface ImageToPull {
  /** `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`; see `pullImage`. */
  reference: string;
  /**
   * Names that the image has in the archive, such as `docker.io/library/nginx:1.27`.
   * @default the reference itself
   */
  names?: readonly string[];
}

/** Tags of one repository that are saved at once: what an archive can hold. */
const MAX_TAGS = 10_000;

/**
 * Parses what is to be saved; what comes twice is there once.
 *
 * @throws {SyntaxError} If a reference does not parse.
 * @throws {TypeError} If there is none, or a name is none.
 */
export function parseImages(images: string | Iterable<string | ImageToPull>): WantedImage[] {
  const wanted = new Map<string, WantedImage>();
  // A text alone is iterable, too.
  for (const image of typeof images === "object" && images !== null ? images : [images]) {
    const { reference: text, names } = typeof image === "object" && image !== null
      ? image
      : { reference: image };
    const reference = parseReference(text);
    names?.forEach(checkName);
    const key = JSON.stringify([text, ...names ?? []]);
    wanted.set(key, { reference, names });
  }
  if (wanted.size === 0) {
    throw new TypeError("Cannot save: no image given, expected HOST[:PORT]/REPOSITORY[:TAG]");
  }
  return [...wanted.values()];
}

function checkName(name: string): void {
  if (parseImageName(name)) return;
  const shown = JSON.stringify(name.slice(0, 300));
  throw new TypeError(
    `Cannot save an image as ${shown}: it is no name, expected [HOST/]REPOSITORY:TAG`,
  );
}

/**
 * Finds the images of a call: of repositories whose tags are all wanted, each tag. What cosign keeps under tags goes along
 * with the images that it is about.
 *
 * @throws {OciError} If a repository has no tag that is wanted.
 */
export async function listImages(
  wanted: readonly WantedImage[],
  httpOf: (reference: Reference) => Http,
  options: OpenOptions,
): Promise<WantedImage[]> {
  if (!options.allTags) return [...wanted];
  const images: WantedImage[] = [];
  for (const { reference, names } of wanted) {
    refuseOneImage(reference, names);
    const tags = await tagsOf(reference, httpOf(reference), options);
    images.push(...tags.map((tag) => ({ reference: { ...reference, tag }, names: undefined })));
  }
  return images;
}

function refuseOneImage(reference: Reference, names: readonly string[] | undefined): void {
  const name = names?.[0];
  if (reference.tag === undefined && !reference.digest && name === undefined) return;
  const text = formatReference(reference);
  const what = name === undefined ? "it names one image" : `it is to be called ${name}`;
  throw new TypeError(`Cannot save all tags of ${text}: ${what}, expected HOST/REPOSITORY alone`);
}

async function tagsOf(
  reference: Reference,
  http: Http,
  { tagFilter, emit, signal }: OpenOptions,
): Promise<string[]> {
  const { tags, notices } = await listWantedTags({ http, repository: reference.repository }, {
    name: formatReference(reference),
    verb: "save",
    most: MAX_TAGS,
    hint: "choose among them: --tag PATTERN",
    choose: (tag) => parseCosignTag(tag) ? "apart" : tagFilter(tag) ? "wanted" : "left",
    signal,
  });
  for (const message of notices) await emit({ type: "warning", message });
  return tags;
}
