import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { optionsOfVerb, VERBS } from "../../src/cli/args.ts";
import { completionScript } from "../../src/cli/completions.ts";
import { run } from "../../src/cli/run.ts";
import { runProcess, temporaryFolder } from "../helpers/process.ts";
import { optionalProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";
import { fakeHost } from "./fake_host.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
/** A shell that is told to speak a language that is not installed complains. */
const PLAIN = { env: { LC_ALL: "C" } };

test("completionScript() knows every command and option, for every shell", () => {
  for (const shell of SHELLS) {
    const script = completionScript(shell);
    for (const verb of VERBS) {
      assert(new RegExp(`\\b${verb}\\b`).test(script), `${shell} lacks ${verb}`);
      const own = optionsOfVerb(verb).map(({ name }) => name);
      for (const option of [...own, "json", "help"]) {
        assert(new RegExp(`-l ${option}\\b|--${option}\\b`).test(script), `${shell}: ${option}`);
      }
    }
  }
});

test("run() completions prints the script", async () => {
  const host = fakeHost(["completions", "bash"]);
  assertEquals([await run(host), host.written.stdout], [0, completionScript("bash")]);
});

for (const shell of SHELLS) {
  const program = optionalProgram(shell);
  test(`${shell} can parse its completions`, async () => {
    await using folder = await temporaryFolder();
    const file = await folder.write("script", completionScript(shell));
    const { code, stderr } = await runProcess(program.path, ["-n", file], PLAIN);
    assertEquals([code, stderr], [0, ""]);
  }, { skip: program.skip });
}

/** What is typed, `FOLDER` standing for a folder with the one file image.tar, and what is offered. */
const COMPLETIONS: [line: string, expected: string[]][] = [
  ["tarpush -q pu", ["push"]],
  ["tarpush --ca FOLDER/im", ["FOLDER/image.tar"]],
  ["tarpush --ca FOLDER/image.tar pu", ["push"]],
  ["tarpush --timeout 5 save --for", ["--format"]],
  ["tarpush --js", ["--json"]],
  ["tarpush --for", []],
  ["tarpush -q rm --y", ["--yes"]],
  ["tarpush push --js", ["--json"]],
  ["tarpush -q push FOLDER/im", ["FOLDER/image.tar"]],
  ["tarpush save --format ", ["docker", "oci"]],
  ["tarpush --timeout ", []],
];

const fish = optionalProgram("fish");

test("fish completes commands and options, with common options before the command", async () => {
  await using folder = await temporaryFolder();
  await folder.write("image.tar", "");
  const script = await folder.write("script", completionScript("fish"));
  for (const [line, expected] of COMPLETIONS) {
    const typed = line.replaceAll("FOLDER", folder.path);
    const command = `source ${script}; complete -C "${typed}"`;
    const { stdout, stderr } = await runProcess(fish.path, ["--no-config", "-c", command], PLAIN);
    assertEquals(stderr, "");
    const offered = stdout.split("\n").filter(Boolean).map((row) => row.split("\t")[0]);
    assertEquals(offered, expected.map((word) => word.replace("FOLDER", folder.path)), line);
  }
}, { skip: fish.skip });

const bash = optionalProgram("bash");

test("bash completes commands, options, shells and files", async () => {
  await using folder = await temporaryFolder();
  await folder.write("image.tar", "");
  const script = await folder.write("script", completionScript("bash"));
  const cases: [words: string[], expected: string[]][] = [
    ...COMPLETIONS.map(([line, expected]): [string[], string[]] => [
      line.split(" ").map((word) => word.replace("FOLDER", folder.path)),
      expected.map((word) => word.replace("FOLDER", folder.path)),
    ]),
    [["tarpush", "--ca", "=", `${folder.path}/im`], [`${folder.path}/image.tar`]],
    [["tarpush", "--ca", "=", "ca.pem", "pu"], ["push"]],
    [["tarpush", "save", "--format", "=", "o"], ["oci"]],
    [["tarpush", "save", "--format", "="], ["docker", "oci"]],
    [["tarpush", "i"], ["inspect", "info"]],
    [["tarpush", "rm", "--y"], ["--yes"]],
    [["tarpush", "info", "--y"], []],
    [["tarpush", "completions", ""], ["bash", "zsh", "fish"]],
    [["tarpush", "push", `${folder.path}/im`], [`${folder.path}/image.tar`]],
    [["tarpush", "ls", `${folder.path}/im`], []],
    [["tarpush", "push", "--digestfile", `${folder.path}/im`], [`${folder.path}/image.tar`]],
    [["tarpush", "push", "--image", ""], []],
    [["tarpush", "help", "ser"], ["serve"]],
  ];
  for (const [words, expected] of cases) {
    const line = `. '${script}'; COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")})
      COMP_CWORD=${words.length - 1}; _tarpush; printf '%s\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = await runProcess(bash.path, ["-c", line], PLAIN);
    assertEquals(stderr, "");
    assertEquals(stdout.split("\n").filter(Boolean), expected, words.join(" "));
  }
  assertStringIncludes(completionScript("bash"), "complete -o filenames -F _tarpush tarpush");
}, { skip: bash.skip });
