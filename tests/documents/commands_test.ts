import { assertEquals, assertGreater } from "@std/assert";
import { createRegistry } from "../../src/server/mod.ts";
import { serve } from "../end_to_end/registry_server.ts";
import { createAuthority } from "../helpers/certificates.ts";
import {
  environment,
  fewRightsSkip,
  runProcess,
  type TemporaryFolder,
  temporaryFolder,
  toPath,
} from "../helpers/process.ts";
import { installSkip, requireProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";

const ROOT = toPath(new URL("../../", import.meta.url));
const DOCUMENTS = [
  "README.md",
  "docs/commands.md",
  "docs/library.md",
  "docs/sparse_archives.md",
  "docs/troubleshooting.md",
  "docs/fleet.md",
  "docs/serve.md",
];
const IMAGE = `${ROOT}tests/fixtures/docker29-multiplatform.tar`;
const bun = requireProgram("bun");
const skip = !("Deno" in globalThis)
  ? "these are programs of their own; they are tried on Deno"
  : Deno.build.os === "windows"
  ? "they are for a POSIX shell"
  : bun.skip;

/** Why nothing can be installed here, although the commands can be tried. */
const offline = skip ?? await installSkip(requireProgram("npm"));

/** Lines that reach for what is not published yet, or do not end; and who tries them. */
const ELSEWHERE: readonly [RegExp, string][] = [
  [/^bun add --global tarpush$/, "tests/build/npm_test.ts"],
  [/^(?:bun add|npm install) tarpush$/, "tests/build/npm_test.ts"],
  [/^deno add jsr:@tarpush\/tarpush$/, "build/jsr.ts"],
  [
    /^curl -fLo tarpush \S+\/tarpush-linux-x64 && chmod \+x tarpush$/,
    "tests/build/compile_test.ts",
  ],
  [/^tarpush serve --port 5000$/, "tests/cli/main_test.ts"],
  [/^tarpush serve --dir images .*$/, "tests/end_to_end/serve_folder_test.ts"],
  [/^tarpush serve images\/\*\.tar --port 5000$/, "tests/end_to_end/serve_archives_test.ts"],
];

/** Hosts that the documents name; each is a registry of its own here, with and without its port. */
const HOSTS = ["localhost:5000", "registry.lan", "ttl.sh"];

for (const document of DOCUMENTS) {
  test(`every command of ${document} runs`, async () => {
    const lines = commandsOf(await Deno.readTextFile(ROOT + document));
    await using folder = await temporaryFolder();
    await prepare(folder);
    await using registries = new AsyncDisposableStack();
    const hosts = new Map<string, string>();
    for (const host of HOSTS) {
      hosts.set(host, registries.use(await serve(createRegistry({ allowDelete: true }))).host);
    }
    for (const line of lines) await run(line, hosts, folder);
  }, { skip: skip ?? fewRightsSkip() });
}

test("the documents have commands", async () => {
  assertGreater(commandsOf(await Deno.readTextFile(`${ROOT}README.md`)).length, 20);
}, { skip });

test("README.md links what is there, and every page of docs/", async () => {
  const text = await Deno.readTextFile(`${ROOT}README.md`);
  const links = new Set([...text.matchAll(/\]\(([^)#]+)/g)].map(([, link = ""]) => link));
  for (const link of links) {
    if (!link.startsWith("https:")) await Deno.stat(ROOT + link);
  }
  const pages: string[] = [];
  for await (const { name } of Deno.readDir(`${ROOT}docs`)) {
    if (name.endsWith(".md") && !links.has(`docs/${name}`)) pages.push(name);
  }
  assertEquals(pages, []);
}, { skip });

test("links from page to page lead to a heading that is there", async () => {
  const broken: string[] = [];
  for (const [path, text] of await pages()) {
    for (const [, link = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (!/^https?:/.test(link) && !await leadsSomewhere(path, link)) {
        broken.push(`${path}: ${link}`);
      }
    }
  }
  assertEquals(broken, []);
}, { skip });

/** Lines of the sh blocks, without what is a comment. */
function commandsOf(text: string): string[] {
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block = ""]) => block);
  return blocks.join("").split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

async function run(
  line: string,
  hosts: ReadonlyMap<string, string>,
  folder: TemporaryFolder,
): Promise<void> {
  if (ELSEWHERE.some(([pattern]) => pattern.test(line))) return;
  if (offline && line.startsWith("deno install ")) return;
  let command = line;
  for (const [name, host] of hosts) {
    command = command.replaceAll(`${name}:443`, host).replaceAll(name, host);
  }
  const { code, stdout, stderr } = await runProcess("bash", ["-euo", "pipefail", "-c", command], {
    cwd: folder.path,
    env: {
      PATH: `${folder.path}/installed/bin:${folder.path}/bin:${environment().PATH}`,
      DENO_INSTALL_ROOT: `${folder.path}/installed`,
      NO_COLOR: "1",
    },
  });
  assertEquals(code, 0, `${line}\n${stdout}${stderr}`);
}

/** The files that the commands name, and the programs: those of the project in place of what is published. */
async function prepare(folder: TemporaryFolder): Promise<void> {
  await folder.write("image.tar", await Deno.readFile(IMAGE));
  const files =
    "mkdir layout images parts && tar xf image.tar -C layout && cp image.tar images/ && " +
    "split -b 4096 image.tar parts/image.tar. && echo image.tar > archives.txt";
  assertEquals((await runProcess("bash", ["-euc", files], { cwd: folder.path })).code, 0);
  const deno = Deno.execPath();
  const main = `${ROOT}src/cli/main.ts`;
  const scripts = {
    tarpush: `exec "${deno}" run -A "${main}" "$@"`,
    bunx: `[[ $1 == tarpush ]] && exec "${bun.path}" "${main}" "\${@:2}"`,
    deno: `[[ $1 == install ]] && set -- install --config "${ROOT}src/cli/deno.json" "\${@:2}"
exec "${deno}" "\${@/#jsr:@tarpush\\/tarpush\\/cli/${main}}"`,
    npx: `[[ "$1 $2" == "-y deno@2" ]] && exec "${deno}" "\${@:3}"`,
    docker: `case $1 in save) cat image.tar;; load) cat >/dev/null;; *) exit 9;; esac`,
  };
  await Deno.mkdir(`${folder.path}/bin`);
  for (const [name, script] of Object.entries(scripts)) {
    const path = `${folder.path}/bin/${name}`;
    await Deno.writeTextFile(path, `#!/usr/bin/env bash\n${script}\n`, { mode: 0o755 });
  }
  await folder.write("ca.pem", (await createAuthority()).cert);
}

/** README and the pages of docs/ with their paths. */
async function pages(folder = "docs"): Promise<[path: string, text: string][]> {
  const found: [string, string][] = [];
  if (folder === "docs") found.push(["README.md", await Deno.readTextFile(`${ROOT}README.md`)]);
  for await (const { name, isDirectory } of Deno.readDir(ROOT + folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) found.push(...await pages(path));
    else if (name.endsWith(".md")) found.push([path, await Deno.readTextFile(ROOT + path)]);
  }
  return found;
}

async function leadsSomewhere(from: string, link: string): Promise<boolean> {
  const { pathname, hash } = new URL(link, `file:///${from}`);
  const path = decodeURIComponent(pathname.slice(1));
  const isThere = await Deno.stat(ROOT + path).then(() => true, () => false);
  if (!isThere || hash === "") return isThere;
  const headings = (await Deno.readTextFile(ROOT + path)).matchAll(/^#+ (.*)$/gm);
  return [...headings].some(([, heading = ""]) => `#${anchorOf(heading)}` === hash);
}

/** What GitHub calls a heading in an address. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-");
}
