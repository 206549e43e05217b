import { assert, assertEquals } from "@std/assert";
import { dockerSave, makeImage } from "../helpers/archives.ts";
import { cliCommand, runProcess, temporaryFolder } from "../helpers/process.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const isWindows = "Deno" in globalThis && Deno.build.os === "windows";

test("tarpush appends to a file what it prints, and nothing else", async () => {
  await using folder = await temporaryFolder();
  const image = await makeImage(Array.from({ length: 60 }, (_, index) => `layer ${index}`));
  await folder.write("image.tar", writeTar(dockerSave([{ image, repoTags: ["team/app:1.0"] }])));
  await folder.write("log", "before\n");
  const { command, args } = cliCommand("inspect", "image.tar", "--json");
  const line = '"$@" >> log && "$@"';
  const { code, stdout } = await runProcess("sh", ["-c", line, "sh", command, ...args], {
    cwd: folder.path,
  });
  assertEquals(code, 0);
  assert(stdout.length > 10_000, `only ${stdout.length} bytes`);
  assertEquals(new TextDecoder().decode(await folder.read("log")), `before\n${stdout}`);
}, { skip: isWindows ? "no sh" : undefined });
