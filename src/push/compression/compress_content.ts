import { sniffCompression } from "../../codec/magic.ts";
import { runAll } from "../../concurrency.ts";
import type { Digest } from "../../digest.ts";
import { PushError } from "../../errors.ts";
import {
  type ArchiveBlob,
  type ContentNode,
  type DockerNode,
  type ManifestNode,
  manifestsOf,
  mismatch,
} from "../../image/content.ts";
import { compressionOfType, isEncryptedType, isLayerType } from "../../image/layer_type.ts";
import { DOCKER_CONFIG, isForeignLayer, OCI_CONFIG } from "../../media_types.ts";
import { formatReference, type Reference } from "../../reference.ts";
import { headManifest } from "../../registry/manifests.ts";
import { type BlobSource, readRange } from "../../source/blob_source.ts";
import type { RepositoryState } from "../repository_state.ts";
import {
  hooksFor,
  pathOf,
  type PushSettings,
  type UploadSettings,
  warn,
} from "../upload_settings.ts";
import { type Compressing, type LayerResult, SAMPLE_BYTES } from "./compressing.ts";
import { hasKnown, type KnownLayers, readKnownLayers } from "./known_layers.ts";
import { placeCompressed, type PlainLayer } from "./place_layer.ts";
import { recompressedFile } from "./recompressed_file.ts";
import { compressedType, type Replace, rewriteContent, rewriteDocker } from "./rewrite_content.ts";

/** What is pushed, and what is known of it. */
export interface CompressContentOptions {
  /** Where to. */
  reference: Reference;
  /** How many signatures and the like go beside it, which are about its digest. */
  signatures: number;
  settings: PushSettings;
}

/**
 * Compresses the layers of an image, or of all below an index, that are not compressed, and brings them into a
 * repository. Layers of artifacts, of foreign and of encrypted kinds, and such as annotations name by their digest, stay as they are.
 *
 * @param node What is pushed; its digests were settled.
 * @returns What to push in its place; the same where nothing was compressed.
 */
export async function compressContent(
  target: RepositoryState,
  node: ContentNode,
  compressing: Compressing,
  { reference, signatures, settings }: CompressContentOptions,
): Promise<ContentNode> {
  const layers = [...(await findPlain(node)).values()];
  if (layers.length === 0) return node;
  const say = (message: string) => warn(settings, message);
  const name = formatReference(reference);
  const passed = layers.filter(({ file }) => file.compressed);
  if (signatures > 0 && !compressing.force) {
    if (passed.length > 0) throw comesTooLate(name, node);
    await say(
      `${name}: ${countSignatures(signatures)} about its digest, so its layers stay as they are; ` +
        "--force-compress compresses them all the same",
    );
    return node;
  }
  const replaced = new Map(passed.map((layer) => [layer.digest, passedLayer(layer)]));
  const left = layers.filter(({ file }) => file.body && !file.compressed);
  // Nothing is sent before it is known whether the tag is left: what becomes of the layers is only computed.
  const isWatched = await isToBeLeft(target, reference, settings);
  const careful = isWatched ? { ...settings, dryRun: true } : settings;
  await compressAll(target, left, replaced, compressing, reference, careful);
  const replace: Replace = (layer, manifest) => {
    const made = layer.digest && isToCompress(layer, manifest) && replaced.get(layer.digest);
    if (!made) return undefined;
    // Of one content there may be layers of several types.
    const kind = compressionOfType(made.mediaType) === "zstd" ? "zstd" : "gzip";
    return { ...made, mediaType: compressedType(layer.mediaType, kind) };
  };
  if (node.kind === "docker") return rewriteDocker(node, replace);
  const { node: written, leftOut } = await rewriteContent(node, replace);
  if (leftOut > 0) {
    const attestations = count(leftOut, "attestation is", "attestations are");
    await say(
      `${name}: ${attestations} left out: compressed, what they are about has another digest`,
    );
  }
  if (signatures > 0 && written !== node) {
    await say(
      `${name}: ${countSignatures(signatures)} not pushed: ` +
        `compressed, the image is ${written.digest} and no longer ${node.digest}`,
    );
  }
  return written;
}

function countSignatures(number: number): string {
  return count(number, "signature or the like is", "signatures or the like are");
}

/** Whether a tag stands that may have to be left as it is. */
async function isToBeLeft(
  target: RepositoryState,
  { tag }: Reference,
  settings: PushSettings,
): Promise<boolean> {
  if (settings.onExisting === "overwrite" || tag === undefined) return false;
  return await headManifest(target, tag, hooksFor(settings)) !== undefined;
}

/** The error for an image of a pipe whose signatures came after its layers. */
function comesTooLate(name: string, node: ContentNode): PushError {
  return new PushError(
    `Cannot push ${name}: signatures or the like are about its digest, and its layers were compressed when they passed`,
    {
      step: "plan",
      origin: "archive",
      digest: node.kind === "docker" ? undefined : node.digest,
      hint: "push it from a file, or with --force-compress, or without --compress",
    },
  );
}

/** What a layer of a pipe was made while it passed. */
function passedLayer(layer: PlainLayer): ArchiveBlob {
  const { file, digest, mediaType } = layer;
  if (file.digest && file.digest !== digest) throw mismatch(file.path, digest, file.digest);
  const made = file.compressed;
  if (!made?.file.digest) throw new TypeError("unreachable: what was made of it has a digest");
  return {
    digest: made.file.digest,
    origin: "hashed",
    size: made.file.size,
    mediaType: compressedType(mediaType, made.kind),
    file: made.file,
    diffId: digest,
  };
}

/** The layers that can be compressed, each once. */
async function findPlain(node: ContentNode): Promise<Map<Digest, PlainLayer>> {
  const found = new Map<Digest, PlainLayer>();
  for (const manifest of manifestsOf(node)) {
    for (const layer of manifest.layers) {
      if (isToCompress(layer, manifest) && layer.digest && !found.has(layer.digest)) {
        const { file, digest } = layer;
        if (file && sniffCompression(await file.peek()) === undefined) {
          found.set(digest, { ...layer, file, digest });
        }
      }
    }
  }
  return found;
}

/** Whether something is an image, whose config tells what its layers are when they are not compressed. */
function isImage(node: ManifestNode | DockerNode): boolean {
  if (node.kind === "docker") return true;
  const type = node.config?.mediaType;
  return node.artifactType === undefined && (type === OCI_CONFIG || type === DOCKER_CONFIG);
}

/**
 * Whether a layer is one to compress if its content is not. What its type says of that does not matter: podman save
 * --format docker-dir and skopeo write plain tars that are called gzip.
 */
function isToCompress(
  { mediaType, isPinned }: ArchiveBlob,
  manifest: ManifestNode | DockerNode,
): boolean {
  return isImage(manifest) && isLayerType(mediaType) && !isEncryptedType(mediaType) &&
    !isForeignLayer(mediaType) && !isPinned;
}

/** Compresses layers that can be read, and notes what stands in their places. */
async function compressAll(
  target: RepositoryState,
  layers: readonly PlainLayer[],
  replaced: Map<Digest, ArchiveBlob>,
  compressing: Compressing,
  reference: Reference,
  settings: UploadSettings,
): Promise<void> {
  const hooks = hooksFor(settings);
  const { kind } = compressing.usual;
  const standing = reference.tag ?? reference.digest;
  const isAsked = standing !== undefined && layers.length > 0 && !settings.force;
  const known = isAsked ? await readKnownLayers(target, standing, kind, hooks) : undefined;
  const left: PlainLayer[] = [];
  const note = (layer: PlainLayer, result: LayerResult) => {
    if (result !== "kept") replaced.set(layer.digest, replacement(layer, result, compressing));
  };
  await runAll(layers, settings.concurrency, async (layer, signal) => {
    const found = known && await findKnown(target, layer, known, { ...settings, signal });
    if (found) note(layer, { ...found, encoding: compressing.usual });
    else left.push(layer);
  }, settings.signal);
  const [largest] = left.toSorted((a, b) => b.size - a.size);
  if (!largest) return;
  const sample = () => readRange(bodyOf(largest), 0, SAMPLE_BYTES);
  const encoding = await compressing.encodingFor(target, sample, hooks);
  if (!encoding) return;
  const anew = left.filter(({ digest }) => !compressing.isKnown(digest));
  if (known && anew.length > 0) {
    const become = count(anew.length, "layer becomes", "layers become");
    const name = formatReference(reference);
    await warn(settings, `${name} does not tell what ${become} with ${kind}: compressed anew`);
  }
  const mediaTypeOf = ({ mediaType }: PlainLayer) => compressedType(mediaType, encoding.kind);
  await runAll(left, settings.concurrency, async (layer, signal) => {
    const wanted = { encoding, mediaType: mediaTypeOf(layer) };
    const compress = () =>
      placeCompressed(target, layer, wanted, compressing, { ...settings, signal });
    note(layer, await compressing.once(layer.digest, compress));
  }, settings.signal);
}

function bodyOf({ file: { body } }: PlainLayer): BlobSource {
  if (body) return body;
  throw new TypeError("unreachable: these can be read");
}

/** What a layer was compressed to by an earlier push, if the repository still has it. */
async function findKnown(
  target: RepositoryState,
  layer: PlainLayer,
  known: KnownLayers,
  settings: UploadSettings,
): Promise<{ digest: Digest; size: number } | undefined> {
  const before = known.get(layer.digest);
  if (!before) return undefined;
  const { digest, size } = before;
  const isNews = !target.blobs.has(digest);
  if (!await hasKnown(target, before, hooksFor(settings))) return undefined;
  if (isNews) {
    await settings.emit({ type: "blob-start", digest, size: layer.size, ...pathOf(layer) });
    await settings.emit({ type: "blob-done", digest, size, status: "exists", ...pathOf(layer) });
  }
  return { digest, size };
}

function replacement(
  { file, mediaType, diffId, digest: raw }: PlainLayer,
  { digest, size, encoding }: Exclude<LayerResult, "kept">,
  compressing: Compressing,
): ArchiveBlob {
  return {
    digest,
    origin: "hashed",
    size,
    mediaType: compressedType(mediaType, encoding.kind),
    diffId: diffId ?? raw,
    file: recompressedFile(file, { digest, size }, () => compressing.encoders(encoding)),
  };
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}
