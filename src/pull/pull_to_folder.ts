import { type Bytes, encodeJson } from "../bytes.ts";
import { runAll } from "../concurrency.ts";
import { blobPath } from "../digest.ts";
import { OciError } from "../errors.ts";
import { isNetworkFetch } from "../network_fetch.ts";
import { detach } from "../owned_bytes.ts";
import { mergeEntries } from "../image/index_entries.ts";
import type { PackedEntry } from "../tar/pack_tar.ts";
import { type ImageToPull, parseImages } from "./list_images.ts";
import { type PullImagesOptions, resolvePullOptions } from "./options.ts";
import { planImages } from "./plan_images.ts";
import { isJsonObject } from "../media_types.ts";

export interface FolderTarget {
  /** What it is called in messages. */
  name: string;
  /** Whether there is nothing in it but files that are not whole, or no such folder yet. */
  isEmpty(): Promise<boolean>;
  /**
   * Length of a file of it; undefined where there is none.
   *
   * @throws {OciError} If something else has its place: to read a pipe, or to lock it, may wait for good.
   */
  size(path: string): Promise<number | undefined>;
  /** Reads a small file. */
  read(path: string): Promise<string>;
  /** Makes a folder in it, and those above, where they are not there. */
  makeFolder(path: string): Promise<void>;
  /** Begins a file that takes its place when it is whole. */
  create(path: string): Promise<NewFolderFile>;
  /** Writes a text into a file that keeps its place, and is created where there is none. */
  put(path: string, text: string): Promise<void>;
  /**
   * Waits until no other that does so as well is between this and the disposing of what it gets.
   *
   * @param path A file that keeps its place, and is created where there is none.
   */
  takeTurn(path: string): Promise<AsyncDisposable>;
}

/** A file that is written beside its place; disposing of it removes it, unless it was committed. */
export interface NewFolderFile extends AsyncDisposable {
  write(bytes: Uint8Array): Promise<void>;
  /** Gives the file its place. */
  commit(): Promise<void>;
}

/** Blobs read at the same time. */
const CONCURRENCY = 3;
const INDEX = "index.json";
/** What comes first, as index.json comes last: where one is without the other, a pull was interrupted. */
const MARKER = "oci-layout";

/**
 * Pulls images from a registry into an OCI layout in a folder, beside the images that are there. Blobs that the folder has
 * are not fetched. Each file takes its place when it is whole, `index.json` last: until then the folder has the images that it had.
 *
 * @param images See `pullImages`.
 * @param target The folder: an OCI layout, or empty.
 * @param options Settings; `format` is "oci".
 * @throws {OciError} If the folder holds something else, or the registry does not give an image.
 */
export async function pullToFolder(
  images: string | Iterable<string | ImageToPull>,
  target: FolderTarget,
  options: PullImagesOptions,
): Promise<void> {
  const resolved = resolvePullOptions({ ...options, format: "oci" });
  const wanted = parseImages(images);
  const signal = resolved.signal ?? new AbortController().signal;
  const isFromNetwork = isNetworkFetch(resolved.fetch);
  // Whether the folder can be used is known before anything is fetched.
  await readIndex(target);
  const plan = await planImages(wanted, { ...resolved, signal });
  const sizes = new Map(plan.blobs.map(({ digest, size }) => [blobPath(digest), { digest, size }]));
  for (const { path } of plan.entries) if (path.endsWith("/")) await target.makeFolder(path);
  await begin(target, plan.entries);
  const files = plan.entries.filter(({ path, body }) =>
    body !== undefined && path !== INDEX && path !== MARKER
  );
  const save = async (entry: PackedEntry, signal: AbortSignal) => {
    const blob = sizes.get(entry.path);
    if (!await isThere(target, entry)) await write(target, entry, signal, isFromNetwork);
    else if (blob) await resolved.emit({ type: "blob-done", ...blob, exists: true });
  };
  await runAll(files, CONCURRENCY, save, signal);
  const index = plan.entries.find(({ path }) => path === INDEX);
  if (!(index?.body instanceof Uint8Array)) {
    throw new TypeError("unreachable: a layout has an index");
  }
  // Another save may have added images meanwhile, or be about to.
  await using _ = await target.takeTurn(MARKER);
  const body = merged(await readIndex(target), index.body);
  await write(target, { path: INDEX, body }, signal, false);
}

/**
 * Puts the marker in its place, where it stays: turns are taken by it, and of a file that is replaced there are two for a while.
 * This takes none: all write the same, and on Windows nobody may write into a file that is locked.
 */
async function begin(target: FolderTarget, entries: readonly PackedEntry[]): Promise<void> {
  const body = entries.find(({ path }) => path === MARKER)?.body;
  if (!(body instanceof Uint8Array)) throw new TypeError("unreachable: a layout has a marker");
  if (!await target.size(MARKER)) await target.put(MARKER, new TextDecoder().decode(body));
}

/** Blobs have their place by what they hold, and get it when they are whole: the length tells enough. */
async function isThere(target: FolderTarget, { path, body }: PackedEntry): Promise<boolean> {
  const size = body instanceof Uint8Array ? body.length : body?.size;
  return size !== undefined && await target.size(path) === size;
}

async function write(
  target: FolderTarget,
  { path, body }: PackedEntry,
  signal: AbortSignal,
  isFromNetwork: boolean,
): Promise<void> {
  if (!body) return;
  await using file = await target.create(path);
  if (body instanceof Uint8Array) await file.write(body);
  else {
    const sink = new WritableStream<Bytes>({
      async write(piece) {
        await file.write(piece);
        if (isFromNetwork) detach(piece.buffer);
      },
    });
    // A read that waits for its registry is given up as well.
    await body.open().pipeTo(sink, { signal });
  }
  signal.throwIfAborted();
  await file.commit();
}

/** index.json of a layout. */
type Index = Record<string, unknown> & { manifests: unknown[] };

/** The index that is there; undefined in a folder without anything. */
async function readIndex(target: FolderTarget): Promise<Index | undefined> {
  if (await target.size(INDEX) === undefined) {
    // In this order: of another save that has just begun, the marker is there before any other file.
    if (await target.isEmpty() || await target.size(MARKER) !== undefined) return undefined;
    throw unusable(target, "it has files and no index.json");
  }
  try {
    return parseIndex(await target.read(INDEX));
  } catch (cause) {
    if (cause instanceof SyntaxError) {
      throw unusable(target, `its ${INDEX} ${cause.message}`, cause);
    }
    throw cause;
  }
}

function parseIndex(text: string): Index {
  let index: unknown;
  try {
    index = JSON.parse(text);
  } catch {
    throw new SyntaxError("is no JSON");
  }
  if (isJsonObject(index)) {
    // Go writes a list without anything as null: umoci begins a layout with it. What has none is some other file.
    const manifests = index.manifests === null ? [] : index.manifests;
    if (Array.isArray(manifests)) return { ...index, manifests };
  }
  throw new SyntaxError("has no list of manifests");
}

function unusable({ name }: FolderTarget, state: string, cause?: unknown): OciError {
  return new OciError(
    `Cannot write into ${JSON.stringify(name)}: ${state}, expected an OCI layout`,
    {
      cause,
      hint: "name a new folder, or an empty one",
    },
  );
}

/** Adds the entries of one index to another, in the place of those that had their names. */
function merged(before: Index | undefined, bytes: Bytes): Bytes {
  if (!before) return bytes;
  const added = parseIndex(new TextDecoder().decode(bytes)).manifests;
  const manifests = mergeEntries(before.manifests, added);
  return encodeJson({ ...before, manifests });
}
