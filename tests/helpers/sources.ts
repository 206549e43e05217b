const { Bun } = globalThis as unknown as BunGlobals;

/** A file of `src/`, its path relative to that. */
export interface SourceFile {
  path: string;
  text: string;
}

/** An import of a file. */
export interface SourceImport {
  specifier: string;
  /** Where it ends, counted from 1. */
  line: number;
  /** Whether it brings types alone, which are gone at run time. */
  isType: boolean;
  /** Whether it waits until it is come by. */
  isLazy: boolean;
}

/** Every file of `src/`. */
export async function readSources(): Promise<SourceFile[]> {
  const root = new URL("../../src/", import.meta.url);
  const paths = "Deno" in globalThis ? await listWithDeno(root) : await listWithBun(root);
  return await Promise.all(paths.map(async (path) => ({ path, text: await readText(root, path) })));
}

/** The file of `src/` that an import of another one means. */
export function targetOf(path: string, specifier: string): string {
  return new URL(specifier, `file:///src/${path}`).pathname.slice("/src/".length);
}

/** What a file imports, in every form, but none in comments. */
export function importsOf(code: string): SourceImport[] {
  const pattern =
    /^\s*(?:import|export)\b([^;"'()]*?)\bfrom\s*"([^"]+)"|^\s*import\s*"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;
  return [...code.matchAll(pattern)].map((match) => {
    const [whole, names = "", from, bare, lazy] = match;
    const end = match.index + whole.length;
    return {
      specifier: from ?? bare ?? lazy ?? "",
      line: code.slice(0, end).split("\n").length,
      isType: isTypeOnly(names),
      isLazy: lazy !== undefined,
    };
  });
}

function isTypeOnly(names: string): boolean {
  if (/^\s*type\b/.test(names)) return true;
  const listed = /\{([^}]*)\}/.exec(names)?.[1]?.split(",").map((name) => name.trim())
    .filter(Boolean);
  return listed !== undefined && listed.every((name) => name.startsWith("type "));
}

/** A string, in source code. */
export const STRING = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/;
const STRING_OR_COMMENT = new RegExp(`${STRING.source}|/\\*[\\s\\S]*?\\*/|//[^\\n]*`, "g");

/** The code of a file, each of its lines where it was. */
// Strings are matched too, so that "*/*" or "http://" does not look like a comment.
export function withoutComments(text: string): string {
  const blank = (comment: string) => comment.replace(/[^\n]+/g, " ");
  return text.replace(STRING_OR_COMMENT, (match) => match.startsWith("/") ? blank(match) : match);
}

async function listWithDeno(folder: URL, prefix = ""): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) {
      paths.push(...await listWithDeno(new URL(`${name}/`, folder), `${prefix}${name}/`));
    } else if (name.endsWith(".ts")) paths.push(prefix + name);
  }
  return paths;
}

async function listWithBun(folder: URL): Promise<string[]> {
  const paths = await Array.fromAsync(new Bun.Glob("**/*.ts").scan(Bun.fileURLToPath(folder)));
  return paths.map((path) => path.replaceAll("\\", "/"));
}

function readText(root: URL, path: string): Promise<string> {
  const url = new URL(path, root);
  return "Deno" in globalThis ? Deno.readTextFile(url) : Bun.file(url).text();
}

interface BunGlobals {
  Bun: {
    Glob: new (pattern: string) => { scan(folder: string): AsyncIterable<string> };
    fileURLToPath(url: URL): string;
    file(url: URL): { text(): Promise<string> };
  };
}
