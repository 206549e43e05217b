import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  runProcess,
  runWell,
  type TemporaryFolder,
  temporaryFolder,
  toPath,
} from "../helpers/process.ts";
import { installSkip, requireProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";

// What a person sees first who has cloned the repository and installed nothing.

const ROOT = toPath(new URL("../../", import.meta.url));
const skip = "Deno" in globalThis ? undefined : "it is about what Deno fetches";

/** Where the packages of the command line are stated: a deno.json of its own keeps those of the tests away from it. */
const OWN_CONFIG = "src/cli/deno.json";

test("deno task demo fetches no package, and its first line is the demo's", async () => {
  await using clone = await cloneOf(
    ...["deno.json", "deno.lock", "package.json", "src", "examples", "mod.ts"],
  );
  await using cache = await temporaryFolder();
  const { code, stdout, stderr } = await runProcess(Deno.execPath(), ["task", "demo"], {
    cwd: clone.path,
    env: { DENO_DIR: cache.path, NO_COLOR: "1", FORCE_COLOR: undefined },
  });
  assertEquals([code, stderr], [0, `Task demo ${(await readJson("deno.json")).tasks.demo}\n`]);
  assertStringIncludes(stdout.slice(0, 30), "1. A registry of our own");
  assertEquals(await entries(`${cache.path}/npm`), []);
  assertEquals((await entries(clone.path)).includes("node_modules"), false);
}, { skip });

test(
  "the command line needs the packages that its own deno.json states, and no other",
  async () => {
    const args = ["info", "--json", "--config", OWN_CONFIG, "src/cli/main.ts"];
    const info = JSON.parse((await runProcess(Deno.execPath(), args, { cwd: ROOT })).stdout);
    const { imports } = await readJson(OWN_CONFIG);
    const needed = new Set<string>();
    for (const { error, dependencies = [] } of info.modules) {
      assertEquals(error, undefined);
      for (const { specifier, code } of dependencies) {
        assertEquals(code?.error, undefined, specifier);
        if (code?.specifier.startsWith("npm:")) needed.add(specifier);
      }
    }
    assertEquals([...needed].sort(), Object.keys(imports));
  },
  { skip },
);

test("the command line's own deno.json states the versions that the other one does", async () => {
  const own = await readJson(OWN_CONFIG);
  const { imports } = await readJson("deno.json");
  for (const [name, place] of Object.entries(own.imports)) assertEquals(place, imports[name]);
  const { npm } = await readJson("deno.lock");
  const locked = await readJson("src/cli/deno.lock");
  assertEquals(Object.keys(locked.npm).length, 2);
  for (const [name, entry] of Object.entries(locked.npm)) assertEquals(entry, npm[name]);
}, { skip });

test("deno task npm makes the package in a clone where nothing was installed", async () => {
  await using clone = await cloneOf(
    ...[
      "deno.json",
      "deno.lock",
      "package.json",
      "mod.ts",
      "src",
      "build",
      "types",
      "tsconfig.json",
    ],
    ...["README.md", "LICENSE"],
  );
  await runWell(Deno.execPath(), ["task", "npm"], { cwd: clone.path });
  assertEquals((await entries(`${clone.path}/dist/npm`)).includes("package.json"), true);
}, { skip: skip ?? await installSkip(requireProgram("npm")) });

/** A folder with the files of these paths as they are now. */
async function cloneOf(...paths: string[]): Promise<TemporaryFolder> {
  const clone = await temporaryFolder();
  for (const path of await trackedFiles(...paths)) {
    await Deno.mkdir(`${clone.path}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.copyFile(ROOT + path, `${clone.path}/${path}`);
  }
  return clone;
}

async function trackedFiles(...paths: string[]): Promise<string[]> {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "--", ...paths];
  return (await runProcess("git", args, { cwd: ROOT })).stdout.trim().split("\n");
}

async function readJson(path: string) {
  return JSON.parse(await Deno.readTextFile(ROOT + path));
}

async function entries(folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) names.push(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names;
}
