/**
 * `deno task jsr`: writes what is published on JSR to `dist/jsr/`, and checks it.
 *
 * In the repository `@std/` names resolve to an npm package of the same code, which installs wherever npm does; on JSR
 * they are the packages themselves. This swaps that one block of deno.json, leaves out what only tests and benches need,
 * and checks that every import has a place in the result and that the types hold under it.
 *
 * `--score` prints JSR's score without its point for provenance, which only a release workflow can give. The points come
 * to 18, and JSR counts 17 as all.
 */
import { type Config, emptyFolder, readConfig, ROOT, run, writeFile } from "./project.ts";

const FOLDER = `${ROOT}dist/jsr`;

/** The packages that `@std/` names come from on JSR. */
const STD_VERSIONS: Record<string, string> = { fmt: "^1.0.0" };

/** What is set for the package on JSR itself: its description and its runtimes are in no file of a version. */
const SETTINGS = "build/jsr_settings.json";

/** What comes before the name of a package in an import, and that name; examples in comments are none. */
const BARE_IMPORT =
  /(^(?:import|export)\b[^;"'()*]*?\bfrom\s*"|^\s*import\s*"|[ (]import\(\s*")([^."][^"]*)"/gm;

async function main(): Promise<void> {
  const config = await readConfig();
  await emptyFolder(FOLDER);
  const files = await publishedFiles(config.publish.include);
  for (const path of files) {
    await writeFile(`${FOLDER}/${path}`, await Deno.readTextFile(ROOT + path));
  }
  const imports = await swappedImports(config.imports, files);
  const { name, version, license, exports } = config;
  const published = { name, version, license, exports, imports };
  await writeFile(`${FOLDER}/deno.json`, `${JSON.stringify(published, undefined, 2)}\n`);
  await checkTypes(config, imports, files);
  // As it will be published, with the options that it has there: an error ends it.
  await run(Deno.execPath(), ["publish", "--dry-run", "--allow-dirty"], FOLDER);
  if (Deno.args.includes("--score")) return await printScore(Object.values(exports));
  console.log(FOLDER);
}

async function publishedFiles(include: readonly string[]): Promise<string[]> {
  const flags = ["--cached", "--others", "--exclude-standard"];
  const listed = await run("git", ["ls-files", ...flags, "--", ...include]);
  return listed.trim().split("\n").filter((path) =>
    !/(^|\/)deno\.(json|lock)$/.test(path) && !path.startsWith("types/")
  );
}

/** The imports of the sources alone, `@std/` as packages of JSR. */
async function swappedImports(
  imports: Readonly<Record<string, string>>,
  files: readonly string[],
): Promise<Record<string, string>> {
  const used = new Set<string>();
  for (const path of files.filter((path) => path.endsWith(".ts"))) {
    const text = await Deno.readTextFile(ROOT + path);
    for (const [, , specifier = ""] of text.matchAll(BARE_IMPORT)) {
      if (!imports[specifier]) {
        throw new Error(`Cannot publish ${path}: deno.json does not map ${specifier}`);
      }
      used.add(specifier);
    }
  }
  return Object.fromEntries(
    [...used].sort().map((specifier) => [specifier, toJsr(specifier, imports[specifier] ?? "")]),
  );
}

function toJsr(specifier: string, place: string): string {
  const [, name, path = ""] = /^@std\/([^/]+)(\/.*)?$/.exec(specifier) ?? [];
  if (name === undefined) return place;
  const version = STD_VERSIONS[name];
  if (version) return `jsr:@std/${name}@${version}${path}`;
  throw new Error(`Cannot publish: no version is stated for @std/${name}`);
}

/** Checks the sources under their published names; the packages of JSR are those that stand for them here. */
async function checkTypes(
  config: Config,
  published: Readonly<Record<string, string>>,
  files: readonly string[],
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tarpush-jsr-" });
  try {
    for (const path of files) {
      const text = await Deno.readTextFile(ROOT + path);
      const unfurled = path.endsWith(".ts")
        ? text.replace(BARE_IMPORT, (_, start, specifier) => `${start}${published[specifier]}"`)
        : text;
      await writeFile(`${folder}/${path}`, unfurled);
    }
    const imports = Object.fromEntries(
      Object.entries(published).map(([specifier, to]) => [to, config.imports[specifier] ?? ""]),
    );
    const types = config.compilerOptions.types.map((path) => `${ROOT}${path}`);
    const compilerOptions = { ...config.compilerOptions, types: [`${folder}/published.d.ts`] };
    await writeFile(`${folder}/published.d.ts`, await declarations(types, published));
    await writeFile(`${folder}/deno.json`, JSON.stringify({ imports, compilerOptions }));
    await run(Deno.execPath(), ["check", "--no-lock", ...Object.values(config.exports)], folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function declarations(
  paths: readonly string[],
  published: Readonly<Record<string, string>>,
): Promise<string> {
  const texts = await Promise.all(paths.map((path) => Deno.readTextFile(path)));
  return texts.join("\n").replace(/declare module "([^"]+)"/g, (whole, specifier) => {
    const to = published[specifier];
    return to === undefined ? whole : `declare module "${to}"`;
  });
}

/** What `deno doc --json` tells of an entry point. */
interface DocumentedModule {
  module_doc?: { doc?: string; tags?: { kind: string }[] };
  symbols: { name: string; declarations: { jsDoc?: { doc?: string } }[] }[];
}

async function printScore(entries: readonly string[]): Promise<void> {
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  const modules = await Promise.all(entries.map(documentationOf));
  const symbols = modules.flatMap(({ symbols }) => symbols);
  const documented = symbols.filter(({ declarations }) =>
    declarations.some(({ jsDoc }) => jsDoc?.doc)
  );
  const { description, runtimeCompat } = await readSettings();
  const runtimes = Object.values(runtimeCompat).filter((isTrue) => isTrue).length;
  const rows: [string, number, boolean][] = [
    ["a README, or documentation of the main module", 2, readme.length > 0],
    ["examples in it", 1, /^```ts$/m.test(readme)],
    ["documentation of every entry point", 1, modules.every((module) => module.module_doc?.doc)],
    ["80% of symbols documented", 5, documented.length >= 0.8 * symbols.length],
    ["no slow types", 5, await hasFastTypes()],
    ["a description", 1, description.length > 0 && description.length <= 250],
    ["one runtime", 1, runtimes >= 1],
    ["two runtimes", 1, runtimes >= 2],
  ];
  for (const [name, points, isMet] of rows) {
    console.log(`${isMet ? points : 0}/${points}  ${name}`);
  }
  const score = rows.reduce((sum, [, points, isMet]) => sum + (isMet ? points : 0), 0);
  console.log(`${score}/17`);
  if (score < 17) Deno.exit(1);
}

async function documentationOf(entry: string): Promise<DocumentedModule> {
  const output: { nodes: Record<string, DocumentedModule> } = JSON.parse(
    await run(Deno.execPath(), ["doc", "--json", entry]),
  );
  const [module] = Object.values(output.nodes);
  if (!module) throw new Error(`Cannot read the documentation of ${entry}: there is none`);
  return module;
}

async function hasFastTypes(): Promise<boolean> {
  // It ends with an error where there are slow ones.
  await run(Deno.execPath(), ["publish", "--dry-run", "--allow-dirty", "--no-check"]);
  return true;
}

async function readSettings(): Promise<
  { description: string; runtimeCompat: Record<string, boolean> }
> {
  return JSON.parse(await Deno.readTextFile(ROOT + SETTINGS));
}

await main();
