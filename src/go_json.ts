import type { JsonObject } from "./media_types.ts";

/**
 * A member of a JSON object as Go finds it for a field of this name: docker, containerd, podman and crane match keys without
 * case, so there are writers that nobody told of theirs. The exact spelling goes first; else the last other one counts, as
 * it would have been read last. A null leaves a field as it was, so it is like none.
 *
 * For docker's documents, which only that parser defines; those of OCI spell their members exactly.
 *
 * @param name The member, in ASCII.
 */
export function goMember(json: JsonObject, name: string): unknown {
  const exact = json[name];
  if (exact !== undefined && exact !== null) return exact;
  const wanted = fold(name);
  let found: unknown;
  for (const [key, value] of Object.entries(json)) {
    if (value !== null && key.length === name.length && fold(key) === wanted) found = value;
  }
  return found;
}

/**
 * The strings of a list as Go finds them for a field of this name: a list that is missing or null is empty.
 *
 * @param name The member, in ASCII.
 * @param ifNull What a string that is null counts as: for Go it is empty, where that may be.
 * @returns Its strings; undefined where it is something else.
 */
export function goStrings(
  json: JsonObject,
  name: string,
  ifNull?: string,
): string[] | undefined {
  const value = goMember(json, name) ?? [];
  if (!Array.isArray(value)) return undefined;
  const strings: unknown[] = value.map((text) => text ?? ifNull);
  return strings.every((text) => typeof text === "string") ? strings : undefined;
}

/** Go's simple folding, as far as a key can then be ASCII: the Kelvin sign is a k, the long s an s. */
function fold(key: string): string {
  return key.toLowerCase().replaceAll("\u017f", "s");
}
