import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { OciError } from "../../src/errors.ts";
import { pushImage } from "../../src/push/push.ts";
import { currentHost, openFile } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { runProcess, temporaryFolder } from "../helpers/process.ts";
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

test("save needs no more rights than the registry and the folder of the file", async () => {
  const registry = createRegistry();
  const server = await host.serve(registry, { hostname: "127.0.0.1", port: 0 });
  await using folder = await temporaryFolder();
  try {
    const reference = `127.0.0.1:${server.port}/app:1`;
    await using tar = await openFile("tests/fixtures/docker28-single.tar");
    await pushImage(tar, reference, { fetch: registry });
    const net = `--allow-net=127.0.0.1:${server.port}`;
    const path = `${folder.path}/app.tar`;
    const save = (...rights: string[]) =>
      deno([net, ...rights, "src/cli/main.ts", "save", reference, path, "-q"]);
    const saved = await save(`--allow-read=${folder.path}`, `--allow-write=${folder.path}`);
    assertEquals([saved.code, saved.stderr], [0, ""]);
    const piped = await deno([net, "src/cli/main.ts", "save", reference, "-", "-q"]);
    assertEquals(piped.stdoutBytes, await folder.read("app.tar"));
    const hint = `hint: add --allow-read=${folder.path} --allow-write=${folder.path} to deno run`;
    for (const rights of [[], [`--allow-read=${path}`, `--allow-write=${path}`]]) {
      const { code, stderr } = await save(...rights);
      assertEquals(code, 1);
      assertStringIncludes(stderr, "Deno was not given the rights to replace it");
      assertStringIncludes(stderr, hint);
    }
  } finally {
    await server.stop();
  }
}, { skip: onlyDeno });

test("Host.fetchWith() says what Deno wants in place of --insecure", () => {
  const error = assertThrows(
    () => host.fetchWith({ insecureHosts: ["a.test", "b.test"] }),
    OciError,
    "Deno has a flag of its own",
  );
  assertStringIncludes(error.hint ?? "", "--unsafely-ignore-certificate-errors=a.test,b.test");
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
