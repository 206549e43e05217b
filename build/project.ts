/** The root of the project, with a slash at its end. */
export const ROOT = decodeURIComponent(new URL("../", import.meta.url).pathname);

/** What the build reads of deno.json. */
export interface Config {
  name: string;
  version: string;
  license: string;
  exports: Record<string, string>;
  imports: Record<string, string>;
  compilerOptions: { types: string[] };
  publish: { include: string[] };
}

/** What it reads of package.json. */
export interface Manifest {
  description: string;
  dependencies: Record<string, string>;
}

/** Reads deno.json. */
export async function readConfig(): Promise<Config> {
  return JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
}

/** Reads package.json. */
export async function readManifest(): Promise<Manifest> {
  return JSON.parse(await Deno.readTextFile(`${ROOT}package.json`));
}

/** Runs a program in the root of the project, or a folder of it, to its end; what it prints is shown where it fails. */
export async function run(
  command: string,
  args: readonly string[],
  folder = ROOT,
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd: folder,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  const output = decoder.decode(stdout);
  if (code === 0) return output;
  throw new Error(
    `Cannot run ${command} ${args.join(" ")}: exit code ${code}\n${output}${
      decoder.decode(stderr)
    }`,
  );
}

/** By its exact version, so that the same sources become the same anywhere; no dependency of the project. */
const ESBUILD = "npm:esbuild@0.25.12";

const TERSER = "npm:terser@5.51.4";
const SWC = "npm:@swc/core@1.16.22";
const ROLLUP = "npm:rollup@4.68.8";

/** Runs the bundler and minifier; returns what it prints. */
export async function esbuild(args: readonly string[]): Promise<string> {
  const flags = ["--quiet", "--no-lock", "--node-modules-dir=none"];
  return await run(Deno.execPath(), [
    ...["run", "-A", ...flags, ESBUILD, "--log-level=error", ...args],
  ]);
}

/** What is used of rollup. */
interface Rollup {
  rollup(options: RollupOptions & { onwarn(warning: Warning): void }): Promise<Rolled>;
}

/** What there is to tell rollup. */
export interface RollupOptions {
  input: Record<string, string>;
  external?: readonly string[] | ((path: string) => boolean);
  plugins?: unknown[];
  treeshake?: { moduleSideEffects(path: string): boolean };
}

/** What it read, to be written. */
export interface Rolled {
  generate(options: object): Promise<{ output: [Written, ...Written[]] }>;
}

/** A file that it made. */
export interface Written {
  fileName: string;
  code: string;
}

interface Warning {
  code?: string;
  message: string;
}

/**
 * What it says of things that are meant: the program exports nothing, classes keep their parts private, and what was loaded on
 * demand may import who loads it.
 */
const MEANT = ["EMPTY_BUNDLE", "PLUGIN_WARNING", "CIRCULAR_DEPENDENCY"];

/** How it writes JavaScript: what a file gives on demand is read, and never changed. */
export const SHORT = {
  compact: true,
  freeze: false,
  generatedCode: { arrowFunctions: true, constBindings: true, objectShorthand: true },
};

/** What is said of who made something. */
const NOTICE = /\/\*(?:!|(?:(?!\*\/)[^])*?@(?:license|preserve))[^]*?\*\//g;

/** Node.js 22 and some edge runtimes know no newer syntax. */
const ES_VERSION = 2022;

/** Makes few files of many, and leaves out what nothing needs. */
export async function rollup(options: RollupOptions): Promise<Rolled> {
  const { rollup }: Rollup = await import(ROLLUP);
  return await rollup({
    ...options,
    onwarn({ code = "", message }) {
      if (!MEANT.includes(code)) throw new Error(`Cannot join what was built: ${message}`);
    },
  });
}

/**
 * Makes JavaScript smaller than esbuild can: by 4% of the npm package, and as much of the page. Each of the two finds what the
 * other does not, and terser breaks lines.
 *
 * @param format How it is written, in words of terser.
 * @returns The code without comments: neither keeps what stands before code that it moves; {@linkcode noticesOf} tells them.
 */
export async function shrink(code: string, format: object = {}): Promise<string> {
  const [swc, terser] = await Promise.all([import(SWC), import(TERSER)]);
  const options = { module: true, ecma: ES_VERSION, compress: { passes: 5, ecma: ES_VERSION } };
  const once = await swc.minify(code, { ...options, toplevel: true, mangle: true });
  return (await terser.minify(once.code, { ...options, format })).code;
}

/** What code says of who made it, a line each or more. */
export function noticesOf(code: string): string {
  return (code.match(NOTICE) ?? []).join("\n");
}

/** What who made the decoders in `src/codec/` asks to be said with them, as comments: rollup leaves those out. */
export async function readNotices(): Promise<string> {
  const texts = await Promise.all(
    ["zstd_wasm", "xz_wasm"].map((name) => Deno.readTextFile(`${ROOT}src/codec/${name}.ts`)),
  );
  return texts.map(noticesOf).join("\n");
}

/** Writes a file, and the folders that it needs. */
export async function writeFile(path: string, text: string): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(path, text);
}

export async function emptyFolder(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(path, { recursive: true });
}
