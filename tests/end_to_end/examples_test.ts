import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { copyImage, pushImage } from "../../mod.ts";
import { openFile } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { cliCommand, type ProcessResult, runProcess, toPath } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";
import { serve } from "./registry_server.ts";

const FOLDER = new URL("../../examples/", import.meta.url);

for (const name of await listPrograms()) {
  test(`examples/${name} runs to its end and says something`, async () => {
    const { code, stdout, stderr } = await runExample(name);
    assertEquals(code, 0, stderr);
    assertNotEquals((stdout + stderr).trim(), "");
  });
}

test("examples/ are short enough to be read", async () => {
  const long: string[] = [];
  for (const name of await listFiles()) {
    const text = await (await fetch(new URL(name, FOLDER))).text();
    if (!name.includes("/") && text.trimEnd().split("\n").length >= 40) long.push(name);
  }
  assertEquals(long, []);
});

test("examples/ load what deno.json has a place for", async () => {
  const { imports } = await (await fetch(new URL("../deno.json", FOLDER))).json();
  for (const name of await listFiles()) {
    const text = await (await fetch(new URL(name, FOLDER))).text();
    for (const [, specifier = ""] of text.matchAll(/"(@std\/[^"]+)"/g)) {
      assertNotEquals(imports[specifier], undefined, `${name}: ${specifier}`);
    }
  }
});

test("examples/clean_old_tags.ts spares what an image that is kept needs", async () => {
  const requests: string[] = [];
  const registry = createRegistry({ allowDelete: true });
  await using server = await serve((request) => {
    if (request.method === "DELETE") requests.push(new URL(request.url).pathname);
    return registry(request);
  });
  const push = async (fixture: string, ...tags: string[]) => {
    await using file = await openFile(new URL(`../fixtures/${fixture}`, import.meta.url));
    const targets = tags.map((tag) => `${server.host}/team/app:${tag}`);
    return (await pushImage(file, targets)).images[0]?.digest;
  };
  // Of the same moment: kept is the index, which has a time only in its images.
  await push("docker29-multiplatform.tar", "new");
  const options = { platforms: ["linux/amd64"] };
  await copyImage(`${server.host}/team/app:new`, `${server.host}/team/app:part`, options);
  const old = await push("docker28-single.tar", "old", "older");
  await push("oras-artifact.tar", "signature");

  const args = [`http://${server.host}`, "team/app", "1", "--yes"];
  const { code, stdout, stderr } = await runExample("clean_old_tags.ts", args);
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^delete old(?:er)?, old(?:er)? of \S+\n$/);
  assertEquals(requests, [`/v2/team/app/manifests/${old}`]);
});

test("examples/mirror_list.ts goes on after one that fails, and keeps a digest", async () => {
  await using server = await serve(createRegistry());
  await using file = await openFile(new URL("../fixtures/docker28-single.tar", import.meta.url));
  const { images } = await pushImage(file, `${server.host}/up/app:1`);
  const digest = images[0]?.digest;
  const references = ["none:1", "app:1", `app@${digest}`].map((it) => `${server.host}/up/${it}`);
  const { code, stdout, stderr } = await runExample("mirror_list.ts", [
    `${server.host}/mirror`,
    ...references,
  ]);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "up/none");
  const copied = [":1", `@${digest}`].map((it) => `${server.host}/mirror/up/app${it} is ${digest}`);
  // They end in any order.
  assertEquals(stdout.trim().split("\n").map((line) => line.split(",")[0]).sort(), copied);
});

function runExample(name: string, further: string[] = []): Promise<ProcessResult> {
  const { command, args } = cliCommand();
  const file = toPath(new URL(name, FOLDER));
  const cwd = toPath(new URL("..", FOLDER));
  return runProcess(command, [...args.slice(0, -1), file, ...further], { cwd });
}

/** The files that no other one imports, and `main.ts` of each folder: neither what they share nor a worker is a program. */
async function listPrograms(): Promise<string[]> {
  const names = await listFiles();
  const texts = await Promise.all(
    names.map(async (name) => await (await fetch(new URL(name, FOLDER))).text()),
  );
  const all = texts.join("");
  return names.filter((name, at) =>
    !all.includes(`"./${name}"`) && !texts[at]?.includes("export default {")
  );
}

async function listFiles(): Promise<string[]> {
  const names: string[] = [];
  if ("Deno" in globalThis) {
    for await (const { name, isDirectory } of Deno.readDir(FOLDER)) {
      if (!isDirectory) names.push(name);
      else if (await hasMain(new URL(`${name}/`, FOLDER))) names.push(`${name}/main.ts`);
    }
  } else {
    const { Bun } = globalThis as unknown as {
      Bun: { Glob: new (pattern: string) => { scan(folder: string): AsyncIterable<string> } };
    };
    for (const pattern of ["*.ts", "*/main.ts"]) {
      for await (const name of new Bun.Glob(pattern).scan(toPath(FOLDER))) names.push(name);
    }
  }
  return names.filter((name) => name.endsWith(".ts")).sort();
}

async function hasMain(folder: URL): Promise<boolean> {
  for await (const { name } of Deno.readDir(folder)) if (name === "main.ts") return true;
  return false;
}
