/** Whether a name is among those that patterns want. */
export type NameFilter = (name: string) => boolean;

/** Alternatives that one pattern may stand for. */
const MAX_ALTERNATIVES = 1000;

/**
 * Makes a filter of patterns as shells have them: `*` is any text without a slash, `?` any character but that, `[a-c]` one of
 * these, `[!a-c]` one of the others, `{a,b}` either text, and `\` takes what follows as it is. A pattern that starts
 * with `!` leaves out what the others want.
 *
 * @param patterns Patterns; without one that wants something, all names are wanted.
 * @returns The filter. What it costs grows with the lengths of name and pattern alone.
 * @throws {SyntaxError} If a pattern cannot be understood.
 */
export function nameFilter(patterns: readonly string[]): NameFilter {
  const wanted = patterns.filter((pattern) => !pattern.startsWith("!")).map((pattern) =>
    parsePattern(pattern, pattern)
  );
  const unwanted = patterns.filter((pattern) => pattern.startsWith("!"))
    .map((pattern) => parsePattern(pattern.slice(1), pattern));
  return (name) =>
    (wanted.length === 0 || wanted.some((fits) => fits(name))) &&
    !unwanted.some((fits) => fits(name));
}

/** A part of a pattern: one character of some, or any number of any. */
type Part = "*" | ((character: string) => boolean);

function parsePattern(pattern: string, name: string): NameFilter {
  if (pattern === "") throw invalid(name, "it is empty");
  const alternatives = expandBraces(pattern, name).map((text) => parseParts(text, name));
  return (text) => alternatives.some((parts) => matches(parts, [...text]));
}

function matches(parts: readonly Part[], text: readonly string[]): boolean {
  let at = 0;
  // Where the last `*` stands, and how far it reaches: only that one ever has to reach farther.
  let star = -1;
  let reach = 0;
  for (let next = 0; next < text.length;) {
    const part = parts[at];
    if (part === "*") {
      star = at++;
      reach = next;
    } else if (part?.(text[next] ?? "")) {
      at++;
      next++;
    } else if (star >= 0 && text[reach] !== "/") {
      next = ++reach;
      at = star + 1;
    } else return false;
  }
  return parts.slice(at).every((part) => part === "*");
}

function parseParts(pattern: string, name: string): Part[] {
  const parts: Part[] = [];
  const characters = [...pattern];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? "";
    if (character === "*") parts.push("*");
    else if (character === "?") parts.push((other) => other !== "/");
    else if (character === "[") {
      const end = characters.indexOf("]", at + (characters[at + 1] === "!" ? 3 : 2));
      if (end < 0) throw invalid(name, "it has a [ without its ]");
      parts.push(parseSet(characters.slice(at + 1, end), name));
      at = end;
    } else {
      const literal = character === "\\" ? characters[++at] : character;
      if (literal === undefined) throw invalid(name, "nothing follows its last \\");
      parts.push((other) => other === literal);
    }
  }
  return parts;
}

function parseSet(given: readonly string[], name: string): Part {
  const isNegated = given[0] === "!" || given[0] === "^";
  const members = isNegated ? given.slice(1) : given;
  const ranges: [first: string, last: string][] = [];
  for (let at = 0; at < members.length; at++) {
    const first = members[at] ?? "";
    const isRange = members[at + 1] === "-" && at + 2 < members.length;
    const last = isRange ? members[at += 2] ?? "" : first;
    if (first > last) throw invalid(name, `its range ${first}-${last} is the wrong way round`);
    ranges.push([first, last]);
  }
  return (character) =>
    character !== "/" &&
    ranges.some(([first, last]) => first <= character && character <= last) !== isNegated;
}

/** The texts that `{a,b}` stands for; without a comma braces are what they are. */
function expandBraces(pattern: string, name: string): string[] {
  let texts = [""];
  const append = (choices: readonly string[]) => {
    texts = texts.flatMap((text) => choices.map((choice) => text + choice));
    if (texts.length > MAX_ALTERNATIVES) {
      throw invalid(name, `it stands for more than ${MAX_ALTERNATIVES} texts`);
    }
  };
  for (let at = 0; at < pattern.length; at++) {
    const group = pattern[at] === "{" ? findGroup(pattern, at) : undefined;
    if (group) {
      append(group.choices.flatMap((choice) => expandBraces(choice, name)));
      at = group.end;
    } else if (pattern[at] === "\\") append([pattern.slice(at, ++at + 1)]);
    else append([pattern[at] ?? ""]);
  }
  return texts;
}

/** The choices of a group, and where its last brace is. */
function findGroup(pattern: string, start: number): { choices: string[]; end: number } | undefined {
  const choices: string[] = [];
  let depth = 0;
  let from = start + 1;
  for (let at = start; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === "\\") at++;
    else if (character === "{") depth++;
    else if (character === "," && depth === 1) {
      choices.push(pattern.slice(from, at));
      from = at + 1;
    } else if (character === "}" && --depth === 0) {
      return choices.length > 0
        ? { choices: [...choices, pattern.slice(from, at)], end: at }
        : undefined;
    }
  }
  return undefined;
}

function invalid(pattern: string, found: string): SyntaxError {
  const text = JSON.stringify(pattern.slice(0, 200));
  return new SyntaxError(`Cannot use pattern ${text}: ${found}, expected one such as v1.*`);
}
