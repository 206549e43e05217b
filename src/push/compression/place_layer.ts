import type { Bytes } from "../../bytes.ts";
import type { Encoding } from "../../codec/block_encoder.ts";
import { type Digest, digestAlgorithm } from "../../digest.ts";
import { type ArchiveBlob, mismatch } from "../../image/content.ts";
import type { ArchiveFile } from "../../image/files.ts";
import { bytesSource } from "../../source/blob_source.ts";
import { detach } from "../../owned_bytes.ts";
import { isRuntimeFetch } from "../../registry/http/http.ts";
import { GUESS_ABSENT } from "../random_access/look_ahead.ts";
import { pushBlob } from "../random_access/place_blob.ts";
import { openFileBody } from "../../archive/read_blob.ts";
import type { RepositoryState } from "../repository_state.ts";
import { hooksFor, pathOf, type UploadSettings } from "../upload_settings.ts";
import {
  compressAgain,
  compressLayer,
  type LayerEncoding,
  type PassingLayer,
} from "./compress_layer.ts";
import type { Compressing, LayerResult } from "./compressing.ts";

/** Where a connection breaks, so much can be sent again without compressing the layer anew. */
const WINDOW_BYTES = 1024 * 1024;

/** A layer of the archive that is not compressed: its file, and the digest that it should have. */
export interface PlainLayer extends ArchiveBlob {
  digest: Digest;
  file: ArchiveFile;
}

/** What a layer is to become. */
export interface Wanted {
  encoding: Encoding;
  /** Its type then. */
  mediaType: string;
}

/**
 * Compresses a layer that can be read at any time, and brings the result into a repository. One that is short is asked
 * for before it is sent; a longer one is sent while it is compressed.
 *
 * @param settings Settings of the push; a dry run only computes.
 * @throws {DigestMismatchError} If the layer does not have its digest: nobody else would notice any more.
 */
export async function placeCompressed(
  target: RepositoryState,
  layer: PlainLayer,
  { encoding, mediaType }: Wanted,
  compressing: Compressing,
  settings: UploadSettings,
): Promise<LayerResult> {
  const { file, digest, origin } = layer;
  if (!settings.dryRun) {
    await settings.emit({ type: "blob-start", size: file.size, ...pathOf(layer) });
  }
  // What was hashed before needs no second look.
  const held = origin === "hashed"
    ? undefined
    : await compressing.hashes.start(digestAlgorithm(digest), file.size);
  try {
    const layerEncoding = await compressing.layerEncoding(encoding, settings.signal);
    const content = { size: file.size, stream: openFileBody(file), isOnce: false };
    const compressed = await compressLayer({ ...content, hash: held?.hash }, layerEncoding);
    if (compressed.kind === "kept") return "kept";
    if (compressed.kind === "passing") {
      const end = await sendLayer(target, layer, compressed.passing, layerEncoding, settings);
      return { ...end, encoding };
    }
    checkRaw(layer, compressed.raw);
    const { bytes, digest: made } = compressed;
    held?.release();
    if (!settings.dryRun) {
      const blob = { digest: made, size: bytes.length, mediaType, file: heldFile(file, bytes) };
      await pushBlob(target, { ...blob, origin: "hashed" }, settings, GUESS_ABSENT);
    }
    const result = { digest: made, size: bytes.length, encoding };
    // A registry in this process may keep what it is given.
    if (isRuntimeFetch(target.http)) detach(bytes.buffer);
    return result;
  } finally {
    held?.release();
  }
}

/** Sends a layer while it is compressed. */
async function sendLayer(
  target: RepositoryState,
  layer: PlainLayer,
  passing: PassingLayer,
  encoding: LayerEncoding,
  settings: UploadSettings,
): Promise<{ digest: Digest; size: number }> {
  const { file, origin } = layer;
  const again = () => {
    const hash = origin === "hashed"
      ? undefined
      : Promise.resolve(encoding.hasher(digestAlgorithm(layer.digest)));
    const content = { size: file.size, stream: openFileBody(file), isOnce: false, hash };
    return compressAgain(content, encoding);
  };
  const { sendCompressed } = await import("./send_compressed.ts");
  const { digest, size } = await sendCompressed({
    ...{ target, passing, path: file.path, mostBytes: file.size, window: WINDOW_BYTES, again },
    ...{ check: (raw) => checkRaw(layer, raw), settings, hooks: hooksFor(settings, { file }) },
  });
  return { digest, size };
}

/** A compressed layer in memory, as a file of the archive. */
function heldFile({ path }: ArchiveFile, bytes: Bytes): ArchiveFile {
  const all = () => Promise.resolve(bytes);
  return { path, size: bytes.length, body: bytesSource(bytes), peek: all, bytes: all };
}

function checkRaw({ file, digest }: PlainLayer, raw: Digest | undefined): void {
  if (raw !== undefined && raw !== digest) throw mismatch(file.path, digest, raw);
}
