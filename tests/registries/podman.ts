import { assertEquals } from "@std/assert";
import { runProcess, type TemporaryFolder, temporaryFolder } from "../helpers/process.ts";
import { optionalProgram } from "../helpers/programs.ts";

const podman = optionalProgram("podman");

/** For the options of a test: why podman cannot keep images here. It wants namespaces, which containers often have not. */
export const podmanSkip = podman.skip ?? await tryOut();

/** Runs podman, which has to succeed, with what it keeps in a folder; returns what it prints. */
export async function runPodman(folder: TemporaryFolder, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await start(folder, args);
  assertEquals(code, 0, `podman ${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function tryOut(): Promise<string | undefined> {
  await using folder = await temporaryFolder();
  const { code, stderr } = await start(folder, ["images"]);
  if (code === 0) return undefined;
  return `podman keeps no images here: ${stderr.trim().split("\n").at(-1)}`;
}

// Nothing that a container would need.
function start({ path }: TemporaryFolder, args: readonly string[]) {
  const place = ["--root", `${path}/s`, "--runroot", `${path}/r`, "--storage-driver", "vfs"];
  return runProcess(podman.path, [...place, ...args]);
}
