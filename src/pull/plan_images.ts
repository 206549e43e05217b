import { runAll } from "../concurrency.ts";
import { hasStatus, OciError, type RegistryError } from "../errors.ts";
import type { NamedContent } from "../image/index_entries.ts";
import { type ArchivePlan, planArchive } from "../image/write_archive.ts";
import { listTexts } from "../quote_name.ts";
import { type Reference, registryOrigin } from "../reference.ts";
import type { Http } from "../registry/http/call.ts";
import { httpFor } from "../registry/http/request_options.ts";
import { BlobWatch } from "./blob_watch.ts";
import { ReadAhead } from "./read_ahead.ts";
import type { LeftOut } from "../image/left_out.ts";
import { findLeftOut } from "./leave_out.ts";
import { listImages } from "./list_images.ts";
import {
  type FoundImage,
  type OpenOptions,
  readImage,
  referenceOf,
  type WantedImage,
} from "./read_image.ts";

/** Images whose manifests are read at the same time. */
const CONCURRENCY = 4;
/** Images that a message names. */
const MAX_NAMED = 5;

/** Reads the manifests of images, and lays out their archive: each blob once, whatever has it. */
export async function planImages(
  wanted: readonly WantedImage[],
  options: OpenOptions,
): Promise<ArchivePlan> {
  const { emit, format, namesFirst } = options;
  const registries = new Map<string, Http>();
  const httpOf = (reference: Pick<Reference, "registry" | "scheme">): Http => {
    const origin = registryOrigin(reference, options.plainHttp);
    const http = registries.get(origin) ?? httpFor(origin, options);
    registries.set(origin, http);
    return http;
  };
  const images = await readImages(await listImages(wanted, httpOf, options), httpOf, options);
  const contents = mergeContents(images.flatMap(({ contents }) => contents));
  const leftOut: LeftOut = options.without.length > 0
    ? await findLeftOut(images, options.without, httpOf, options)
    : new Map();
  let ahead: ReadAhead | undefined;
  let watch: BlobWatch | undefined;
  const plan = await planArchive(contents, {
    format,
    // Whoever pushes it from a pipe has to know all names before the first blob: what is left out may be nowhere. And where
    // nothing is left out, the same pipe takes it as on any other day.
    namesFirst: namesFirst || options.without.length > 0,
    leftOut,
    open(blob) {
      watch = new BlobWatch(blob, emit);
      return watch.pass(ahead ? ahead.open(blob) : blob.open());
    },
  });
  const notices = new Set([...images.flatMap(({ notices }) => notices), ...plan.notices]);
  for (const message of notices) await emit({ type: "warning", message });
  await emit({
    type: "plan",
    images: images.map(({ reference, node: { digest, mediaType } }) => ({
      reference,
      digest,
      mediaType,
    })),
    blobs: plan.blobs.length,
    bytes: plan.blobs.reduce((sum, { size }) => sum + size, 0),
    size: plan.size,
    ...options.without.length > 0 && { leftOut: totalOf(leftOut) },
  });
  return {
    ...plan,
    stream() {
      ahead = new ReadAhead(plan.blobs, async (blob, received) => {
        if (watch?.isOf(blob)) await watch.receive(received);
      });
      return plan.stream();
    },
  };
}

function totalOf(leftOut: LeftOut): { blobs: number; bytes: number } {
  const bytes = [...leftOut.values()].reduce((sum, { size }) => sum + size, 0);
  return { blobs: leftOut.size, bytes };
}

/** Reads all images. What is not there is told for all of them: a list with three mistakes is not to fail three times. */
async function readImages(
  wanted: readonly WantedImage[],
  httpOf: (reference: Reference) => Http,
  options: OpenOptions,
): Promise<FoundImage[]> {
  const found: (FoundImage | undefined)[] = [];
  const absent: { reference: string; error: RegistryError }[] = [];
  await runAll(wanted.entries(), CONCURRENCY, async ([at, image], signal) => {
    try {
      found[at] = await readImage(image, httpOf(image.reference), { ...options, signal });
    } catch (error) {
      if (!hasStatus(error, 404)) throw error;
      absent.push({ reference: referenceOf(image), error });
    }
  }, options.signal);
  const [first, ...others] = absent;
  if (!first) return await withoutLists(found, wanted, options);
  if (others.length === 0) throw first.error;
  for (const { error: { message } } of absent) await options.emit({ type: "warning", message });
  const named = listTexts(absent.map(({ reference }) => reference), MAX_NAMED);
  throw new OciError(
    `Cannot save ${absent.length} of ${wanted.length} images: the registry does not have ${named}`,
    { cause: first.error, hint: first.error.hint },
  );
}

/** Of all tags those that are images: clients keep lists of what refers to one under tags, which `referrers` is about. */
async function withoutLists(
  found: readonly (FoundImage | undefined)[],
  wanted: readonly WantedImage[],
  { referrers, emit }: OpenOptions,
): Promise<FoundImage[]> {
  const images = found.filter((image) => image !== undefined);
  const lists = wanted.filter((_, at) => !found[at]).map(referenceOf);
  if (lists.length === 0) return images;
  const named = listTexts(lists, MAX_NAMED);
  if (images.length === 0) {
    throw new OciError(`Cannot save ${named}: no image is there, only what refers to one`);
  }
  if (!referrers) {
    const message =
      `${named} is left out: it lists what refers to an image, which --referrers saves`;
    await emit({ type: "warning", message });
  }
  return images;
}

/** The same content under several names is one entry; a name for two contents is nobody's. */
function mergeContents(contents: readonly NamedContent[]): NamedContent[] {
  const merged = new Map<string, NamedContent>();
  const owners = new Map<string, string>();
  for (const content of contents) {
    const { node: { digest }, beside, names } = content;
    for (const name of names) {
      const owner = owners.get(name) ?? digest;
      if (owner !== digest) {
        throw new OciError(
          `Cannot save two images as ${name}: ${owner} and ${digest}, expected one`,
        );
      }
      owners.set(name, owner);
    }
    const key = beside?.cosign ? `${digest} ${beside.cosign.tag}` : digest;
    const known = merged.get(key);
    merged.set(key, known ? mergeTwo(known, content) : content);
  }
  return [...merged.values()];
}

/** What goes along with an image and is wanted for itself, too, is an image. */
function mergeTwo(one: NamedContent, other: NamedContent): NamedContent {
  const wanted = one.beside ? other : one;
  return { ...wanted, names: [...new Set([...one.names, ...other.names])] };
}
