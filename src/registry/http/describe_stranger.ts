import { isJsonObject } from "../../media_types.ts";
import { escapeText, quoteName } from "../../quote_name.ts";
import { parseJson } from "./answer_content.ts";
import { contentType } from "./call.ts";

/** Longest text of a stranger that a message shows. */
const MAX_WORDS_CHARACTERS = 100;

/**
 * What an answer is that no registry gave: its type, what it says of itself, and the server that sent it, as in
 * `text/html ("Welcome to nginx!", Server: nginx/1.22.1)`.
 *
 * @param nothing What an empty body is called.
 */
export function describeStranger(response: Response, text: string, nothing = ""): string {
  const type = contentType(response).slice(0, MAX_WORDS_CHARACTERS);
  const words = wordsOf(type, text);
  const server = response.headers.get("server")?.trim().slice(0, MAX_WORDS_CHARACTERS);
  const notes = [words && quoteName(words), server && `Server: ${escapeText(server)}`];
  const found = notes.filter(Boolean).join(", ");
  const what = type || (text ? "a body" : nothing);
  return [escapeText(what), found && `(${found})`].filter(Boolean).join(" ");
}

/** Title of a page, code and message of an object store, message of other JSON, first line of plain text. */
function wordsOf(type: string, text: string): string {
  const found = /^\s*<(?:!doctype html|html)/i.test(text) || type === "text/html"
    ? element(text, "title") || element(text, "h1")
    : text.startsWith("<")
    ? [element(text, "Code"), element(text, "Message")].filter(Boolean).join(": ")
    : text.startsWith("{")
    ? messageOf(parseJson(text))
    : type === "text/plain"
    ? text.split("\n", 1)[0] ?? ""
    : "";
  const line = found.replace(/\s+/g, " ").trim();
  return line.length > MAX_WORDS_CHARACTERS ? `${line.slice(0, MAX_WORDS_CHARACTERS)}...` : line;
}

/** The text of the first element of a name; what a stranger sent is looked through once, whatever it is. */
function element(text: string, name: string): string {
  const [, content = ""] =
    new RegExp(`<${name}(?:\\s[^>]{0,200})?>([^<]{0,500})`, "i").exec(text) ?? [];
  return content.replace(
    /&(#x?[\da-f]{1,6}|[a-z]{2,6});/gi,
    (entity, word) => decode(word) ?? entity,
  );
}

const ENTITIES: Record<string, string> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
  mdash: "—",
  ndash: "–",
};

function decode(word: string): string | undefined {
  if (!word.startsWith("#")) return ENTITIES[word.toLowerCase()];
  const isHex = word[1]?.toLowerCase() === "x";
  const code = Number.parseInt(word.slice(isHex ? 2 : 1), isHex ? 16 : 10);
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}

function messageOf(body: unknown): string {
  if (!isJsonObject(body)) return "";
  const { message, error, detail, title } = body;
  const inner = isJsonObject(error) ? error.message : error;
  return [message, inner, detail, title].find((value) => typeof value === "string") ?? "";
}
