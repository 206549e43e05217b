import { runWell, toPath } from "../helpers/process.ts";

const ROOT = toPath(new URL("../../", import.meta.url));

/** The npm package as a folder, which is removed at the end of its scope. */
export interface NpmPackage extends AsyncDisposable {
  /** Absolute, without a slash at its end. */
  path: string;
}

/** Builds the npm package in a folder of its own: whoever else builds it at the same time changes nothing in it. */
export async function buildPackage(): Promise<NpmPackage> {
  const task = ["task", "-q", "npm", `npm-${crypto.randomUUID()}`];
  const path = (await runWell(Deno.execPath(), task, { cwd: ROOT })).trim();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
