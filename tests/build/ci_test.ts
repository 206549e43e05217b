import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parse } from "@std/yaml/parse";
import { closedPort, serveRegistry } from "../end_to_end/registry_server.ts";
import { readBack } from "../helpers/expected.ts";
import {
  environment,
  type ProcessResult,
  runProcess,
  runWell,
  type TemporaryFolder,
  temporaryFolder,
  toPath,
} from "../helpers/process.ts";
import { findProgram, requireProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";
import { buildPackage, type NpmPackage } from "./npm_package.ts";

const ROOT = toPath(new URL("../../", import.meta.url));
const FIXTURE = `${ROOT}tests/fixtures/docker28-single.tar`;
const isWindows = "Deno" in globalThis && Deno.build.os === "windows";
const bun = requireProgram("bun");
const skip = !("Deno" in globalThis)
  ? "these are programs of their own; they are tried on Deno"
  : isWindows
  ? "they are for a POSIX shell"
  : bun.skip;

test("the action pushes, and tells the job what stands", async () => {
  await using server = await serveRegistry();
  await using folder = await temporaryFolder();
  const target = `${server.host}/team/app:1.0\n${server.host}/team/app:latest\n`;
  const { code, stderr, outputs, summary } = await runAction(folder, { archive: FIXTURE, target });
  assertEquals(code, 0, stderr);
  assertMatch(outputs.digest ?? "", /^sha256:[0-9a-f]{64}$/);
  assertEquals(outputs.digests?.split("\n").length, 2);
  assertStringIncludes(outputs.digests ?? "", `${server.host}/team/app:latest@${outputs.digest}`);
  assertEquals(JSON.parse(outputs.json ?? "").images.length, 2);
  assertStringIncludes(summary, `| ${server.host}/team/app:1.0 | \`${outputs.digest}\` |`);
}, { skip });

test("the action compresses layers where it is told to", async () => {
  await using server = await serveRegistry();
  await using folder = await temporaryFolder();
  const target = `${server.host}/team/app:1.0`;
  const given = { archive: FIXTURE, target, compress: "gzip" };
  const { code, stderr, outputs } = await runAction(folder, given);
  assertEquals(code, 0, stderr);
  const { layers } = await readBack(server.registry, "team/app", "1.0");
  assert(layers.some(({ mediaType }) => mediaType.endsWith("gzip")), outputs.json);
}, { skip });

test("the action takes an archive whose name looks like an option", async () => {
  await using server = await serveRegistry();
  await using folder = await temporaryFolder();
  await folder.write("--image.tar", await Deno.readFile(FIXTURE));
  const target = `${server.host}/team/app:1.0`;
  const { code, stderr } = await runAction(folder, { archive: "--image.tar", target });
  assertEquals(code, 0, stderr);
}, { skip });

test("the action fails where the push does, and says why in the summary", async () => {
  await using folder = await temporaryFolder();
  const target = `${await closedPort()}/team/app:1.0`;
  const { code, outputs, summary } = await runAction(folder, { archive: FIXTURE, target });
  assertEquals([code, outputs.digest], [1, ""]);
  assertStringIncludes(summary, "The push failed");
  assertStringIncludes(summary, "connection refused");
  const missing = await runAction(folder, { archive: "no-such.tar", target });
  assertStringIncludes(missing.summary, 'Cannot open "no-such.tar": no such file');
  assertStringIncludes(JSON.parse(missing.outputs.json ?? "").error?.message, "no such file");
  const wrong = await runAction(folder, {
    archive: FIXTURE,
    target,
    image: "absent:1\nother; echo $(id)",
    args: "--wrong-option",
  });
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.summary, '"--wrong-option"');
  assertStringIncludes(wrong.summary, "hint: tarpush push --help");
  assert(!wrong.summary.includes("| Reference |"), wrong.summary);
}, { skip });

test("the action gets its runtime from npm where there is none", async () => {
  await using server = await serveRegistry();
  await using folder = await temporaryFolder();
  await using bin = await temporaryFolder();
  const npx = await bin.write(
    "npx",
    `#!/bin/sh\n[ "$1 $2" = "-y deno@2" ] || exit 9\nshift 2\nexec "${Deno.execPath()}" "$@"\n`,
  );
  await Deno.chmod(npx, 0o755);
  for (const name of ["bash", "mktemp", "rm", "tee"]) {
    await Deno.symlink(findProgram(name) ?? name, `${bin.path}/${name}`);
  }
  const target = `${server.host}/team/app:1.0`;
  const given = { archive: FIXTURE, target };
  const { code, stderr, outputs } = await runAction(folder, given, bin.path);
  assertEquals(code, 0, stderr);
  assertMatch(outputs.digest ?? "", /^sha256:/);
  const broken = await bin.write("tarpush", "#!/bin/sh\necho out of memory >&2\nexit 3\n");
  await Deno.chmod(broken, 0o755);
  const failed = await runAction(folder, given, bin.path);
  assertEquals(failed.code, 3, failed.stderr);
  assertStringIncludes(failed.summary, "out of memory");
}, { skip });

test("every command of docs/ci.md runs", async () => {
  await using server = await serveRegistry();
  await using folder = await temporaryFolder();
  await using built = await buildPackage();
  await install(built, folder);
  await folder.write("image.tar", await Deno.readFile(FIXTURE));
  const scripts = scriptsOf(await Deno.readTextFile(`${ROOT}docs/ci.md`));
  assertEquals([...scripts.keys()], ["GitLab", "Woodpecker", "Jenkins", "Anywhere else"]);
  for (const [name, script] of scripts) {
    assertStringIncludes(script, "bunx tarpush push");
    const { code, stdout, stderr } = await runProcess("bash", ["-euo", "pipefail", "-c", script], {
      cwd: folder.path,
      env: {
        PATH: `${bun.path.slice(0, bun.path.lastIndexOf("/"))}:${environment().PATH}`,
        REGISTRY: server.host,
        CI_COMMIT_SHORT_SHA: "abc1234",
        CI_COMMIT_SHA: "abc1234def",
        BUILD_NUMBER: "7",
      },
    });
    assertEquals(code, 0, `${name}\n${stdout}${stderr}`);
  }
  const tags = await server.registry(new Request("http://registry/v2/team/app/tags/list"));
  assertEquals((await tags.json()).tags, ["1.0", "abc1234", "abc1234def", "build-7", "pipe"]);
  assertEquals(
    JSON.parse(new TextDecoder().decode(await folder.read("pushed.json"))).images.length,
    1,
  );
}, { skip });

test("the workflows name every action by its hash, and run what is there", async () => {
  for (const name of ["gate.yml", "release.yml"]) {
    const text = await Deno.readTextFile(`${ROOT}.github/workflows/${name}`);
    const { jobs } = parse(text) as { jobs: Record<string, { steps: Step[] }> };
    for (const { uses, run } of Object.values(jobs).flatMap(({ steps }) => steps)) {
      assert(uses !== undefined || run !== undefined, name);
      if (uses && uses !== "./") assertMatch(uses, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
      for (const [, task] of (run ?? "").matchAll(/ task (\w+)/g)) {
        const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
        assert(tasks[task ?? ""] !== undefined, `${name}: there is no task ${task}`);
      }
    }
  }
}, { skip });

test("a release of v0.3.1 becomes v0, which is none", async () => {
  const text = await Deno.readTextFile(`${ROOT}.github/workflows/release.yml`);
  const { on, jobs } = parse(text) as {
    on: { push: { tags: string[] } };
    jobs: Record<string, { steps: Step[] }>;
  };
  assertEquals(on.push.tags, ["v*.*.*"]);
  const move = jobs.binaries?.steps.at(-1)?.run ?? "exit 9";
  await using origin = await temporaryFolder();
  await using clone = await temporaryFolder();
  const script = `
git init -q --bare "$ORIGIN"; git init -q .; git remote add origin "$ORIGIN"
commit() { git -c user.name=a -c user.email=a@b.c commit -q --allow-empty -m "$1"; }
commit 0.3.0; git push -q origin HEAD:refs/tags/v0
commit 0.3.1; ${move}
test "$(git rev-parse HEAD)" = "$(git -C "$ORIGIN" rev-parse v0)"`;
  await runWell("bash", ["-euc", script], {
    cwd: clone.path,
    env: { ...environment(), ORIGIN: origin.path, GITHUB_REF_NAME: "v0.3.1" },
  });
}, { skip });

interface Step {
  uses?: string;
  run?: string;
  env?: Record<string, string>;
}

interface Action {
  inputs: Record<string, { default?: string }>;
  runs: { steps: Step[] };
}

/** Runs the steps of action.yml as a runner of GitHub does. */
async function runAction(
  folder: TemporaryFolder,
  given: Record<string, string>,
  path = `${Deno.execPath().replace(/\/[^/]*$/, "")}:${environment().PATH}`,
): Promise<ProcessResult & { outputs: Record<string, string>; summary: string }> {
  const { inputs, runs } = parse(await Deno.readTextFile(`${ROOT}action.yml`)) as Action;
  const [step] = runs.steps;
  const variables = Object.entries(step?.env ?? {}).map(([name, expression]) => {
    const input = /^\$\{\{ inputs\.([\w-]+) \}\}$/.exec(expression)?.[1] ?? "";
    assert(input in inputs, expression);
    return [name, given[input] ?? inputs[input]?.default ?? ""];
  });
  const files = {
    GITHUB_OUTPUT: await folder.write("output", ""),
    GITHUB_STEP_SUMMARY: await folder.write("summary", ""),
  };
  const result = await runProcess("bash", ["-eo", "pipefail", "-c", step?.run ?? "exit 9"], {
    cwd: folder.path,
    env: {
      ...Object.fromEntries(variables),
      ...files,
      GITHUB_ACTION_PATH: ROOT.replace(/\/$/, ""),
      PATH: path,
    },
  });
  const output = await Deno.readTextFile(files.GITHUB_OUTPUT);
  const outputs = [...output.matchAll(/^(\w+)<<(\S+)\n([\s\S]*?)\n\2$/gm)]
    .map(([, name = "", , value = ""]) => [name, value]);
  return {
    ...result,
    outputs: Object.fromEntries(outputs),
    summary: await Deno.readTextFile(files.GITHUB_STEP_SUMMARY),
  };
}

/** The commands of each recipe, by its heading. */
function scriptsOf(text: string): Map<string, string> {
  const scripts = new Map<string, string>();
  for (const section of text.split("\n## ").slice(1)) {
    const title = section.slice(0, section.indexOf("\n"));
    const [, language, block = ""] = /```(\w+)\n([\s\S]*?)```/.exec(section) ?? [];
    if (title === "GitHub Actions") continue;
    if (language === "sh") scripts.set(title, block);
    if (language === "groovy") {
      const lines = [...block.matchAll(/^\s*sh '(.*)'$/gm)].map(([, line]) => line);
      scripts.set(title, lines.join("\n"));
    }
    if (language === "yaml") {
      const { push, steps } = parse(block) as {
        push?: { script: string[] };
        steps?: Record<string, { commands: string[] }>;
      };
      const commands = push?.script ?? Object.values(steps ?? {}).flatMap((step) => step.commands);
      scripts.set(title, commands.join("\n"));
    }
  }
  return scripts;
}

/** Installs a package where `bunx` finds it. */
async function install({ path }: NpmPackage, folder: TemporaryFolder): Promise<void> {
  await folder.write("package.json", '{ "private": true }');
  await runWell(bun.path, ["add", path], { cwd: folder.path });
}
