import type { Bytes } from "../bytes.ts";
import type { LayerCompression } from "../codec/magic.ts";
import { blobPath, type Digest, digestHex } from "../digest.ts";
import { ArchiveError, type OciErrorOptions } from "../errors.ts";
import { quoteName } from "../quote_name.ts";
import { type BlobSource, readRange } from "../source/blob_source.ts";
import { scanRuns } from "../tar/scan.ts";
import { findTrailing } from "./tar_end.ts";

/** A regular file of an archive. */
export interface ArchiveFile {
  /** Path in the archive, cleaned: no leading `./`, no `..`. */
  readonly path: string;
  /** Length in bytes. */
  readonly size: number;
  /** Its content, where it can be read again. */
  readonly body?: BlobSource;
  /** There where reading has attempts and time limits of its own: what the body failed with last. That is final. */
  failure?(): unknown;
  /** Digest of the content, where all of it has been read, or a registry that has it was asked. */
  readonly digest?: Digest;
  /** Digest of the inflated content, where that was computed. */
  readonly inflatedDigest?: Digest;
  /** Why that could not be computed: of interest only where an image needs the file. */
  readonly inflateError?: unknown;
  /** What was made of the file on its way: it cannot be read any more itself. */
  readonly compressed?: { file: ArchiveFile; kind: LayerCompression };
  /** The first bytes, at most {@linkcode PEEK_BYTES}. */
  peek(): Promise<Bytes>;
  /**
   * The whole content, for JSON.
   *
   * @throws {ArchiveError} If it is longer than `limit`.
   */
  bytes(limit: number): Promise<Bytes>;
  /** The same into a room of the caller that is large enough; returns the part of it that is filled. */
  bytesInto?(room: Bytes, onFilled?: FilledListener): Promise<Bytes>;
}

/** Told how many bytes there are by now; what it returns is awaited before more is read. */
export type FilledListener = (bytes: number) => void | Promise<void>;

/** How much of a file {@linkcode ArchiveFile.peek} returns: enough to tell tar, gzip and zstd. */
export const PEEK_BYTES = 512;
/** Links followed for one path: real archives need one, docker at most a few. */
const MAX_LINK_DEPTH = 32;
/** What tells where an archive starts. */
const ROOT_NAME = /(?:^|\/)(?:manifest\.json|index\.json|oci-layout)$/;
const TYPE_FILE = new Set(["0", "", "\0", "7"]);
const TYPE_LINK = "1";
const TYPE_SYMLINK = "2";

/**
 * The files of an archive by path. Links lead to the file that they mean, wherever in the archive it stands; of
 * several entries with one path the last counts, as tar has it.
 */
export class ArchiveFiles<F extends ArchiveFile = ArchiveFile> {
  /** Position of data behind the end of the tar, where there is any and it was seen. */
  trailing: number | undefined;
  readonly #entries = new Map<string, F | { link: string }>();
  #root: string | undefined;

  /** Adds what one tar entry is. `makeFile` is called for a regular file. Folders and devices are left out. */
  add(
    path: string,
    header: { typeflag: string; linkname: string },
    makeFile: (path: string) => F,
  ): void {
    const clean = cleanPath(path);
    if (clean === undefined || clean === "") return;
    // A pipe is asked for its root before all of it has come.
    if (ROOT_NAME.test(clean)) this.#root = undefined;
    const { typeflag, linkname } = header;
    if (isFileType(typeflag)) {
      if (!path.endsWith("/")) this.#entries.set(clean, makeFile(clean));
      return;
    }
    if (!isLinkType(typeflag)) return;
    const folder = typeflag === TYPE_SYMLINK && !linkname.startsWith("/")
      ? clean.slice(0, clean.lastIndexOf("/") + 1)
      : "";
    const link = cleanPath(folder + linkname);
    // A hard link to its own name means the file that is there already.
    if (link === clean && typeflag === TYPE_LINK) return;
    this.#entries.set(clean, { link: link ?? "" });
  }

  /**
   * Finds a file, through links.
   *
   * @param path As an archive's JSON names it.
   * @throws {ArchiveError} If links lead in a circle.
   */
  find(path: string): F | undefined {
    const clean = cleanPath(path);
    if (clean === undefined) return undefined;
    const found = this.resolve(this.root + clean);
    // docker on Windows once wrote its own kind of path into manifest.json, and a tar's into the tar.
    if (found || !clean.includes("\\")) return found;
    return this.find(clean.replaceAll("\\", "/"));
  }

  /**
   * Finds what an entry stands for: a file itself, a link's file.
   *
   * @param first The entry's clean path, from the top of the tar.
   * @throws {ArchiveError} If links lead in a circle.
   */
  resolve(first: string): F | undefined {
    let at = first;
    for (let depth = 0; depth < MAX_LINK_DEPTH; depth++) {
      const entry = this.#entries.get(at);
      if (!entry || !("link" in entry)) return entry;
      at = entry.link;
    }
    const state = `its links lead in a circle or through more than ${MAX_LINK_DEPTH} steps`;
    throw new ArchiveError(
      `Cannot find ${quoteName(first)} in the archive: ${state}, expected a file`,
      { path: first },
    );
  }

  /** The blob of an OCI layout. */
  blob(digest: Digest): F | undefined {
    return this.find(this.blobPath(digest));
  }

  /**
   * Where a blob of an OCI layout is, or should be. An artifact set of OCM has it as `blobs/sha256.HEX`; apko has blobs
   * beside index.json, called as in archives of crane: a manifest `sha256:HEX`, a layer `HEX.tar.gz`.
   */
  blobPath(digest: Digest): string {
    const usual = blobPath(digest);
    const paths = [
      usual,
      `blobs/${digest.replace(":", ".")}`,
      digest,
      `${digestHex(digest)}.tar.gz`,
    ];
    return paths.find((path) => this.#entries.has(this.root + path)) ?? usual;
  }

  /** Whether a path, as an archive's JSON names it, is that of a link. */
  isLink(path: string): boolean {
    const entry = this.#entries.get(this.root + (cleanPath(path) ?? ""));
    return entry !== undefined && "link" in entry;
  }

  /** Clean paths of all files and links, from the top of the tar. */
  paths(): Iterable<string> {
    return this.#entries.keys();
  }

  /** Clean paths of all links, from the top of the tar. */
  *links(): Iterable<string> {
    for (const [path, entry] of this.#entries) if ("link" in entry) yield path;
  }

  /** All regular files, links left out, with their paths below {@linkcode root}. */
  *files(): Iterable<F> {
    for (const entry of this.#entries.values()) {
      if (!("link" in entry)) yield entry;
    }
  }

  /**
   * The folder that the image archive starts in: "", or, for a tar packed by hand around a folder, that folder with a
   * slash. An OCI layout may be any number of folders down.
   */
  get root(): string {
    return this.#root ??= this.#findRoot();
  }

  #findRoot(): string {
    if (["manifest.json", "index.json"].some((name) => this.#entries.has(name))) return "";
    const folders = this.#foldersOf(/^([^/]+\/)(?:manifest|index)\.json$/);
    // Deeper down such a name says little: a file system has manifest.json anywhere.
    const [only, ...others] = folders.size > 0 ? folders : this.#foldersOf(/^(.+\/)oci-layout$/);
    return only && others.length === 0 ? only : "";
  }

  #foldersOf(pattern: RegExp): Set<string> {
    const folders = new Set<string>();
    for (const path of this.#entries.keys()) {
      const folder = pattern.exec(path)?.[1];
      if (folder) folders.add(folder);
    }
    return folders;
  }
}

/**
 * Reads the headers of a tar into {@linkcode ArchiveFiles}; bodies are read when they are asked for.
 *
 * @param source The tar; it must stay readable as long as the files are used.
 * @throws {TarError} If it is no tar, or is broken.
 */
export async function scanFiles(source: BlobSource, signal?: AbortSignal): Promise<ArchiveFiles> {
  const files = new ArchiveFiles();
  let rest: number | undefined;
  const onRest = (end: number, seen: Uint8Array) => {
    const found = seen.findIndex((byte) => byte !== 0);
    if (found >= 0) files.trailing = end + found;
    else rest = end + seen.length;
  };
  for await (const run of scanRuns(source, { signal, onRest })) {
    for (const { path, header, body } of run) {
      files.add(path, header, (clean) => toFile(clean, body));
    }
  }
  // Mostly all of it has been seen: a read costs, of a URL most of all.
  files.trailing ??= await findTrailing(source, rest, signal);
  return files;
}

/** Whether a tar entry of this type is a regular file. */
export function isFileType(typeflag: string): boolean {
  return TYPE_FILE.has(typeflag);
}

/** Whether a tar entry of this type is a hard or symbolic link. */
export function isLinkType(typeflag: string): boolean {
  return typeflag === TYPE_LINK || typeflag === TYPE_SYMLINK;
}

/** Whether content begins as a JSON object or list does, behind a byte order mark, too, which is none of the text. */
export function isJson(head: Uint8Array): boolean {
  const hasMark = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf;
  const first = head.subarray(hasMark ? 3 : 0).find((byte) =>
    byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d
  );
  return first === 0x7b || first === 0x5b;
}

/**
 * Resolves `.` and `..` in a path and drops leading slashes.
 *
 * @returns The clean path, or undefined where it leads out of the archive.
 */
export function cleanPath(path: string): string | undefined {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join("/");
}

function toFile(path: string, body: BlobSource): ArchiveFile {
  let head: Promise<Bytes> | undefined;
  return {
    path,
    size: body.size,
    body,
    // A manifest.json may name one file any number of times.
    peek: () => head ??= readRange(body, 0, PEEK_BYTES),
    bytes: (limit) => {
      if (body.size > limit) throw tooLarge(path, body.size, limit);
      return readRange(body, 0, body.size);
    },
  };
}

/** The error for a document that is longer than any real one. */
export function tooLarge(path: string, size: number, limit: number): ArchiveError {
  return unreadable(path, `it has ${size} bytes, expected at most ${limit}`);
}

/** The error for a file of an archive that cannot be read, or holds something else than it should. */
export function unreadable(
  path: string,
  problem: string,
  options: OciErrorOptions = {},
): ArchiveError {
  const message = `Cannot read ${quoteName(path)} of the archive: ${problem}`;
  return new ArchiveError(message, { path, ...options });
}

/** The error for a file that manifest.json names and the archive lacks. */
export function missingFile(files: ArchiveFiles, path: string, what: string): ArchiveError {
  const state = files.isLink(path)
    ? "is not in the archive: it is a link that leads to no file"
    : "is not in the archive, expected a file";
  return new ArchiveError(
    `Cannot read the image archive: manifest.json names ${what} ${quoteName(path)}, which ${state}`,
    { path },
  );
}
