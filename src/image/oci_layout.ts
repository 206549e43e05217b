import type { Digest } from "../digest.ts";
import {
  type Descriptor,
  isIndexType,
  isJsonObject,
  isManifestType,
  type JsonObject,
  MAX_MANIFEST_BYTES,
  OCI_INDEX,
  OCI_MANIFEST,
  parseDescriptor,
} from "../media_types.ts";
import { quoteName } from "../quote_name.ts";
import {
  type ArchiveBlob,
  type IndexEntry,
  type IndexNode,
  malformed,
  type ManifestNode,
  parseJsonObject,
  verifyBytes,
} from "./content.ts";
import type { ArchiveFile, ArchiveFiles } from "./files.ts";

/** Indexes below indexes: real ones have one or two. */
const MAX_INDEX_DEPTH = 8;
/** Manifests and indexes of one archive, and their bytes together: they are all held. */
const MAX_DOCUMENTS = 10_000;
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;
const MAX_BLOBS = 10_000;
const PATH = "index.json";
/** Artifacts of a release candidate of image-spec 1.1, which some tools still write. */
const OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json";
/** RFC 6838, section 4.2; it becomes a header, and is shown. */
const MEDIA_TYPE =
  /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;
/** The content `{}` (image-spec, manifest.md, "Guidance for an Empty Descriptor"), which some writers leave out. */
const EMPTY_JSON: Digest =
  "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/**
 * Reads index.json of an OCI layout and every manifest and index below it that the archive has.
 *
 * @param files The archive.
 * @returns The entries of index.json in order; undefined when there is no index.json.
 * @throws {ArchiveError} If a document is malformed or past a limit.
 * @throws {DigestMismatchError} If a document does not have the digest in its name.
 */
export async function readLayout(files: ArchiveFiles): Promise<IndexEntry[] | undefined> {
  const file = files.find(PATH);
  if (!file) return undefined;
  const index = parseJsonObject(file, await file.bytes(MAX_MANIFEST_BYTES));
  return await new LayoutReader(files).entries(index, PATH, 0);
}

class LayoutReader {
  readonly #files: ArchiveFiles;
  readonly #nodes = new Map<Digest, ManifestNode | IndexNode>();
  /** How many documents stand above each other at and below a node. */
  readonly #heights = new Map<Digest, number>();
  #bytes = 0;

  constructor(files: ArchiveFiles) {
    this.#files = files;
  }

  async entries(index: JsonObject, path: string, depth: number): Promise<IndexEntry[]> {
    // dockerd has written null for an empty list (moby issue 47210).
    const list = index.manifests ?? [];
    if (!Array.isArray(list)) throw malformed(path, `its member "manifests" is not a list`);
    if (list.length > MAX_DOCUMENTS) {
      throw malformed(path, `it has more than ${MAX_DOCUMENTS} entries`);
    }
    const entries: IndexEntry[] = [];
    for (const raw of list) {
      const descriptor = descriptorOf(raw, path);
      const entry: IndexEntry = { descriptor, raw };
      entries.push(entry);
      if (!isDocumentType(descriptor.mediaType)) {
        entry.blob = this.#blob(raw, path);
        continue;
      }
      const node = await this.#node(descriptor, path, depth);
      if (node) entry.node = node;
    }
    return entries;
  }

  async #node(
    descriptor: Descriptor,
    parent: string,
    depth: number,
  ): Promise<ManifestNode | IndexNode | undefined> {
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
  ): Promise<ManifestNode | IndexNode> {
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
    const json = parseJsonObject(file, bytes);
    const mediaType = typeOf(json, descriptor, file.path);
    const common = { digest, mediaType, bytes, ...subjectOf(json, file.path) };
    if (isIndexType(mediaType)) {
      return { kind: "index", ...common, entries: await this.entries(json, file.path, depth + 1) };
    }
    const node: ManifestNode = {
      kind: "manifest",
      ...common,
      layers: this.#layers(json, file.path),
    };
    if (json.config !== undefined && json.config !== null) {
      node.config = this.#blob(json.config, file.path);
    }
    if (typeof json.artifactType === "string") node.artifactType = json.artifactType;
    return node;
  }

  #layers(json: JsonObject, path: string): ArchiveBlob[] {
    // containerd writes null for an image without layers; the artifact manifest of an early spec says blobs.
    const list = json.layers ?? json.blobs ?? [];
    if (!Array.isArray(list)) throw malformed(path, `its member "layers" is not a list`);
    if (list.length > MAX_BLOBS) {
      throw malformed(path, `it has ${list.length} layers, expected at most ${MAX_BLOBS}`);
    }
    return list.map((layer) => this.#blob(layer, path));
  }

  #blob(value: unknown, path: string): ArchiveBlob {
    const { digest, size, mediaType } = descriptorOf(value, path);
    const file = this.#files.blob(digest) ?? (digest === EMPTY_JSON ? emptyJson() : undefined);
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

/** Whether a descriptor in an index is one of a manifest or index; most tools take one without a type for one. */
function isDocumentType(mediaType: string): boolean {
  return mediaType === "" || mediaType === OCI_ARTIFACT || isIndexType(mediaType) ||
    isManifestType(mediaType);
}

/** The type of a document, from what it says of itself, else from its descriptor, else from what it holds. */
function typeOf(json: JsonObject, descriptor: Descriptor, path: string): string {
  const isIndex = Array.isArray(json.manifests);
  if (isIndex && (json.layers !== undefined || json.config !== undefined)) {
    throw malformed(
      path,
      "it has the members of an index and those of a manifest, expected one of the two",
    );
  }
  const said = typeof json.mediaType === "string" && json.mediaType
    ? json.mediaType
    : descriptor.mediaType;
  const type = said || (isIndex ? OCI_INDEX : OCI_MANIFEST);
  if (!MEDIA_TYPE.test(type)) {
    throw malformed(
      path,
      `its media type is ${quoteName(type)}, expected one such as ${OCI_MANIFEST}`,
    );
  }
  if (isIndex !== isIndexType(type)) {
    // Only an index may lack its list: dockerd has written null.
    if (!(isIndexType(type) && json.layers === undefined && json.config === undefined)) {
      throw malformed(path, `its media type is ${quoteName(type)}, which does not fit its content`);
    }
  }
  return type;
}

function subjectOf(json: JsonObject, path: string): { subject?: Descriptor } {
  return isJsonObject(json.subject) ? { subject: descriptorOf(json.subject, path) } : {};
}

function descriptorOf(value: unknown, path: string): Descriptor {
  try {
    return parseDescriptor(value);
  } catch (cause) {
    throw malformed(
      path,
      cause instanceof Error ? cause.message : "a descriptor is malformed",
      cause,
    );
  }
}

function emptyJson(): ArchiveFile {
  const bytes = new TextEncoder().encode("{}");
  const read = () => Promise.resolve(bytes);
  return { path: "{}", size: bytes.length, body: new Blob([bytes]), peek: read, bytes: read };
}
