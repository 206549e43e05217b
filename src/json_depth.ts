/**
 * Deepest nesting of JSON that is taken from others. Real documents have six levels or so; V8 reads any depth, but what
 * it cannot write again or walk through ends the program, and JavaScriptCore reads far less.
 */
export const MAX_JSON_DEPTH = 200;

/** Whether a JSON text, right or wrong, nests deeper than {@linkcode MAX_JSON_DEPTH}; strings do not count. */
export function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === BRACKET || code === BRACE) {
      if (++depth > MAX_JSON_DEPTH) return true;
    } else if (code === CLOSING_BRACKET || code === CLOSING_BRACE) depth--;
  }
  return false;
}

/** JSON in UTF-8 from others; else whether it nests too deep, or why it is none. */
export function readJson(
  bytes: Uint8Array,
): { json: unknown } | { isDeep: boolean; cause?: unknown } {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return isTooDeep(text) ? { isDeep: true } : { json: JSON.parse(text) };
  } catch (cause) {
    return { isDeep: false, cause };
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BRACKET = 0x5b;
const BRACE = 0x7b;
const CLOSING_BRACKET = 0x5d;
const CLOSING_BRACE = 0x7d;

/** The first quote behind an even number of backslashes; the end of the text where there is none. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let first = at;
    while (text.charCodeAt(first - 1) === BACKSLASH) first--;
    if ((at - first) % 2 === 0) return at;
  }
  return text.length;
}
