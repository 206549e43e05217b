import { mapAll } from "../concurrency.ts";
import type { Digest } from "../digest.ts";
import { manifestsOf } from "../image/content.ts";
import { EMPTY_JSON } from "../image/documents.ts";
import type { LeftOut, LeftOutBlob } from "../image/left_out.ts";
import { formatReference, type Place, type Reference } from "../reference.ts";
import { fitsSize, headBlob, type ReadHooks } from "../registry/blobs.ts";
import type { Http } from "../registry/http/call.ts";
import { nameOf, type OtherPlace } from "./other_places.ts";
import type { FoundImage, OpenOptions } from "./read_image.ts";

/** Blobs asked for at the same time. */
const CONCURRENCY = 6;
/** Repositories of a registry that are asked for one blob: those of the images that need it. */
const MAX_ASKED = 8;

/** A layer, and the repositories that the images which need it are named after. */
interface NeededLayer {
  digest: Digest;
  size: number;
  paths: Set<string>;
}

/**
 * Finds the layers that other places have.
 *
 * @param images What is saved; configs and manifests stay in any case.
 * @param places Archives, repositories, and registries: of one the repositories are asked that the images are named after.
 */
export async function findLeftOut(
  images: readonly FoundImage[],
  places: readonly OtherPlace[],
  httpOf: (registry: Pick<Reference, "registry" | "scheme">) => Http,
  { signal, onRetry }: OpenOptions,
): Promise<LeftOut> {
  const layers = neededLayers(images);
  const found = await mapAll(layers, CONCURRENCY, async (layer, signal) => {
    const { digest, size } = layer;
    const hooks: ReadHooks = { signal, onRetry: (...told) => onRetry(...told, digest) };
    const where = await findPlaces(layer, places, async (reference) => {
      const context = { http: httpOf(reference), repository: reference.repository };
      return fitsSize(await headBlob(context, digest, hooks), size);
    });
    return { digest, size, ...where };
  }, signal);
  const leftOut = found.filter(({ archives, repositories }) =>
    archives.length + repositories.length > 0
  );
  return new Map(leftOut.map((blob) => [blob.digest, blob]));
}

async function findPlaces(
  { digest, paths }: NeededLayer,
  places: readonly OtherPlace[],
  isIn: (reference: Reference) => Promise<boolean>,
): Promise<Pick<LeftOutBlob, "repositories" | "archives">> {
  const repositories = new Set<string>();
  const archives: string[] = [];
  for (const place of places) {
    if (place.kind === "archive") {
      const known = place.repositories.get(digest);
      if (known) archives.push(place.name);
      for (const repository of known ?? []) repositories.add(repository);
      continue;
    }
    const asked = place.kind === "repository" ? [place.reference] : below(place.place, paths);
    for (const reference of asked) {
      if (!await isIn(reference)) continue;
      repositories.add(formatReference(reference));
      break;
    }
  }
  return { repositories: [...repositories], archives };
}

function neededLayers(images: readonly FoundImage[]): NeededLayer[] {
  const layers = new Map<Digest, NeededLayer>();
  const kept = new Set<Digest | undefined>([EMPTY_JSON]);
  for (const { contents, repository } of images) {
    for (const { node, names, beside } of contents) {
      const own = names.flatMap((text) => nameOf(text)?.repository ?? []);
      for (const manifest of manifestsOf(node)) {
        kept.add(manifest.config?.digest);
        for (const { digest, size, file } of beside ? [] : manifest.layers) {
          if (!digest || !file) continue;
          const layer = layers.get(digest) ?? { digest, size, paths: new Set() };
          for (const path of own.length > 0 ? own : [repository]) layer.paths.add(path);
          layers.set(digest, layer);
        }
      }
    }
  }
  return [...layers.values()].filter(({ digest }) => !kept.has(digest));
}

function below({ registry, scheme, prefix }: Place, paths: Iterable<string>): Reference[] {
  const forced = scheme ? { scheme } : {};
  return [...paths].slice(0, MAX_ASKED)
    .map((path) => ({ ...forced, registry, repository: `${prefix}${path}` }));
}
