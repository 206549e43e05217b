import { assert, assertEquals, assertMatch } from "@std/assert";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, makeImage } from "../helpers/archives.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { startForwardProxy } from "../helpers/forward_proxy.ts";
import { cliCommand, type ProcessResult, runProcess, temporaryFolder } from "../helpers/process.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { serveTls } from "../helpers/tls_server.ts";
import { serve } from "./registry_server.ts";

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
  const { command, args: rest } = cliCommand(...args.split(" "));
  return await runProcess(command, rest, { cwd: folder.path, env: { ...NO_PROXIES, ...env } });
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
    const { plain, tls, proxy } = servers;
    const through = {
      ["HTTP_PROXY"[toCase]()]: proxy.url,
      ["HTTPS_PROXY"[toCase]()]: proxy.url,
    };
    const past = { ...through, ["NO_PROXY"[toCase]()]: "127.0.0.1" };
    for (const args of [`ping http://${plain.host}`, `ping https://${tls.host} --ca ca.pem`]) {
      const before = proxy.seen.length;
      const refused = await tarpush(args, through);
      assertEquals(refused.code, 1);
      assert(proxy.seen.length > before, "the proxy does not know the address");
      const after = proxy.seen.length;
      const direct = await tarpush(args, past);
      assertEquals([direct.code, proxy.seen.length], [0, after], direct.stderr);
    }
  });
}
