import { blobPath, type Digest } from "../digest.ts";
import { quoteName } from "../quote_name.ts";
import {
  formatImageName,
  formatRepository,
  isTag,
  parseImageName,
  parsePinnedName,
  referrersTag,
} from "../reference.ts";
import type { BlobSource } from "../source/blob_source.ts";
import type { ArchiveBeside } from "./beside.ts";
import {
  type ContentNode,
  type DockerNode,
  type DocumentNode,
  entriesBelow,
  type IndexEntry,
  isArtifact,
  type ManifestNode,
  nodesOf,
  walk,
} from "./content.ts";
import { type DockerImage, readDockerImages } from "./docker_save.ts";
import {
  besideRole,
  dockerName,
  keyOf,
  LEFT_OUT_PATH,
  namesOf,
  writtenNames,
} from "./entry_names.ts";
import { type ArchiveFiles, missingFile, scanFiles } from "./files.ts";
import type { LeftOut } from "./left_out.ts";
import type { LayoutManifests, Placed } from "./layout_manifests.ts";
import { linkNotices } from "./links.ts";
import { readLayout } from "./oci_layout.ts";
import { trailingText } from "./tar_end.ts";

/** An image of an archive: what one reference can name. */
export interface ArchiveImage {
  /** `#1`, `#2`, ...: its place in the archive. */
  id: string;
  /** Full names in their short form, such as `held/basic:1`; those that do not parse are as written. */
  names: string[];
  /** Bare tags, from archives that carry no repository. */
  tags: string[];
  /** Names that have its digest in place of a tag, without that: repositories, with their hosts. */
  pinned: string[];
  /** Every spelling of its names in the archive. */
  aliases: string[];
  node: ContentNode;
  /** Digest that a push gives it, where another image has one of its names and its node does not tell. */
  digest?: Digest;
  /** The images that manifest.json names where `node` is an index around them. */
  named: ManifestNode[];
}

/** What an archive holds. */
export interface ImageArchive {
  /** The documents it has: `docker` for manifest.json, `oci` for index.json, `docker+oci` for both. */
  readonly dialect: "docker" | "oci" | "docker+oci";
  readonly images: readonly ArchiveImage[];
  /** Signatures, SBOMs and the like of its images. */
  readonly beside: readonly ArchiveBeside[];
  /** What a person should know about parts that cannot be used. */
  readonly notices: readonly string[];
  readonly files: ArchiveFiles;
  /** Blobs that it leaves out since another place has them; absent where it says nothing of that. */
  readonly leftOut?: LeftOut;
}

/**
 * Reads what a tar with images holds. Only headers, JSON documents and the first bytes of layers are read.
 *
 * @param source The tar. It belongs to the caller, and must stay readable as long as the archive is used.
 * @param options `signal` aborts the reading.
 * @returns The archive.
 * @throws {TarError} If the source is no tar or is broken.
 * @throws {ArchiveError} If it is no image archive, or its documents are malformed.
 */
export async function openArchive(
  source: BlobSource,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<ImageArchive> {
  return await readArchive(await scanFiles(source, signal));
}

/** Reads what the files of an archive hold; see {@linkcode openArchive}. */
export async function readArchive(files: ArchiveFiles): Promise<ImageArchive> {
  const found = new ImageList(files);
  const docker = await readDockerImages(files, (notice) => found.notices.push(notice));
  const layout = await readLayout(files);
  if (!docker && !layout) {
    const { notAnArchive } = await import("./not_an_archive.ts");
    throw notAnArchive(files);
  }
  const dialect = docker && layout ? "docker+oci" : docker ? "docker" : "oci";
  const entries = layout ?? [];
  const manifests = docker && entries.length > 0
    ? new (await import("./layout_manifests.ts")).LayoutManifests(entries)
    : undefined;
  for (const image of docker ?? []) found.addDocker(image, manifests);
  const listed = await listedEntries(files, entries);
  const { images: named, beside } = listed.every(isUsual)
    ? { images: listed, beside: [] }
    : await (await import("./beside.ts")).partEntries(listed);
  found.addEntries(named, listed);
  if (found.images.length === 0) {
    const { namesNoImage } = await import("./not_an_archive.ts");
    throw namesNoImage(files, dialect, found.notices[0]);
  }
  const { images, notices } = found;
  if (files.trailing !== undefined) notices.push(trailingText(files.trailing));
  notices.push(...linkNotices(files));
  if (images.some(({ node }) => node.kind === "manifest" && isArtifact(node))) {
    const { nestedNotices } = await import("./nested_manifests.ts");
    notices.push(...await nestedNotices(files, [...images, ...beside].map(({ node }) => node)));
  }
  await tellApart(images);
  const archive = { dialect, images, beside, notices, files } as const;
  if (!files.find(LEFT_OUT_PATH)) return archive;
  return { ...archive, leftOut: await (await import("./left_out.ts")).readLeftOut(files) };
}

/** What index.json lists as images: its entries, unless it is one itself and they are its platforms. */
async function listedEntries(files: ArchiveFiles, entries: IndexEntry[]): Promise<IndexEntry[]> {
  if (entries.length < 2 || !entries[0]?.descriptor.platform) return entries;
  const { arePlatforms, indexImage } = await import("./index_image.ts");
  const image = arePlatforms(entries) && await indexImage(files, entries);
  return image ? [image] : entries;
}

/** Nearly all archives have nothing but images. */
function isUsual({ descriptor, node }: IndexEntry): boolean {
  return !node?.subject && !besideRole(descriptor);
}

/** Only digests tell images of one name apart: that of a manifest which is still to be written is computed. */
async function tellApart(images: readonly ArchiveImage[]): Promise<void> {
  const counts = new Map<string, number>();
  for (const name of images.flatMap(({ names }) => names)) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  for (const image of images) {
    const { node, names } = image;
    if (node.kind !== "docker" || !names.some((name) => (counts.get(name) ?? 0) > 1)) continue;
    const { knownManifest } = await import("./docker_manifest.ts");
    const manifest = await knownManifest(node);
    if (manifest) image.digest = manifest.digest;
  }
}

/** Merges the two lists of an archive: the same content under several names is one image. */
class ImageList {
  readonly images: ArchiveImage[] = [];
  readonly notices: string[] = [];
  readonly #files: ArchiveFiles;
  readonly #byKey = new Map<string, ArchiveImage>();
  /** Images to which manifest.json gave names; index.json adds none to those. */
  readonly #named = new Set<ArchiveImage>();
  /** Configs of manifest.json's images that have layers. */
  readonly #configs = new Set<Digest>();

  constructor(files: ArchiveFiles) {
    this.#files = files;
  }

  addDocker(
    { repoTags, node, problem }: DockerImage,
    manifests: LayoutManifests | undefined,
  ): void {
    const match = manifests?.find(node);
    if (problem && !(match && isArtifact(match.manifest))) throw problem;
    if (node.layers.length > 0) this.#configs.add(node.config.digest);
    const absent = node.layers.find(({ file }) => !file);
    if (!match && absent?.digest) {
      throw missingFile(this.#files, blobPath(absent.digest), "layer");
    }
    if (repoTags.length === 0) this.#dockerImage(node, match);
    for (const text of repoTags) {
      const name = dockerName(text);
      const own = manifests?.find(node, name) ?? match;
      const image = this.#dockerImage(node, own);
      const tag = parseImageName(name)?.tag;
      // hauler makes a tag of the digest where it has no other; registries keep referrers under such.
      if (own && [own.root, own.manifest].some(({ digest }) => referrersTag(digest) === tag)) {
        addTo(image.aliases, name);
      } else {
        addName(image, name);
        this.#named.add(image);
      }
    }
  }

  #dockerImage(node: DockerNode, match: Placed | undefined): ArchiveImage {
    if (!match) {
      return this.#image(`docker ${node.config.digest} ${node.layers.map(keyOfLayer)}`, node);
    }
    const { root, manifest } = match;
    const image = this.#image(root.digest, root);
    if (root !== manifest && !image.named.includes(manifest)) image.named.push(manifest);
    return image;
  }

  /** Adds entries of index.json; `all` are those of images and what belongs to them. */
  addEntries(entries: readonly IndexEntry[], all: readonly IndexEntry[]): void {
    const indexNames = new Set<string>();
    for (const { node, descriptor } of entries) {
      if (node?.kind === "index") {
        namesOf(descriptor).forEach((name) => indexNames.add(keyOf(name)));
      }
    }
    const below = new Set(entriesBelow(...nodesOf(all)).map(({ descriptor }) => descriptor.digest));
    for (const entry of entries) {
      // A name on both an index and an image means the index.
      const names = namesOf(entry.descriptor)
        .filter((name) => entry.node?.kind === "index" || !indexNames.has(keyOf(name)));
      this.#addEntry(entry, names, below);
    }
  }

  #addEntry(
    { descriptor, node, blob }: IndexEntry,
    names: readonly string[],
    below: ReadonlySet<Digest>,
  ): void {
    if (blob) {
      // As image-spec has it (image-index.md, "Image Index Property Descriptions").
      const type = quoteName(descriptor.mediaType);
      this.notices.push(`index.json names ${descriptor.digest}, whose type ${type} is no image's`);
      return;
    }
    if (!node) {
      const state = this.#files.isLink(this.#files.blobPath(descriptor.digest))
        ? "is a link that leads to no file"
        : "is not in the archive";
      this.notices.push(`index.json names ${descriptor.digest}, which ${state}`);
      return;
    }
    // What an index brings along is no image of its own.
    if (names.length === 0 && !this.#byKey.has(node.digest) && below.has(node.digest)) return;
    // dockerd has written manifests without their layers (moby issue 47065): manifest.json knows better.
    if (!this.#byKey.has(node.digest) && walk(node).some((below) => this.#lacksLayers(below))) {
      return;
    }
    const image = this.#image(node.digest, node);
    for (const name of names) {
      if (this.#named.has(image)) addTo(image.aliases, name);
      else addName(image, name);
    }
    // hauler writes a name without its host as well; a bare tag is that of the full name.
    const others = names.length > 0 ? writtenNames(descriptor) : [];
    for (const name of others) if (!isTag(name)) addTo(image.aliases, name);
  }

  #lacksLayers(node: DocumentNode): boolean {
    return node.kind === "manifest" && node.layers.length === 0 &&
      node.config?.digest !== undefined && this.#configs.has(node.config.digest);
  }

  #image(key: string, node: ContentNode): ArchiveImage {
    const known = this.#byKey.get(key);
    if (known) return known;
    const image: ArchiveImage = {
      id: `#${this.images.length + 1}`,
      names: [],
      tags: [],
      pinned: [],
      aliases: [],
      node,
      named: [],
    };
    this.images.push(image);
    this.#byKey.set(key, image);
    return image;
  }
}

/** Bare tags, and the tags of full names, each once. */
export function tagsOf({ names, tags }: ArchiveImage): string[] {
  return [...new Set([...tags, ...names.map((name) => name.slice(name.lastIndexOf(":") + 1))])];
}

/** Adds a name to an image, as an archive's documents write it. */
export function addName(image: ArchiveImage, text: string): void {
  addTo(image.aliases, text);
  if (isTag(text)) return addTo(image.tags, text);
  const pinned = parsePinnedName(text);
  // A digest that the image does not have names something else.
  if (pinned && (image.node.kind === "docker" || image.node.digest !== pinned.digest)) return;
  const name = pinned?.name ?? parseImageName(text);
  // Text of another grammar (ocidir://...) still selects the image, but is no name to push to.
  if (!name) return;
  if (!pinned || pinned.hasTag) return addTo(image.names, formatImageName(name));
  const repository = formatRepository(name);
  addTo(image.pinned, repository);
  addTo(image.aliases, `${repository}@${pinned.digest}`);
}

function addTo(list: string[], text: string): void {
  if (!list.includes(text)) list.push(text);
}

function keyOfLayer({ digest, file }: { digest?: Digest; file?: { path: string } }): string {
  return digest ?? file?.path ?? "";
}
