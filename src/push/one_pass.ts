import { type ImageArchive, readArchive } from "../image/archive.ts";
import { blobsOf, type ContentNode } from "../image/content.ts";
import type { Target } from "../reference.ts";
import { UntarStream } from "../tar/untar_stream.ts";
import { ImageBlobs, type ImageTarEntry, type PassingBlob } from "./image_blobs.ts";
import { MemoryBudget } from "./memory_budget.ts";
import { PassingFile } from "./passing_file.ts";
import type { PassingInput } from "./open_source.ts";
import type { ResolvedOptions } from "./options.ts";
import { type Destination, PassingUploads } from "./passing_uploads.ts";
import { planImages } from "./plan.ts";
import type { Push } from "./push.ts";
import type { RepositoryState } from "./upload.ts";
import { createHash, type Hasher } from "../incremental_hash.ts";

/**
 * Pushes an archive that comes only once: blobs go up while they pass, to the repository of the first target; what the
 * archive says of its images is read at the end, and from there on everything is as with a file. Further repositories
 * get the blobs by mount, or from the first one.
 *
 * Memory is bounded by `memoryBudget`, plus 32 MiB of JSON documents, plus what a request and the runtime hold.
 *
 * @param input The source.
 * @param targets Where to; a place needs names, which come too late in a stream.
 * @param push The push this belongs to.
 * @param options Its options.
 * @throws {TypeError} If the target is a place and the source comes only once; nothing has been read then.
 */
export async function pushPassing(
  input: PassingInput,
  targets: readonly Target[],
  push: Push,
  options: ResolvedOptions,
): Promise<void> {
  const { target, route } = await findRoute(input, targets, push, options);
  const budget = new MemoryBudget(options.memoryBudget);
  const blobs = new ImageBlobs({ budget, hasher: options.hasher, verify: options.verify });
  // Of a reference with a digest only the end tells whether the archive has what it wants.
  const selective = options.images.length > 0 || options.platforms.length > 0 ||
    targets.some((target) => target.kind === "reference" && target.reference.digest);
  const uploads = new PassingUploads(target, { ...push.settings, budget, selective, route });
  for (
    const place of new Set([
      target,
      ...[...route?.values() ?? []].map(({ target }) => target),
    ])
  ) {
    place.take = async (file, digest, hooks) =>
      file instanceof PassingFile && await uploads.take(place, file, digest, hooks);
  }
  try {
    const entries = await openEntries(input);
    await entries.pipeThrough(blobs).pipeTo(uploads.writable, { signal: options.signal });
    await push.archive(await readArchive(blobs.files), targets);
  } finally {
    await uploads.settled();
    await uploads.cancelRest();
  }
}

/**
 * Reads what an archive holds that comes only once, and keeps nothing but its documents.
 *
 * @param input The source; it is read to its end.
 * @param options Memory for blobs that are hashed on the way, and the means to hash them.
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
  const budget = new MemoryBudget(memoryBudget);
  const blobs = new ImageBlobs({ budget, hasher, verify: false });
  const discard = new WritableStream<PassingBlob>({
    async write({ file, stream }) {
      for await (const _ of stream ?? []);
      budget.giveBack(file.release());
    },
  });
  const entries = await openEntries(input);
  await entries.pipeThrough(blobs).pipeTo(discard, signal ? { signal } : {});
  return await readArchive(blobs.files);
}

async function openEntries(input: PassingInput): Promise<ReadableStream<ImageTarEntry>> {
  const opened = await input.open();
  if (input.kind === "entries") return opened as ReadableStream<ImageTarEntry>;
  return (opened as ReadableStream<Uint8Array>).pipeThrough(new UntarStream());
}

/**
 * Where the blobs go: to the repository of the first reference. A compressed file can be read twice, so for its own names
 * it is read first, and each blob goes where it is needed.
 */
async function findRoute(
  input: PassingInput,
  targets: readonly Target[],
  push: Push,
  options: ResolvedOptions,
): Promise<{ target: RepositoryState; route?: Map<string, Destination> }> {
  const [first] = targets;
  if (first?.kind === "reference") return { target: push.repository(first.reference) };
  const where = first ? first.place.registry + "/" + first.place.prefix : "";
  if (!input.again) {
    throw new TypeError(
      `Cannot push a stream to ${where}: its names come too late, expected a repository or a file ` +
        `(use ${where}REPOSITORY:TAG, or ${where}REPOSITORY --all-tags)`,
    );
  }
  const archive = await readPassing(input, options);
  const { planned } = planImages(archive, targets, options);
  const [item] = planned;
  if (!item) throw new TypeError("unreachable: a plan has an image");
  const target = push.repository(item.reference);
  const route = new Map<string, Destination>();
  const add = (node: ContentNode, target: RepositoryState) => {
    for (const { file, digest } of blobsOf(node)) {
      if (file && !route.has(file.path)) route.set(file.path, { target, digest });
    }
  };
  for (const { image, reference } of planned) add(image.node, push.repository(reference));
  // Which of them go along is known when the images stand.
  for (const node of archive.referrers) add(node, target);
  return { target, route };
}
