// Long enough for a path with two digests in it.
const MAX_SHOWN_CHARACTERS = 256;

// DEL and C1 controls, then what changes the direction of text or cannot be seen.
const UNSAFE_CHARACTERS =
  /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/**
 * A name from a tar or a document as it may be shown: quoted, with everything escaped that a terminal could act upon,
 * and cut where it is longer than anybody would read.
 */
export function quoteName(name: string, most = MAX_SHOWN_CHARACTERS): string {
  const shown = name.length > most ? `${name.slice(0, most)}...` : name;
  return escapeAll(JSON.stringify(shown), UNSAFE_CHARACTERS);
}

/** What somebody typed, as it may be shown: of the URLs in it without a login, and without what follows the path of a signed one. */
export function withoutSecrets(text: string): string {
  return text.replace(/\b(https?:\/\/)(?:[^\s/?#]*@)?([^\s?#]*)(?:[?#][^\s"]*)?/gi, "$1$2");
}

/** Texts that a message lists before it only counts. */
const MAX_LISTED = 12;

/** Texts for a message; many are only counted. */
export function listTexts(texts: readonly string[], most = MAX_LISTED): string {
  if (texts.length === 0) return "none";
  const more = texts.length - most;
  return texts.slice(0, most).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** Words of others within a message, such as a media type: what a terminal could act upon is escaped. */
export function escapeText(text: string): string {
  // deno-lint-ignore no-control-regex
  return escapeAll(escapeAll(text, /[\u0000-\u001f]/g), UNSAFE_CHARACTERS);
}

function escapeAll(text: string, characters: RegExp): string {
  return text.replace(
    characters,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
