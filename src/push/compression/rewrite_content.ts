import type { LayerCompression } from "../../codec/magic.ts";
import type { Digest } from "../../digest.ts";
import type {
  ArchiveBlob,
  DockerNode,
  DocumentNode,
  IndexEntry,
  IndexNode,
  ManifestNode,
} from "../../image/content.ts";
import { needsOci, useUsualTypes } from "../../image/docker_manifest.ts";
import { encodeDocument, kindOfType, retype } from "../../image/retype.ts";
import { DOCKER_LAYER, isAttestation, OCI_LAYER, readJsonObject } from "../../media_types.ts";

/** Finds what stands in the place of a layer of a manifest; undefined where that stays as it is. */
export type Replace = (
  layer: ArchiveBlob,
  manifest: ManifestNode | DockerNode,
) => ArchiveBlob | undefined;

/** Content with other layers. */
export interface Rewritten {
  node: DocumentNode;
  /** Manifests below an index that were left out, since they are about ones that have another digest now. */
  leftOut: number;
}

/** The type of a layer when it is compressed. */
export function compressedType(mediaType: string, kind: LayerCompression): string {
  if (kind === "zstd") return `${OCI_LAYER}+zstd`;
  return kindOfType(mediaType) === "docker" ? `${DOCKER_LAYER}.gzip` : `${OCI_LAYER}+gzip`;
}

/** Writes an image that has no manifest yet with other layers. */
export function rewriteDocker(node: DockerNode, replace: Replace): DockerNode {
  const copy = {
    ...node,
    config: { ...node.config },
    layers: node.layers.map((layer) => ({ ...replace(layer, node) ?? layer })),
  };
  useUsualTypes(copy);
  return copy;
}

/**
 * Writes a manifest, or an index and all below it, with other layers: config and diff_ids, annotations and the order of
 * everything stay. What is about a manifest that becomes another, such as an attestation, is left out of its index:
 * what it says of a digest would not be true. A manifest with a layer in zstd is OCI's, and so is the index that names it.
 *
 * @returns The same node where nothing changes.
 */
export async function rewriteContent(
  root: DocumentNode,
  replace: Replace,
): Promise<Rewritten> {
  const done = new Map<Digest, DocumentNode>();
  let leftOut = 0;
  const rewrite = async (node: DocumentNode) => {
    const known = done.get(node.digest);
    if (known) return known;
    const written = node.kind === "manifest"
      ? await rewriteManifest(node, replace)
      : await rewriteIndex(node);
    done.set(node.digest, written);
    return written;
  };
  const rewriteIndex = async (node: IndexNode): Promise<IndexNode> => {
    for (const entry of node.entries) if (entry.node) await rewrite(entry.node);
    const changed = new Set<string | undefined>(
      [...done].flatMap(([before, { digest }]) => before === digest ? [] : [before]),
    );
    const kept = node.entries.filter((entry) => !isAbout(entry, changed));
    leftOut += node.entries.length - kept.length;
    const entries = kept.map((entry) => entryOf(entry, done));
    if (
      entries.length === node.entries.length && entries.every((entry, at) => entry === kept[at])
    ) {
      return node;
    }
    const manifests = entries.map(({ raw }) => raw);
    const document = await encodeDocument({ ...readJsonObject(node.bytes), manifests });
    const written: IndexNode = { ...node, ...document, entries };
    const isOci = entries.some((entry, at) => kept[at]?.node?.mediaType !== entry.node?.mediaType);
    return isOci ? await retype(written, "oci") as IndexNode : written;
  };
  return { node: await rewrite(root), leftOut };
}

/** Whether an entry is about a manifest that has another digest now. */
function isAbout(entry: IndexEntry, changed: ReadonlySet<string | undefined>): boolean {
  const { annotations } = entry.descriptor;
  const about = isAttestation(entry.descriptor)
    ? annotations?.["vnd.docker.reference.digest"]
    : undefined;
  return changed.has(about) || changed.has(entry.node?.subject?.digest);
}

function entryOf(
  entry: IndexEntry,
  done: ReadonlyMap<Digest, DocumentNode>,
): IndexEntry {
  const node = entry.node && done.get(entry.node.digest);
  if (!node || node === entry.node) return entry;
  const now = { mediaType: node.mediaType, digest: node.digest, size: node.bytes.length };
  return {
    descriptor: { ...entry.descriptor, ...now },
    raw: { ...entry.raw, ...now },
    node,
  };
}

async function rewriteManifest(
  node: ManifestNode,
  replace: Replace,
): Promise<DocumentNode> {
  const replaced = node.layers.map((layer) => replace(layer, node));
  if (replaced.every((layer) => layer === undefined)) return node;
  const json = readJsonObject(node.bytes);
  const list = Array.isArray(json?.layers) ? json.layers : [];
  const layers = list.map((raw, at) => {
    const layer = replaced[at];
    if (!layer) return raw;
    const { mediaType, digest, size } = layer;
    return { ...raw, mediaType, digest, size };
  });
  const written: ManifestNode = {
    ...node,
    layers: node.layers.map((layer, at) => replaced[at] ?? layer),
    ...await encodeDocument({ ...json, layers }),
  };
  return needsOci(written) ? await retype(written, "oci") : written;
}
