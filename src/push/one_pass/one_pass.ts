import { ImageBlobs } from "../../archive/image_blobs.ts";
import { Budget } from "../../concurrency.ts";
import { PassingFile } from "../../archive/passing_file.ts";
import { openEntries, readPassing } from "../../archive/read_passing.ts";
import { type ImageArchive, readArchive } from "../../image/archive.ts";
import { besideOf } from "../../image/beside.ts";
import { LEFT_OUT_PATH } from "../../image/entry_names.ts";
import { readManifestJson } from "../../image/docker_save.ts";
import { blobsOf, type ContentNode } from "../../image/content.ts";
import type { ArchiveFiles } from "../../image/files.ts";
import type { Place, Reference } from "../../reference.ts";
import type { PassingInput } from "../../source/open_source.ts";
import type { LeftOutPush } from "../left_out.ts";
import { planImages, type PushTarget } from "../plan.ts";
import type { RepositoryState } from "../repository_state.ts";
import type { PushSettings } from "../upload_settings.ts";
import { PassingUploads, type Route } from "./passing_uploads.ts";
import type { Destination } from "./plain_uploads.ts";

/** What a pipe is pushed with: the push that it is part of. */
export interface PassingPush extends LeftOutPush {
  /** Pushes what the archive turned out to hold, once all of it has passed. */
  archive(archive: ImageArchive, targets: readonly PushTarget[]): Promise<void>;
}

/**
 * Pushes an archive that comes only once: blobs go up while they pass, to the repository of the first target; what the
 * archive says of its images is read at the end, and from there on everything is as with a file. Further repositories
 * get the blobs by mount, or from the first one.
 *
 * Memory is bounded by `memoryBudget`, plus 64 MiB of JSON documents, plus what a request and the runtime hold.
 *
 * @param targets Where to; a place needs names, which must come before the blobs.
 * @throws {TypeError} If the target is a place, the source comes only once and its names do not come first; nothing has been
 * sent then.
 */
export async function pushPassing(
  input: PassingInput,
  targets: readonly PushTarget[],
  push: PassingPush,
): Promise<void> {
  const { settings } = push;
  const { hasher, verify, compressing, signal } = settings;
  const budget = new Budget(settings.memoryBudget);
  const blobs = new ImageBlobs({ budget, hasher, verify, streamsPlain: compressing !== undefined });
  // Of a reference with a digest only the end tells whether the archive has what it wants.
  const selective = settings.images.length > 0 || settings.platforms.length > 0 ||
    targets.some((target) => target.kind === "reference" && target.reference.digest);
  const reach = (reference: Reference): RepositoryState => {
    const place = push.repository(reference);
    place.take = async (file, digest, hooks) =>
      file instanceof PassingFile && await uploads.take(place, file, digest, hooks);
    return place;
  };
  const [first] = targets;
  const target = first?.kind === "reference" ? reach(first.reference) : undefined;
  const route = target
    ? checkedRoute(target, blobs.files)
    : await findRoute(input, blobs.files, targets, reach, settings);
  const checkLeftOut = async () => {
    if (!blobs.files.find(LEFT_OUT_PATH)) return;
    const { findEarly } = await import("./names_first.ts");
    await findEarly(blobs.files, targets, push);
  };
  let checked: Promise<void> | undefined;
  const standing = first?.kind === "reference" ? first.reference.tag : undefined;
  const { CompressedUploads } = compressing ? await import("./compressed_uploads.ts") : {};
  const uploads = new PassingUploads({
    ...settings,
    budget,
    selective,
    async route(file) {
      const destination = await route(file);
      // Before the first blob is sent.
      await (checked ??= checkLeftOut());
      return destination;
    },
    layerUploads: compressing && CompressedUploads &&
      ((plain) => new CompressedUploads(compressing, plain, standing)),
  });
  try {
    const { entries, tar } = await openEntries(input);
    await entries.pipeThrough(blobs).pipeTo(uploads.writable, { signal });
    // workerd's pipes end without an error when they are aborted.
    signal.throwIfAborted();
    blobs.files.trailing = tar?.trailing;
    const archive = await readArchive(blobs.files);
    // Before all names had come, a blob may have gone to the repository of another image.
    if (!target) {
      planImages(archive, targets, settings).planned.forEach((it) => reach(it.reference));
    }
    await push.archive(archive, targets);
  } finally {
    await uploads.settled();
    await uploads.cancelRest();
  }
}

/** One repository for all; a manifest.json that comes first and cannot be used ends the push before anything is sent. */
function checkedRoute(target: RepositoryState, files: ArchiveFiles): Route {
  let check: Promise<unknown> | undefined;
  return async () => {
    await (check ??= readManifestJson(files, { isOpen: true }));
    return { target };
  };
}

/**
 * Where the blobs go that get their own names. A compressed file can be read twice: it is read first, and each blob goes where
 * it is needed. Of what comes once, the names must come before the blobs.
 */
async function findRoute(
  input: PassingInput,
  files: ArchiveFiles,
  targets: readonly PushTarget[],
  reach: (reference: Reference) => RepositoryState,
  settings: PushSettings,
): Promise<Route> {
  if (input.again) return await readRoute(input, targets, reach, settings);
  const { NamesFirst } = await import("./names_first.ts");
  const places = targets.flatMap((target) => target.kind === "place" ? [target.place] : []);
  const names = new NamesFirst(files, {
    places,
    rename: settings.rename,
    images: settings.images,
    repository: reach,
    tooLate: () => namesTooLate(places),
  });
  return (file) => names.find(file);
}

function namesTooLate([place]: readonly Place[]): TypeError {
  const where = place ? `${place.registry}/${place.prefix}` : "";
  return new TypeError(
    `Cannot push a stream to ${where}: its names come too late, expected a repository or a file ` +
      `(use ${where}REPOSITORY:TAG, or ${where}REPOSITORY --all-tags)`,
  );
}

async function readRoute(
  input: PassingInput,
  targets: readonly PushTarget[],
  reach: (reference: Reference) => RepositoryState,
  settings: PushSettings,
): Promise<Route> {
  const archive = await readPassing(input, settings);
  const { planned } = planImages(archive, targets, settings);
  const route = new Map<string, Destination>();
  const add = (node: ContentNode, target: RepositoryState) => {
    for (const { file, digest } of blobsOf(node)) {
      if (file && !route.has(file.path)) route.set(file.path, { target, digest });
    }
  };
  for (const { image: { node }, reference } of planned) {
    const target = reach(reference);
    add(node, target);
    // Of an index that is narrowed, less may go along.
    for (const beside of node.kind === "docker" ? [] : besideOf(archive.beside, node)) {
      add(beside.node, target);
    }
  }
  return ({ path }) => Promise.resolve(route.get(path));
}
