import { assert, assertEquals } from "@std/assert";
import { test } from "./helpers/test.ts";

/** A file of `src/`, its path relative to that. */
interface SourceFile {
  path: string;
  text: string;
}

/** Layer of each folder of `src/`; an import stays in its folder or goes to a lower number. */
const LAYERS: Record<string, number> = {
  ".": 0,
  compression: 1,
  tar: 1,
  image: 1,
  registry: 1,
  server: 1,
  pull: 2,
  push: 2,
  runtime: 3,
  cli: 4,
};

/** Imports between folders of one layer. */
const SIDEWAYS = ["image -> tar", "image -> compression", "push -> pull"];

/** The files that may name the globals of a runtime. */
const RUNTIME_FILES = [
  "runtime/deno.ts",
  "runtime/deno_file_error.ts",
  "runtime/deno_new_file.ts",
  "runtime/deno_restart.ts",
  "runtime/bun.ts",
  "runtime/bun_new_file.ts",
];

/** The files that may ask whether such a global is there. */
const FEATURE_TESTS = /^runtime\/|^incremental_hash\.ts$/;

/** What is wrong with the imports and the globals of a file, one line each. */
function findViolations({ path, text }: SourceFile): string[] {
  const code = withoutComments(text);
  return [
    ...importedModules(code).map((specifier) => importViolation(path, specifier)),
    RUNTIME_FILES.includes(path) || FEATURE_TESTS.test(path) ? undefined : globalViolation(code),
    RUNTIME_FILES.includes(path) ? undefined : useViolation(code),
  ].filter((problem) => problem !== undefined).map((problem) => `src/${path} ${problem}`);
}

function importViolation(path: string, specifier: string): string | undefined {
  if (specifier.startsWith("node:")) return `imports ${specifier}: there is no node: in src/`;
  if (specifier.startsWith("@std/tar")) return "imports @std/tar: only its interface is ours";
  if (/^(npm|jsr|https?):/.test(specifier)) {
    return `imports ${specifier}: deno.json is the place that maps packages`;
  }
  if (!specifier.startsWith(".")) return;
  const target = new URL(specifier, `file:///src/${path}`).pathname.slice("/src/".length);
  const from = folderOf(path);
  const to = folderOf(target);
  const problem = directionProblem(from, to);
  return problem && `imports ${target}: ${problem}`;
}

function directionProblem(from: string, to: string): string | undefined {
  const low = LAYERS[to];
  const high = LAYERS[from];
  if (from === to) return;
  if (low === undefined || high === undefined) return `${from} or ${to} has no layer`;
  if (to === "runtime" && from !== "cli") return "only cli/ imports runtime/";
  if (from === "runtime" && low > 0) return "runtime/ imports layer 0 only";
  if (low < high || SIDEWAYS.includes(`${from} -> ${to}`)) return;
  return `layer ${high} (${from}) must not import layer ${low} (${to})`;
}

function folderOf(path: string): string {
  if (path === "compression.ts") return "compression";
  const slash = path.indexOf("/");
  return slash < 0 ? "." : path.slice(0, slash);
}

function globalViolation(code: string): string | undefined {
  const match = /["'](Deno|Bun|process|Buffer)["'] in globalThis/.exec(code);
  return match ? `asks for the global ${match[1]}` : undefined;
}

function useViolation(code: string): string | undefined {
  const match = /(?<![\w$])(Deno|Bun|Buffer)(?=\??[.[])|(?<![\w$.]|\.\.)process(?=\??\.)/
    .exec(withoutStrings(code).replaceAll("globalThis.", ""));
  return match ? `uses the global ${match[0]}` : undefined;
}

function importedModules(code: string): string[] {
  const pattern =
    /^\s*(?:import|export)\b[^;"'()]*?\bfrom\s*"([^"]+)"|^\s*import\s*"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;
  return [...code.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

const STRING = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/;
const STRING_OR_COMMENT = new RegExp(`${STRING.source}|/\\*[\\s\\S]*?\\*/|//[^\\n]*`, "g");

// Strings are matched too, so that "*/*" or "http://" does not look like a comment.
function withoutComments(text: string): string {
  return text.replace(STRING_OR_COMMENT, (match) => match.startsWith("/") ? " " : match);
}

function withoutStrings(code: string): string {
  return code.replace(new RegExp(STRING.source, "g"), '""');
}

const violationsOf = (path: string, text: string) => findViolations({ path, text });

test("src/ keeps to the import direction and names no runtime", async () => {
  const files = await readSources();
  assert(files.length > 20, `only ${files.length} files found`);
  assertEquals(files.flatMap(findViolations), []);
});

test("findViolations() names an import of a higher layer, a neighbour, runtime/ and cli/", () => {
  const cases: [string, string, boolean][] = [
    ["digest.ts", "./tar/header.ts", true],
    ["digest.ts", "./errors.ts", false],
    ["tar/scan.ts", "../registry/http.ts", true],
    ["tar/scan.ts", "../push/plan.ts", true],
    ["tar/scan.ts", "./header.ts", false],
    ["tar/scan.ts", "../source.ts", false],
    ["image/archive.ts", "../tar/scan.ts", false],
    ["image/archive.ts", "../compression.ts", false],
    ["tar/scan.ts", "../image/archive.ts", true],
    ["compression.ts", "./tar/scan.ts", true],
    ["server/handler.ts", "../registry/http.ts", true],
    ["push/push.ts", "../registry/client.ts", false],
    ["push/push.ts", "../runtime/host.ts", true],
    ["push/copy.ts", "../pull/remote_content.ts", false],
    ["pull/remote_content.ts", "../push/push.ts", true],
    ["runtime/host.ts", "../storage.ts", false],
    ["runtime/host.ts", "../server/memory.ts", true],
    ["cli/run.ts", "../runtime/host.ts", false],
    ["push/push.ts", "../cli/render.ts", true],
    ["newcomer/a.ts", "../errors.ts", true],
    ["push/push.ts", "node:fs", true],
    ["push/push.ts", "npm:fflate@1", true],
    ["push/push.ts", "hash-wasm", false],
    ["tar/mod.ts", "@std/tar", true],
  ];
  for (const [path, specifier, isWrong] of cases) {
    const problems = violationsOf(path, `import { a } from "${specifier}";\n`);
    assertEquals(problems.length, isWrong ? 1 : 0, `${path} -> ${specifier}: ${problems}`);
  }
});

test("findViolations() reads every form of import, and none in comments", () => {
  const forms = [
    'import "node:fs";',
    'import fs from "node:fs";',
    'import type { Stats } from "node:fs";',
    'import {\n  a,\n  b,\n} from "node:fs";',
    'import * as fs from "node:fs";',
    'export * from "node:fs";',
    'export { a } from "node:fs";',
    'const any = "*/*";\nconst fs = await import("node:fs");',
  ];
  for (const form of forms) assertEquals(violationsOf("tar/a.ts", form).length, 1, form);
  assertEquals(violationsOf("tar/a.ts", '// import "node:fs";\n/** import "node:fs" */\n'), []);
});

test("findViolations() names a runtime global wherever it is reached", () => {
  const uses = [
    "await Deno.open(path);",
    "globalThis.Deno.args;",
    "const { file } = globalThis.Bun?.file;",
    "process.exit(1);",
    "globalThis.process.env;",
    "return Buffer.from(text);",
    'if ("Deno" in globalThis) return;',
  ];
  for (const use of uses) {
    assertEquals(violationsOf("push/push.ts", use).length, 1, use);
    assertEquals(violationsOf("runtime/deno.ts", use), [], use);
  }
  assertEquals(violationsOf("incremental_hash.ts", 'if ("Bun" in globalThis) return;'), []);
  const harmless =
    "// Deno.open\nthrow new Error('Deno.open'); child.process.id; new Uint8Array(b.buffer);";
  assertEquals(violationsOf("push/push.ts", harmless), []);
});

async function readSources(): Promise<SourceFile[]> {
  const root = new URL("../src/", import.meta.url);
  const paths = "Deno" in globalThis ? await listWithDeno(root) : await listWithBun(root);
  return await Promise.all(paths.map(async (path) => ({ path, text: await readText(root, path) })));
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
  const { Bun } = bunGlobals();
  const paths = await Array.fromAsync(new Bun.Glob("**/*.ts").scan(Bun.fileURLToPath(folder)));
  return paths.map((path) => path.replaceAll("\\", "/"));
}

function readText(root: URL, path: string): Promise<string> {
  const url = new URL(path, root);
  return "Deno" in globalThis ? Deno.readTextFile(url) : bunGlobals().Bun.file(url).text();
}

interface BunGlobals {
  Bun: {
    Glob: new (pattern: string) => { scan(folder: string): AsyncIterable<string> };
    fileURLToPath(url: URL): string;
    file(url: URL): { text(): Promise<string> };
  };
}

function bunGlobals(): BunGlobals {
  return globalThis as unknown as BunGlobals;
}
