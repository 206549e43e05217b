import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { esbuild } from "../../build/project.ts";
import { serveRegistry } from "../end_to_end/registry_server.ts";
import {
  runProcess,
  runWell,
  type TemporaryFolder,
  temporaryFolder,
  toPath,
} from "../helpers/process.ts";
import { findProgram, installSkip, requireProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";
import { buildPackage } from "./npm_package.ts";

const ROOT = toPath(new URL("../../", import.meta.url));
const FIXTURE = `${ROOT}tests/fixtures/docker28-single.tar`;
const MAX_PACKED_BYTES = 400_000;
/** What a page has to load that pushes, and does nothing else: a tenth less than this, unless something came along. */
const MAX_BUNDLE_BYTES = 380_000;

const npm = requireProgram("npm");
const bun = requireProgram("bun");
/** The package is the same wherever it is built: once is enough. */
const skip = "Deno" in globalThis ? npm.skip ?? bun.skip : "it is built and tried on Deno";

/** Pushes with the library, as a program of a user would. */
const PROGRAM = `
import { pushImage } from "SPECIFIER";
import { createRegistry } from "SPECIFIER/registry";
import { readPage } from "SPECIFIER/edge";
const tar = new Blob([await (await fetch("data:application/x-tar;base64," + TAR)).arrayBuffer()]);
const options = { fetch: createRegistry() };
const { images } = await pushImage(tar, "localhost:5000/team/app:1.0", options);
// By the encoder of the runtime: the package has none.
const packed = await pushImage(tar, "localhost:5000/team/app:2", { ...options, compression: "gzip" });
if (!packed.images[0].blobs.some(({ mediaType }) => /gzip/.test(mediaType))) throw new Error("plain");
const page = new TextEncoder().encode(await readPage());
const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", page));
console.log(images[0].digest, btoa(String.fromCharCode(...hash)));
`;

/** The types are there and say no where they should. */
const TYPED = `
import { pushImage, type PushResult } from "tarpush";
export const push = (tar: Blob): Promise<PushResult> => pushImage(tar, "localhost:5000/app");
// @ts-expect-error A number is no target.
export const wrong = (tar: Blob) => pushImage(tar, 1);
`;

const installed = skip ?? await installSkip(npm);

test("the npm package is small, whole and free of what it is built with", async () => {
  await using folder = await temporaryFolder();
  const archive = await pack(folder);
  const { size } = await Deno.stat(archive);
  assert(size <= MAX_PACKED_BYTES, `${size} bytes, expected at most ${MAX_PACKED_BYTES}`);
  const listed = (await runWell("tar", ["-tzf", archive], { cwd: folder.path })).trim().split("\n");
  for (const entry of ["mod", "src/cli/main", "src/runtime/mod", "src/server/mod", "src/tar/mod"]) {
    for (const end of [".js", ".d.ts"]) assert(listed.includes(`package/${entry}${end}`), entry);
  }
  await runWell("tar", ["-xzf", archive], { cwd: folder.path });
  const readme = new TextDecoder().decode(await folder.read("package/README.md"));
  assertMatch(readme, /jsr:@tarpush\/tarpush\/cli push/);
  assertMatch(readme, /from "tarpush"/);
  const license = new TextDecoder().decode(await folder.read("package/LICENSE"));
  for (const holder of ["Meta Platforms", "Igalia"]) assertStringIncludes(license, holder);
  for (const name of listed.filter((name) => /\.(js|json|d\.ts)$/.test(name))) {
    const text = new TextDecoder().decode(await folder.read(name));
    const foreign = /(?:from|import)\s*\(?\s*["'](?:@std\/|node:|npm:|jsr:)[^"']*["']|deno-std/
      .exec(text);
    assertEquals(foreign?.[0], undefined, name);
    // TypeScript 5.4 knows no parameter of the one, and the types of Node.js not the other.
    if (name.endsWith(".d.ts")) assert(!/Uint8Array<|: WebAssembly/.test(text), name);
    assert(!text.includes("@tarpush/tarpush"), `${name} speaks of another name`);
  }
}, { skip });

test("the npm package works on Bun, Deno and Node.js once it is installed", async () => {
  await using folder = await temporaryFolder();
  const archive = await pack(folder);
  // A bundler that touches the text of the page breaks the hashes in its policy.
  const expected = `${await expectedDigest()} ${await pageHash()}`;
  const tar = btoa(String.fromCharCode(...await Deno.readFile(FIXTURE)));
  const program = `const TAR = "${tar}";${PROGRAM.replaceAll("SPECIFIER", "tarpush")}`;
  for (const [installer, ...args] of [["npm", "install"], ["bun", "add"]]) {
    await using place = await temporaryFolder();
    await place.write("package.json", '{ "type": "module", "private": true }');
    await place.write("push.js", program);
    await place.write("typed.ts", TYPED);
    await runWell(installer === "npm" ? npm.path : bun.path, [...args, archive], {
      cwd: place.path,
    });
    const runners = [[bun.path, "push.js"], [Deno.execPath(), "run", "-A", "push.js"]];
    const node = await modernNode();
    if (node) {
      runners.push([node, "push.js"]);
      const command = "node_modules/tarpush/src/cli/main.js";
      const { code, stderr } = await runProcess(node, [command, "--version"], { cwd: place.path });
      assertEquals(code, 1, "the command runs on Bun alone, and says so elsewhere");
      assertStringIncludes(stderr, "expected Deno or Bun");
      // Node.js shows the line that threw.
      assert(stderr.length < 2500, stderr);
    }
    for (const [runner = "", ...rest] of runners) {
      assertEquals(
        (await runWell(runner, rest, { cwd: place.path })).trim(),
        expected,
        `${runner} after ${installer}`,
      );
    }
    await runWell(Deno.execPath(), ["check", "typed.ts"], { cwd: place.path });
  }
}, { skip: installed });

test("who bundles a push has neither the web page nor a registry nor the program", async () => {
  await using folder = await temporaryFolder();
  const archive = await pack(folder);
  await folder.write("package.json", '{ "type": "module", "private": true }');
  await folder.write("push.js", 'export { pushImage } from "tarpush";');
  await runWell(bun.path, ["add", archive], { cwd: folder.path });
  const bundle = `${folder.path}/bundle.js`;
  const args = ["--bundle", "--minify", "--format=esm", `--outfile=${bundle}`];
  await esbuild([`${folder.path}/push.js`, ...args]);
  const { size } = await Deno.stat(bundle);
  assert(size <= MAX_BUNDLE_BYTES, `${size} bytes, expected at most ${MAX_BUNDLE_BYTES}`);
  const text = await Deno.readTextFile(bundle);
  // Of the page, the registry, the program, and what hash-wasm has beside SHA-2.
  for (const foreign of ["<!doctype html>", "Docker-Upload-UUID", "--digestfile", "Whirlpool"]) {
    assert(!text.includes(foreign), foreign);
  }
  const { pushImage } = await import(`file://${bundle}`);
  const { createRegistry } = await import("../../src/server/mod.ts");
  const tar = new Blob([await Deno.readFile(FIXTURE)]);
  const { images } = await pushImage(tar, "localhost:5000/app", { fetch: createRegistry() });
  assertEquals(images[0].digest, await expectedDigest());
}, { skip: installed });

test("the npm package brings a command that bunx starts", async () => {
  await using folder = await temporaryFolder();
  await using server = await serveRegistry();
  const archive = await pack(folder);
  await folder.write("package.json", '{ "private": true }');
  await runWell(bun.path, ["add", archive], { cwd: folder.path });
  const tarpush = (...args: string[]) =>
    runWell(bun.path, ["x", "tarpush", ...args], { cwd: folder.path });
  const target = `${server.host}/team/app:1.0`;
  assertMatch(await tarpush("push", FIXTURE, target, "-q"), new RegExp(`^${target}@sha256:`));
  assertMatch(await tarpush("--version"), /^tarpush \d+\.\d+\.\d+/);
  assertMatch(await tarpush("completions", "bash"), /complete/);
  const wrong = await runProcess(bun.path, ["x", "tarpush", "psuh"], { cwd: folder.path });
  assertEquals(wrong.code, 2, wrong.stderr);
}, { skip: installed });

let building: Promise<Uint8Array<ArrayBuffer>> | undefined;

/** Writes what is built and packed once for all tests; returns its path. */
async function pack(folder: TemporaryFolder): Promise<string> {
  building ??= buildArchive();
  await Deno.writeFile(`${folder.path}/tarpush.tgz`, await building);
  return `${folder.path}/tarpush.tgz`;
}

async function buildArchive(): Promise<Uint8Array<ArrayBuffer>> {
  await using folder = await temporaryFolder();
  await using built = await buildPackage();
  const name = await runWell(npm.path, ["pack", "--silent", built.path], { cwd: folder.path });
  return await Deno.readFile(`${folder.path}/${name.trim()}`);
}

async function expectedDigest(): Promise<string> {
  const { pushImage } = await import("../../mod.ts");
  const { createRegistry } = await import("../../src/server/mod.ts");
  const tar = new Blob([await Deno.readFile(FIXTURE)]);
  const { images } = await pushImage(tar, "localhost:5000/app", { fetch: createRegistry() });
  return images[0]?.digest ?? "";
}

async function pageHash(): Promise<string> {
  const { readPage } = await import("../../src/edge/mod.ts");
  const page = new TextEncoder().encode(await readPage());
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", page));
  return btoa(String.fromCharCode(...hash));
}

/** Node.js, where it is one that can run the library. */
async function modernNode(): Promise<string | undefined> {
  const node = findProgram("node");
  if (!node) return undefined;
  const major = Number(
    (await runWell(node, ["-p", "process.versions.node"], { cwd: ROOT })).split(".")[0],
  );
  return major >= 20 ? node : undefined;
}
