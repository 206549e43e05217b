import type { Bytes } from "../bytes.ts";
import { MAX_CONFIG_BYTES } from "../config_json.ts";
import type { Digest } from "../digest.ts";
import { ArchiveError } from "../errors.ts";
import { formatPlatform, type Platform } from "../media_types.ts";
import { listTexts, quoteName } from "../quote_name.ts";
import { type DocumentNode, isArtifact, type ManifestNode, parseJsonObject } from "./content.ts";
import { diffIdsOf } from "./docker_save.ts";
import type { ArchiveFile } from "./files.ts";
import { isEncryptedType, isLayerType } from "./layer_type.ts";
import { normalizePlatform, rankFitting } from "./platform_order.ts";
import { childImages, nameOffers, type PlatformOffer } from "./platforms.ts";

/** An image that manifest.json can name. */
export interface DockerLoadable {
  config: { digest: Digest; bytes: Bytes };
  layers: Digest[];
  /** Says that there are others for the same os and architecture, where there are. */
  notice?: string | undefined;
}

/** What manifest.json names without being told. */
const USUAL_MACHINE = "linux/amd64";

/**
 * Finds the image that manifest.json can name for an image or index: of an index that for linux/amd64, else the first
 * that can be loaded; of several for the same os and architecture that which containerd would choose.
 *
 * @returns The image with its config, which was read, and what it was chosen among; or why there is none, in one clause.
 */
export async function chooseDockerImage(
  node: DocumentNode,
): Promise<DockerLoadable | { problem: string }> {
  if (node.kind === "manifest") return await loadable(node);
  let problem = "its index has no image";
  for (const group of groupByMachine(await childImages(node))) {
    const [{ platform } = {}] = group;
    const ranked = platform ? rankFitting(machineOf(platform), group) : group;
    for (const offer of ranked) {
      if (offer.entry.node?.kind !== "manifest") continue;
      const found = await loadable(offer.entry.node);
      if (!("problem" in found)) return { ...found, notice: noticeOthers(offer, ranked) };
      problem = found.problem;
    }
  }
  return { problem };
}

/** Images of one os and architecture together; the usual ones before all. */
function groupByMachine(offers: readonly PlatformOffer[]): PlatformOffer[][] {
  const groups = new Map<string, PlatformOffer[]>([[USUAL_MACHINE, []]]);
  for (const offer of offers) {
    const key = offer.platform
      ? formatPlatform(machineOf(normalizePlatform(offer.platform)))
      : `unknown ${offer.entry.descriptor.digest}`;
    const group = groups.get(key);
    if (group) group.push(offer);
    else groups.set(key, [offer]);
  }
  return [...groups.values()];
}

function machineOf({ os, architecture }: Platform): Platform {
  return { os, architecture };
}

function noticeOthers(chosen: PlatformOffer, group: readonly PlatformOffer[]): string | undefined {
  const { digest } = chosen.entry.descriptor;
  const others = group.filter(({ entry }) => entry.node && entry.descriptor.digest !== digest);
  if (others.length === 0) return undefined;
  const [name, ...rest] = nameOffers([chosen, ...others]);
  return `the archive holds ${name}, ${listTexts(rest)}: manifest.json names ${name}, ` +
    "which a docker without containerd's image store loads";
}

async function loadable(node: ManifestNode): Promise<DockerLoadable | { problem: string }> {
  const { config, layers } = node;
  if (isArtifact(node) || !config?.file || !config.digest) {
    return { problem: "it is an artifact, no image" };
  }
  if (layers.some(({ mediaType }) => isEncryptedType(mediaType))) {
    return { problem: "its layers are encrypted" };
  }
  const other = layers.find(({ mediaType }) => !isLayerType(mediaType));
  if (other) return { problem: `${quoteName(other.mediaType)} is no type of a layer to docker` };
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
