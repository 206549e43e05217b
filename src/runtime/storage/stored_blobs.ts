import { type Digest, type DigestAlgorithm, digestBytes, toDigest } from "../../digest.ts";
import { hashAll } from "../../incremental_hash.ts";
import type { StorageFiles } from "./storage_files.ts";

/** Algorithms of the digests that content is kept under. */
export const BLOB_ALGORITHMS: readonly DigestAlgorithm[] = ["sha256", "sha512"];

/** Up to here a file is hashed in one go. */
const ONE_PIECE_BYTES = 1024 * 1024;

/** Lists the blobs and manifests of a layout, which is a repository or what all share. */
export async function* listBlobs(
  files: StorageFiles,
  folder: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ digest: Digest; path: string }> {
  for (const algorithm of BLOB_ALGORITHMS) {
    for (const { name } of await files.list(`${folder}/blobs/${algorithm}`)) {
      signal?.throwIfAborted();
      const digest = toDigest(algorithm, name);
      if (digest) yield { digest, path: `${folder}/blobs/${algorithm}/${name}` };
    }
  }
}

export async function hashFile(
  files: StorageFiles,
  path: string,
  size: number,
  algorithm: DigestAlgorithm,
  signal?: AbortSignal,
): Promise<Digest> {
  if (size <= ONE_PIECE_BYTES) {
    return await digestBytes(await files.read(path) ?? new Uint8Array(0), algorithm);
  }
  const hash = await files.hashWhole(path, algorithm, signal);
  // What reads the file by itself has no use for these, and the system has them at hand.
  return await hashAll(files.open(path, size).slice(0, size).stream(), hash, signal);
}
