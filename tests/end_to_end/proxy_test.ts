import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, makeImage } from "../helpers/archives.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { startForwardProxy } from "../helpers/forward_proxy.ts";
import {
  cliCommand,
  type ProcessResult,
  runProcess,
  runProgram,
  temporaryFolder,
  toPath,
} from "../helpers/process.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { serveTls } from "../helpers/tls_server.ts";
import { closedPort, serve } from "./registry_server.ts";

const AUTHORITY = await createAuthority();
const CERTIFICATE = await AUTHORITY.issue({ names: ["registry.test", "127.0.0.1"] });
const TAR = writeTar(dockerSave([{ image: await makeImage(["a", "b"]) }]));

/** Without the variables of this process that would have a say, and without Deno's own question for its news. */
const NO_PROXIES = {
  ...Object.fromEntries(
    ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"]
      .flatMap((name) => [[name, undefined], [name.toLowerCase(), undefined]]),
  ),
  DENO_NO_UPDATE_CHECK: "1",
};

async function tarpush(args: string, env: Record<string, string>): Promise<ProcessResult> {
  await using folder = await temporaryFolder();
  await folder.write("image.tar", TAR);
  await folder.write("ca.pem", AUTHORITY.cert);
  return await runProgram(args, { cwd: folder.path, env: { ...NO_PROXIES, ...env } });
}

/** A registry on http and https that nobody but the proxy knows by its name. */
async function start() {
  const registry = createRegistry();
  const plain = await serve(registry);
  const tls = serveTls(registry, CERTIFICATE);
  const proxy = await startForwardProxy({
    "registry.test:80": plain.host,
    "registry.test:443": tls.host,
  });
  return {
    plain,
    tls,
    proxy,
    async [Symbol.asyncDispose]() {
      for (const part of [proxy, tls, plain]) await part[Symbol.asyncDispose]();
    },
  };
}

for (const toCase of ["toUpperCase", "toLowerCase"] as const) {
  test(`tarpush goes through the proxy of ${"HTTP_PROXY"[toCase]()}`, async () => {
    await using servers = await start();
    const { proxy } = servers;
    const env = { ["HTTP_PROXY"[toCase]()]: proxy.url };
    const pushed = await tarpush("push image.tar http://registry.test/app:1", env);
    assertEquals(pushed.code, 0, pushed.stderr);
    const listed = await tarpush("ls http://registry.test/app", env);
    assertEquals([listed.code, listed.stdout], [0, "1\n"], listed.stderr);
    assert(proxy.seen.includes("PUT http://registry.test/v2/app/manifests/1 HTTP/1.1"));
    assert(proxy.seen.every((line) => / http:\/\/registry\.test\/v2\//.test(line)));
  });

  test(`tarpush goes through the proxy of ${"HTTPS_PROXY"[toCase]()} by CONNECT`, async () => {
    await using servers = await start();
    const { proxy } = servers;
    const env = { ["HTTPS_PROXY"[toCase]()]: proxy.url };
    for (const option of ["--ca ca.pem", "--insecure"]) {
      const before = proxy.seen.length;
      const pushed = await tarpush(`push image.tar https://registry.test/app:1 ${option}`, env);
      assertEquals(pushed.code, 0, pushed.stderr);
      const lines = proxy.seen.slice(before);
      assert(lines.length > 0);
      assert(lines.every((line) => line === "CONNECT registry.test:443 HTTP/1.1"), `${lines}`);
    }
    const untrusted = await tarpush("ping https://registry.test", env);
    assertEquals(untrusted.code, 1);
    assertMatch(untrusted.stderr, /its TLS certificate is not trusted/);
  });

  test(`tarpush goes past the proxy to the hosts of ${"NO_PROXY"[toCase]()}`, async () => {
    await using servers = await start();
    const { proxy } = servers;
    const env = {
      ["HTTP_PROXY"[toCase]()]: proxy.url,
      ["HTTPS_PROXY"[toCase]()]: proxy.url,
      ["NO_PROXY"[toCase]()]: "other.test,registry.test:443",
    };
    const past = await tarpush("ping https://registry.test", env);
    assertEquals([past.code, proxy.seen.length], [1, 0]);
    // Nobody but the proxy knows it by its name.
    assertMatch(past.stderr, /: host name not found\n/);
    const through = await tarpush("ping http://registry.test", env);
    assertEquals([through.code, proxy.seen.length], [0, 1], through.stderr);
  });
}

for (const name of ["HTTP_PROXY", "https_proxy", "ALL_PROXY"]) {
  test(`tarpush goes past the proxy of ${name} to this machine`, async () => {
    await using servers = await start();
    const { plain, tls, proxy } = servers;
    const registries = [
      plain.host,
      plain.host.replace("127.0.0.1", "localhost"),
      `https://${tls.host}`,
    ];
    for (const registry of registries) {
      const ca = registry.startsWith("https:") ? " --ca ca.pem" : "";
      const pushed = await tarpush(`push image.tar ${registry}/app:1${ca}`, { [name]: proxy.url });
      assertEquals(pushed.code, 0, pushed.stderr);
    }
    assertEquals(proxy.seen, []);
  });
}

test("tarpush goes past the proxy to an archive on this machine", async () => {
  await using proxy = await startForwardProxy({});
  await using files = await serve(() => Promise.resolve(new Response(TAR)));
  await using registry = await serve(createRegistry());
  const archive = `http://${files.host}/image.tar`;
  const commands = [
    `push ${archive} ${registry.host}/app:1`,
    `inspect ${archive}`,
    `check ${archive}`,
  ];
  for (const command of commands) {
    const { code, stderr } = await tarpush(command, { HTTP_PROXY: proxy.url });
    assertEquals([code, proxy.seen.length], [0, 0], stderr);
  }
});

test("tarpush asks for no variable that Deno may not read", async () => {
  await using registry = await serve(createRegistry());
  const tar = toPath(new URL("../fixtures/docker28-single.tar", import.meta.url));
  const { command, args } = cliCommand("push", tar, `${registry.host}/app:1`);
  const rights = [`--allow-net=${registry.host}`, `--allow-read=${tar}`];
  // Without --no-prompt: what asks for more would wait for an answer, or say that there is nobody to ask.
  const { code, stderr } = await runProcess(command, ["run", ...rights, ...args.slice(2)], {
    env: NO_PROXIES,
  });
  assertEquals(code, 0, stderr);
  assertEquals(/NotCapable|env access/.test(stderr), false, stderr);
}, { skip: "Deno" in globalThis ? undefined : "only Deno has rights to give" });

// What is told of a proxy that refuses

const PAGE = "<html><title>Access denied by policy</title></html>";
const COMMANDS = [
  "ping HOST",
  "ls HOST",
  "push image.tar HOST/app:1",
  "push HOST/image.tar a.test/b",
];

for (const status of ["403 Forbidden", "407 Proxy Authentication Required", "503 Unavailable"]) {
  test(`tarpush names the proxy that answers ${status}, and NO_PROXY`, async () => {
    await using proxy = await startForwardProxy({}, { status, page: PAGE });
    const address = proxy.url.replace("//", "//user:secret@");
    const env = { HTTP_PROXY: address, HTTPS_PROXY: address };
    for (const scheme of ["http", "https"]) {
      for (const command of COMMANDS) {
        const args = `${command.replace("HOST", `${scheme}://registry.test`)}`;
        const retries = args.startsWith("push") ? " --retries 0" : "";
        const { code, stderr } = await tarpush(args + retries, env);
        const [message = "", hint = "", ...rest] = stderr.trimEnd().split("\n");
        assertEquals([code, rest], [1, []], stderr);
        assertStringIncludes(message, `the proxy ${proxy.url}`);
        assertStringIncludes(hint, "NO_PROXY=registry.test goes past the proxy");
        assertEquals(/the registry wants a login|secret/.test(stderr), false, stderr);
        if (status.startsWith("407") && !command.includes("HOST/image.tar")) {
          assertStringIncludes(hint, "http://USER:PASSWORD@HOST:PORT");
        }
      }
    }
  });
}

test("tarpush says so where nobody listens at the address of the proxy", async () => {
  const url = `http://${await closedPort()}`;
  for (const scheme of ["http", "https"]) {
    const args = `push image.tar ${scheme}://registry.test/app:1`;
    const { code, stderr } = await tarpush(args, { ALL_PROXY: url });
    assertEquals(code, 1);
    assertStringIncludes(stderr, `: registry.test: the proxy ${url}: connection refused, `);
    assertStringIncludes(stderr, "check the variable that names the proxy; NO_PROXY=registry.test");
  }
});

test("tarpush takes what a registry behind a proxy refuses as the registry's", async () => {
  const errors = [{ code: "DENIED", message: "not you" }];
  await using registry = await serve(() =>
    Promise.resolve(Response.json({ errors }, { status: 403 }))
  );
  await using proxy = await startForwardProxy({ "registry.test:80": registry.host });
  const { stderr } = await tarpush("ls http://registry.test/app", { HTTP_PROXY: proxy.url });
  assertMatch(
    stderr,
    /: registry\.test answered 403 Forbidden: DENIED: not you\nhint: the registry wants/,
  );
});
