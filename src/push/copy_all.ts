import { anySignal, Places, requireCount } from "../concurrency.ts";
import { isDigest } from "../digest.ts";
import { RegistryError } from "../errors.ts";
import { nameFilter } from "../name_pattern.ts";
import { formatReference, registryOrigin, withTag } from "../reference.ts";
import { headDigest, headManifest } from "../registry/manifests.ts";
import { resultsAsTheyEnd } from "./as_they_end.ts";
import { claimTag } from "./claims.ts";
import type { CopyOptions } from "./copy.ts";
import { type Copy, copyInto, openSource, type SourceAccess } from "./copy_into.ts";
import { type CopyInput, type FoundCopy, listCopies, type ListedCopy } from "./copy_list.ts";
import type { PushEvent } from "./events.ts";
import type { PushedImage } from "./image_push.ts";
import { type ResolvedOptions, resolveOptions } from "./options.ts";
import { parseTargets } from "./plan.ts";
import { Push, type SharedPush, startShared } from "./push.ts";
import { type ArchiveName, type ArchiveResult, resultOfOne, settingsOfOne } from "./push_all.ts";
import { Sharing } from "./sharing.ts";
import { hooksFor, warn } from "./upload_settings.ts";

/** Options for {@linkcode copyAll}; `concurrency` holds for all images together. */
export interface CopyAllOptions extends Omit<CopyOptions, "onEvent"> {
  /**
   * Images that are copied at the same time; what stands already is found out for more of them.
   * @default {4}
   */
  images?: number;
  /**
   * Copy every tag: sources are repositories then, and so are targets that are no places.
   * @default {false}
   */
  allTags?: boolean;
  /**
   * With `allTags` the tags that are wanted, as shells write it: `v1.*`, `*-[a-c]`, `{a,b}`; `!*-rc*` leaves out.
   * @default {[]} all
   */
  tags?: readonly string[];
  /**
   * Whether the first image that fails ends the rest.
   * @default {false}
   */
  failFast?: boolean;
  /** Told what happens with which image; a promise it returns is awaited before that image goes on. */
  onEvent?: (event: PushEvent, image: ArchiveName) => void | Promise<void>;
}

/** For each image that is copied, so many are looked at. */
const LOOKED_AT = 4;

/**
 * Copies many images in one go, or the tags of repositories. What differs is found out first: where a target's tag has the
 * digest that the source has, nothing is read. What a registry has is asked once, a blob that several images hold is sent
 * once and mounted where else it is needed, and all images together have no more than `concurrency` uploads in flight at a
 * registry. An image that fails is a result like the others.
 *
 * Results come as the images end. Who stops asking for them stops the copy: what is in flight is aborted.
 *
 * @example Mirroring the releases of a repository
 * ```ts
 * import { copyAll } from "@tarpush/tarpush";
 * import { createRegistry } from "@tarpush/tarpush/registry";
 *
 * async function mirror(fetch: ReturnType<typeof createRegistry>): Promise<string[]> {
 *   const changed: string[] = [];
 *   const options = { fetch, allTags: true, tags: ["v1.*"] };
 *   for await (const result of copyAll(["localhost:5000/team/app"], "localhost:6000/mirror/", options)) {
 *     if (result.status === "failed") throw result.error;
 *     if (result.status === "pushed") changed.push(result.name);
 *   }
 *   return changed;
 * }
 * ```
 *
 * @param sources The images, or with `allTags` repositories; they may come from somewhere themselves.
 * @param target Where those go that name no target of their own: references, or a place (`HOST[:PORT]`, a prefix that ends
 * in `/`) that takes them under their own names.
 * @param options Settings; see {@linkcode CopyAllOptions}.
 * @returns What became of each image, as they end; `exists` where all targets had it. Of an image whose tags were all there
 * `blobs` is empty, for nobody has looked at them.
 * @throws {SyntaxError} If the target, or a pattern, does not parse.
 * @throws {TypeError} If tags are to be chosen of single images.
 * @throws {RangeError} If a number among the options is out of range.
 */
export async function* copyAll(
  sources: Iterable<string | CopyInput> | AsyncIterable<string | CopyInput>,
  target: string | readonly string[] | undefined,
  options: CopyAllOptions = {},
): AsyncGenerator<ArchiveResult, void, void> {
  const { images = 4, allTags = false, tags = [], failFast = false, onEvent, ...rest } = options;
  requireCount("images", images);
  if (tags.length > 0 && !allTags) {
    throw new TypeError("Cannot choose tags of an image: expected the option allTags with tags");
  }
  if (target !== undefined) parseTargets(target, "copy");
  const resolved = resolveOptions(rest);
  const over = new AbortController();
  const signal = anySignal(resolved.signal, over.signal);
  const call = startCall(resolved, rest, images, onEvent);
  const listed = listCopies(sources, target, {
    allTags,
    tagFilter: nameFilter(tags),
    isBesideApart: rest.referrers === true || resolved.platforms.length > 0,
    signal,
    push: new Push(resolved, { shared: call.shared }),
    access: call.access,
  });
  try {
    yield* resultsAsTheyEnd(
      listed,
      LOOKED_AT * images,
      failFast,
      (item, index, signal) => copyOne(item, index, call, signal),
      resolved.signal,
    );
  } finally {
    over.abort();
  }
}

interface Call {
  settings: ResolvedOptions;
  /** Whether what refers to images goes along. */
  isBesideWanted: boolean;
  onEvent: CopyAllOptions["onEvent"];
  shared: SharedPush;
  access: SourceAccess;
  /** Where images wait for their turn. */
  places: Places;
}

function startCall(
  settings: ResolvedOptions,
  { referrers = false, sourceHeaders }: CopyOptions,
  images: number,
  onEvent: Call["onEvent"],
): Call {
  return {
    settings,
    isBesideWanted: referrers,
    onEvent,
    shared: startShared(() => new Sharing(settings.concurrency)),
    access: { headers: sourceHeaders, known: new Map() },
    places: new Places(images),
  };
}

async function copyOne(
  item: ListedCopy,
  index: number,
  call: Call,
  signal: AbortSignal,
): Promise<ArchiveResult> {
  const image: ArchiveName = { index, name: item.name };
  if ("error" in item) {
    return { ...image, status: "failed", error: item.error, images: [], bytesUploaded: 0 };
  }
  const { settings, onEvent, shared } = call;
  const resolved = settingsOfOne(settings, image, onEvent, signal);
  const { from, references, left } = item;
  const origin = registryOrigin(from, settings.plainHttp);
  const source = { origin, repository: from.repository };
  const push = new Push(resolved, { source, shared, archive: item.name });
  return await resultOfOne(image, push, async () => {
    signal.throwIfAborted();
    const copy: Copy = {
      context: openSource(push, from, references, call.access),
      from,
      references,
      beside: call.isBesideWanted ? "brought" : left ?? "told",
    };
    for (const message of item.notices) await warn(resolved, message);
    const start = performance.now();
    const standing = isWhole(call) && await findStanding(copy, item, push);
    if (standing) {
      for (const { reference, digest } of standing) claimTag(reference, digest, push.settings);
      await tellStanding(standing, resolved);
      const milliseconds = Math.round(performance.now() - start);
      return { status: "exists", images: standing, bytesUploaded: 0, bytesRead: 0, milliseconds };
    }
    return await call.places.run(signal, () => copyInto(push, copy));
  });
}

/** Whether a tag with the same digest is all that is wanted. */
function isWhole({ settings, isBesideWanted }: Call): boolean {
  return settings.platforms.length === 0 && !isBesideWanted;
}

/** What stands at all targets, where that is what the source has; undefined where it is not, or nobody says. */
async function findStanding(
  { context, from, references }: Copy,
  { isNew }: FoundCopy,
  push: Push,
): Promise<PushedImage[] | undefined> {
  if (isNew) return undefined;
  const hooks = hooksFor(push.settings);
  try {
    const standing: PushedImage[] = [];
    for (const reference of references.map(withTag)) {
      const { tag, digest } = reference;
      const found = await headManifest(push.repository(reference), tag ?? digest ?? "", hooks);
      if (!isDigest(found?.digest) || (digest && digest !== found.digest)) return undefined;
      const { mediaType = "" } = found;
      const name = formatReference(reference);
      const image = { reference: name, digest: found.digest, mediaType, blobs: [] };
      standing.push({ ...image, status: "exists" });
    }
    const wanted = from.digest ?? await headDigest(context, withTag(from).tag ?? "", hooks);
    return standing.every(({ digest }) => digest === wanted) ? standing : undefined;
  } catch (error) {
    // What cannot be asked for may still be written.
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}

async function tellStanding(
  standing: readonly PushedImage[],
  { dryRun, emit }: ResolvedOptions,
): Promise<void> {
  await emit({ type: "plan", images: standing.length, blobs: 0, bytes: 0 });
  if (dryRun) return;
  for (const { reference, digest } of standing) await emit({ type: "tag", reference, digest });
}
