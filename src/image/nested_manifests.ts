import { type Digest, digestOfPath, isDigest } from "../digest.ts";
import { isJsonObject, MAX_MANIFEST_BYTES, readJsonObject } from "../media_types.ts";
import { blobsOf, type ContentNode, isArtifact, type ManifestNode, walk } from "./content.ts";
import { MAX_DOCUMENT_BYTES } from "./documents.ts";
import { type ArchiveFile, type ArchiveFiles, isJson } from "./files.ts";

/**
 * Tells of manifests that an artifact has as its layers, and whose own blobs nothing else names: such a layer is pushed as a
 * blob like any other, and what it names belongs to nothing there. The bundles of uds have packages of Zarf so.
 *
 * @param nodes All that the archive has to push.
 * @returns A sentence for each artifact with such layers.
 */
export async function nestedNotices(
  files: ArchiveFiles,
  nodes: readonly ContentNode[],
): Promise<string[]> {
  const named = new Set(nodes.flatMap(digestsOf));
  if (!hasMore(files, named)) return [];
  const notices: string[] = [];
  let room = MAX_DOCUMENT_BYTES;
  for (const artifact of nodes) {
    if (artifact.kind !== "manifest" || !isArtifact(artifact)) continue;
    const behind = new Map<Digest, ArchiveFile>();
    for (const { file } of artifact.layers) {
      // Links make many layers of one file.
      if (!file || !await mayBeManifest(file) || (room -= file.size) < 0) continue;
      for (const digest of await namedBy(file)) {
        const blob = named.has(digest) ? undefined : files.blob(digest);
        if (blob) behind.set(digest, blob);
      }
    }
    if (behind.size > 0) notices.push(noticeOf(artifact, behind));
  }
  return notices;
}

function digestsOf(node: ContentNode): Digest[] {
  const blobs = blobsOf(node).flatMap(({ digest }) => digest ?? []);
  return node.kind === "docker" ? blobs : [...blobs, ...walk(node).map(({ digest }) => digest)];
}

/** Whether an archive has blobs that nothing names: mostly it has none. */
function hasMore(files: ArchiveFiles, named: ReadonlySet<Digest>): boolean {
  for (const path of files.paths()) {
    const digest = digestOfPath(path);
    if (digest && !named.has(digest)) return true;
  }
  return false;
}

async function mayBeManifest(layer: ArchiveFile): Promise<boolean> {
  return layer.size <= MAX_MANIFEST_BYTES && isJson(await layer.peek());
}

/** Digests of the blobs that a layer names if it is a manifest; none where it is anything else. */
async function namedBy(layer: ArchiveFile): Promise<Digest[]> {
  // Nobody can look into what a pipe did not keep.
  const bytes = await layer.bytes(MAX_MANIFEST_BYTES).catch(() => undefined);
  const json = bytes && readJsonObject(bytes);
  if (json?.schemaVersion !== 2 || !Array.isArray(json.layers)) return [];
  return [json.config, ...json.layers].flatMap((blob) =>
    isJsonObject(blob) && isDigest(blob.digest) ? [blob.digest] : []
  );
}

function noticeOf({ digest }: ManifestNode, behind: ReadonlyMap<Digest, ArchiveFile>): string {
  const bytes = [...behind.values()].reduce((sum, { size }) => sum + size, 0);
  const blobs = behind.size === 1 ? "a blob" : `${behind.size} blobs`;
  return `the artifact ${digest} has manifests as layers, which name ${blobs} of ${bytes} bytes besides: ` +
    "to a registry these belong to nothing, and are not kept (of a bundle of uds, uds publish sends all)";
}
