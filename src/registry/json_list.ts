import { piecesOf } from "../bytes.ts";
import { MAX_JSON_DEPTH } from "../json_depth.ts";

/** Longest string or other token that is taken; names and tags have at most 255 characters. */
const MAX_TOKEN_CHARACTERS = 16 * 1024;

const TOKEN = /[{}[\],:]|"[^"\\]*(?:\\.[^"\\]*)*"|[^\s{}[\],:"]+|\s+/ys;

/**
 * Reads the strings of one list in a JSON object as they come: registry:2 sends all tags of a repository in one answer,
 * whatever the request says, so neither the answer nor its list is held.
 *
 * @param member Name of the list, a member of the outermost object; absent and `null` are an empty list.
 * @yields What each piece of the body completes, in order.
 * @throws {SyntaxError} If the text ends early, or is no object whose member is a list of strings.
 */
export async function* readJsonList(
  body: ReadableStream<Uint8Array>,
  member: string,
): AsyncGenerator<string[]> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const list = new ListReader(member);
  for await (const piece of piecesOf(body)) {
    const strings = list.take(decodeWith(decoder, piece), false);
    if (strings.length > 0) yield strings;
  }
  const strings = list.take(decodeWith(decoder), true);
  if (strings.length > 0) yield strings;
}

function decodeWith(decoder: TextDecoder, piece?: Uint8Array): string {
  try {
    return piece ? decoder.decode(piece, { stream: true }) : decoder.decode();
  } catch (cause) {
    throw new SyntaxError("text that is not UTF-8", { cause });
  }
}

/** Follows the nesting of a JSON text, no more: what is not in the list need not be right. */
class ListReader {
  readonly #member: string;
  readonly #open: string[] = [];
  #rest = "";
  #key: string | undefined;
  #last = "";
  #ended = false;

  constructor(member: string) {
    this.#member = member;
  }

  take(text: string, isEnd: boolean): string[] {
    this.#rest += text;
    const found: string[] = [];
    let at = 0;
    while (at < this.#rest.length) {
      TOKEN.lastIndex = at;
      const [token] = TOKEN.exec(this.#rest) ?? [];
      if (token === undefined) break;
      // A number or null at the very end of a piece may go on in the next.
      if (at + token.length === this.#rest.length && !isEnd && /^[^\s{}[\],:"]/.test(token)) break;
      at += token.length;
      if (token.trim() !== "") this.#use(token, found);
    }
    this.#rest = this.#rest.slice(at);
    if (this.#rest.length > MAX_TOKEN_CHARACTERS) throw new SyntaxError("JSON with a long string");
    if (isEnd && !this.#ended) throw new SyntaxError("JSON that ends early");
    return found;
  }

  #use(token: string, found: string[]): void {
    if (this.#ended) throw new SyntaxError("JSON with something behind it");
    const depth = this.#open.length;
    const isInside = this.#key === this.#member;
    if (depth > MAX_JSON_DEPTH) throw new SyntaxError("JSON that is nested without end");
    if (depth === 0 && token !== "{") throw new SyntaxError("something that is no JSON object");
    if (token === "}" || token === "]") this.#close(token);
    else if (depth === 1) this.#useMember(token, isInside);
    else if (depth === 2 && isInside && this.#open[1] === "[") {
      if (token.startsWith('"')) found.push(parseString(token));
      else if (token !== ",") {
        throw new SyntaxError(`${this.#member} with something else than text`);
      }
    } else if (token === "{" || token === "[") this.#open.push(token);
  }

  #useMember(token: string, isInside: boolean): void {
    if (token === ":") this.#key = this.#last;
    else if (token === ",") this.#key = undefined;
    else if (isInside && token !== "[" && token !== "null") {
      throw new SyntaxError(`${this.#member} that is no list`);
    } else if (token === "{" || token === "[") this.#open.push(token);
    else if (token.startsWith('"') && this.#key === undefined) this.#last = parseString(token);
  }

  #close(token: string): void {
    const open = this.#open.pop();
    if ((open === "{") !== (token === "}")) throw new SyntaxError("JSON with crossed brackets");
    this.#ended = this.#open.length === 0;
  }
}

function parseString(token: string): string {
  try {
    return String(JSON.parse(token));
  } catch (cause) {
    throw new SyntaxError("JSON with a broken string", { cause });
  }
}
