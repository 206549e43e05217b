import { OciError } from "../errors.ts";
import type { RepositoryContext } from "../registry/blobs.ts";
import { listUsableTags } from "../registry/listing.ts";

/** Names that are looked at for those that are wanted: a list that goes on for ever ends here. */
const MAX_LISTED = 1_000_000;
/** Tags that a message names. */
const MAX_NAMED = 5;

/** What becomes of a tag: it is wanted, remembered for another reason, left, or none that anybody would ask for. */
export type TagChoice = "wanted" | "kept" | "left" | "apart";

export interface TagChoosing {
  /** The repository, and what is done with its tags, for messages. */
  name: string;
  verb: "save" | "copy";
  /** Most tags that are wanted or kept, and what to do about more. */
  most: number;
  hint: string;
  choose: (tag: string) => TagChoice;
  signal: AbortSignal | undefined;
}

/**
 * Finds the tags of a repository that are wanted.
 *
 * @returns They, sorted, and what a person should know.
 * @throws {OciError} If there is none, or more than anybody can hold.
 */
export async function listWantedTags(
  context: RepositoryContext,
  { name, verb, most, hint, choose, signal }: TagChoosing,
): Promise<{ tags: string[]; notices: string[] }> {
  const tags: string[] = [];
  const others: string[] = [];
  const notices: string[] = [];
  const tooMany = (limit: number) =>
    new OciError(`Cannot ${verb} all tags of ${name}: it has more than ${limit}`, { hint });
  let listed = 0;
  let held = 0;
  const onWarning = (message: string) => void notices.push(message);
  for await (const tag of listUsableTags(context, { signal, onWarning })) {
    const choice = choose(tag);
    if (choice === "wanted") tags.push(tag);
    else if (choice === "left" && others.length < MAX_NAMED) others.push(tag);
    if (choice === "wanted" || choice === "kept") held++;
    if (held > most) throw tooMany(most);
    if (++listed > MAX_LISTED) throw tooMany(MAX_LISTED);
  }
  if (tags.length > 0) return { tags: tags.sort(), notices };
  const found = others.length > 0 ? `none fits, it has ${others.join(", ")}` : "it has none";
  throw new OciError(`Cannot ${verb} tags of ${name}: ${found}`);
}
