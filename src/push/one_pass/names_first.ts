import type { PassingFile } from "../../archive/passing_file.ts";
import { blobPath, type Digest, digestOfName, digestOfPath } from "../../digest.ts";
import { addName, type ArchiveImage } from "../../image/archive.ts";
import {
  blobsOf,
  type ContentNode,
  type DocumentNode,
  entriesBelow,
  type IndexEntry,
  manifestsOf,
  nodesOf,
} from "../../image/content.ts";
import { type ListedImage, readManifestJson } from "../../image/docker_save.ts";
import { besideRole, dockerName, namesOf } from "../../image/entry_names.ts";
import { type ArchiveFiles, cleanPath } from "../../image/files.ts";
import { readLeftOut } from "../../image/left_out.ts";
import { readLayout } from "../../image/oci_layout.ts";
import { DOCKER_CONFIG } from "../../media_types.ts";
import type { Place, Reference } from "../../reference.ts";
import { selectImages } from "../choices.ts";
import { findLeftOut, type LeftOutPush } from "../left_out.ts";
import { planImages, planNames, type PushTarget } from "../plan.ts";
import { parseRename } from "../rename.ts";
import type { RepositoryState } from "../repository_state.ts";
import type { Destination } from "./plain_uploads.ts";

/** What a {@linkcode NamesFirst} needs of the push. */
export interface NamesFirstOptions {
  places: readonly Place[];
  /** `FROM=TO` pairs. */
  rename: readonly string[];
  /** Images to push; none means all. */
  images: readonly string[];
  /** What is known of the repository that a reference names. */
  repository(reference: Reference): RepositoryState;
  /** The error where names do not come first. */
  tooLate(): Error;
}

/** A digest that nothing has: what the name of a config does not tell, the end does. */
const UNKNOWN_DIGEST = `sha256:${"0".repeat(64)}` as const;

/**
 * The way of each blob of a pipe whose manifest.json or index.json comes before the blobs: to the first repository that needs
 * it. What no image needs is passed over, or, where only the end tells, sent to the repository of the first image and not
 * committed.
 */
export class NamesFirst {
  readonly #files: ArchiveFiles;
  readonly #options: NamesFirstOptions;
  readonly #known = new Map<string, Destination>();
  #first: Destination | undefined;
  #hasLayout = false;
  /** Paths of manifests that are named and have not come. */
  #awaited: readonly string[] = [];
  #reading: Promise<void> | undefined;

  /** @param files What has passed so far; it grows. */
  constructor(files: ArchiveFiles, options: NamesFirstOptions) {
    this.#files = files;
    this.#options = options;
  }

  /** @throws {Error} If names have not come before the first blob, or cannot be used. */
  async find({ path }: PassingFile): Promise<Destination | undefined> {
    // Several blobs come at once: the first reads for all.
    if (this.#awaited.some((path) => this.#files.find(path))) this.#reading = undefined;
    await (this.#reading ??= this.#read());
    const known = this.#known.get(path);
    if (known) return known;
    // Beside manifest.json an index.json may follow that needs more, and links to what is called otherwise.
    const isOpen = this.#awaited.length > 0 || !this.#hasLayout;
    return isOpen ? this.#first : undefined;
  }

  async #read(): Promise<void> {
    const listed = await readManifestJson(this.#files, { isOpen: true });
    const layout = await readLayout(this.#files);
    if (!listed && !layout) throw this.#options.tooLate();
    const entries = layout ?? [];
    this.#hasLayout = layout !== undefined;
    this.#awaited = awaitedOf(entries);
    this.#plan(imagesOf(listed, entries, this.#awaited.length > 0));
    for (const { node, descriptor } of entries) {
      // What goes beside an image has no name of its own; it is there before the image is.
      const isBeside = node?.subject !== undefined || besideRole(descriptor) !== undefined;
      if (node && isBeside && this.#first) this.#add(pathsOf(node), { target: this.#first.target });
    }
  }

  #plan(light: readonly LightImage[]): void {
    const { places, rename, images: wanted, repository } = this.#options;
    const renames = rename.map(parseRename);
    const images = light.map(({ image }) => image);
    for (const [at, image] of images.entries()) image.id = `#${at + 1}`;
    const paths = new Map(light.map(({ image, paths }) => [image, paths]));
    const chosen = selectImages({ images }, wanted);
    for (const place of places) {
      for (const { image, reference } of planNames(chosen, place, renames, [])) {
        const target = repository(reference);
        this.#first ??= { target, isUnsure: true };
        this.#add(paths.get(image) ?? [], { target });
      }
    }
  }

  #add(paths: Iterable<string>, destination: Destination): void {
    for (const path of paths) {
      const clean = cleanPath(path) ?? path;
      const inTar = `${this.#files.root}${clean}`;
      const file = this.#files.find(clean);
      for (const name of [inTar, file?.path]) {
        if (name !== undefined && !this.#known.has(name)) this.#known.set(name, destination);
      }
    }
  }
}

/**
 * Looks for what a sparse archive leaves out when its first blob comes: its names and manifests have come before. Where they have
 * not, or images are chosen by their place, the end tells.
 *
 * @throws {PushError} If a blob is nowhere.
 */
export async function findEarly(
  files: ArchiveFiles,
  targets: readonly PushTarget[],
  push: LeftOutPush,
): Promise<void> {
  const { settings } = push;
  if (settings.images.some((text) => text.startsWith("#"))) return;
  const entries = await readLayout(files);
  if (!entries || entries.some(({ node, blob }) => !node && !blob)) return;
  const images = layoutImages(entries).map(({ image }, at) => ({ ...image, id: `#${at + 1}` }));
  const { planned } = planImages(
    { dialect: "oci", images, beside: [], notices: [], files },
    targets,
    settings,
  );
  await findLeftOut(planned, await readLeftOut(files), targets, push);
}

/** As much of an image as its names tell, and the paths of its blobs. */
interface LightImage {
  image: ArchiveImage;
  paths: Set<string>;
}

/** The images that manifest.json and index.json name, merged as the end will merge them. */
function imagesOf(
  listed: readonly ListedImage[] | undefined,
  entries: readonly IndexEntry[],
  isOpen: boolean,
): LightImage[] {
  if (!listed) return layoutImages(entries);
  const images = new Map<string, LightImage>();
  const named = new Set<LightImage>();
  const roots = rootsByConfig(entries);
  for (const { repoTags, config, layers } of listed) {
    const digest = digestOfPath(config) ?? digestOfName(config);
    // It may be one of a layout, and there a part of an index.
    const nodes = [...digest && roots.get(digest) || []];
    const key = nodes[0]?.digest ?? `${config} ${layers}`;
    const found = images.get(key) ??
      { image: lightImage(nodes[0] ?? standIn(digest)), paths: new Set(nodes.flatMap(pathsOf)) };
    images.set(key, found);
    for (const path of layers) found.paths.add(path);
    for (const text of repoTags) {
      named.add(found);
      addName(found.image, dockerName(text));
    }
  }
  for (const light of layoutImages(entries)) {
    const { digest = "" } = light.image;
    const known = images.get(digest);
    // manifest.json knows better what its images are called, and may leave some to index.json.
    if (known && !named.has(known)) images.set(digest, light);
    // A bare tag may be that of an image whose manifest has not come.
    else if (!known && (light.image.names.length > 0 || !isOpen)) images.set(digest, light);
  }
  return [...images.values()];
}

/** The documents of index.json that have an image, by the digest of its config; indexes first. */
function rootsByConfig(entries: readonly IndexEntry[]): Map<Digest, Set<DocumentNode>> {
  const roots = new Map<Digest, Set<DocumentNode>>();
  for (const kind of ["index", "manifest"]) {
    for (const node of new Set(nodesOf(entries))) {
      if (node.kind !== kind) continue;
      for (const { config } of manifestsOf(node)) {
        if (!config?.digest) continue;
        roots.set(config.digest, (roots.get(config.digest) ?? new Set()).add(node));
      }
    }
  }
  return roots;
}

/** The images of index.json as the end will have them: each once, under all of its names. */
function layoutImages(entries: readonly IndexEntry[]): LightImage[] {
  const found = new Map<Digest, LightImage>();
  for (const { node, descriptor } of entries) {
    if (besideRole(descriptor)) continue;
    const { digest } = descriptor;
    const known = found.get(digest);
    const { image } = known ?? { image: lightImage(node ?? standIn(), digest) };
    for (const name of namesOf(descriptor)) addName(image, name);
    if (!known) found.set(digest, { image, paths: new Set(node && pathsOf(node)) });
  }
  return [...found.values()];
}

function lightImage(node: ContentNode, digest?: Digest): ArchiveImage {
  const names = { names: [], tags: [], pinned: [], aliases: [], named: [] };
  return { id: "", ...names, node, ...digest && { digest } };
}

/** What stands for the content of an image that has not come. */
function standIn(digest: Digest = UNKNOWN_DIGEST): ContentNode {
  const config = { digest, origin: "hint", size: 0, mediaType: DOCKER_CONFIG } as const;
  return { kind: "docker", config, layers: [] };
}

function pathsOf(node: ContentNode): string[] {
  return blobsOf(node).flatMap(({ digest }) => digest ? [blobPath(digest)] : []);
}

function awaitedOf(entries: readonly IndexEntry[]): string[] {
  const below = entriesBelow(...nodesOf(entries));
  return [...entries, ...below].filter(({ node, blob }) => !node && !blob)
    .map(({ descriptor }) => blobPath(descriptor.digest));
}
