import { type Digest, digestOfPath } from "../digest.ts";
import { ArchiveError } from "../errors.ts";
import {
  type Descriptor,
  MAX_MANIFEST_BYTES,
  OCI_MANIFEST,
  parseDescriptor,
  REF_NAME,
} from "../media_types.ts";
import { KIND_ANNOTATION, writtenNames } from "./entry_names.ts";
import {
  type ArchiveBlob,
  type DocumentNode,
  type IndexEntry,
  malformed,
  nodesOf,
  parseJsonObject,
  verifyBytes,
  walk,
} from "./content.ts";
import {
  emptyContent,
  MAX_DOCUMENT_BYTES,
  MAX_INDEX_DEPTH,
  parseDocument,
  parseEntries,
} from "./documents.ts";
import { type ArchiveFile, type ArchiveFiles, isJson } from "./files.ts";
import { linkProblem } from "./links.ts";

/** Manifests and indexes of one archive: they are all held, 600 images of 9 platforms with attestations are 11,400. */
export const MAX_DOCUMENTS = 50_000;
const PATH = "index.json";

/**
 * Reads index.json of an OCI layout and every manifest and index below it that the archive has.
 *
 * @returns The entries of index.json in order; undefined when there is no index.json.
 * @throws {ArchiveError} If a document is malformed or past a limit.
 * @throws {DigestMismatchError} If a document does not have the digest in its name.
 */
export async function readLayout(files: ArchiveFiles): Promise<IndexEntry[] | undefined> {
  const file = files.find(PATH);
  if (!file) return undefined;
  const index = parseJsonObject(file, await file.bytes(MAX_MANIFEST_BYTES));
  const reader = new LayoutReader(files);
  const entries = parseEntries(
    index,
    (problem, cause) => malformed(PATH, problem, cause),
    (descriptor) => reader.blob(descriptor, PATH),
  );
  if (isZarfPackage(files)) { for (const entry of entries) nameAsZarf(entry); }
  await reader.attach(entries, PATH, 0);
  const isOpen = mayLackReferrers(entries.map(({ descriptor }) => descriptor));
  return isOpen ? [...entries, ...await reader.unlisted(entries)] : entries;
}

/** Whether the layout is that of a package of Zarf, which has it in a folder beside its own zarf.yaml. */
function isZarfPackage(files: ArchiveFiles): boolean {
  return files.root === "images/" && files.resolve("zarf.yaml") !== undefined;
}

/** Zarf, before it wrote packages with oras (tried with those of 2025-02), named images where others name their base. */
function nameAsZarf(entry: IndexEntry): void {
  const { annotations = {} } = entry.descriptor;
  const name = annotations["org.opencontainers.image.base.name"];
  if (name === undefined || writtenNames(entry.descriptor).length > 0) return;
  entry.descriptor = {
    ...entry.descriptor,
    annotations: { ...annotations, [REF_NAME]: name },
  };
}

class LayoutReader {
  readonly #files: ArchiveFiles;
  readonly #nodes = new Map<Digest, DocumentNode>();
  /** How many documents stand above each other at and below a node. */
  readonly #heights = new Map<Digest, number>();
  #bytes = 0;

  constructor(files: ArchiveFiles) {
    this.#files = files;
  }

  async attach(entries: readonly IndexEntry[], path: string, depth: number): Promise<void> {
    for (const entry of entries) {
      if (entry.blob) continue;
      const node = await this.#node(entry.descriptor, path, depth);
      if (node) entry.node = node;
    }
  }

  /** What refers to a document of the layout and is named by none. */
  async unlisted(entries: readonly IndexEntry[]): Promise<IndexEntry[]> {
    const nodes = walk(...nodesOf(entries));
    const present = new Set(nodes.map(({ digest }) => digest));
    const blobs = nodes.flatMap((node) =>
      node.kind === "manifest" ? [node.config, ...node.layers] : []
    );
    const named = new Set([...present, ...blobs.map((blob) => blob?.digest)]);
    const found: IndexEntry[] = [];
    const list = unlistedReferrers(this.#files, ({ digest }) => named.has(digest));
    for await (const { subject, ...descriptor } of list) {
      const node = present.has(subject) && await this.#node(descriptor, PATH, 0);
      if (node) found.push({ descriptor, raw: { ...descriptor }, node });
    }
    return found;
  }

  async #node(
    descriptor: Descriptor,
    parent: string,
    depth: number,
  ): Promise<DocumentNode | undefined> {
    const { digest, size } = descriptor;
    const known = this.#nodes.get(digest);
    if (known) {
      this.#checkDepth(depth + (this.#heights.get(digest) ?? 1), parent);
      return known;
    }
    const file = this.#files.blob(digest);
    if (!file) return undefined;
    this.#checkDepth(depth + 1, parent);
    if (file.size !== size) {
      throw malformed(
        parent,
        `it says that ${digest} has ${size} bytes, the archive has ${file.size}`,
      );
    }
    const node = await this.#read(file, descriptor, depth);
    const below = node.kind === "index" ? node.entries : [];
    const heights = below.map(({ node }) => node && this.#heights.get(node.digest) || 0);
    this.#heights.set(digest, heights.reduce((most, height) => Math.max(most, height), 0) + 1);
    this.#nodes.set(digest, node);
    return node;
  }

  #checkDepth(depth: number, path: string): void {
    if (depth <= MAX_INDEX_DEPTH) return;
    throw malformed(path, `it is nested more than ${MAX_INDEX_DEPTH} indexes deep`);
  }

  async #read(
    file: ArchiveFile,
    descriptor: Descriptor,
    depth: number,
  ): Promise<DocumentNode> {
    const { digest } = descriptor;
    const bytes = await file.bytes(MAX_MANIFEST_BYTES);
    this.#bytes += bytes.length;
    if (this.#nodes.size >= MAX_DOCUMENTS || this.#bytes > MAX_DOCUMENT_BYTES) {
      throw malformed(
        PATH,
        `more than ${MAX_DOCUMENTS} manifests or ${MAX_DOCUMENT_BYTES} bytes of them are below it`,
      );
    }
    await verifyBytes(file.path, bytes, digest);
    const { path } = file;
    const document = {
      digest,
      mediaType: descriptor.mediaType,
      bytes,
      json: parseJsonObject(file, bytes),
      malformed: (problem: string, cause?: unknown) => malformed(path, problem, cause),
    };
    const node = parseDocument(document, (descriptor) => this.blob(descriptor, path));
    if (node.kind === "index") await this.attach(node.entries, path, depth + 1);
    return node;
  }

  blob({ digest, size, mediaType }: Descriptor, path: string): ArchiveBlob {
    const file = this.#files.blob(digest) ?? emptyContent(digest);
    if (!file) return { digest, size, mediaType, origin: "descriptor" };
    if (file.size !== size) {
      throw malformed(
        path,
        `it says that blob ${digest} has ${size} bytes, the archive has ${file.size}`,
      );
    }
    return { digest, size, mediaType, origin: "named", file };
  }
}

/**
 * Finds documents among the blobs of a layout that name a subject and are named by none: cosign save leaves the signatures of
 * its newer form there, and its readers look for them.
 *
 * @param isNamed Whether something names the blob at a path.
 * @yields Their descriptors, as far as they can be told, and their subjects.
 */
export async function* unlistedReferrers(
  files: ArchiveFiles,
  isNamed: (blob: { digest: Digest; path: string }) => boolean,
): AsyncIterable<Descriptor & { subject: Digest }> {
  for (const path of files.paths()) {
    const digest = path.startsWith(`${files.root}blobs/`) ? digestOfPath(path) : undefined;
    const file = digest && !linkProblem(files, path) ? files.resolve(path) : undefined;
    if (!digest || !file || isNamed({ digest, path: file.path })) continue;
    const found = await readReferrer(file);
    if (found) yield { ...found, digest, size: file.size };
  }
}

/** Whether index.json is one whose signatures may be unlisted: its entries say what kind they are of. */
export function mayLackReferrers(descriptors: readonly Descriptor[]): boolean {
  return descriptors.some(({ annotations }) => annotations?.[KIND_ANNOTATION] !== undefined);
}

/** The type of a document and what it is about; undefined for any other file. */
async function readReferrer(
  file: ArchiveFile,
): Promise<{ mediaType: string; subject: Digest } | undefined> {
  if (file.size > MAX_MANIFEST_BYTES || !isJson(await file.peek())) return undefined;
  try {
    const json = parseJsonObject(file, await file.bytes(MAX_MANIFEST_BYTES));
    if (json.schemaVersion !== 2) return undefined;
    const mediaType = typeof json.mediaType === "string" ? json.mediaType : OCI_MANIFEST;
    return { mediaType, subject: parseDescriptor(json.subject).digest };
  } catch (error) {
    // Nothing names it, so it may be anything.
    if (error instanceof ArchiveError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
