import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { OciError } from "../../src/errors.ts";
import { currentHost } from "../../src/runtime/host.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { runProcess } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";

const host = currentHost();
const onlyDeno = host.name === "deno" ? undefined : "only Deno has rights to give";
const root = new URL("../../", import.meta.url);

test("push needs no more rights than the registry and the file", async () => {
  const server = await host.serve(createRegistry(), { hostname: "127.0.0.1", port: 0 });
  try {
    const registry = `127.0.0.1:${server.port}`;
    const file = "tests/fixtures/docker28-single.tar";
    const rights = [`--allow-net=${registry}`, `--allow-read=${file}`];
    const pushed = await deno([...rights, "src/cli/main.ts", "push", file, `${registry}/app:1`]);
    assertEquals([pushed.code, pushed.stdout.split("@")[0]], [0, `${registry}/app:1`]);

    const unread = await deno([
      ...rights,
      "src/cli/main.ts",
      "push",
      "README.md",
      `${registry}/app:1`,
    ]);
    assertEquals(unread.code, 1);
    assertStringIncludes(unread.stderr, "Deno was not given the right to read it");
    assertStringIncludes(unread.stderr, "hint: add --allow-read=README.md to deno run");

    const unheard = await deno([
      `--allow-read=${file}`,
      "src/cli/main.ts",
      "push",
      file,
      `${registry}/app:1`,
    ]);
    assertEquals(unheard.code, 1);
    assertStringIncludes(unheard.stderr, "hint: run Deno with --allow-net");
  } finally {
    await server.stop();
  }
}, { skip: onlyDeno });

test("Host.fetchWith() says what Deno wants in place of --insecure", () => {
  assertThrows(() => host.fetchWith({ insecure: true }), OciError, "Deno has a flag of its own");
}, { skip: onlyDeno });

test("Host.fetchWith() refuses certificates that are none", () => {
  const ca = "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n";
  assertThrows(() => host.fetchWith({ ca }), OciError, "Cannot use the root certificates");
}, { skip: onlyDeno });

test("Host.fetchWith() without options is the runtime's own fetch", async () => {
  const server = await host.serve(createRegistry(), { hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${server.port}/v2/`;
  const response = await host.fetchWith({})(new Request(url));
  await response.body?.cancel();
  assertEquals(response.status, 200);
  await server.stop();
});

async function deno(args: readonly string[]) {
  const { Deno } = globalThis as unknown as { Deno: { execPath(): string } };
  return await runProcess(Deno.execPath(), ["run", "--no-prompt", ...args], { cwd: root.pathname });
}
