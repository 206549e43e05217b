import { sniffCompression } from "../codec/magic.ts";
import { mapAll } from "../concurrency.ts";
import { configPlatform, MAX_CONFIG_BYTES } from "../config_json.ts";
import {
  type Digest,
  digestAlgorithm,
  digestBytes,
  digestOfName,
  digestOfPath,
  isDigest,
} from "../digest.ts";
import { ArchiveError } from "../errors.ts";
import { goMember, goStrings } from "../go_json.ts";
import {
  DOCKER_CONFIG,
  DOCKER_LAYER,
  isJsonObject,
  type JsonObject,
  OCI_LAYER,
  type Platform,
} from "../media_types.ts";
import {
  type ArchiveBlob,
  type DockerNode,
  malformed,
  mismatch,
  parseJson,
  parseJsonObject,
} from "./content.ts";
import { useUsualTypes } from "./docker_manifest.ts";
import { type ArchiveFile, type ArchiveFiles, missingFile } from "./files.ts";
import type { Foreign } from "./not_an_archive.ts";

/** One image of manifest.json. */
export interface DockerImage {
  /** RepoTags as written; empty for an image without a name. */
  repoTags: string[];
  node: DockerNode;
  /** Why it is no image by itself: containerd lists artifacts, too, and index.json has the manifest of such. */
  problem?: ArchiveError;
}

/** Most bytes of manifest.json: containerd takes 20 MiB of JSON, containers/image 1 MiB. */
export const MAX_MANIFEST_JSON_BYTES = 16 * 1024 * 1024;
/** Most layers of one image: docker itself stops at 127. */
export const MAX_LAYERS = 10_000;
/** Most images of one archive, as of an OCI layout. */
export const MAX_IMAGES = 10_000;
/** First bytes of layers that are read at once: a file answers faster when several are asked for. */
const READS_AT_ONCE = 16;
const PATH = "manifest.json";

/**
 * Reads the images that manifest.json names, with their configs and the first bytes of each layer.
 *
 * @param onForeign Told where manifest.json is another program's and an OCI layout has the images; else that is an error.
 * @returns The images in order; undefined when there is no manifest.json of docker's.
 * @throws {ArchiveError} If a document is malformed, or names a file that is not there, and no index.json can know better.
 * @throws {DigestMismatchError} If a config does not have the digest that it is called after.
 */
export async function readDockerImages(
  files: ArchiveFiles,
  onForeign: (notice: string) => void,
): Promise<DockerImage[] | undefined> {
  const listed = await readManifestJson(files, { onForeign });
  if (!listed) return undefined;
  const images: DockerImage[] = [];
  const configs = new Map<string, Promise<Config>>();
  for (const item of listed) images.push(await readListed(files, configs, item));
  return images;
}

async function readListed(
  files: ArchiveFiles,
  configs: Map<string, Promise<Config>>,
  item: ListedImage,
): Promise<DockerImage> {
  const { repoTags } = item;
  try {
    return { repoTags, node: await readImage(files, configs, item) };
  } catch (error) {
    const node = files.find("index.json") && nodeOfPaths(item);
    if (!node || !(error instanceof ArchiveError)) throw error;
    return { repoTags, node, problem: error };
  }
}

/** An image of manifest.json as far as the paths tell, where all of them are those of an OCI layout. */
export function nodeOfPaths(
  { config, layers }: Pick<ListedImage, "config" | "layers">,
): DockerNode | undefined {
  const [named, ...blobs] = [config, ...layers].map((path) => {
    const digest = digestOfPath(path);
    return digest && { digest, origin: "descriptor", size: 0, mediaType: "" } as const;
  });
  const known = blobs.filter((blob) => blob !== undefined);
  if (!named || known.length < blobs.length) return undefined;
  return { kind: "docker", config: named, layers: known };
}

/** One image of manifest.json, as it is written there. */
export interface ListedImage {
  /** Empty for an image without a name. */
  repoTags: string[];
  config: string;
  layers: string[];
}

/**
 * Reads manifest.json alone, whatever of the files that it names is there.
 *
 * @param options `onForeign` as of {@linkcode readDockerImages}; `isOpen` says that more files may come, among them an
 * index.json.
 * @returns Its images in order; undefined when there is no manifest.json of docker's.
 * @throws {ArchiveError} If it is malformed.
 */
export async function readManifestJson(
  files: ArchiveFiles,
  { onForeign, isOpen = false }: { onForeign?: (notice: string) => void; isOpen?: boolean } = {},
): Promise<ListedImage[] | undefined> {
  const file = files.find(PATH);
  if (!file) return undefined;
  // Go writes an empty list as null.
  const list = parseJson(file, await file.bytes(MAX_MANIFEST_JSON_BYTES)) ?? [];
  const foreign = await nameForeign(list);
  if (foreign && (isOpen || files.find("index.json"))) {
    onForeign?.(foreignText(foreign));
    return undefined;
  }
  if (foreign) throw new ArchiveError(foreignText(foreign), { path: PATH, hint: foreign.hint });
  if (!Array.isArray(list)) throw malformed(PATH, "it is no list of images, expected a JSON array");
  if (list.length > MAX_IMAGES) {
    throw malformed(PATH, `it has ${list.length} images, expected at most ${MAX_IMAGES}`);
  }
  return list.map((item, index) => {
    if (!isJsonObject(item)) throw malformed(PATH, `item ${index} is not a JSON object`);
    return parseListed(item, index);
  });
}

function parseListed(item: JsonObject, index: number): ListedImage {
  const repoTags = stringList(item, "RepoTags", index, "");
  const layers = stringList(item, "Layers", index);
  if (layers.length > MAX_LAYERS) {
    throw malformed(
      PATH,
      `item ${index} has ${layers.length} layers, expected at most ${MAX_LAYERS}`,
    );
  }
  const config = goMember(item, "Config");
  if (typeof config !== "string") throw malformed(PATH, `item ${index} names no Config`);
  return { repoTags, config, layers };
}

/** What a manifest.json is that is not docker's; undefined for one that is, as far as that can be seen. */
export async function nameForeign(json: unknown): Promise<Foreign | undefined> {
  const [first] = Array.isArray(json) ? json : [];
  if (Array.isArray(json) && (!isJsonObject(first) || goMember(first, "Config") !== undefined)) {
    return undefined;
  }
  const { foreignManifest } = await import("./not_an_archive.ts");
  return foreignManifest(json);
}

/** Tells of a manifest.json that is not docker's. */
export function foreignText({ what }: Foreign): string {
  return `Cannot read "${PATH}" of the archive: it is no list of images but ${what}, expected a JSON array as of docker save`;
}

interface Config {
  digest: Digest;
  diffIds: Digest[];
  platform: Platform | undefined;
}

async function readImage(
  files: ArchiveFiles,
  configs: Map<string, Promise<Config>>,
  { config: path, layers: paths }: ListedImage,
): Promise<DockerNode> {
  const file = files.find(path);
  if (!file) throw missingFile(files, path, "config");
  // One config may be named any number of times, also one that cannot be read.
  const config = configs.get(path) ?? readConfig(file, path);
  configs.set(path, config);
  const { digest, diffIds, platform } = await config;
  if (diffIds.length !== paths.length) {
    throw malformed(
      file.path,
      `it has ${diffIds.length} diff_ids, and manifest.json names ${paths.length} layers for it, ` +
        `expected equal numbers`,
    );
  }
  const layers = await mapAll(
    [...paths.entries()],
    READS_AT_ONCE,
    ([at, path]) => readLayer(files, path, diffIds[at]),
  );
  const node: DockerNode = {
    kind: "docker",
    config: { digest, origin: "hashed", size: file.size, mediaType: DOCKER_CONFIG, file },
    layers,
  };
  if (platform) node.platform = platform;
  useUsualTypes(node);
  return node;
}

/** Reads a config and checks it against the digest in its name, where there is one. */
async function readConfig(
  file: ArchiveFile,
  name: string,
): Promise<Config> {
  const bytes = await file.bytes(MAX_CONFIG_BYTES);
  const named = digestOfPath(name) ?? digestOfPath(file.path) ?? digestOfName(file.path) ??
    digestOfName(name);
  const digest = await digestBytes(bytes, named && digestAlgorithm(named));
  if (named && named !== digest) throw mismatch(file.path, named, digest);
  const config = parseJsonObject(file, bytes);
  return { digest, diffIds: diffIdsOf(config, file.path), platform: configPlatform(config) };
}

/** The diff_ids of an image config (image-spec, config.md, "Properties"). */
export function diffIdsOf(config: JsonObject, path: string): Digest[] {
  const rootfs = goMember(config, "rootfs");
  const list = isJsonObject(rootfs) ? goMember(rootfs, "diff_ids") ?? [] : [];
  if (!Array.isArray(list)) throw malformed(path, "its rootfs.diff_ids is not a list");
  return list.map((diffId, index) => {
    if (isDigest(diffId)) return diffId;
    throw malformed(path, `its rootfs.diff_ids[${index}] is not a digest`);
  });
}

async function readLayer(
  files: ArchiveFiles,
  path: string,
  diffId: Digest | undefined,
): Promise<ArchiveBlob> {
  const file = files.find(path);
  if (!file) {
    // An OCI manifest beside manifest.json tells the rest, and the registry may have the blob.
    const digest = digestOfPath(path);
    if (digest) return { digest, origin: "descriptor", size: 0, mediaType: "" };
    throw missingFile(files, path, "layer");
  }
  const compression = sniffCompression(await file.peek());
  if (compression === "bzip2" || compression === "xz") {
    throw malformed(
      file.path,
      `this layer is compressed with ${compression}, expected tar, gzip or zstd`,
    );
  }
  const mediaType = compression === undefined
    ? DOCKER_LAYER
    : compression === "gzip"
    ? `${DOCKER_LAYER}.gzip`
    : `${OCI_LAYER}+zstd`;
  const layer: ArchiveBlob = { origin: "unknown", size: file.size, mediaType, file };
  // A layout's name counts for what a link leads to as well, unless it is known better.
  const named = digestOfPath(file.path) ?? (file.digest ? undefined : digestOfPath(path));
  if (diffId && (compression || named)) layer.diffId = diffId;
  if (named) return { ...layer, digest: named, origin: "named" };
  if (file.digest) {
    return { ...layer, digest: checkPassed(file, compression, diffId), origin: "hashed" };
  }
  // Few registries take another algorithm, and what comes once is hashed before its config is read.
  const isUsual = diffId && digestAlgorithm(diffId) === "sha256";
  if (!compression && isUsual) return { ...layer, digest: diffId, origin: "diff-id" };
  const hint = digestOfName(file.path);
  // A compressed layer that is called after its diff_id has another digest.
  return hint && hint !== diffId ? { ...layer, digest: hint, origin: "hint" } : layer;
}

/** The digest of a layer that was read as it passed, compared with what the config says. */
function checkPassed(
  file: ArchiveFile,
  compression: string | undefined,
  diffId: Digest | undefined,
): Digest {
  const { digest, inflatedDigest, inflateError } = file;
  if (inflateError) throw inflateError;
  if (!digest) throw new TypeError("unreachable: the file was hashed");
  const plain = compression ? inflatedDigest : digest;
  // Nobody knew then that the config would name a digest of another algorithm.
  const isComparable = plain && diffId && digestAlgorithm(plain) === digestAlgorithm(diffId);
  if (isComparable && plain !== diffId) throw mismatch(file.path, diffId, plain);
  return digest;
}

function stringList(item: JsonObject, name: string, index: number, ifNull?: string): string[] {
  const strings = goStrings(item, name, ifNull);
  if (strings) return strings;
  throw malformed(PATH, `${name} of item ${index} is not a list of strings`);
}
