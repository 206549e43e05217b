/**
 * `deno task npm`: writes the npm package to `dist/npm/`, ready for `npm publish`.
 *
 * The JavaScript is one bundle with a file for each entry point, and further ones for what is loaded only when it is
 * needed; `@std/` is inside, the libraries that do the hashing and inflating are dependencies.
 */
import {
  type Config,
  emptyFolder,
  esbuild,
  readConfig,
  readManifest,
  ROOT,
  writeFile,
} from "./project.ts";

/** The name on npm; JSR has no names without a scope. */
const NPM_NAME = "tarpush";

/** Where the project is. */
const REPOSITORY = "https://github.com/tarpush/tarpush";

/** Makes declarations; run by its exact version and no dependency of the project, which needs it for nothing else. */
const TYPESCRIPT = "npm:typescript@5.9.3";

/** Where the package is written. */
const NPM_FOLDER = `${ROOT}dist/npm`;

/** Members of TypeScript's enums: `ScriptTarget.ESNext` and `ModuleKind.ESNext`, `ModuleResolutionKind.Bundler`. */
const LATEST = 99;
const BUNDLER = 100;

/** How a declaration names another file, which is JavaScript in the package. */
const SOURCE_IMPORT = /(["'])(\.[^"']+)\.ts\1/g;

/** Node.js 22 and some edge runtimes know no `using`. */
const OLDEST_SYNTAX = "--target=es2022";

/** What is used of TypeScript. */
interface Typescript {
  createProgram(files: readonly string[], options: object): {
    emit(
      file: undefined,
      write: (path: string, text: string) => void,
      signal: undefined,
      declarationsOnly: true,
    ): unknown;
  };
}

async function main(): Promise<void> {
  const config = await readConfig();
  await emptyFolder(NPM_FOLDER);
  const typescript: { default: Typescript } = await import(TYPESCRIPT);
  await bundle(Object.values(config.exports));
  // What is fetched from JSR has its name there.
  const ownName = new RegExp(`(?<!jsr:)${config.name}`, "g");
  const underNpmName = (text: string) => text.replace(ownName, NPM_NAME);
  await Promise.all([
    writeDeclarations(typescript.default, config, underNpmName),
    writeManifest(config),
    ...["README.md", "LICENSE"].map(async (name) => {
      const text = await Deno.readTextFile(ROOT + name);
      await writeFile(`${NPM_FOLDER}/${name}`, underNpmName(text));
    }),
  ]);
  console.log(NPM_FOLDER);
}

/** Bundles the entry points; tsconfig.json says where `@std/` is. */
async function bundle(paths: readonly string[]): Promise<void> {
  const external = Object.keys(await dependencies()).map((name) => `--external:${name}`);
  await esbuild([
    ...[...paths, "--bundle", "--splitting", "--format=esm", "--minify", OLDEST_SYNTAX],
    ...[...external, `--outdir=${NPM_FOLDER}`, `--outbase=${ROOT}`],
  ]);
  const cli = `${NPM_FOLDER}/src/cli/main.js`;
  // Nothing here runs on Node.js but the library: bunx and an installed command start Bun.
  await Deno.writeTextFile(cli, `#!/usr/bin/env bun\n${await Deno.readTextFile(cli)}`);
  await Deno.chmod(cli, 0o755);
}

/** Writes the `.d.ts` files that those of the entry points lead to, in the folders of the sources. */
async function writeDeclarations(
  typescript: Typescript,
  { exports, compilerOptions }: Config,
  edit: (text: string) => string,
): Promise<void> {
  const paths = Object.values(exports);
  const program = typescript.createProgram(
    [...paths, ...compilerOptions.types].map((path) => ROOT + path),
    {
      ...compilerOptions,
      types: [],
      target: LATEST,
      module: LATEST,
      moduleResolution: BUNDLER,
      allowImportingTsExtensions: true,
      declaration: true,
      emitDeclarationOnly: true,
      rootDir: ROOT,
      outDir: NPM_FOLDER,
    },
  );
  const made = new Map<string, string>();
  program.emit(undefined, (path, text) => void made.set(path, text), undefined, true);
  const wanted = new Set(
    paths.map((path) => new URL(path, `file://${NPM_FOLDER}/`).pathname.replace(/ts$/, "d.ts")),
  );
  // A set goes on to what is added to it on the way.
  for (const path of wanted) {
    const text = made.get(path) ?? "";
    for (const [, , name] of text.matchAll(SOURCE_IMPORT)) {
      wanted.add(new URL(`${name}.d.ts`, `file://${path}`).pathname);
    }
    await writeFile(path, edit(text.replace(SOURCE_IMPORT, "$1$2.js$1")));
  }
}

async function writeManifest(
  { version, license, exports: entries }: Config,
): Promise<void> {
  const { description } = await readManifest();
  const exports = Object.fromEntries(
    Object.entries(entries).map(([name, path]) => {
      const file = path.replace(/\.ts$/, "");
      return [name, { types: `${file}.d.ts`, default: `${file}.js` }];
    }),
  );
  const manifest = {
    name: NPM_NAME,
    version,
    description,
    license,
    // npm attests where the package comes from, and leads the links of README there.
    repository: { type: "git", url: `git+${REPOSITORY}.git` },
    homepage: `${REPOSITORY}#readme`,
    bugs: `${REPOSITORY}/issues`,
    keywords: ["oci", "container", "docker", "image", "registry", "tar", "push"],
    type: "module",
    sideEffects: ["./src/cli/main.js"],
    exports: { ...exports, "./package.json": "./package.json" },
    bin: { tarpush: "./src/cli/main.js" },
    dependencies: await dependencies(),
  };
  await Deno.writeTextFile(
    `${NPM_FOLDER}/package.json`,
    `${JSON.stringify(manifest, undefined, 2)}\n`,
  );
}

/** What the package needs at run time. `deno-std` is what `@std/` resolves to here, and is bundled. */
async function dependencies(): Promise<Record<string, string>> {
  const { dependencies } = await readManifest();
  return Object.fromEntries(
    Object.entries(dependencies).filter(([name]) => name !== "deno-std"),
  );
}

await main();
