import { environment, runProcess } from "./process.ts";

const { Bun } = globalThis as unknown as { Bun: { which(name: string): string | null } };

/** A program that a test runs. */
export interface Program {
  readonly name: string;
  /** Its path. Reading it where there is none is an error, which fails the test. */
  readonly path: string;
  /** For the options of the test: why it cannot run here, undefined where it can or has to. */
  readonly skip: string | undefined;
}

/**
 * Looks for a program that a test needs. Where it is absent the test is skipped, except with `CI=true` in the
 * environment: what CI forgot to install must not look like a test that passed.
 *
 * @example Testing against skopeo
 * ```ts ignore
 * const skopeo = requireProgram("skopeo");
 * test("...", async () => {
 *   await runProcess(skopeo.path, ["--version"]);
 * }, { skip: skopeo.skip });
 * ```
 */
export function requireProgram(name: string): Program {
  return lookFor(name, environment().CI !== "true");
}

/** Looks for a program that a test needs and that CI does not install: where it is absent the test is skipped. */
export function optionalProgram(name: string): Program {
  return lookFor(name, true);
}

function lookFor(name: string, isOptional: boolean): Program {
  const path = findProgram(name);
  return {
    name,
    get path() {
      if (path !== undefined) return path;
      throw new Error(`Cannot find ${name} on PATH: expected it to be installed, as with CI=true`);
    },
    skip: path === undefined && isOptional ? `no ${name} on PATH` : undefined,
  };
}

/**
 * Why a test cannot install packages, as {@linkcode Program.skip} has it: a proxy may keep the registry of packages
 * away. Asked of npm itself, for one that the project uses.
 */
export async function installSkip(npm: Program): Promise<string | undefined> {
  if (npm.skip !== undefined || environment().CI === "true") return npm.skip;
  const args = ["view", "hash-wasm", "version", "--silent", "--fetch-retries=0"];
  const { code } = await runProcess(npm.path, args);
  return code === 0 ? undefined : "npm reaches no registry of packages";
}

/** The path of a program on PATH, undefined where there is none. */
export function findProgram(name: string): string | undefined {
  if (!("Deno" in globalThis)) return Bun.which(name) ?? undefined;
  const isWindows = Deno.build.os === "windows";
  const folders = (environment().PATH ?? "").split(isWindows ? ";" : ":").filter(Boolean);
  const endings = isWindows ? [".exe", ".cmd", ""] : [""];
  return folders
    .flatMap((folder) => endings.map((ending) => `${folder}/${name}${ending}`))
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && (mode === null || (mode & 0o111) !== 0);
  } catch {
    return false; // Not there, or in a folder that may not be read: a shell would go on, too.
  }
}
