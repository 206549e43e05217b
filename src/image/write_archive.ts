import type { Bytes } from "../bytes.ts";
import { mapAll } from "../concurrency.ts";
import type { CosignKind } from "../cosign_tags.ts";
import { blobPath, type Digest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { isForeignLayer, MAX_MANIFEST_BYTES, OCI_INDEX } from "../media_types.ts";
import {
  formatImageName,
  formatRepository,
  parseImageName,
  parsePinnedName,
} from "../reference.ts";
import { type PackedEntry, packedSize, packTar } from "../tar/pack_tar.ts";
import type { BlobSource } from "../source/blob_source.ts";
import { blobsOf, type DocumentNode, walk } from "./content.ts";
import { MAX_DOCUMENT_BYTES, MAX_ENTRIES } from "./documents.ts";
import { MAX_DOCUMENTS } from "./oci_layout.ts";
import { chooseDockerImage } from "./docker_image.ts";
import { LEFT_OUT_PATH } from "./entry_names.ts";
import type { ArchiveFile, FilledListener } from "./files.ts";
import { formatLeftOut, type LeftOut } from "./left_out.ts";

/** An image, index or artifact to be written, with its names. */
export interface NamedContent {
  node: DocumentNode;
  /**
   * Full names, such as `localhost:5000/team/app:1.0`, or with its digest for a tag; without one it can be had by its digest
   * alone.
   */
  names: readonly string[];
  /** What cosign keeps of an image beside it: what it is, and the tag under which cosign looks for it. */
  beside?: { kind: CosignKind; tag: string };
}

/**
 * How an archive is laid out. "docker": an OCI layout with manifest.json beside it, as docker has saved since version
 * 25. "oci": the layout alone.
 */
export type ArchiveFormat = "docker" | "oci";

/** Options for {@linkcode planArchive}. */
export interface WriteArchiveOptions {
  /** @default {"docker"} */
  format?: ArchiveFormat;
  /**
   * Whether index.json and manifest.json come before the blobs, for those who read the archive from a pipe.
   * @default {false}
   */
  namesFirst?: boolean;
  /** Layers that are left out, since another place has them; a file of the archive says which, and where they are. */
  leftOut?: LeftOut;
  /**
   * Opens the content of a config or layer when its turn has come.
   * @default the blob's own `open`
   */
  open?: (blob: ContentBlob) => ReadableStream<Uint8Array>;
}

/** A config or layer that is in the archive. */
export interface ContentBlob {
  digest: Digest;
  size: number;
  /** Opens its content, piece by piece. */
  open(): ReadableStream<Uint8Array>;
  /** Reads its content at once, into a room that is large enough, or elsewhere; absent where it is at hand. */
  read?(room: Bytes, onFilled?: FilledListener): Promise<Bytes>;
}

/** An archive that can be written. */
export interface ArchivePlan {
  /** Configs and layers, each once, in the order in which they are written. */
  blobs: ContentBlob[];
  /** Files of the archive in order: what names others comes after those. */
  entries: readonly PackedEntry[];
  /** Length of the tar in bytes. */
  size: number;
  /** What a person should know about it. */
  notices: string[];
  /** Writes it; nothing is read before the first byte is asked for. To be called once. */
  stream(): ReadableStream<Bytes>;
}

/** What the file oci-layout says (image-spec, image-layout.md, "oci-layout file"). */
const LAYOUT = { imageLayoutVersion: "1.0.0" };

/**
 * Lays out an archive of images. Manifests and indexes stay as they are, byte for byte; equal blobs are written once.
 * The same content under the same names gives the same bytes. index.json and manifest.json come last, unless they are wanted
 * first: what was cut off has none.
 *
 * An index goes in with all that `node` has of it; manifest.json names one of its images, that for linux/amd64 where
 * there is one, else its first: what a docker without containerd's image store loads.
 *
 * @param contents What to write. The files of their blobs must stay readable as long as the stream is.
 * @returns The archive; of the blobs only the config of the image that manifest.json names has been read.
 * @throws {OciError} If a blob is absent that must not be.
 */
export async function planArchive(
  contents: readonly NamedContent[],
  {
    format = "docker",
    namesFirst = false,
    leftOut = new Map(),
    open = (blob) => blob.open(),
  }: WriteArchiveOptions = {},
): Promise<ArchivePlan> {
  const images = contents.filter(({ beside }) => !beside);
  const documents = walk(...contents.map(({ node }) => node));
  const manifests = entriesOf(contents);
  const index = encodeJson({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
  refuseTooMuch(documents, manifests.length, index.length);
  const present = presentBlobs(contents, new Set(documents.map(({ digest }) => digest)));
  const docker = format === "docker" ? await listDockerImages(images) : undefined;
  const blobs = present.filter(({ digest }) => !leftOut.has(digest))
    .map((blob) => toContent(blob, docker?.configs.get(blob.digest)));
  const names: PackedEntry[] = [{ path: "index.json", body: index }];
  if (docker && docker.images.length > 0) {
    names.push({ path: "manifest.json", body: encodeJson(docker.images) });
  }
  const entries: PackedEntry[] = [
    { path: "oci-layout", body: encodeJson(LAYOUT) },
    ...leftOut.size > 0 ? [{ path: LEFT_OUT_PATH, body: formatLeftOut(leftOut) }] : [],
    ...namesFirst ? names : [],
    { path: "blobs/" },
    ...algorithmsOf([...documents, ...blobs]).map((name) => ({ path: `blobs/${name}/` })),
    ...documents.map(({ digest, bytes }) => ({ path: blobPath(digest), body: bytes })),
    ...blobs.map((blob) => ({
      path: blobPath(blob.digest),
      body: { size: blob.size, open: () => open(blob) },
    })),
    ...namesFirst ? [] : names,
  ];
  return {
    blobs,
    entries,
    size: packedSize(entries),
    notices: docker?.notices ?? [],
    stream: () => packTar(entries),
  };
}

/** Nobody would read what is past the limits of readers, this project's own included. */
function refuseTooMuch(
  documents: readonly { bytes: Bytes }[],
  entries: number,
  indexBytes: number,
): void {
  const bytes = documents.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const found = entries > MAX_ENTRIES
    ? `it has ${entries} names, expected at most ${MAX_ENTRIES}`
    : indexBytes > MAX_MANIFEST_BYTES
    ? `its index.json has ${indexBytes} bytes, expected at most ${MAX_MANIFEST_BYTES}`
    : documents.length > MAX_DOCUMENTS
    ? `it has ${documents.length} manifests, expected at most ${MAX_DOCUMENTS}`
    : bytes > MAX_DOCUMENT_BYTES
    ? `its manifests have ${bytes} bytes, expected at most ${MAX_DOCUMENT_BYTES}`
    : undefined;
  if (found === undefined) return;
  throw new OciError(`Cannot write so many images into one archive: ${found}`, {
    hint: "write several archives",
  });
}

/** A blob that can be read. */
interface PresentBlob {
  digest: Digest;
  size: number;
  file: ArchiveFile & { body: BlobSource };
}

/** What is written of configs and layers, without what is among the documents. */
function presentBlobs(
  contents: readonly NamedContent[],
  documents: ReadonlySet<Digest>,
): PresentBlob[] {
  const blobs = new Map<Digest, PresentBlob>();
  for (const { digest, size, file, mediaType } of contents.flatMap(({ node }) => blobsOf(node))) {
    if (!digest || documents.has(digest)) continue;
    if (hasBody(file)) blobs.set(digest, { digest, size, file });
    else if (!blobs.has(digest) && !isForeignLayer(mediaType)) {
      throw new OciError(`Cannot write blob ${digest} into an archive: its content is not there`);
    }
  }
  return [...blobs.values()];
}

function hasBody(file: ArchiveFile | undefined): file is PresentBlob["file"] {
  return file?.body !== undefined;
}

function toContent({ digest, size, file }: PresentBlob, held: Bytes | undefined): ContentBlob {
  if (held) return { digest, size, open: () => new Blob([held]).stream() };
  return {
    digest,
    size,
    open: () => file.body.slice(0, size).stream(),
    read: (room, onFilled) => file.bytesInto?.(room, onFilled) ?? file.bytes(size),
  };
}

/**
 * The entries of index.json, one for each name, as dockerd writes it. Where signatures are among them, each also says what it is, as
 * cosign writes it.
 */
function entriesOf(contents: readonly NamedContent[]): unknown[] {
  const isSigned = contents.some(({ beside }) => beside);
  const shared = sharedTags(contents);
  return contents.flatMap((content) => {
    const { node, names } = content;
    const descriptor = {
      mediaType: node.mediaType,
      digest: node.digest,
      size: node.bytes.length,
      ...(node.kind === "manifest" && node.artifactType !== undefined &&
        { artifactType: node.artifactType }),
    };
    const named = names.length > 0 ? names.map((text) => nameAnnotations(text, shared)) : [{}];
    return named.map((name) => {
      const annotations = { ...tagAnnotation(content), ...name, ...isSigned && kindOf(content) };
      return Object.keys(annotations).length > 0 ? { ...descriptor, annotations } : descriptor;
    });
  });
}

/** Tags that several images have, of other repositories. */
function sharedTags(contents: readonly NamedContent[]): ReadonlySet<string> {
  const owners = new Map<string, Digest>();
  const shared = new Set<string>();
  for (const { node: { digest }, names } of contents) {
    for (const tag of names.flatMap((text) => parseImageName(text)?.tag ?? [])) {
      if ((owners.get(tag) ?? digest) !== digest) shared.add(tag);
      owners.set(tag, digest);
    }
  }
  return shared;
}

/** The second is what skopeo and umoci choose by: the tag, as docker writes it, where that tells images apart. */
function nameAnnotations(text: string, shared: ReadonlySet<string>): Record<string, string> {
  const full = containerdName(text);
  const tag = parseImageName(text)?.tag;
  return {
    "io.containerd.image.name": full,
    ...tag !== undefined &&
      { "org.opencontainers.image.ref.name": shared.has(tag) ? full : tag },
  };
}

/** Tells what a signature is about also where its image has no name. */
function tagAnnotation({ beside }: NamedContent): Record<string, string> {
  return beside ? { "org.opencontainers.image.ref.name": beside.tag } : {};
}

function kindOf({ node, beside }: NamedContent): Record<string, string> {
  const kind = beside ? `${beside.kind}s` : node.kind === "index" ? "imageIndex" : "image";
  return { kind: `dev.cosignproject.cosign/${kind}` };
}

/** Configs read at the same time. */
const CONCURRENCY = 4;
/** Bytes of configs that are held until they are written; what is more is read again then. */
const MAX_HELD_BYTES = 16 * 1024 * 1024;

/** manifest.json, with the configs that were read for it. */
async function listDockerImages(contents: readonly NamedContent[]) {
  const configs = new Map<Digest, Bytes>();
  let held = 0;
  const listed = await mapAll(contents, CONCURRENCY, async ({ node, names }) => {
    const chosen = await chooseDockerImage(node);
    if ("problem" in chosen) {
      const what = contents.length === 1 ? "the archive" : names[0] ?? node.digest;
      return { notice: `docker load will not take ${what}: ${chosen.problem}` };
    }
    const { config, layers, notice } = chosen;
    held += config.bytes.length;
    if (held <= MAX_HELD_BYTES) configs.set(config.digest, config.bytes);
    const image = {
      Config: blobPath(config.digest),
      RepoTags: repoTagsOf(names),
      Layers: layers.map(blobPath),
    };
    return { image, notice };
  });
  const images = listed.flatMap(({ image }) => image ?? []);
  const notices = listed.flatMap(({ notice }) => notice ?? []);
  return { images, notices, configs };
}

function algorithmsOf(blobs: readonly { digest: Digest }[]): string[] {
  return [...new Set(blobs.map(({ digest }) => digest.slice(0, digest.indexOf(":"))))].sort();
}

/** Names as docker load takes them: it refuses one with a digest. */
function repoTagsOf(names: readonly string[]): string[] | null {
  const tagged = names.flatMap((text) => parseImageName(text) ?? []).map(formatImageName);
  return tagged.length > 0 ? tagged : null;
}

/** The name as containerd has it, Docker Hub's host and `library/` included. */
function containerdName(text: string): string {
  const pinned = parsePinnedName(text);
  const name = pinned?.name ?? parseImageName(text);
  if (!name) {
    throw new TypeError(
      `Cannot write an archive for ${
        JSON.stringify(text)
      }: it is no name, expected HOST/REPOSITORY:TAG`,
    );
  }
  const short = pinned ? `${formatRepository(name)}@${pinned.digest}` : formatImageName(name);
  if (name.host) return short;
  return `docker.io/${name.repository.includes("/") ? "" : "library/"}${short}`;
}

function encodeJson(value: unknown): Bytes {
  return new TextEncoder().encode(JSON.stringify(value));
}
