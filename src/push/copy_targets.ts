import {
  formatReference,
  ownRepository,
  parseReference,
  type Reference,
  withTag,
} from "../reference.ts";
import { parseTargets } from "./plan.ts";

/**
 * Where an image goes: to references as they are, or to a place under its own name.
 *
 * @returns Each once.
 * @throws {SyntaxError} If one does not parse.
 * @throws {TypeError} If there is none, or references are mixed with places.
 */
export function referencesFor(
  from: Reference,
  target: string | readonly string[],
): Reference[] {
  const references = parseTargets(target, "copy").map((parsed) => {
    if (parsed.kind === "reference") return parsed.reference;
    const { scheme, registry, prefix } = parsed.place;
    const repository = `${prefix}${ownRepository(from)}`;
    // Parsed again: prefix and name together may be too long.
    const reference = parseReference(`${scheme ? `${scheme}://` : ""}${registry}/${repository}`);
    if (from.tag !== undefined) reference.tag = from.tag;
    else if (from.digest) reference.digest = from.digest;
    return reference;
  });
  return [...new Map(references.map((each) => [`${each.scheme} ${nameOf(each)}`, each])).values()];
}

/** What a reference is called, with the tag that is meant where it has none. */
export function nameOf(reference: Reference): string {
  return formatReference(withTag(reference));
}
