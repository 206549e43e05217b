import type { Bytes } from "../bytes.ts";
import { MAX_CONFIG_BYTES } from "../config_json.ts";
import type { Digest } from "../digest.ts";
import { ArchiveError } from "../errors.ts";
import { DOCKER_CONFIG, OCI_CONFIG } from "../media_types.ts";
import { type IndexNode, type ManifestNode, parseJsonObject } from "./content.ts";
import { diffIdsOf } from "./docker_save.ts";
import type { ArchiveFile } from "./files.ts";
import { readPlatform } from "./image_config.ts";
import { childImages } from "./platforms.ts";

/** An image that manifest.json can name. */
export interface DockerLoadable {
  config: { digest: Digest; bytes: Bytes };
  /** Digests of the layers, in order. */
  layers: Digest[];
}

/** Layers that are tars, compressed or not; one that is encrypted is none. */
const TAR_LAYER =
  /^application\/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar)(?:[.+](?:gzip|zstd))?$/;

/**
 * Finds the image that manifest.json can name for an image or index: of an index that for linux/amd64, else the first
 * that can be loaded.
 *
 * @param node The image, index or artifact.
 * @returns The image with its config, which was read; or why there is none, in one clause.
 */
export async function chooseDockerImage(
  node: ManifestNode | IndexNode,
): Promise<DockerLoadable | { problem: string }> {
  if (node.kind === "manifest") return await loadable(node);
  const children = (await childImages(node, readPlatform))
    .flatMap(({ platform, entry }) =>
      entry.node?.kind === "manifest" ? [{ platform, manifest: entry.node }] : []
    );
  const isUsual = (platform: (typeof children)[number]["platform"]) =>
    platform?.os === "linux" && platform.architecture === "amd64";
  const sorted = [
    ...children.filter(({ platform }) => isUsual(platform)),
    ...children.filter(({ platform }) => !isUsual(platform)),
  ];
  let problem = "its index has no image";
  for (const { manifest } of sorted) {
    const found = await loadable(manifest);
    if (!("problem" in found)) return found;
    problem = found.problem;
  }
  return { problem };
}

async function loadable(
  { config, layers, artifactType }: ManifestNode,
): Promise<DockerLoadable | { problem: string }> {
  const isImage = artifactType === undefined && config?.digest !== undefined &&
    (config.mediaType === OCI_CONFIG || config.mediaType === DOCKER_CONFIG) &&
    layers.every(({ mediaType }) => TAR_LAYER.test(mediaType));
  if (!isImage || !config.file || !config.digest) return { problem: "it is an artifact, no image" };
  const away = layers.find(({ file }) => !file)?.digest;
  if (away) return { problem: `layer ${away} may not be distributed and is not in it` };
  const { digest, file } = config;
  if (file.size > MAX_CONFIG_BYTES) {
    return { problem: `its config ${digest} has more than ${MAX_CONFIG_BYTES} bytes` };
  }
  const bytes = await file.bytes(MAX_CONFIG_BYTES);
  const count = countDiffIds(file, bytes);
  if (count !== layers.length) {
    const found = count === undefined
      ? "is no image config"
      : `is for ${count} layers, it has ${layers.length}`;
    return { problem: `its config ${digest} ${found}` };
  }
  const digests = layers.map(({ digest }) => digest).filter((digest) => digest !== undefined);
  return { config: { digest, bytes }, layers: digests };
}

/** For how many layers a config is; undefined where it cannot be told. */
function countDiffIds(file: ArchiveFile, bytes: Bytes): number | undefined {
  try {
    return diffIdsOf(parseJsonObject(file, bytes), file.path).length;
  } catch (error) {
    if (error instanceof ArchiveError) return undefined;
    throw error;
  }
}
