import { assert, assertEquals } from "@std/assert";
import { EVERYWHERE, optionsOfVerb, VERBS } from "../../src/cli/args.ts";
import { helpText, VERSION } from "../../src/cli/help.ts";
import { openFile } from "../../src/runtime/mod.ts";
import { test } from "../helpers/test.ts";

test("VERSION is the one in deno.json", async () => {
  await using file = await openFile("deno.json");
  const { version } = await new Response(file.slice(0, file.size).stream()).json();
  assertEquals(VERSION, version);
});

test("helpText() fits a terminal of 100 columns", () => {
  for (const topic of [undefined, ...VERBS]) {
    for (const line of helpText(topic).split("\n")) assert(line.length <= 100, line);
  }
});

test("helpText() names what goes everywhere, and keeps options apart from what they do", () => {
  for (const topic of [undefined, ...VERBS]) {
    const text = helpText(topic);
    for (const { name } of EVERYWHERE) assert(text.includes(`--${name}`), name);
    assert(text.includes("\nEverywhere, also before the command:\n"));
    for (const line of text.split("\n").filter((line) => /^ {2}--?\w/.test(line))) {
      assert(/^ {2}(-\w, )?--\S+( \S+)? {2,}\S/.test(line), line);
    }
  }
});

test("helpText() of a command has every option of it, and examples that parse", () => {
  for (const verb of VERBS) {
    const text = helpText(verb);
    for (const { name } of optionsOfVerb(verb)) {
      assert(text.includes(`--${name}`), name);
    }
    assert(new RegExp(`\\nExamples:\\n(?:  .*tarpush ${verb}\\b.*\\n)+`).test(text), text);
    assert(helpText(undefined).includes(`tarpush ${verb} `), verb);
  }
});
