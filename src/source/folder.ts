import type { Bytes } from "../bytes.ts";
import { blobPath, digestBytes } from "../digest.ts";
import { ArchiveError } from "../errors.ts";
import { MAX_MANIFEST_BYTES, OCI_INDEX, OCI_MANIFEST, readJsonObject } from "../media_types.ts";
import { quoteName } from "../quote_name.ts";
import { END_BYTES, formatHeader } from "../tar/pack_tar.ts";
import { paddedSize } from "../tar/header.ts";
import {
  type BlobSource,
  bytesSource,
  type FolderFile,
  type FolderSource,
  isBlobSource,
  readRange,
} from "./blob_source.ts";
import { JoinedSource } from "./joined_source.ts";

/** A `FileSystemDirectoryHandle` of the web, as far as it is used. */
export interface DirectoryHandle {
  /** What tells it from a file. */
  readonly kind: "directory";
  /** What is in it. */
  values(): AsyncIterable<{ readonly kind: "file" | "directory"; readonly name: string }>;
}

/** Files of one folder: the largest bundles have some ten thousand blobs. */
const MAX_FILES = 100_000;

/**
 * Makes a tar of a folder, for all that reads tars: headers are in memory, and what is read of a body is read from its
 * file. Nothing is copied.
 *
 * @param folder The folder; it must not change meanwhile.
 * @throws {ArchiveError} If there is no image in the folder, or too much.
 */
export async function folderTar(
  folder: FolderSource | DirectoryHandle,
  signal: AbortSignal,
): Promise<BlobSource> {
  const files = new Map<string, FolderFile>();
  for await (const file of "files" in folder ? folder.files() : listHandle(folder)) {
    signal.throwIfAborted();
    if (files.size === MAX_FILES) {
      throw unusable(`it has more than ${MAX_FILES} files`, "the folder of one image");
    }
    files.set(file.path, file);
  }
  // Opened only once it is clear what the folder is: it may be any.
  const isDir = await isDirTransport(files);
  if (!isDir && !files.has("index.json") && !files.has("manifest.json")) throw noImage(files);
  const opened = await openFiles(files, signal);
  return new JoinedSource(piecesOf(isDir ? await toLayout(opened) : opened));
}

async function openFiles(
  files: ReadonlyMap<string, FolderFile>,
  signal: AbortSignal,
): Promise<Map<string, BlobSource>> {
  const opened = new Map<string, BlobSource>();
  for (const [path, file] of files) {
    signal.throwIfAborted();
    // A name that is not UTF-8 cannot be opened, and no document can have it.
    if (path.includes("\ufffd")) continue;
    const body = await file.open();
    if (body) opened.set(path, body);
  }
  return opened;
}

function noImage(files: ReadonlyMap<string, unknown>): ArchiveError {
  const paths = [...files.keys()].sort();
  const [first] = paths;
  const inner = paths.map((path) => INNER_IMAGE.exec(path)?.[1])
    .find((name) => name !== undefined);
  return unusable(
    first === undefined ? "it is empty" : `it starts with ${quoteName(first, 60)}`,
    "index.json or manifest.json in it",
    inner && `if the image is in the folder inside, name that: FOLDER/${inner}`,
  );
}

/** Where a folder inside has an image, as a package of Zarf; no shell takes its name for more. */
const INNER_IMAGE = /^(\w[\w.-]{0,100})\/(?:index|manifest)\.json$/;

const USUAL_HINT =
  "make one with skopeo copy ... oci:FOLDER, or unpack a docker save; a folder of archives is pushed as FOLDER/*.tar, an image further down as the folder that it is in";

function unusable(found: string, expected: string, hint = USUAL_HINT): ArchiveError {
  return new ArchiveError(`Cannot use the folder as an image: ${found}, expected ${expected}`, {
    hint,
  });
}

/** The files of a `FileSystemDirectoryHandle`, as far as an image needs them. */
async function* listHandle(
  folder: DirectoryHandle,
  path = "",
): AsyncGenerator<FolderFile> {
  for await (const entry of folder.values()) {
    const inner = `${path}${entry.name}`;
    if (isFileHandle(entry)) yield { path: inner, open: () => openHandle(entry) };
    else if (isDirectoryHandle(entry) && isLookedInto(inner)) yield* listHandle(entry, `${inner}/`);
  }
}

/** Whether an image may have files in a folder. */
function isLookedInto(path: string): boolean {
  return !path.includes("/") || /^blobs\/[^/]+$/.test(path);
}

interface FileHandle {
  getFile(): Promise<unknown>;
}

function isFileHandle(entry: unknown): entry is FileHandle {
  return typeof entry === "object" && entry !== null && "getFile" in entry &&
    typeof entry.getFile === "function";
}

function isDirectoryHandle(entry: unknown): entry is DirectoryHandle {
  return typeof entry === "object" && entry !== null && "values" in entry &&
    typeof entry.values === "function";
}

async function openHandle(handle: FileHandle): Promise<BlobSource> {
  const file = await handle.getFile();
  if (isBlobSource(file)) return file;
  throw new TypeError("Cannot read a file of the folder: its handle gives no File");
}

async function isDirTransport(files: ReadonlyMap<string, FolderFile>): Promise<boolean> {
  const version = files.has("index.json") ? undefined : await files.get("version")?.open();
  if (!version) return false;
  const text = new TextDecoder().decode(await readRange(version, 0, 64));
  return text.startsWith("Directory Transport Version:");
}

/**
 * What skopeo's `dir:` holds as an OCI layout. There `manifest.json` is the manifest or index itself, blobs are called
 * after their digests, manifests below an index `HEX.manifest.json` (containers-image, directory/directory_transport.go).
 */
async function toLayout(
  files: ReadonlyMap<string, BlobSource>,
): Promise<ReadonlyMap<string, BlobSource>> {
  const root = files.get("manifest.json");
  if (!root) throw unusable("its manifest.json is absent", "one, as dir: has it");
  if (root.size > MAX_MANIFEST_BYTES) {
    throw unusable(`its manifest.json has ${root.size} bytes`, `at most ${MAX_MANIFEST_BYTES}`);
  }
  const bytes = await readRange(root, 0, root.size);
  const digest = await digestBytes(bytes);
  const descriptor = { mediaType: mediaTypeOf(bytes), digest, size: bytes.length };
  const layout = new Map<string, BlobSource>([
    ["oci-layout", textSource('{"imageLayoutVersion":"1.0.0"}')],
    ["index.json", textSource(JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }))],
    [blobPath(digest), root],
  ]);
  for (const [path, body] of files) {
    const hex = /^([0-9a-f]{64})(?:\.manifest\.json)?$/.exec(path)?.[1];
    if (hex !== undefined) layout.set(`blobs/sha256/${hex}`, body);
  }
  return layout;
}

function textSource(text: string): BlobSource {
  return bytesSource(new TextEncoder().encode(text));
}

/** The media type of a manifest: what it says itself, else what it looks like; what is wrong with it is told later. */
function mediaTypeOf(bytes: Bytes): string {
  const { mediaType, manifests } = readJsonObject(bytes) ?? {};
  if (typeof mediaType === "string") return mediaType;
  return manifests === undefined ? OCI_MANIFEST : OCI_INDEX;
}

/** The pieces of a tar: headers, bodies, padding, end. */
function* piecesOf(files: ReadonlyMap<string, BlobSource>): Generator<BlobSource> {
  for (const path of [...files.keys()].sort()) {
    const body = files.get(path);
    if (!body) continue;
    yield bytesSource(formatHeader({ path, size: body.size }));
    yield body;
    yield bytesSource(new Uint8Array(paddedSize(body.size) - body.size));
  }
  yield bytesSource(new Uint8Array(END_BYTES));
}
