import { assert, assertEquals } from "@std/assert";
import { helpText, VERSION } from "../../src/cli/help.ts";
import { openFile } from "../../src/runtime/host.ts";
import { test } from "../helpers/test.ts";

test("VERSION is the one in deno.json", async () => {
  await using file = await openFile("deno.json");
  const { version } = await new Response(file.slice(0, file.size).stream()).json();
  assertEquals(VERSION, version);
});

test("helpText() fits a terminal of 100 columns", () => {
  for (const topic of [undefined, "push", "inspect", "serve"] as const) {
    for (const line of helpText(topic).split("\n")) assert(line.length <= 100, line);
  }
});
