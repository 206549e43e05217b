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
  const { entries, trailing } = await openEntries(input);
  await entries.pipeThrough(blobs).pipeTo(discard, signal ? { signal } : {});
  signal?.throwIfAborted();
  blobs.files.trailing = trailing();
  return await readArchive(blobs.files);
}

/** The entries of a tar that comes once. */
export interface PassingEntries {
  entries: ReadableStream<ImageTarEntry>;
  /** Once they have passed: position of data behind the end of the tar, where there is any and the source tells. */
  trailing(): number | undefined;
}

/** Opens a tar that comes once. */
export async function openEntries(input: PassingInput): Promise<PassingEntries> {
  const opened = await input.open();
  if (input.kind === "entries") {
    return { entries: opened as ReadableStream<ImageTarEntry>, trailing: () => undefined };
  }
  const untar = new UntarStream();
  const entries = (opened as ReadableStream<Uint8Array>).pipeThrough(untar);
  return { entries, trailing: () => untar.trailing };
}
