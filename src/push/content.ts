import { type Digest, digestBytes } from "../digest.ts";
import { PushError } from "../errors.ts";
import type { ArchiveImage } from "../image/archive.ts";
import {
  type ArchiveBlob,
  blobsOf,
  type ContentNode,
  type IndexEntry,
  type IndexNode,
  isAttestation,
  manifestsOf,
  walk,
} from "../image/content.ts";
import { formatPlatform, isForeignLayer, type Platform } from "../media_types.ts";
import { quoteName } from "../quote_name.ts";

/** Content to push under a reference, and what a person should know about the choice. */
export interface Choice {
  node: ContentNode;
  notices: string[];
}

/** Something that a node needs and the archive lacks. */
export interface Absent {
  kind: "manifest" | "blob";
  digest: Digest;
}

/** Platforms or digests that a message lists before it only counts. */
const MAX_LISTED = 12;

/** Reads the platform of a manifest from its config, where the index does not tell. */
export type PlatformOf = (node: ContentNode) => Promise<Platform | undefined>;

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
 * @param image The image.
 * @param platforms Platforms asked for; none keeps the whole image.
 * @param platformOf Reads a platform from a config.
 * @returns What to push.
 * @throws {PushError} If a platform is not there.
 */
export async function narrow(
  image: ArchiveImage,
  platforms: readonly Platform[],
  platformOf: PlatformOf,
): Promise<Choice> {
  const { node } = image;
  if (platforms.length === 0) return { node, notices: [] };
  const offered = node.kind === "index"
    ? await childImages(node, platformOf)
    : [{ platform: await platformOf(node), entry: undefined }];
  const chosen = platforms.map((platform) => {
    const [match] = offered.filter((offer) => fits(platform, offer.platform));
    if (match) return match;
    throw new PushError(
      `Cannot push platform ${formatPlatform(platform)}: the image has ${listPlatforms(offered)}`,
      { step: "plan", origin: "archive" },
    );
  });
  if (node.kind !== "index") return { node, notices: [] };
  // Two platforms may mean one child, as linux/arm64 and linux/arm64/v8 do.
  const entries = [...new Set(chosen.map(({ entry }) => entry))].filter((entry) =>
    entry !== undefined
  );
  const [only, ...others] = entries;
  if (only && others.length === 0) return { node: presentNode(only, platforms), notices: [] };
  const smaller = await rebuildIndex(node, entries);
  return {
    node: smaller,
    notices: [
      `a new index of ${platforms.map(formatPlatform).join(", ")} is pushed: ${smaller.digest}`,
    ],
  };
}

/** What a node needs that the archive lacks; foreign layers may be absent by right. */
export function absentFrom(node: ContentNode): Absent[] {
  const absent = new Map<Digest, Absent>();
  if (node.kind === "index") {
    for (const below of walk(node)) {
      if (below.kind !== "index") continue;
      for (const { descriptor: { digest }, node, blob } of below.entries) {
        if (!node && !blob) absent.set(digest, { kind: "manifest", digest });
      }
    }
  }
  for (const { file, digest, mediaType } of blobsOf(node)) {
    if (!file && digest && !isForeignLayer(mediaType)) absent.set(digest, { kind: "blob", digest });
  }
  return [...absent.values()];
}

/**
 * Decides what to push when parts of an image are in neither the archive nor the registry: the one complete image of a
 * sparse index, if there is exactly one.
 *
 * @param name The reference, for messages.
 * @param image The image.
 * @param node What was to be pushed.
 * @param missing Digests that are nowhere.
 * @param platformOf Reads a platform from a config.
 * @returns What to push instead.
 * @throws {PushError} If there is no such image; the message lists the platforms that are there and those that are not.
 */
export async function fallBack(
  name: string,
  image: ArchiveImage,
  node: ContentNode,
  missing: ReadonlySet<Digest>,
  platformOf: PlatformOf,
): Promise<Choice> {
  if (node.kind !== "index") throw missingContent(name, node, missing);
  const offered = await childImages(node, platformOf);
  const isComplete = ({ entry: { node } }: Offer) =>
    node !== undefined && absentFrom(node).every(({ digest }) => !missing.has(digest));
  const there = offered.filter(isComplete);
  const away = offered.filter((offer) => !isComplete(offer));
  // Where every image is complete, it is an attestation or the like that is nowhere.
  const lacks = away.length > 0 ? listPlatforms(away) : list([...missing]);
  const named = there.filter(({ entry }) => image.named.some((named) => named === entry.node));
  const [only, ...others] = node === image.node && named.length === 1 ? named : there;
  if (only?.entry.node && others.length === 0 && node === image.node) {
    const notice = `the index of ${name} lacks ${lacks} in the archive and the registry: only ` +
      `${listPlatforms([only])} is pushed`;
    return { node: only.entry.node, notices: [notice] };
  }
  const has = there.length > 0 ? `has ${listPlatforms(there)} and lacks` : "lacks";
  throw new PushError(
    `Cannot push ${name}: its index ${has} ${lacks}, which the registry has not either`,
    {
      step: "plan",
      origin: "archive",
      digest: node.digest,
      hint: there.length > 0
        ? `push what is there: ${
          there.slice(0, MAX_LISTED).map(({ platform }) => `--platform ${show(platform)}`).join(" ")
        }`
        : undefined,
    },
  );
}

interface Offer {
  platform: Platform | undefined;
  entry: IndexEntry;
}

/** The images below an index, at any depth, with their platforms; attestations left out. */
async function childImages(index: IndexNode, platformOf: PlatformOf): Promise<Offer[]> {
  const offers = new Map<Digest, Offer>();
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

function presentNode(entry: IndexEntry, platforms: readonly Platform[]): ContentNode {
  if (entry.node) return entry.node;
  throw new PushError(
    `Cannot push platform ${
      platforms.map(formatPlatform).join(", ")
    }: the archive lacks its manifest ` +
      `${entry.descriptor.digest}`,
    { step: "plan", origin: "archive", digest: entry.descriptor.digest },
  );
}

function missingContent(name: string, node: ContentNode, missing: ReadonlySet<Digest>): PushError {
  const [digest] = missing;
  const more = missing.size > 1 ? ` and ${missing.size - 1} more` : "";
  const layer = manifestsOf(node).flatMap(({ layers }) => layers)
    .findIndex((blob: ArchiveBlob) => blob.digest === digest);
  const what = layer >= 0 ? `layer ${layer + 1}` : "config";
  return new PushError(
    `Cannot push ${name}: ${what} ${digest}${more} is in neither the archive nor the registry`,
    { step: "plan", origin: "archive", digest },
  );
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

function listPlatforms(offers: readonly { platform: Platform | undefined }[]): string {
  return list(offers.map(({ platform }) => show(platform)));
}

function list(texts: readonly string[]): string {
  if (texts.length === 0) return "none";
  const more = texts.length - MAX_LISTED;
  return texts.slice(0, MAX_LISTED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function show(platform: Platform | undefined): string {
  return platform ? formatPlatform(platform) : "an unknown platform";
}
