import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, makeImage } from "../helpers/archives.ts";
import {
  createAuthority,
  createSelfSigned,
  type ServerCertificate,
} from "../helpers/certificates.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import {
  cliCommand,
  environment,
  type ProcessResult,
  resultOf,
  type RunOptions,
  runProcess,
  runProgram,
  spawnProcess,
  type TemporaryFolder,
  temporaryFolder,
} from "../helpers/process.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { serveSockets, type SocketServer } from "../helpers/sockets.ts";
import { test } from "../helpers/test.ts";
import { serveTls } from "../helpers/tls_server.ts";
import { serve } from "./registry_server.ts";

const isDeno = "Deno" in globalThis;
const isWindows = isDeno && Deno.build.os === "windows";
const AUTHORITY = await createAuthority();
const GOOD = await AUTHORITY.issue();
const IMAGE = await makeImage(["a", "b"]);
const TAR = writeTar(dockerSave([{ image: IMAGE, repoTags: ["team/app:1.0"] }]));

/** A folder with the archive and the certificate of the authority. */
async function prepare(): Promise<TemporaryFolder> {
  const folder = await temporaryFolder();
  await folder.write("image.tar", TAR);
  await folder.write("ca.pem", AUTHORITY.cert);
  return folder;
}

/** Runs the program in such a folder. */
async function tarpush(args: string, options: RunOptions = {}): Promise<ProcessResult> {
  await using folder = await prepare();
  return await runProgram(args, { cwd: folder.path, ...options });
}

/** What a person reads of a failure, without what Deno itself says about its flag. */
function messageLines(stderr: string): string[] {
  return stderr.trimEnd().split("\n").filter((line) => !line.includes("DANGER: TLS"));
}

// What goes well

const VERBS: Record<string, (host: string) => [args: string, stdout: RegExp]> = {
  push: (host) => [`push image.tar ${host}/team/app:1.0 -q`, /\/team\/app:1\.0@sha256:/],
  ping: (host) => [`ping ${host}`, /^https:\/\/localhost:\d+ is a registry/],
  ls: (host) => [`ls ${host}`, /^team\/app\n$/],
  "ls of tags": (host) => [`ls ${host}/team/app`, /^1\.0\n2\.0\n$/],
  info: (host) => [`info ${host}/team/app:1.0`, /linux\/amd64/],
  save: (host) => [`save ${host}/team/app:1.0 saved.tar -q`, /\/team\/app:1\.0@sha256:/],
  copy: (host) => [`copy ${host}/team/app:1.0 ${host}/team/copy:1 -q`, /\/team\/copy:1@sha256:/],
  rm: (host) => [`rm ${host}/team/app:2.0`, /\/team\/app:2\.0@sha256:/],
};

for (const [name, command] of Object.entries(VERBS)) {
  for (const option of ["--ca ca.pem", "--insecure"]) {
    test(`tarpush ${name} reaches a registry with a certificate of its own by ${option}`, async () => {
      const registry = createRegistry({ allowDelete: true });
      await using plain = await serve(registry);
      const first = await tarpush(
        `push image.tar ${plain.host}/team/app:1.0 ${plain.host}/team/app:2.0`,
      );
      assertEquals(first.code, 0, first.stderr);
      await using server = serveTls(
        registry,
        option === "--insecure" ? await createSelfSigned() : GOOD,
      );
      const [args, stdout] = command(server.origin);
      const result = await tarpush(`${args} ${option}`);
      assertEquals([result.code, messageLines(result.stderr).join("")], [0, ""], result.stderr);
      assertMatch(result.stdout, stdout);
    });
  }
}

test("tarpush push --ca takes a pipe, and a self-signed certificate as its own authority", async () => {
  const certificate = await createSelfSigned();
  const registry = createRegistry();
  await using server = serveTls(registry, certificate);
  await using folder = await prepare();
  const ca = await folder.write("own.pem", certificate.cert);
  const result = await tarpush(`push - ${server.origin}/app:1 --ca ${ca}`, { stdin: TAR });
  assertEquals(result.code, 0, result.stderr);
  assertEquals((await readBack(registry, "app", "1")).config?.digest, IMAGE.configDigest);
});

test("tarpush push --insecure takes a pipe", async () => {
  const registry = createRegistry();
  await using server = serveTls(registry, await createSelfSigned());
  const pieces = ReadableStream.from([TAR.subarray(0, 700), TAR.subarray(700)]);
  const result = await tarpush(`push - ${server.origin}/app:1 --insecure`, { stdin: pieces });
  assertEquals(result.code, 0, result.stderr);
  assertEquals((await readBack(registry, "app", "1")).config?.digest, IMAGE.configDigest);
});

test("tarpush push --insecure is about the registries of a list that is piped in", async () => {
  const [one, other] = [createRegistry(), createRegistry()];
  await using first = serveTls(one, await createSelfSigned());
  await using second = serveTls(other, await createSelfSigned());
  const elsewhere = second.origin.replace("localhost", "127.0.0.1");
  const stdin = new TextEncoder().encode(`image.tar ${first.origin}\nimage.tar ${elsewhere}\n`);
  const result = await tarpush("push --from - --insecure -q", { stdin });
  assertEquals(result.code, 0, result.stderr);
  assertEquals([await allTags(one), await allTags(other)], [["team/app:1.0"], ["team/app:1.0"]]);
  const none = await tarpush("push --from - --insecure", {
    stdin: new TextEncoder().encode("a\n"),
  });
  assertEquals(none.code, 2);
  assertMatch(none.stderr, /^tarpush: No target for "a" \(line 1 of stdin\)/);
});

test("tarpush --ca leaves the certificates that are trusted anyway as they are", async () => {
  const other = await createAuthority("another authority");
  await using first = serveTls(createRegistry(), GOOD);
  await using second = serveTls(createRegistry(), await other.issue());
  await using folder = await prepare();
  const NODE_EXTRA_CA_CERTS = await folder.write("other.pem", other.cert);
  for (const { origin } of [first, second]) {
    const result = await tarpush(`push image.tar ${origin}/app:1 --ca ca.pem`, {
      env: { NODE_EXTRA_CA_CERTS },
    });
    assertEquals(result.code, 0, result.stderr);
  }
});

// What is told

const CERTIFICATES: Record<string, [ServerCertificate, state: string, hint: RegExp]> = {
  "that nobody trusts": [
    await createSelfSigned(),
    "its TLS certificate is not trusted",
    /--ca FILE.*--insecure/,
  ],
  "of another authority": [
    await (await createAuthority("another authority")).issue(),
    "its TLS certificate is not trusted",
    /--ca FILE.*--insecure/,
  ],
  "that has expired": [
    await AUTHORITY.issue({ expired: true }),
    "its TLS certificate has expired",
    /--insecure/,
  ],
  "for another name": [
    await AUTHORITY.issue({ names: ["registry.test", "10.0.0.1"] }),
    "its TLS certificate is for another host name",
    /--insecure/,
  ],
};

for (const [name, [certificate, state, hint]] of Object.entries(CERTIFICATES)) {
  test(`tarpush says in one line what is wrong with a certificate ${name}`, async () => {
    await using server = serveTls(createRegistry(), certificate);
    const host = `localhost:${server.port}`;
    for (const args of [`ping ${server.origin}`, `push image.tar ${server.origin}/app:1`]) {
      const { code, stdout, stderr } = await tarpush(`${args} --ca ca.pem`);
      assertEquals([code, stdout], [1, ""], stderr);
      const [message = "", second = "", ...rest] = stderr.trimEnd().split("\n");
      assert(message.startsWith("tarpush: Cannot "), stderr);
      assert(message.endsWith(`: ${host}: ${state}`), stderr);
      assertMatch(second, hint);
      assertEquals(rest, [], stderr);
    }
    const insecure = await tarpush(`ping ${server.origin} --insecure`);
    assertEquals(insecure.code, 0, insecure.stderr);
  });
}

test("tarpush says what is wrong with an authority's certificate on a server", async () => {
  const certificate = await createSelfSigned({ authority: true });
  await using server = serveTls(createRegistry(), certificate);
  await using folder = await prepare();
  const ca = await folder.write("own.pem", certificate.cert);
  const { code, stdout, stderr } = await tarpush(`ping ${server.origin} --ca ${ca}`);
  if (isDeno) {
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      /^tarpush: .*: its TLS certificate is one of an authority, .*\nhint: .*CA:FALSE.*--insecure/,
    );
    const insecure = await tarpush(`ping ${server.origin} --insecure`);
    assertEquals(insecure.code, 0, insecure.stderr);
  } else assertEquals(code, 0, stderr);
});

test("tarpush says so where https meets plain http, and plain http TLS", async () => {
  await using plain = await serve(createRegistry());
  await using tls = serveTls(createRegistry(), GOOD);
  const cases: [origin: string, message: RegExp, hint: RegExp][] = [
    [
      `https://${plain.host}`,
      /: it speaks plain http, not https$/,
      /--plain-http.*http:\/\/127\.0\.0\.1:\d+\//,
    ],
    [
      `http://${tls.host}`,
      /: it speaks https, not plain http$/,
      /write https:\/\/127\.0\.0\.1:\d+\//,
    ],
  ];
  for (const [origin, message, hint] of cases) {
    for (const args of [`ping ${origin}`, `push image.tar ${origin}/app:1 --retries 0`]) {
      for (const option of ["", " --ca ca.pem", " --insecure"]) {
        const { code, stderr } = await tarpush(`${args}${option}`);
        assertEquals(code, 1, stderr);
        const [first = "", second = "", ...rest] = messageLines(stderr);
        assertMatch(first, message);
        assertMatch(second, hint);
        assertEquals(rest, [], stderr);
      }
    }
  }
});

test("tarpush says what is no certificate", async () => {
  const nothing = await tarpush("ping https://localhost:1 --ca image.tar");
  assertEquals(nothing.code, 2);
  assertMatch(
    nothing.stderr,
    /^tarpush: Cannot use "image\.tar" as root certificates: it has no PEM/,
  );
  const missing = await tarpush("ping https://localhost:1 --ca none.pem");
  assertEquals(missing.code, 1);
  assertMatch(missing.stderr, /^tarpush: Cannot read "none\.pem": no such file\n$/);
});

/** How the other side ends a handshake: the number of its alert, and what that means. */
const ALERTS: readonly [number, state: string, hint: RegExp][] = [
  [116, "it wants a client certificate", /docs\/library\.md/],
  [42, "it wants a client certificate", /docs\/library\.md/],
  [
    40,
    "it refused the TLS handshake, most likely for want of a client certificate",
    /docs\/library\.md/,
  ],
  [70, "it speaks no version of TLS that is safe to use", /TLS 1\.2/],
  [112, "it serves TLS for other host names", /name/],
];

for (const [alert, state, hint] of ALERTS) {
  test(`tarpush says what a TLS server means by alert ${alert}`, async () => {
    await using server = await answerHello(new Uint8Array([21, 3, 3, 0, 2, 2, alert]));
    for (const option of ["", " --ca ca.pem", " --insecure"]) {
      const { code, stderr } = await tarpush(`ping https://${server.host}${option}`);
      const [message, second = "", ...rest] = messageLines(stderr);
      assertEquals(
        [code, message, rest],
        [1, `tarpush: Cannot ping ${server.host}: ${server.host}: ${state}`, []],
      );
      assertMatch(second, hint);
    }
  });
}

test("tarpush says that a server speaks no TLS", async () => {
  await using server = await answerHello(new TextEncoder().encode("SSH-2.0-OpenSSH_9.2\r\n"));
  const { code, stderr } = await tarpush(`ping https://${server.host}`);
  assertEquals(code, 1);
  assertMatch(stderr, /: it speaks no TLS\nhint: check the port\n$/);
});

test("tarpush says that a client certificate is wanted where a page says so", async () => {
  const page = "<html><head><title>400 No required SSL certificate was sent</title></head></html>";
  const refuse: FetchHandler = ({ method }) =>
    Promise.resolve(
      new Response(method === "HEAD" ? null : page, {
        status: 400,
        headers: { "content-type": "text/html" },
      }),
    );
  await using server = serveTls(refuse, GOOD);
  for (const args of [`ping ${server.origin}`, `push image.tar ${server.origin}/app:1`]) {
    const { code, stderr } = await tarpush(`${args} --ca ca.pem`);
    assertEquals(code, 1);
    assertMatch(
      stderr,
      /400 Bad Request: it wants a client certificate\nhint: .*docs\/library\.md/,
    );
  }
});

/** A server that answers what a client begins with, whatever it is, and waits until that goes. */
function answerHello(answer: Uint8Array): Promise<SocketServer> {
  return serveSockets(async (client) => {
    await client.read();
    await client.write(answer);
    // What is closed with something unread loses what was written.
    while (await client.read().catch(() => undefined));
  });
}

// --insecure and its limits

test("tarpush --insecure accepts the certificates of the named hosts and of no others", async () => {
  const registry = createRegistry();
  await using elsewhere = serveTls(registry, await createSelfSigned());
  const redirect: FetchHandler = (request) => {
    const { pathname } = new URL(request.url);
    if (!pathname.includes("/manifests/")) return registry(request);
    return Promise.resolve(
      new Response(null, {
        status: 307,
        headers: { location: `https://127.0.0.1:${elsewhere.port}${pathname}` },
      }),
    );
  };
  await using named = serveTls(redirect, await createSelfSigned());
  const { code, stderr } = await tarpush(`info ${named.origin}/app:1 --insecure`);
  assertEquals(code, 1);
  const place = `https://${elsewhere.host} (where localhost:${named.port} leads)`;
  assertStringIncludes(stderr, `${place}: its TLS certificate is not trusted`);
});

test("tarpush --insecure passes exit codes and streams on", async () => {
  await using server = serveTls(createRegistry(), await createSelfSigned());
  const missing = await tarpush(`info ${server.origin}/app:1 --insecure --json`);
  assertEquals(missing.code, 1);
  assertEquals(JSON.parse(missing.stdout).error.status, 404);
  assertMatch(missing.stderr, /^tarpush: .*no such manifest$/m);
  const usage = await tarpush(`push image.tar ${server.origin}/app:1 ${server.origin} --insecure`);
  assertEquals(usage.code, 2, usage.stderr);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`tarpush push --insecure ends at ${signal}, with 130 and no upload left`, async () => {
    const arrived = Promise.withResolvers<void>();
    const cancelled = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const registry = createRegistry();
    await using server = serveTls(async (request) => {
      if (request.method === "DELETE") cancelled.resolve();
      if (request.method !== "PUT") return await registry(request);
      arrived.resolve();
      await end.promise;
      return new Response(null, { status: 500 });
    }, await createSelfSigned());
    await using folder = await prepare();
    const { command, args } = cliCommand(
      "push",
      `${folder.path}/image.tar`,
      `${server.origin}/app:1`,
      "--insecure",
    );
    await using child = spawnProcess(command, args);
    const result = resultOf(child);
    await arrived.promise;
    child.kill(signal);
    await child.exited;
    end.resolve();
    const { code, stdout, stderr } = await result;
    assertEquals([code, stdout], [130, ""], stderr);
    assertMatch(stderr, /^tarpush: Interrupted$/m);
    await cancelled.promise;
    assertEquals(await allTags(registry), []);
  }, { skip: isWindows ? "no signals" : undefined });
}

test("tarpush --insecure says what to type where Deno may not be started again", async () => {
  await using server = serveTls(createRegistry(), await createSelfSigned());
  const { command, args } = cliCommand("ping", server.origin, "--insecure");
  const main = args.slice(args.indexOf("-A") + 1);
  const rights = ["--allow-net", "--allow-read", "--no-prompt"];
  const result = await runProcess(command, ["run", ...rights, ...main], { env: environment() });
  assertEquals([result.code, result.stdout], [1, ""]);
  assertMatch(
    result.stderr,
    /^tarpush: .*: without --allow-run\nhint: .*--unsafely-ignore-certificate-errors=localhost/,
  );
  // The flag without a host would accept all certificates.
  const push = cliCommand("push", "--from", "-", "--insecure").args.slice(args.indexOf("-A") + 1);
  const stdin = new TextEncoder().encode("a.tar\n");
  const none = await runProcess(command, ["run", ...rights, ...push], { stdin });
  assertMatch(none.stderr, /: without --allow-run\nhint: leave out --insecure\n$/);
}, { skip: isDeno ? undefined : "only Deno has rights to give" });
