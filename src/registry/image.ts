import { type BuildRecord, buildRecordOf, commonRecord } from "../build_record.ts";
import { collect } from "../bytes.ts";
import { runAll } from "../concurrency.ts";
import { configCreated, configPlatform, MAX_CONFIG_BYTES } from "../config_json.ts";
import { type Digest, digestAlgorithm, digestBytes } from "../digest.ts";
import { DigestMismatchError, OciError } from "../errors.ts";
import { goMember } from "../go_json.ts";
import {
  type Descriptor,
  formatPlatform,
  isAttestation,
  isConfigType,
  isDocumentType,
  isIndexType,
  isJsonObject,
  type JsonObject,
  lacksVersion,
  parseDescriptor,
  type Platform,
} from "../media_types.ts";
import { getBlob, INFLATED_HINT, wrongDigest } from "./blob_content.ts";
import { nameOf, type ReadHooks, type RepositoryContext } from "./blobs.ts";
import { getManifest, isAbsence } from "./get_manifest.ts";
import { badAnswer } from "./http/answer_body.ts";
import { MAX_JSON_DEPTH, readJson } from "../json_depth.ts";

/** What a registry has under a tag or digest. */
export interface ImageInfo {
  /** An image, an index of several, or something else that a manifest describes. */
  kind: "image" | "index" | "artifact";
  /** What of builds it is, where BuildKit wrote it and it is no image. */
  buildRecord?: BuildRecord;
  /** Digest of the manifest or index. */
  digest: Digest;
  /** Media type of the manifest or index. */
  mediaType: string;
  /** Length of the manifest or index itself. */
  manifestSize: number;
  /** Bytes to pull: manifests, configs and layers, each once; of an index, of all that it names and the repository has. */
  size: number;
  /** The manifest or index as JSON. */
  manifest: JsonObject;
  /** Platform of an image, from its config. */
  platform?: Platform;
  /** When the image was made, as its config says it: RFC 3339. */
  created?: string;
  /** Labels of an image, from its config. */
  labels: Record<string, string>;
  /** The config of an image as JSON. */
  config?: JsonObject;
  /** Layers of an image in order, or the blobs of an artifact or of an index that lists such. */
  layers: Descriptor[];
  /** What an index names, in order. */
  entries: IndexEntryInfo[];
}

/** One entry of an index. */
export interface IndexEntryInfo {
  /** The entry as it stands in the index, unknown members left out. */
  descriptor: Descriptor;
  /** Platform, from the index, else from the config. */
  platform?: Platform;
  /** Whether it belongs to another entry: BuildKit's attestations. */
  isAttestation: boolean;
  /** What it names; absent where the repository does not have it. */
  image?: ImageInfo;
}

/** Most levels of indexes within indexes; two are seen in practice. */
const MAX_INDEX_DEPTH = 8;
/** Most manifests below one index: the largest official images have some twenty. */
const MAX_MANIFESTS = 1000;
/** Manifests and configs read at the same time. */
const CONCURRENCY = 4;

/**
 * Reads manifest and config of an image, or of all images of an index. Layers are not read.
 *
 * @param reference Tag or digest.
 * @throws {RegistryError} 404 where it is not there; other statuses where documents are not what they should be.
 * @throws {DigestMismatchError} If a document has another digest.
 */
export async function readImage(
  context: RepositoryContext,
  reference: string,
  hooks: ReadHooks = {},
): Promise<ImageInfo> {
  const known = new Map<string, Promise<ImageInfo>>();
  return await readNode({ context, known }, reference, 0, hooks);
}

interface Reading {
  context: RepositoryContext;
  /** Documents name each other by hash, so there is no circle, but one may be named very often. */
  known: Map<string, Promise<ImageInfo>>;
}

async function readNode(
  reading: Reading,
  reference: string,
  depth: number,
  hooks: ReadHooks,
): Promise<ImageInfo> {
  const pulled = await getManifest(reading.context, reference, hooks);
  const { digest, mediaType, json: manifest, bytes, call, response } = pulled;
  const describe = (member: string) => {
    try {
      return descriptorsOf(manifest, member);
    } catch (cause) {
      const reason = cause instanceof SyntaxError ? cause.message : "it is broken";
      throw badAnswer(call, response, `a manifest with broken ${member}: ${reason}`, { cause });
    }
  };
  const info: ImageInfo = {
    kind: "index",
    digest,
    mediaType,
    manifestSize: bytes.length,
    size: 0,
    manifest,
    labels: {},
    layers: [],
    entries: [],
  };
  if (isIndexType(mediaType)) {
    if (depth >= MAX_INDEX_DEPTH) {
      throw badAnswer(call, response, `indexes within indexes, more than ${MAX_INDEX_DEPTH}`);
    }
    const listed = describe("manifests");
    const documents = listed.filter(({ mediaType }) => isDocumentType(mediaType));
    info.layers = listed.filter(({ mediaType }) => !isDocumentType(mediaType));
    info.entries = await readEntries(reading, documents, depth, hooks);
    info.size = sumSizes(info);
    // BuildKit's cache was an index that lists layers, and no image.
    const isRecord = documents.length === 0 && info.layers.length > 0;
    const record = info.layers.map(({ mediaType }) => buildRecordOf(mediaType)).find(Boolean);
    const below = info.entries.map(({ image }) => image?.buildRecord);
    return withRecord(info, isRecord ? record ?? "build cache" : commonRecord(below));
  }
  info.layers = describe("layers");
  const [config] = describe("config");
  const isArtifact = typeof manifest.artifactType === "string" || !isConfigType(config?.mediaType);
  info.kind = isArtifact ? "artifact" : "image";
  if (config && !isArtifact) addConfig(info, await readConfig(reading.context, config, hooks));
  info.size = sumSizes(info);
  return withRecord(info, buildRecordOf(config?.mediaType));
}

function withRecord(info: ImageInfo, record: BuildRecord | undefined): ImageInfo {
  return record ? { ...info, buildRecord: record } : info;
}

async function readEntries(
  reading: Reading,
  descriptors: Descriptor[],
  depth: number,
  hooks: ReadHooks,
): Promise<IndexEntryInfo[]> {
  const entries = descriptors.map((descriptor): IndexEntryInfo => ({
    descriptor,
    ...(descriptor.platform ? { platform: descriptor.platform } : {}),
    isAttestation: isAttestation(descriptor),
  }));
  await runAll(entries, CONCURRENCY, async (entry, signal) => {
    const image = await readEntry(reading, entry.descriptor, depth, { ...hooks, signal });
    if (!image) return;
    entry.image = image;
    if (!entry.platform && image.platform) entry.platform = image.platform;
  }, hooks.signal);
  tellApart(entries);
  return entries;
}

/**
 * Where an index gives two images one platform, or says nothing of the os.version of Windows, their configs may say
 * more.
 */
function tellApart(entries: readonly IndexEntryInfo[]): void {
  const platformOf = ({ platform }: IndexEntryInfo) => platform ? formatPlatform(platform) : "";
  const counts = new Map<string, number>();
  for (const entry of entries) {
    counts.set(platformOf(entry), (counts.get(platformOf(entry)) ?? 0) + 1);
  }
  const untold = entries.filter((entry) =>
    counts.get(platformOf(entry)) !== 1 || lacksVersion(entry.platform)
  );
  for (const entry of untold) {
    const { platform, image } = entry;
    if (!platform) continue;
    const more = image?.platform;
    const isSame = more?.os === platform.os && more.architecture === platform.architecture;
    if (isSame) entry.platform = { ...more, ...platform };
  }
}

async function readEntry(
  reading: Reading,
  { digest }: Descriptor,
  depth: number,
  hooks: ReadHooks,
): Promise<ImageInfo | undefined> {
  const { known, context } = reading;
  const started = known.get(digest);
  if (!started && known.size >= MAX_MANIFESTS) {
    throw new OciError(
      `Cannot read the index in ${nameOf(context)}: it names more than ${MAX_MANIFESTS} manifests`,
    );
  }
  const node = started ?? readNode(reading, digest, depth + 1, hooks);
  known.set(digest, node);
  try {
    return await node;
  } catch (error) {
    // Registries take an index that lacks platforms, and tools push such ones.
    if (isAbsence(error, digest)) return undefined;
    throw error;
  }
}

/** The members that hold descriptors, one or several; Go writes an empty list as null. */
function descriptorsOf(manifest: JsonObject, member: string): Descriptor[] {
  const value = manifest[member] ?? [];
  if (isJsonObject(value)) return [parseDescriptor(value)];
  if (Array.isArray(value)) return value.map(parseDescriptor);
  throw new SyntaxError("it is no descriptor");
}

async function readConfig(
  context: RepositoryContext,
  { digest, size }: Descriptor,
  hooks: ReadHooks,
): Promise<JsonObject> {
  const what = `config ${digest} of ${nameOf(context)}`;
  if (size > MAX_CONFIG_BYTES) throw tooLarge();
  // What is held is hashed whole: a hash that takes pieces is WebAssembly on Deno, whose loading takes as long as all else.
  const { size: told, body } = await getBlob(context, digest, { size, verify: false, ...hooks });
  const bytes = await collect(body, MAX_CONFIG_BYTES, tooLarge);
  const actual = await digestBytes(bytes, digestAlgorithm(digest));
  if (actual !== digest) {
    throw wrongDigest(context, digest, actual, told === undefined ? INFLATED_HINT : undefined);
  }
  if (bytes.length !== size) {
    const message = `Cannot trust ${what}: it has ${bytes.length} bytes, the manifest says ${size}`;
    throw new DigestMismatchError(message, { expected: digest });
  }
  const read = readJson(bytes);
  if (!("json" in read)) {
    const state = read.isDeep
      ? `it nests more than ${MAX_JSON_DEPTH} levels deep`
      : "it is not JSON";
    throw new OciError(`Cannot read ${what}: ${state}`, { cause: read.cause });
  }
  if (isJsonObject(read.json)) return read.json;
  throw new OciError(`Cannot read ${what}: it is not a JSON object`);

  function tooLarge(): OciError {
    return new OciError(`Cannot read ${what}: it has more than ${MAX_CONFIG_BYTES} bytes`);
  }
}

function addConfig(info: ImageInfo, config: JsonObject): void {
  info.config = config;
  const platform = configPlatform(config);
  if (platform) info.platform = platform;
  const created = configCreated(config);
  if (created !== undefined) info.created = created;
  const settings = goMember(config, "config");
  const labels = isJsonObject(settings) ? goMember(settings, "Labels") : undefined;
  if (!isJsonObject(labels)) return;
  for (const [name, value] of Object.entries(labels)) {
    if (typeof value === "string") info.labels[name] = value;
  }
}

/** What a pull of everything costs, each digest once. */
function sumSizes(root: ImageInfo): number {
  const sizes = new Map<Digest, number>();
  const add = ({ digest, manifestSize, manifest, layers, entries }: ImageInfo) => {
    if (sizes.has(digest)) return;
    sizes.set(digest, manifestSize);
    for (const blob of [...descriptorsOf(manifest, "config"), ...layers]) {
      sizes.set(blob.digest, blob.size);
    }
    for (const { image } of entries) if (image) add(image);
  };
  add(root);
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}
