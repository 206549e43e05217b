import { ArchiveError } from "../errors.ts";
import { quoteName } from "../quote_name.ts";
import { formatImageName, type ImageName, isRepository, parseImageName } from "../reference.ts";

/** What a `FROM=TO` pair says. */
export interface Rename {
  from: string;
  to: string;
  /** Whether it has fitted a name. */
  isUsed: boolean;
}

/**
 * Parses a pair that changes a leading part of own names.
 *
 * @throws {TypeError} If it is none.
 */
export function parseRename(text: string): Rename {
  const at = text.indexOf("=");
  if (at > 0) return { from: text.slice(0, at), to: text.slice(at + 1), isUsed: false };
  throw new TypeError(`Cannot rename by ${quoteName(text)}: expected FROM=TO`);
}

/** Applies the first rename that fits, and notes that it did, to the name as it is pushed or with its host before it. */
export function renamed(text: string, renames: readonly Rename[]): ImageName {
  const name = parseImageName(text);
  if (!name) {
    throw new ArchiveError(`Cannot push under the name ${quoteName(text)}: it is not valid`);
  }
  const spellings = [
    formatImageName(name),
    formatImageName({ ...name, host: "" }),
    ...(name.host
      ? []
      : [`docker.io/${formatImageName(name)}`, `docker.io/library/${formatImageName(name)}`]),
  ];
  for (const rename of renames) {
    const { from, to } = rename;
    const spelling = spellings.find((spelling) => isLeadingPart(from, spelling));
    if (spelling === undefined) continue;
    rename.isUsed = true;
    const text = (to + spelling.slice(from.length)).replace(/^\/+/, "");
    const changed = parseImageName(text);
    if (changed && isRepository(changed.repository)) return changed;
    throw new TypeError(
      `Cannot rename ${quoteName(spelling)} to ${quoteName(text)}: that is no image name`,
    );
  }
  return name;
}

function isLeadingPart(part: string, text: string): boolean {
  if (!text.startsWith(part)) return false;
  return part.endsWith("/") || part.endsWith(":") || /^(?:[/:]|$)/.test(text.slice(part.length));
}
