import { assertEquals } from "@std/assert";
import { runProcess, temporaryFolder, toPath } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";

const skip = "Deno" in globalThis ? undefined : "it is run by Deno";

test("what compiles the encoders says in one line what is not installed", async () => {
  const root = toPath(new URL("../../", import.meta.url));
  await using folder = await temporaryFolder();
  const build = ["run", "-A", "--no-lock", `${root}build/encoders.ts`];
  const run = async (args: readonly string[]) => {
    const options = { cwd: root, env: { PATH: folder.path, NO_COLOR: "1" } };
    const { code, stdout, stderr } = await runProcess(Deno.execPath(), args, options);
    return { code, stdout, stderr };
  };
  assertEquals(await run([...build, "libdeflate", "zstd"]), {
    code: 1,
    stdout: "",
    stderr: "Cannot make the encoders: there is no clang, expected clang and lld to be installed\n",
  });
  const usage = "Usage: deno task encoders LIBDEFLATE ZSTD\n";
  assertEquals(await run(build), { code: 1, stdout: "", stderr: usage });
}, { skip });
