import { type Bytes, encodeJson } from "../bytes.ts";
import { mapAll } from "../concurrency.ts";
import { blobPath, type Digest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { isForeignLayer, MAX_MANIFEST_BYTES, OCI_INDEX } from "../media_types.ts";
import { formatImageName, parseImageName } from "../reference.ts";
import { type PackedEntry, packedSize, packTar } from "../tar/pack_tar.ts";
import type { BlobSource } from "../source/blob_source.ts";
import { blobsOf, walk } from "./content.ts";
import { MAX_DOCUMENT_BYTES, MAX_ENTRIES } from "./documents.ts";
import { MAX_DOCUMENTS } from "./oci_layout.ts";
import { chooseDockerImage } from "./docker_image.ts";
import { LEFT_OUT_PATH } from "./entry_names.ts";
import { indexEntries, type NamedContent } from "./index_entries.ts";
import type { ArchiveFile, FilledListener } from "./files.ts";
import { formatLeftOut, type LeftOut } from "./left_out.ts";

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
  const manifests = indexEntries(contents);
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
