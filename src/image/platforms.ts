import type { Digest } from "../digest.ts";
import {
  formatPlatform,
  isAttestation,
  lacksVersion,
  type Platform,
  readJsonObject,
} from "../media_types.ts";
import {
  type ContentNode,
  type DocumentNode,
  entriesBelow,
  type IndexEntry,
  type IndexNode,
} from "./content.ts";
import { readPlatform } from "./image_config.ts";
import { normalizePlatform, type Offer, rankFitting } from "./platform_order.ts";
import { encodeDocument } from "./retype.ts";
import { listTexts } from "../quote_name.ts";

/** An image below an index. */
export interface PlatformOffer extends Offer {
  entry: IndexEntry;
}

export interface PlatformWords {
  /** What is being done, and where the image is: `push`, `pushed`, `archive`. */
  verb: string;
  done: string;
  place: string;
  toError(message: string, digest?: Digest): Error;
}

/** What was chosen of an image, and what a person should know about that. */
export interface PlatformChoice<Node extends ContentNode> {
  node: Node | DocumentNode;
  notices: string[];
}

/** Platforms or digests that a message lists before it only counts. */
const MAX_LISTED = 12;

/**
 * Narrows an image to platforms. One gives a child manifest itself: of several that fit, that which containerd would
 * choose. Several platforms give a new index of all children that fit and their attestations.
 *
 * @param platforms Platforms asked for; none keeps the whole image.
 */
export async function selectPlatforms<Node extends ContentNode>(
  node: Node,
  platforms: readonly Platform[],
  words: PlatformWords,
): Promise<PlatformChoice<Node>> {
  const wanted = distinct(platforms);
  if (wanted.length === 0) return { node, notices: [] };
  if (node.kind !== "index") {
    const offered = [{ platform: await readPlatform(node) }];
    for (const platform of wanted) findFitting(platform, offered, words);
    return { node, notices: [] };
  }
  const offered = await childImages(node);
  const fitting = new Set(wanted.flatMap((platform) => findFitting(platform, offered, words)));
  // Two platforms may mean one child, as linux/arm64 and linux/arm64/v8 do.
  const isOne = wanted.length === 1 || fitting.size === 1;
  return isOne
    ? chooseBest([...fitting], wanted, words)
    : await chooseAll(node, offered.filter((offer) => fitting.has(offer)), words);
}

/** The first of what fits, and a notice of the others. */
function chooseBest(
  fitting: readonly PlatformOffer[],
  wanted: readonly Platform[],
  { verb, done, place, toError }: PlatformWords,
): { node: DocumentNode; notices: string[] } {
  const [best] = fitting;
  if (!best) throw new TypeError("unreachable: what does not fit is refused");
  const { node, descriptor: { digest } } = best.entry;
  const text = wanted.map(formatPlatform).join(", ");
  if (!node) {
    throw toError(
      `Cannot ${verb} platform ${text}: the ${place} lacks its manifest ${digest}`,
      digest,
    );
  }
  // One manifest may stand in the index twice.
  const others = fitting.filter(({ entry }) => entry.descriptor.digest !== digest);
  if (others.length === 0) return { node, notices: [] };
  const [name, ...rest] = nameOffers([best, ...others]);
  const notice = `${others.length + 1} images of the index fit ${text}: ` +
    `${name} is ${done}, and not ${listTexts(rest)}`;
  return { node, notices: [notice] };
}

async function chooseAll(
  index: IndexNode,
  chosen: readonly PlatformOffer[],
  { done }: PlatformWords,
): Promise<{ node: IndexNode; notices: string[] }> {
  const node = await rebuildIndex(index, chosen.map(({ entry }) => entry));
  const notice = `a new index of ${listPlatforms(chosen)} is ${done}: ${node.digest}`;
  return { node, notices: [notice] };
}

/** Platforms in the spelling they were given in, each once. */
function distinct(platforms: readonly Platform[]): Platform[] {
  const known = new Map<string, Platform>();
  for (const platform of platforms) {
    const key = formatPlatform(normalizePlatform(platform));
    if (!known.has(key)) known.set(key, platform);
  }
  return [...known.values()];
}

function findFitting<Some extends Offer>(
  platform: Platform,
  offered: readonly Some[],
  { verb, toError }: PlatformWords,
): Some[] {
  const fitting = rankFitting(platform, offered);
  if (fitting.length > 0) return fitting;
  throw toError(
    `Cannot ${verb} platform ${formatPlatform(platform)}: the image has ${listPlatforms(offered)}`,
  );
}

/** Names images by their platforms, and by their digests too where that is not enough. */
export function nameOffers(offers: readonly PlatformOffer[]): string[] {
  const counts = countPlatforms(offers);
  return offers.map(({ platform, entry }) => {
    const name = showPlatform(platform);
    return counts.get(name) === 1 ? name : `${name} (${entry.descriptor.digest})`;
  });
}

function countPlatforms(offers: readonly Offer[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { platform } of offers) {
    const name = showPlatform(platform);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/** The images below an index, at any depth, with their platforms; attestations left out. */
export async function childImages(index: IndexNode): Promise<PlatformOffer[]> {
  const offers = new Map<string, PlatformOffer>();
  for (const entry of entriesBelow(index)) {
    if (entry.node?.kind === "index" || entry.blob || isAttestation(entry.descriptor)) continue;
    const { platform: said, digest } = entry.descriptor;
    const platform = said ?? (entry.node && await readPlatform(entry.node));
    // One manifest may stand for several platforms.
    const key = `${digest} ${showPlatform(platform)}`;
    if (!offers.has(key)) offers.set(key, { platform, entry });
  }
  return await tellApart([...offers.values()]);
}

/**
 * Where an index gives two images one platform, or says nothing of the os.version of Windows, their configs may say
 * more.
 */
async function tellApart(offers: readonly PlatformOffer[]): Promise<PlatformOffer[]> {
  const counts = countPlatforms(offers);
  const told: PlatformOffer[] = [];
  for (const offer of offers) {
    const { platform, entry } = offer;
    const isTold = counts.get(showPlatform(platform)) === 1 && !lacksVersion(platform);
    const more = !isTold && entry.node ? await readPlatform(entry.node) : undefined;
    const isSame = more?.os === platform?.os && more?.architecture === platform?.architecture;
    told.push(isSame && more ? { platform: { ...more, ...platform }, entry } : offer);
  }
  return told;
}

/** The platforms for a message; many are only counted. */
export function listPlatforms(offers: readonly Offer[]): string {
  return listTexts(offers.map(({ platform }) => showPlatform(platform)));
}

/** The options that choose these platforms, for a hint; many are left out. */
export function platformOptions(offers: readonly Offer[]): string {
  const texts = new Set(offers.map(({ platform }) => `--platform ${showPlatform(platform)}`));
  return [...texts].slice(0, MAX_LISTED).join(" ");
}

function showPlatform(platform: Platform | undefined): string {
  return platform ? formatPlatform(platform) : "an unknown platform";
}

async function rebuildIndex(index: IndexNode, chosen: readonly IndexEntry[]): Promise<IndexNode> {
  const digests = new Set(chosen.map(({ descriptor }) => descriptor.digest));
  const attestations = entriesBelow(index).filter((entry) => {
    const about = entry.descriptor.annotations?.["vnd.docker.reference.digest"];
    return entry.node && isAttestation(entry.descriptor) && about && digests.has(about as Digest);
  });
  const entries = [...new Set([...chosen, ...attestations])];
  const json = { ...readJsonObject(index.bytes), manifests: entries.map(({ raw }) => raw) };
  return { ...index, ...await encodeDocument(json), entries };
}
