import { parseCosignTag } from "../cosign_tags.ts";
import { NetworkError, RegistryError } from "../errors.ts";
import type { NameFilter } from "../name_pattern.ts";
import {
  formatReference,
  isReferrersTag,
  parseReference,
  type Reference,
  requireRepository,
} from "../reference.ts";
import { listWantedTags } from "../pull/list_tags.ts";
import { type RepositoryContext, withoutRetry } from "../registry/blobs.ts";
import { listUsableTags } from "../registry/listing.ts";
import { CosignLeft, type LeftTag } from "./copy_beside.ts";
import { nameOf, openSource, referencesFor, type SourceAccess } from "./copy_into.ts";
import type { Push } from "./push.ts";

/** An image, or with `allTags` a repository, that is copied in a call with others. */
export interface CopyInput {
  /** `[http://|https://]HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`; see `copyImage`. */
  source: string;
  /**
   * Where it goes.
   * @default the target of the call
   */
  target?: string | readonly string[];
}

/** One image of a call; `error` tells why there is none. */
export type ListedCopy = FoundCopy | { name: string; error: unknown };

/** An image that a call copies. */
export interface FoundCopy {
  /** What it is called. */
  name: string;
  from: Reference;
  references: readonly Reference[];
  /** Whether no target has such a tag. */
  isNew: boolean;
  /** Where it is known what cosign keeps in the repository: what is left of that. */
  left: CosignLeft | undefined;
  /** What a person should know. */
  notices: readonly string[];
}

/** How images are found. */
export interface ListSettings {
  allTags: boolean;
  /** The tags that are wanted. */
  tagFilter: NameFilter;
  /** Whether what belongs to an image has no place of its own among the tags. */
  isBesideApart: boolean;
  signal: AbortSignal;
  /** Knows the repositories that are asked for tags. */
  push: Push;
  access: SourceAccess;
}

/** Most tags of a repository: their names are held, for a list that is read as slowly as images are copied breaks off. */
const MAX_TAGS = 100_000;

/**
 * Finds the images of a call, one after the other. What is wrong with one is given in its place.
 *
 * @param target Where those go that name no target of their own.
 */
export async function* listCopies(
  inputs: Iterable<string | CopyInput> | AsyncIterable<string | CopyInput>,
  target: string | readonly string[] | undefined,
  settings: ListSettings,
): AsyncGenerator<ListedCopy, void, void> {
  // A text alone is iterable, too.
  for await (const input of typeof inputs === "object" && inputs !== null ? inputs : [inputs]) {
    const { source, target: own = target ?? [] } = typeof input === "object" && input !== null
      ? input
      : { source: input };
    try {
      const from = parseReference(source);
      if (settings.allTags) yield* listRepository(from, own, settings);
      else {
        const references = referencesFor(from, own);
        yield { name: nameOf(from), from, references, isNew: false, left: undefined, notices: [] };
      }
    } catch (error) {
      settings.signal.throwIfAborted();
      yield { name: source, error };
    }
  }
}

/** Finds the tags of a repository that are wanted. */
async function* listRepository(
  from: Reference,
  target: string | readonly string[],
  settings: ListSettings,
): AsyncGenerator<FoundCopy, void, void> {
  const references = referencesFor(from, target);
  for (const each of [from, ...references]) {
    requireRepository(each, `copy all tags with ${formatReference(each)}`);
  }
  const there = await Promise.all(references.map((reference) => tagsThere(reference, settings)));
  const { tags, left, notices } = await tagsOf(from, references, settings);
  for (const tag of tags) {
    const image = { ...from, tag };
    const targets = references.map((reference) => ({ ...reference, tag }));
    const isNew = there.every((known) => known !== undefined && !known.has(tag));
    yield {
      name: nameOf(image),
      from: image,
      references: targets,
      isNew,
      left,
      notices: notices.splice(0),
    };
  }
}

/** The tags that a target has; undefined where it does not tell, or has very many. */
async function tagsThere(
  reference: Reference,
  { push, signal }: ListSettings,
): Promise<ReadonlySet<string> | undefined> {
  const target = push.repository(reference);
  try {
    // A registry that fails is not waited for: uber's Kraken answers 500 for a repository without a tag.
    return await tagsIn({ ...target, http: withoutRetry(target.http) }, signal);
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
    return await tagsIn(target, signal);
  }
}

async function tagsIn(
  target: RepositoryContext,
  signal: AbortSignal,
): Promise<ReadonlySet<string> | undefined> {
  const tags = new Set<string>();
  try {
    for await (const tag of listUsableTags(target, { signal })) {
      if (tags.add(tag).size > MAX_TAGS) return undefined;
    }
    return tags;
  } catch (error) {
    // Most registries know no repository without a tag; each tag tells as well.
    if (!(error instanceof RegistryError)) throw error;
    return error.status === 404 ? tags : undefined;
  }
}

/** The tags of a repository that are wanted, and what cosign keeps under others. */
async function tagsOf(
  from: Reference,
  references: readonly Reference[],
  { push, access, tagFilter, isBesideApart, signal }: ListSettings,
): Promise<{ tags: string[]; left: CosignLeft; notices: string[] }> {
  const left: LeftTag[] = [];
  const choose = (tag: string) => {
    const cosign = parseCosignTag(tag);
    const isApart = isBesideApart && (cosign !== undefined || isReferrersTag(tag));
    if (!isApart && tagFilter(tag)) return "wanted";
    if (cosign === undefined) return isApart ? "apart" : "left";
    left.push(cosign);
    return "kept";
  };
  const { tags, notices } = await listWantedTags(openSource(push, from, references, access), {
    name: formatReference(from),
    verb: "copy",
    most: MAX_TAGS,
    hint: "choose among them, with --tag PATTERN or a list of references",
    choose,
    signal,
  });
  return { tags, left: new CosignLeft(left), notices };
}
