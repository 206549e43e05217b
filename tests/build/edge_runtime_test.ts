import { assertEquals, assertStringIncludes } from "@std/assert";
import { dockerSave, gzip, makeImage } from "../helpers/archives.ts";
import { runWell, type TemporaryFolder, temporaryFolder, toPath } from "../helpers/process.ts";
import { installSkip, requireProgram } from "../helpers/programs.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { buildPackage } from "./npm_package.ts";

const ROOT = toPath(new URL("../../", import.meta.url));
const node = requireProgram("node");
const npm = requireProgram("npm");
const skip = "Deno" in globalThis ? node.skip ?? await installSkip(npm) : "the runtime is the same";

/** Has fewer web standards than the others: no `AbortSignal.any`, no `DecompressionStream`. */
const RUNTIME = "@edge-runtime/vm@5.0.0";

const PROGRAM = `
import { createGateway } from "PACKAGE/src/edge/mod.js";
import { createRegistry } from "PACKAGE/src/server/mod.js";
globalThis.push = async (base64) => {
  const gateway = createGateway({ allow: ["registry.test"], fetch: createRegistry() });
  const body = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const headers = { accept: "application/json" };
  const url = "https://gateway.test/v2push/registry.test/team/app:1";
  return await (await gateway(new Request(url, { method: "PUT", body, headers }))).text();
};
`;

const RUNNER = `
const { EdgeVM } = require("@edge-runtime/vm");
const { readFileSync } = require("node:fs");
const vm = new EdgeVM();
vm.evaluate(readFileSync("program.js", "utf8"));
vm.context.archive = readFileSync(process.argv[2]).toString("base64");
vm.evaluate("push(archive)").then(console.log);
`;

test(
  "the gateway pushes under @edge-runtime/vm, and says in one line what that lacks",
  async () => {
    await using folder = await temporaryFolder();
    await using built = await buildPackage();
    await folder.write("program.ts", PROGRAM.replaceAll("PACKAGE", built.path));
    await folder.write("run.cjs", RUNNER);
    await folder.write("package.json", "{}");
    const bundle = ["bundle", "-q", "--format", "iife", "--platform", "browser", "-o"];
    const files = [`${folder.path}/program.js`, `${folder.path}/program.ts`];
    await runWell(Deno.execPath(), [...bundle, ...files], { cwd: ROOT });
    await runWell(npm.path, ["install", "--silent", RUNTIME], { cwd: folder.path });

    const tar = writeTar(dockerSave([{ image: await makeImage(["a", "b"]), repoTags: ["app:1"] }]));
    const pushed = await pushIn(folder, tar);
    assertEquals(pushed.images[0]?.reference, "registry.test/team/app:1", JSON.stringify(pushed));
    const refused = await pushIn(folder, await gzip(tar));
    assertStringIncludes(refused.error?.message ?? "", "this runtime has no DecompressionStream");
  },
  { skip },
);

async function pushIn(
  folder: TemporaryFolder,
  tar: Uint8Array,
): Promise<{ images: { reference: string }[]; error?: { message: string } }> {
  const path = await folder.write("image.tar", tar);
  return JSON.parse(await runWell(node.path, ["run.cjs", path], { cwd: folder.path }));
}
