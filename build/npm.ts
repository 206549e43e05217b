/**
 * `deno task npm [NAME]`: writes the npm package to `dist/npm/`, ready for `npm publish`, or to `dist/NAME/`.
 *
 * The JavaScript is one bundle with a file for each entry point, and further ones for what is loaded only when it is
 * needed; `@std/` is inside, the libraries that do the hashing and inflating are dependencies. The declarations are a file
 * for each entry point and some for what these share, without what nobody outside can name.
 */
import { sortIntoFiles } from "./npm_files.ts";
import {
  type Config,
  emptyFolder,
  esbuild,
  readConfig,
  readManifest,
  readNotices,
  rollup,
  ROOT,
  SHORT,
  shrink,
  writeFile,
  type Written,
} from "./project.ts";

/** The name on npm; JSR has no names without a scope. */
const NPM_NAME = "tarpush";

/** Where the project is. */
const REPOSITORY = "https://github.com/tarpush/tarpush";

/** Makes declarations; run by its exact version and no dependency of the project, which needs it for nothing else. */
const TYPESCRIPT = "npm:typescript@5.9.3";

/** Has rollup make few files of declarations; run like that. */
const ROLLUP_TYPES = "npm:rollup-plugin-dts@6.5.1";

/** What Bun needs of none of these, and other runtimes do without: a fifth of the package. */
const LEFT_OUT = ["gzip_encoder_wasm", "zstd_encoder_wasm"];
const EMPTY = "\0empty";

/** What a bundle may be about; what none of the ones before leads to is kept out of their files. */
const SUBJECTS = [
  // Nobody waits for a library, or for the page, who needs something else.
  "src/wasm_hash.ts",
  "src/edge/page_html.ts",
  "src/push/push.ts",
  "mod.ts",
  "src/server/mod.ts",
  "src/edge/mod.ts",
  "src/runtime/mod.ts",
  "src/cli/main.ts",
];

/**
 * What the program needs on Bun to start, for a push of what the registry has, and for one of what it lacks. Every file costs
 * some of a millisecond: these are in one for each subject.
 */
const STAGES = [
  ["src/cli/main.ts", "src/runtime/bun.ts"],
  [
    ...["src/cli/push_command.ts", "src/cli/input.ts", "src/cli/reporter.ts"],
    ...["src/cli/plain_lines.ts", "src/cli/render.ts", "src/runtime/bun_file.ts"],
    ...["src/image/docker_manifest.ts", "src/image/layout_manifests.ts"],
    ...["src/push/layer_warnings.ts", "src/runtime/bun_fetch.ts"],
  ],
  ["src/push/random_access/send_blob.ts", "src/push/write_tag.ts"],
];

/** Where the package is written: two that build at a time say where. */
const NPM_FOLDER = `${ROOT}dist/${Deno.args[0] ?? "npm"}`;

/** Members of TypeScript's enums: `ScriptTarget.ESNext` and `ModuleKind.ESNext`, `.ES2022`, `ModuleResolutionKind.Bundler`. */
const LATEST = 99;
const ES2022 = 9;
const BUNDLER = 100;

/** A declaration and the comment before it. */
const DECLARATION =
  /^(?:\/\*\*(?:(?!\*\/)[^])*\*\/\n)?((?:declare )?(?:abstract )?(?:class|interface|type|function) (\w+)(?:[^\n]*;|[^]*?\n\}))/gm;

/** Begins declarations that name what `using` takes: the libraries of ES2022 have no such types. */
const DISPOSABLE = '/// <reference lib="esnext.disposable" />\n';

/** An example in a comment: docs/library.md and JSR have them, and they are a twentieth of the declarations. */
const EXAMPLE = /\n *\* @example(?:(?!\n *\* @|\n *\*\/)[^])*/g;

/** Bytes that are not shared, as TypeScript before 5.7 takes them, too: there the type has no parameter. */
const OWN_BYTES = 'ReturnType<Uint8Array["slice"]>';

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
  getPreEmitDiagnostics(program: object): readonly unknown[];
  formatDiagnostics(found: readonly unknown[], host: object): string;
}

/** Lines that a runtime can show where an error was thrown. */
const LINES = { max_line_len: 1500 };

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
    writeFile(`${NPM_FOLDER}/README.md`, underNpmName(await Deno.readTextFile(`${ROOT}README.md`))),
    writeLicense(),
  ]);
  console.log(NPM_FOLDER);
}

/** Bundles the entry points; tsconfig.json says where `@std/` is. */
async function bundle(paths: readonly string[]): Promise<void> {
  const made = `${NPM_FOLDER}-chunks/`;
  const external = Object.keys(await dependencies());
  const metafile = `${made}meta.json`;
  await emptyFolder(made);
  await esbuild([
    ...[...paths, "--bundle", "--splitting", "--format=esm", "--minify", OLDEST_SYNTAX],
    ...external.map((name) => `--external:${name}`),
    ...LEFT_OUT.map((name) => `--external:*/${name}.ts`),
    ...[`--outdir=${made}`, `--outbase=${ROOT}`, `--metafile=${metafile}`],
  ]);
  const { outputs } = JSON.parse(await Deno.readTextFile(metafile));
  const input = entryFiles(paths, made, ".js");
  const entries = new Set(Object.values(input));
  const merged = await rollup({
    input,
    external,
    plugins: [{
      name: "left out",
      // A bundler of somebody who uses the package looks for whatever may be imported.
      resolveId: (path: string) => LEFT_OUT.some((name) => path.includes(name)) ? EMPTY : undefined,
      load: (path: string) => path === EMPTY ? 'export const WASM = "";' : undefined,
    }],
    treeshake: { moduleSideEffects: (path) => path.endsWith("/cli/main.js") },
  });
  // To load an entry point of the package is to load no other: each is a file of its own.
  const fileNames = new Map(
    sortIntoFiles(outputs, { subjects: SUBJECTS, stages: STAGES }).flatMap((paths, number) =>
      paths.map((path) => [ROOT + path, partName(number)] as const)
    ).filter(([path]) => !entries.has(path)),
  );
  const generate = (names: ReadonlyMap<string, string>) =>
    merged.generate({
      ...namesOf(".js"),
      ...SHORT,
      manualChunks: (path: string) => names.get(path),
      onlyExplicitManualChunks: true,
      hoistTransitiveImports: false,
    });
  const alike = await orderAlike((await generate(fileNames)).output);
  const { output } = await generate(
    new Map([...fileNames].map(([path, name]) => [path, partName(alike.indexOf(name))])),
  );
  for (const { fileName, code } of output) {
    await writeFile(`${NPM_FOLDER}/${fileName}`, await shrink(code, LINES));
  }
  await Deno.remove(made, { recursive: true });
  const cli = `${NPM_FOLDER}/src/cli/main.js`;
  // Nothing here runs on Node.js but the library: bunx and an installed command start Bun.
  await Deno.writeTextFile(cli, `#!/usr/bin/env bun\n${await Deno.readTextFile(cli)}`);
  await Deno.chmod(cli, 0o755);
}

function partName(number: number): string {
  return `part${`${number}`.padStart(2, "0")}`;
}

/**
 * Orders parts such that what is alike stands together: npm packs files in the order of their names, and gzip looks back
 * 32 KiB. One after the other, beginning with the smallest, it is the one that gains most by what is before it.
 *
 * @returns The names of all parts, without an ending.
 */
async function orderAlike(chunks: readonly Written[]): Promise<string[]> {
  const size = async (text: string) =>
    (await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip")))
      .arrayBuffer()).byteLength;
  const left = chunks.filter(({ fileName }) => fileName.startsWith("shared/part"))
    .toSorted((a, b) => b.code.length - a.code.length);
  const alone = new Map<Written, number>();
  for (const chunk of left) alone.set(chunk, await size(chunk.code));
  const order: string[] = [];
  let before = "";
  for (let next = left.at(-1); next;) {
    order.push(next.fileName.slice("shared/".length, -".js".length));
    left.splice(left.indexOf(next), 1);
    before = (before + next.code).slice(-32 * 1024);
    const spent = await size(before);
    let most = -Infinity;
    next = undefined;
    for (const chunk of left) {
      const gain = spent + (alone.get(chunk) ?? 0) - await size(before + chunk.code);
      if (gain > most) [most, next] = [gain, chunk];
    }
  }
  return order;
}

/** Writes the `.d.ts` files of the entry points. */
async function writeDeclarations(
  typescript: Typescript,
  { exports, compilerOptions }: Config,
  edit: (text: string) => string,
): Promise<void> {
  const made = `${NPM_FOLDER}-types/`;
  const paths = Object.values(exports);
  await emptyFolder(made);
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
      outDir: made,
    },
  );
  const files = new Map<string, string>();
  program.emit(undefined, (path, text) => void files.set(path, text), undefined, true);
  for (const [path, text] of files) await writeFile(path, text);
  const { dts } = await import(ROLLUP_TYPES);
  const input = entryFiles(paths, made, ".d.ts");
  const merged = await rollup({ input, plugins: [dts()] });
  const { output } = await merged.generate(namesOf(".d.ts"));
  const isPublic = namesIn(output.filter(({ fileName }) => !fileName.startsWith("shared/")));
  for (const { fileName, code } of output) {
    const declared = withoutInnerComments(code.replaceAll(EXAMPLE, ""), isPublic)
      .replaceAll(/^ {4}/gm, " ")
      .replaceAll("Uint8Array<ArrayBuffer>", OWN_BYTES);
    const lib = /AsyncDisposable|asyncDispose/.test(code) ? DISPOSABLE : "";
    await writeFile(`${NPM_FOLDER}/${fileName}`, lib + edit(declared));
  }
  await Deno.remove(made, { recursive: true });
  checkDeclarations(typescript, output.map(({ fileName }) => `${NPM_FOLDER}/${fileName}`));
}

/** The names by which declarations are exported. */
function namesIn(files: readonly Written[]): ReadonlySet<string> {
  const lists = files.flatMap(({ code }) => [...code.matchAll(/^export (?:type )?\{([^}]*)\}/gm)]);
  return new Set(
    lists.flatMap(([, list = ""]) => [...list.matchAll(/(\w+) *(?:,|$)/g)])
      .map(([, name = ""]) => name),
  );
}

/** Leaves out the comments of what nobody outside can name: nobody is shown them. */
function withoutInnerComments(code: string, isPublic: ReadonlySet<string>): string {
  return code.replaceAll(
    DECLARATION,
    (whole: string, declaration: string, name: string) =>
      isPublic.has(name) ? whole : declaration.replaceAll(/\n *\/\*\*(?:(?!\*\/)[^])*\*\//g, ""),
  );
}

/**
 * Checks the declarations as a program does that leaves no library out and compiles for ES2022: to join files renames what is
 * in them.
 */
function checkDeclarations(typescript: Typescript, paths: readonly string[]): void {
  const program = typescript.createProgram(paths, {
    strict: true,
    exactOptionalPropertyTypes: true,
    types: [],
    target: ES2022,
    module: LATEST,
    moduleResolution: BUNDLER,
    noEmit: true,
  });
  const found = typescript.getPreEmitDiagnostics(program);
  if (found.length === 0) return;
  const host = {
    getCurrentDirectory: () => NPM_FOLDER,
    getCanonicalFileName: (path: string) => path,
    getNewLine: () => "\n",
  };
  throw new Error(
    `Cannot make the package: its types do not hold\n${typescript.formatDiagnostics(found, host)}`,
  );
}

/** The files made of entry points, each by the path that it has in the package. */
function entryFiles(
  paths: readonly string[],
  folder: string,
  ending: string,
): Record<string, string> {
  const names = paths.map((path) => path.replace(/^\.\//, "").replace(/\.ts$/, ""));
  return Object.fromEntries(names.map((name) => [name, `${folder}${name}${ending}`]));
}

/** How rollup names the files of the package. */
function namesOf(ending: ".js" | ".d.ts") {
  // What is shared among declarations is called `NAME.d` already.
  const chunkFileNames = `shared/[name]${ending.replace(".d", "")}`;
  return { format: "es", entryFileNames: `[name]${ending}`, chunkFileNames };
}

/** The license, and those of what is in the package beside it. */
async function writeLicense(): Promise<void> {
  const license = await Deno.readTextFile(`${ROOT}LICENSE`);
  await writeFile(`${NPM_FOLDER}/LICENSE`, `${license}\n${await readNotices()}\n`);
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
    // For what goes by no exports: Parcel as it comes, Metro, and older resolvers.
    main: "./mod.js",
    types: "./mod.d.ts",
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
