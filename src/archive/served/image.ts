import type { Digest } from "../../digest.ts";
import { type ArchiveBeside, besideOf } from "../../image/beside.ts";
import type {
  ArchiveBlob,
  ContentNode,
  DockerNode,
  DocumentNode,
  ManifestNode,
} from "../../image/content.ts";
import { buildManifest } from "../../image/docker_manifest.ts";
import type { ArchiveFile } from "../../image/files.ts";
import type { Hasher } from "../../incremental_hash.ts";
import { hashBlob } from "../read_blob.ts";

/** An image as a registry shows it: with the manifest that a push would write, where the archive has none. */
export class ServedImage {
  readonly archive: ServedArchive;
  readonly node: ContentNode;
  /** Its manifest or index, as soon as that is known. */
  known: DocumentNode | undefined;
  /** Signatures and the like of it. */
  readonly beside: readonly ArchiveBeside[];

  constructor(archive: ServedArchive, node: ContentNode, beside: readonly ArchiveBeside[]) {
    this.archive = archive;
    this.node = node;
    this.known = node.kind === "docker" ? undefined : node;
    this.beside = node.kind === "docker" ? [] : besideOf(beside, node);
  }

  /** Its manifest or index. Layers that no name tells the digest of are read for it, once. */
  async root(): Promise<DocumentNode> {
    const { node } = this;
    return this.known ??= node.kind === "docker" ? await this.#write(node) : node;
  }

  /** Whether nothing has to be read for its manifest. */
  get isTold(): boolean {
    return this.node.kind !== "docker" || this.node.layers.every(isSure);
  }

  async #write(node: DockerNode): Promise<ManifestNode> {
    const digests: Digest[] = [];
    for (const layer of node.layers) digests.push(await this.archive.layerDigest(layer));
    return await buildManifest(node, digests);
  }
}

/** An archive that images come from, and the digests of its layers. */
export class ServedArchive {
  readonly name: string;
  readonly #hasher: Hasher;
  readonly #hashed = new Map<ArchiveFile, Promise<Digest>>();

  constructor(name: string, hasher: Hasher) {
    this.name = name;
    this.#hasher = hasher;
  }

  /** The digest of a layer: the one that it is known by, unless it is merely called after it, else that of its content. */
  layerDigest(layer: ArchiveBlob): Digest | Promise<Digest> {
    if (isSure(layer)) return layer.digest;
    const { file } = layer;
    if (!file) throw new TypeError("unreachable: only its content tells the digest of a layer");
    const known = this.#hashed.get(file);
    if (known) return known;
    const hashed = this.#hash(layer, file);
    this.#hashed.set(file, hashed);
    // A file that cannot be read now may be there again later.
    hashed.catch(() => this.#hashed.delete(file));
    return hashed;
  }

  async #hash({ size, mediaType, origin }: ArchiveBlob, file: ArchiveFile): Promise<Digest> {
    // Without its diff_id: what it inflates to is left to who unpacks it.
    const digest = await hashBlob({ size, mediaType, origin, file }, this.#hasher);
    await file.body?.slice(0, size).checkUnchanged?.();
    return digest;
  }
}

/** Whether a layer is known by a digest, and not merely called after one. */
function isSure(layer: ArchiveBlob): layer is ArchiveBlob & { digest: Digest } {
  return layer.digest !== undefined && layer.origin !== "hint";
}
