import { type Digest, digestBytes } from "../digest.ts";
import { formatPlatform, type Platform } from "../media_types.ts";
import { quoteName } from "../quote_name.ts";
import {
  type ContentNode,
  type IndexEntry,
  type IndexNode,
  isAttestation,
  walk,
} from "./content.ts";

/** Reads the platform of a manifest from its config, where the index does not tell. */
export type PlatformOf = (node: ContentNode) => Promise<Platform | undefined>;

/** An image below an index. */
export interface PlatformOffer {
  platform: Platform | undefined;
  entry: IndexEntry;
}

/** How a choice of platforms is refused. */
export interface RefusePlatform {
  /** What is being done, and where the image is: `push`, `archive`. */
  verb: string;
  place: string;
  /** Makes the error. */
  toError(message: string, digest?: Digest): Error;
}

/** Platforms or digests that a message lists before it only counts. */
const MAX_LISTED = 12;

/**
 * Parses platforms as `os/architecture[/variant]`.
 *
 * @throws {TypeError} If a text is none.
 */
export function parsePlatforms(texts: readonly string[]): Platform[] {
  return texts.map((text) => {
    const [os, architecture, variant, ...rest] = text.split("/");
    if (!os || !architecture || variant === "" || rest.length > 0) {
      throw new TypeError(
        `Cannot use platform ${
          quoteName(text)
        }: expected OS/ARCHITECTURE[/VARIANT], such as linux/arm64`,
      );
    }
    return variant ? { os, architecture, variant } : { os, architecture };
  });
}

/**
 * Narrows an image to platforms: one gives the child manifest itself, several a new index of the chosen children and
 * their attestations.
 *
 * @param node The image.
 * @param platforms Platforms asked for; none keeps the whole image.
 * @param platformOf Reads a platform from a config.
 * @param refuse How to say that a platform is not there.
 * @returns What was chosen, and whether it is an index that did not exist before.
 */
export async function selectPlatforms<Node extends ContentNode>(
  node: Node,
  platforms: readonly Platform[],
  platformOf: PlatformOf,
  { verb, place, toError }: RefusePlatform,
): Promise<{ node: Node | Exclude<ContentNode, { kind: "docker" }>; isNew: boolean }> {
  if (platforms.length === 0) return { node, isNew: false };
  const offered = node.kind === "index"
    ? await childImages(node, platformOf)
    : [{ platform: await platformOf(node), entry: undefined }];
  const chosen = platforms.map((platform) => {
    const [match] = offered.filter((offer) => fits(platform, offer.platform));
    if (match) return match;
    throw toError(
      `Cannot ${verb} platform ${formatPlatform(platform)}: the image has ${
        listPlatforms(offered)
      }`,
    );
  });
  if (node.kind !== "index") return { node, isNew: false };
  // Two platforms may mean one child, as linux/arm64 and linux/arm64/v8 do.
  const entries = [...new Set(chosen.map(({ entry }) => entry))].filter((entry) =>
    entry !== undefined
  );
  const [only, ...others] = entries;
  if (!only || others.length > 0) return { node: await rebuildIndex(node, entries), isNew: true };
  if (only.node) return { node: only.node, isNew: false };
  const { digest } = only.descriptor;
  throw toError(
    `Cannot ${verb} platform ${
      platforms.map(formatPlatform).join(", ")
    }: the ${place} lacks its manifest ${digest}`,
    digest,
  );
}

/** The images below an index, at any depth, with their platforms; attestations left out. */
export async function childImages(
  index: IndexNode,
  platformOf: PlatformOf,
): Promise<PlatformOffer[]> {
  const offers = new Map<Digest, PlatformOffer>();
  for (const below of walk(index)) {
    if (below.kind !== "index") continue;
    for (const entry of below.entries) {
      if (entry.node?.kind === "index" || entry.blob || isAttestation(entry)) continue;
      const platform = entry.descriptor.platform ?? (entry.node && await platformOf(entry.node));
      offers.set(entry.descriptor.digest, { platform, entry });
    }
  }
  return [...offers.values()];
}

/** The platforms for a message; many are only counted. */
export function listPlatforms(offers: readonly { platform: Platform | undefined }[]): string {
  return listTexts(offers.map(({ platform }) => showPlatform(platform)));
}

/** Texts for a message; many are only counted. */
export function listTexts(texts: readonly string[]): string {
  if (texts.length === 0) return "none";
  const more = texts.length - MAX_LISTED;
  return texts.slice(0, MAX_LISTED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** The options that choose these platforms, for a hint; many are left out. */
export function platformOptions(offers: readonly { platform: Platform | undefined }[]): string {
  return offers.slice(0, MAX_LISTED).map(({ platform }) => `--platform ${showPlatform(platform)}`)
    .join(" ");
}

function showPlatform(platform: Platform | undefined): string {
  return platform ? formatPlatform(platform) : "an unknown platform";
}

async function rebuildIndex(index: IndexNode, chosen: readonly IndexEntry[]): Promise<IndexNode> {
  const digests = new Set(chosen.map(({ descriptor }) => descriptor.digest));
  const attestations = walk(index).flatMap((below) => below.kind === "index" ? below.entries : [])
    .filter((entry) => {
      const about = entry.descriptor.annotations?.["vnd.docker.reference.digest"];
      return entry.node && isAttestation(entry) && about && digests.has(about as Digest);
    });
  const entries = [...new Set([...chosen, ...attestations])];
  const original: unknown = JSON.parse(new TextDecoder().decode(index.bytes));
  const json = { ...(original as object), manifests: entries.map(({ raw }) => raw) };
  const bytes = new TextEncoder().encode(JSON.stringify(json));
  return { ...index, digest: await digestBytes(bytes), bytes, entries };
}

/** Whether an image's platform is the one asked for; arm64 is v8 where nothing is said. */
function fits(wanted: Platform, offered: Platform | undefined): boolean {
  if (!offered || offered.os !== wanted.os || offered.architecture !== wanted.architecture) {
    return false;
  }
  if (wanted.variant === undefined) return true;
  return wanted.variant ===
    (offered.variant ?? (offered.architecture === "arm64" ? "v8" : undefined));
}
