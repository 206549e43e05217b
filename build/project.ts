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

/** Runs the bundler and minifier; returns what it prints. */
export async function esbuild(args: readonly string[]): Promise<string> {
  const flags = ["--quiet", "--no-lock", "--node-modules-dir=none"];
  return await run(Deno.execPath(), [
    ...["run", "-A", ...flags, ESBUILD, "--log-level=error", ...args],
  ]);
}

/** Makes JavaScript smaller than esbuild can: by 3% of the npm package, and as much of the page. */
export async function terser(code: string, options: object): Promise<string> {
  const { minify } = await import(TERSER);
  return (await minify(code, options)).code;
}

/** Writes a file, and the folders that it needs. */
export async function writeFile(path: string, text: string): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(path, text);
}

/** Makes a folder that is empty. */
export async function emptyFolder(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(path, { recursive: true });
}
