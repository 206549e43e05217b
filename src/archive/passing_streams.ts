import { type Bytes, concat, createStream, tap } from "../bytes.ts";
import type { LayerCompression } from "../codec/magic.ts";
import { type Digest, digestAlgorithm } from "../digest.ts";
import { type Content, Inflated } from "../image/check/inflated_content.ts";
import { mismatch } from "../image/content.ts";
import type { Hasher, IncrementalHash } from "../incremental_hash.ts";
import type { PassingFile } from "./passing_file.ts";

/** Lets a stream pass while it is hashed; `onDigest` is told at its end. */
export function hashed(
  stream: ReadableStream<Bytes>,
  hash: IncrementalHash,
  onDigest: (digest: Digest) => void,
): ReadableStream<Bytes> {
  return tap(stream, (piece) => hash.update(piece), async () => onDigest(await hash.digest()));
}

/** Lets a stream pass while its inflated content is hashed beside it, at the pace of the slower of the two. */
export function inflated(
  stream: ReadableStream<Bytes>,
  compression: LayerCompression,
  file: PassingFile,
  hasher: Hasher,
): ReadableStream<Bytes> {
  const beside = new Inflated(file.path, compression, { hasher });
  const note = async () => noteInflated(file, await beside.end());
  return tap(stream, (piece) => beside.write(piece), note);
}

/** Hashes the inflated content of a file that is held. */
export async function hashInflated(
  bytes: Bytes,
  compression: LayerCompression,
  file: PassingFile,
  hasher: Hasher,
): Promise<void> {
  const inflating = new Inflated(file.path, compression, { hasher });
  await inflating.write(bytes);
  noteInflated(file, await inflating.end());
}

/** Notes the digest of the inflated content, or why there is none: the file may be one that no image needs. */
function noteInflated(file: PassingFile, { diffId, inflateError }: Content): void {
  if (diffId) file.inflatedDigest = diffId;
  else file.inflateError = inflateError;
}

/** Fails a stream at its end where a hash on the way gave another digest than the name: the registry gets no whole blob. */
export function checkHash(
  stream: ReadableStream<Bytes>,
  file: PassingFile,
  named: Digest,
): ReadableStream<Bytes> {
  return stream.pipeThrough(
    new TransformStream<Bytes, Bytes>({
      flush(controller) {
        const { digest } = file;
        if (!digest || digest === named || digestAlgorithm(digest) !== digestAlgorithm(named)) {
          return;
        }
        controller.error(mismatch(file.path, named, digest));
      },
    }),
  );
}

/** Joins small pieces and cuts large ones, which some sources give: a window holds whole pieces. */
export function inPieces(stream: ReadableStream<Bytes>, size: number): ReadableStream<Bytes> {
  const reader = stream.getReader();
  let rest: Bytes | undefined;
  const next = async () => {
    const pieces: Bytes[] = [];
    let filled = 0;
    while (filled < size) {
      rest ??= (await reader.read()).value;
      if (!rest || (filled > 0 && filled + rest.length > size)) break;
      const piece = rest.subarray(0, size);
      pieces.push(piece);
      filled += piece.length;
      rest = rest.length > size ? rest.subarray(size) : undefined;
    }
    return filled > 0 ? concat(pieces, filled) : undefined;
  };
  return createStream(next, (reason) => reader.cancel(reason));
}
