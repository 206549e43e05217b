import { drain } from "../bytes.ts";
import { type ImageArchive, readArchive } from "../image/archive.ts";
import { createHash, type Hasher } from "../incremental_hash.ts";
import type { ImageTarEntry, PassingInput } from "../source/open_source.ts";
import { UntarStream } from "../tar/untar_stream.ts";
import { ImageBlobs, type PassingBlob } from "./image_blobs.ts";
import { Budget } from "../concurrency.ts";

/**
 * Reads what an archive holds that comes only once, and keeps nothing but its documents.
 *
 * @param input The source; it is read to its end.
 * @returns The archive; its layers cannot be read.
 */
export async function readPassing(
  input: PassingInput,
  { memoryBudget = 16 * 1024 * 1024, hasher = createHash, signal }: {
    memoryBudget?: number;
    hasher?: Hasher;
    signal?: AbortSignal;
  } = {},
): Promise<ImageArchive> {
  const budget = new Budget(memoryBudget);
  const blobs = new ImageBlobs({ budget, hasher, verify: false });
  const discard = new WritableStream<PassingBlob>({
    async write({ file, stream }) {
      await drain(stream);
      budget.giveBack(file.release());
    },
  });
  const { entries, tar } = await openEntries(input);
  await entries.pipeThrough(blobs).pipeTo(discard, signal ? { signal } : {});
  signal?.throwIfAborted();
  blobs.files.trailing = tar?.trailing;
  return await readArchive(blobs.files);
}

/** The entries of a tar that comes once. */
export interface PassingEntries {
  entries: ReadableStream<ImageTarEntry>;
  /** The tar that they are read from, where it is read here: once they have passed it tells how it ended. */
  tar?: UntarStream;
}

/** Opens a tar that comes once. */
export async function openEntries(
  input: PassingInput,
  options?: { signal: AbortSignal },
): Promise<PassingEntries> {
  const opened = await input.open();
  if (input.kind === "entries") {
    return { entries: opened as ReadableStream<ImageTarEntry> };
  }
  const tar = new UntarStream();
  return { entries: (opened as ReadableStream<Uint8Array>).pipeThrough(tar, options), tar };
}
