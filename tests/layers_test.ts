import { assert, assertEquals } from "@std/assert";
import {
  importsOf,
  readSources,
  type SourceFile,
  STRING,
  targetOf,
  withoutComments,
} from "./helpers/sources.ts";
import { test } from "./helpers/test.ts";

/** Layer of each folder of `src/`; an import stays in its folder or goes to a lower number. */
const LAYERS: Record<string, number> = {
  ".": 0,
  codec: 1,
  source: 1,
  tar: 1,
  image: 1,
  registry: 1,
  server: 1,
  archive: 2,
  pull: 2,
  push: 3,
  runtime: 4,
  edge: 4,
  cli: 5,
};

/** Imports between folders of one layer. */
const SIDEWAYS = [
  "source -> codec",
  "source -> tar",
  "image -> codec",
  "image -> tar",
  "tar -> codec",
];

/** An interface that every folder may speak of, as of the vocabulary in `src/` itself; it knows nobody. */
const SHARED_INTERFACE = "source/blob_source.ts";

/** The files that may name the globals of a runtime. */
const RUNTIME_FILES = [
  "runtime/deno.ts",
  "runtime/deno_directory.ts",
  "runtime/deno_fetch.ts",
  "runtime/deno_file.ts",
  "runtime/deno_file_error.ts",
  "runtime/deno_new_file.ts",
  "runtime/deno_restart.ts",
  "runtime/deno_server.ts",
  "runtime/bun.ts",
  "runtime/bun_directory.ts",
  "runtime/bun_fetch.ts",
  "runtime/bun_file.ts",
  "runtime/bun_new_file.ts",
  "runtime/bun_sent_bytes.ts",
  "runtime/bun_server.ts",
  "runtime/bun_shell.ts",
  "runtime/bun_stdin.ts",
  "runtime/bun_tls_failure.ts",
  "runtime/storage/bun_files.ts",
  "runtime/storage/deno_files.ts",
];

/** The files that may ask whether such a global is there. */
const FEATURE_TESTS = /^runtime\/|^incremental_hash\.ts$/;

/** What is wrong with the imports and the globals of a file, one line each. */
function findViolations({ path, text }: SourceFile): string[] {
  const code = withoutComments(text);
  const imports = importsOf(code).map(({ specifier, line }) => {
    const problem = importViolation(path, specifier);
    return problem && `src/${path}:${line} ${problem}`;
  });
  const globals = [
    RUNTIME_FILES.includes(path) || FEATURE_TESTS.test(path) ? undefined : globalViolation(code),
    RUNTIME_FILES.includes(path) ? undefined : useViolation(code),
  ].map((problem) => problem && `src/${path} ${problem}`);
  return [...imports, ...globals].filter((problem) => problem !== undefined);
}

/** Circles of files that import each other, types included: the imports that close them, one line each. */
function findCircles(files: readonly SourceFile[]): string[] {
  const imports = new Map(files.map(({ path, text }) => [path, localImports(path, text)]));
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]) => {
    for (const { target, line } of imports.get(path) ?? []) {
      const start = way.indexOf(target);
      if (start >= 0) {
        const circle = [...way.slice(start), target].join(" -> ");
        circles.push(`src/${path}:${line} imports ${target}: a circle, ${circle}`);
      } else if (!done.has(target)) visit(target, [...way, target]);
    }
    done.add(path);
  };
  for (const path of imports.keys()) if (!done.has(path)) visit(path, [path]);
  return circles;
}

/** The files of `src/` that a file imports, and where it says so. */
function localImports(path: string, text: string): { target: string; line: number }[] {
  return importsOf(withoutComments(text)).filter(({ specifier }) => specifier.startsWith("."))
    .map(({ specifier, line }) => ({ target: targetOf(path, specifier), line }));
}

function importViolation(path: string, specifier: string): string | undefined {
  if (specifier.startsWith("node:")) return `imports ${specifier}: there is no node: in src/`;
  if (specifier.startsWith("@std/tar")) return "imports @std/tar: only its interface is ours";
  if (/^(npm|jsr|https?):/.test(specifier)) {
    return `imports ${specifier}: deno.json is the place that maps packages`;
  }
  if (!specifier.startsWith(".")) return;
  const target = targetOf(path, specifier);
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
  if (path === SHARED_INTERFACE) return ".";
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

function withoutStrings(code: string): string {
  return code.replace(new RegExp(STRING.source, "g"), '""');
}

const violationsOf = (path: string, text: string) => findViolations({ path, text });

test("src/ keeps to the import direction and names no runtime", async () => {
  const files = await readSources();
  assert(files.length > 20, `only ${files.length} files found`);
  assertEquals(files.flatMap(findViolations), []);
});

test("src/ has no files that import each other in a circle", async () => {
  assertEquals(findCircles(await readSources()), []);
});

test("findCircles() names the import that closes a circle, types and lazy imports included", () => {
  const files = [
    { path: "push/a.ts", text: '/**\n * Says so.\n */\nimport { b } from "./one/b.ts";\n' },
    { path: "push/one/b.ts", text: 'import type { C } from "../c.ts";\n' },
    { path: "push/c.ts", text: 'const { a } = await import("./a.ts");\n' },
    { path: "push/d.ts", text: 'import { a } from "./a.ts";\n// import "./d.ts"\n' },
  ];
  assertEquals(findCircles(files), [
    "src/push/c.ts:1 imports push/a.ts: a circle, push/a.ts -> push/one/b.ts -> push/c.ts -> push/a.ts",
  ]);
  assertEquals(findCircles(files.slice(0, 2)), []);
  assertEquals(findCircles([{ path: "a.ts", text: 'export type { A } from "./a.ts";' }]).length, 1);
});

test("findViolations() says which line has the import", () => {
  const text = '/*\n * A comment.\n */\nimport {\n  a,\n} from "../cli/run.ts";\n';
  assertEquals(violationsOf("push/push.ts", text), [
    "src/push/push.ts:6 imports cli/run.ts: layer 3 (push) must not import layer 5 (cli)",
  ]);
});

test("findViolations() names an import of a higher layer, a neighbour, runtime/ and cli/", () => {
  const cases: [string, string, boolean][] = [
    ["digest.ts", "./tar/header.ts", true],
    ["digest.ts", "./errors.ts", false],
    ["storage.ts", "./source/blob_source.ts", false],
    ["storage.ts", "./source/open_source.ts", true],
    ["source/blob_source.ts", "../codec/decompress.ts", true],
    ["tar/scan.ts", "../registry/http/http.ts", true],
    ["tar/scan.ts", "../push/plan.ts", true],
    ["tar/scan.ts", "./header.ts", false],
    ["tar/scan.ts", "../source/blob_source.ts", false],
    ["tar/scan.ts", "../source/open_source.ts", true],
    ["image/archive.ts", "../tar/scan.ts", false],
    ["image/archive.ts", "../codec/decompress.ts", false],
    ["image/check/validate.ts", "../../tar/scan.ts", false],
    ["image/check/validate.ts", "../archive.ts", false],
    ["image/check/validate.ts", "../../archive/open_archive.ts", true],
    ["source/open_source.ts", "../codec/decompress.ts", false],
    ["source/open_source.ts", "../image/archive.ts", true],
    ["tar/scan.ts", "../image/archive.ts", true],
    ["codec/decompress.ts", "../tar/scan.ts", true],
    ["server/handler.ts", "../registry/http/http.ts", true],
    ["archive/open_archive.ts", "../source/open_source.ts", false],
    ["archive/open_archive.ts", "../push/plan.ts", true],
    ["archive/open_archive.ts", "../pull/pull.ts", true],
    ["push/push.ts", "../registry/client.ts", false],
    ["push/push.ts", "../runtime/host.ts", true],
    ["push/push.ts", "./one_pass/one_pass.ts", false],
    ["push/one_pass/one_pass.ts", "../../archive/read_passing.ts", false],
    ["push/copy.ts", "../pull/remote_content.ts", false],
    ["pull/remote_content.ts", "../push/push.ts", true],
    ["runtime/host.ts", "../storage.ts", false],
    ["runtime/host.ts", "../source/blob_source.ts", false],
    ["runtime/host.ts", "../source/open_source.ts", true],
    ["runtime/host.ts", "../server/memory.ts", true],
    ["cli/run.ts", "../runtime/host.ts", false],
    ["edge/gateway.ts", "../push/push.ts", false],
    ["edge/gateway.ts", "../runtime/host.ts", true],
    ["edge/gateway.ts", "../cli/run.ts", true],
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
