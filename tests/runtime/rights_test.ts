import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { OciError } from "../../src/errors.ts";
import { pushImage } from "../../src/push/push.ts";
import { currentHost, openFile } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { closedPort, serveRegistry } from "../end_to_end/registry_server.ts";
import { storeAsZstd } from "../helpers/archives.ts";
import { createAuthority } from "../helpers/certificates.ts";
import {
  fewRightsSkip,
  runProcess,
  spawnProcess,
  temporaryFolder,
  toPath,
} from "../helpers/process.ts";
import { findProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";
import { serveTls } from "../helpers/tls_server.ts";

const host = currentHost();
const onlyDeno = host.name === "deno" ? undefined : "only Deno has rights to give";
const needsFiles = onlyDeno ?? fewRightsSkip();
const root = new URL("../../", import.meta.url);
const MAIN = "src/cli/main.ts";
const FIXTURE = "tests/fixtures/docker28-single.tar";

/** A command line with all the rights that it needs. */
interface Line {
  name: string;
  rights: string[];
  args: string[];
  /** A file that is piped in. */
  piped?: string;
  /** What it prints when it has done its work. */
  prints: string;
}

/** What README shows, for a registry on http and one on https whose authority is in a file. */
function linesWithRights({ http, https, ca, folder }: Record<string, string>): Line[] {
  const from = `${http}/app:1`;
  return [
    {
      name: "push",
      rights: [`--allow-read=${FIXTURE}`, `--allow-net=${http}`],
      args: ["push", FIXTURE, from],
      prints: `${from}@sha256:`,
    },
    {
      name: "push under the names of the archive",
      rights: [`--allow-read=${FIXTURE}`, `--allow-net=${http}`],
      args: ["push", FIXTURE, http ?? ""],
      prints: `${http}/held/basic:1@sha256:`,
    },
    {
      name: "push of a pipe",
      rights: [`--allow-net=${http}`],
      args: ["push", "-", `${http}/pipe:1`],
      piped: FIXTURE,
      prints: `${http}/pipe:1@sha256:`,
    },
    // What inflates and hashes it is loaded on the way.
    {
      name: "push of a pipe that is inflated and hashed here",
      rights: [`--allow-net=${http}`],
      args: ["push", "-", `${http}/zstd:1`, "--verify"],
      piped: `${folder}/docker20.tar.zst`,
      prints: `${http}/zstd:1@sha256:`,
    },
    {
      name: "push to https with --ca",
      rights: [`--allow-read=${FIXTURE},${ca}`, `--allow-net=${https}`],
      args: ["push", FIXTURE, `https://${https}/app:1`, "--ca", ca ?? ""],
      prints: `${https}/app:1@sha256:`,
    },
    {
      name: "inspect",
      rights: [`--allow-read=${FIXTURE}`],
      args: ["inspect", FIXTURE],
      prints: "held/basic:1",
    },
    {
      name: "inspect of a pipe",
      rights: [],
      args: ["inspect", "-"],
      piped: FIXTURE,
      prints: "held/basic:1",
    },
    {
      name: "check",
      rights: [`--allow-read=${FIXTURE}`],
      args: ["check", FIXTURE],
      prints: FIXTURE,
    },
    {
      name: "save",
      rights: [`--allow-read=${folder}`, `--allow-write=${folder}`, `--allow-net=${http}`],
      args: ["save", from, `${folder}/app.tar`],
      prints: from,
    },
    {
      name: "copy",
      rights: [`--allow-net=${http}`],
      args: ["copy", from, `${http}/copy:1`],
      prints: `${http}/copy:1@sha256:`,
    },
    {
      name: "ping",
      rights: [`--allow-net=${http}`],
      args: ["ping", http ?? ""],
      prints: "is a registry",
    },
    { name: "ls", rights: [`--allow-net=${http}`], args: ["ls", http ?? ""], prints: "app" },
    { name: "info", rights: [`--allow-net=${http}`], args: ["info", from], prints: from },
    { name: "completions", rights: [], args: ["completions", "bash"], prints: "complete -o" },
  ];
}

test("each command does its work with the rights that README shows", async () => {
  await using place = await placeForLines();
  for (const { name, rights, args, piped, prints } of linesWithRights(place.names)) {
    const stdin = piped === undefined
      ? undefined
      : await Deno.readFile(toPath(new URL(piped, root)));
    const { code, stdout, stderr } = await deno([...rights, MAIN, ...args], stdin);
    assertEquals(code, 0, `${name}: ${stderr}`);
    assertStringIncludes(stdout, prints, name);
  }
}, { skip: needsFiles });

const script = findProgram("script");

test("each command asks a person at a terminal for no more rights", async () => {
  await using place = await placeForLines();
  for (const { name, rights, args, piped, prints } of linesWithRights(place.names)) {
    const words = [Deno.execPath(), "run", ...rights, MAIN, ...args].map((word) => `'${word}'`);
    const line = `${piped === undefined ? "" : `cat '${piped}' | `}${words.join(" ")}`;
    const { code, stdout } = await runProcess(script ?? "", ["-qec", line, "/dev/null"], {
      cwd: toPath(root),
      env: { NO_COLOR: "1", FORCE_COLOR: undefined },
    });
    assertEquals(code, 0, `${name}: ${stdout}`);
    assertStringIncludes(stdout, prints, name);
    // It would ask in a frame, and go on without where nobody answers.
    assertEquals(/Deno requests|Allow\?/.test(stdout), false, `${name}: ${stdout}`);
    // deno-lint-ignore no-control-regex
    assertEquals(/\x1b\[\d+m/.test(stdout), false, `${name} is coloured: ${stdout}`);
  }
}, {
  skip: needsFiles ?? (script && Deno.build.os === "linux" ? undefined : "no script of Linux"),
});

test("serve needs no more rights than its own address", async () => {
  const host = await closedPort();
  const port = host.split(":")[1] ?? "";
  const args = ["run", `--allow-net=${host}`, MAIN, "serve", "--port", port];
  await using server = spawnProcess(Deno.execPath(), args, { cwd: toPath(root) });
  const lines = server.stderr.pipeThrough(new TextDecoderStream()).getReader();
  assertStringIncludes((await lines.read()).value ?? "", `Registry on http://${host}`);
  lines.releaseLock();
  const rights = [`--allow-read=${FIXTURE}`, `--allow-net=${host}`];
  const pushed = await deno([...rights, MAIN, "push", FIXTURE, `${host}/app:1`, "-q"]);
  assertEquals([pushed.code, pushed.stderr], [0, ""]);
  if (Deno.build.os === "windows") return;
  server.kill("SIGINT");
  assertEquals(await server.exited, 0);
}, { skip: onlyDeno });

test("README shows the rights of each command, and -A once", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", root));
  const lines = readme.split("\n").filter((line) => /\bdeno run\b/.test(line));
  assertEquals(lines.length > 5, true);
  const whole = lines.filter((line) => line.includes(" -A "));
  assertEquals(whole.length, 1);
  for (const line of lines) {
    const needsNet = !/ (inspect|check) /.test(line);
    if (!whole.includes(line)) assertEquals(line.includes("--allow-net="), needsNet, line);
  }
}, { skip: onlyDeno });

test("push is told of the rights that it lacks", async () => {
  const server = await host.serve(createRegistry(), { hostname: "127.0.0.1", port: 0 });
  try {
    const registry = `127.0.0.1:${server.port}`;
    const file = FIXTURE;
    const rights = [`--allow-net=${registry}`, `--allow-read=${file}`];
    const unread = await deno([
      ...rights,
      MAIN,
      "push",
      "README.md",
      `${registry}/app:1`,
    ]);
    assertEquals(unread.code, 1);
    assertStringIncludes(unread.stderr, "Deno was not given the right to read it");
    assertStringIncludes(unread.stderr, "hint: add --allow-read=README.md to deno run");

    const unheard = await deno([
      `--allow-read=${file}`,
      MAIN,
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

test("push is told that files of the system need all rights", async () => {
  const { code, stderr } = await deno(["--allow-read", MAIN, "push", "/proc/version", "localhost"]);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Deno was not given the right to read it");
  assertStringIncludes(stderr, "hint: for a file there, Deno wants --allow-all");
}, { skip: onlyDeno ?? (Deno.build.os === "linux" ? undefined : "only Linux has this file") });

test("save needs no more rights than the registry and the folder of the file", async () => {
  const registry = createRegistry();
  const server = await host.serve(registry, { hostname: "127.0.0.1", port: 0 });
  await using folder = await temporaryFolder();
  try {
    const reference = `127.0.0.1:${server.port}/app:1`;
    await using tar = await openFile(FIXTURE);
    await pushImage(tar, reference, { fetch: registry });
    const net = `--allow-net=127.0.0.1:${server.port}`;
    const path = `${folder.path}/app.tar`;
    const save = (...rights: string[]) =>
      deno([net, ...rights, MAIN, "save", reference, path, "-q"]);
    const saved = await save(`--allow-read=${folder.path}`, `--allow-write=${folder.path}`);
    assertEquals([saved.code, saved.stderr], [0, ""]);
    const piped = await deno([net, MAIN, "save", reference, "-", "-q"]);
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
}, { skip: needsFiles });

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

async function deno(args: readonly string[], stdin?: Uint8Array) {
  const { Deno } = globalThis as unknown as { Deno: { execPath(): string } };
  return await runProcess(Deno.execPath(), ["run", ...args], { cwd: root.pathname, stdin });
}

/** A registry on http, one on https, and a folder for what is written; disposing of it stops and removes them. */
async function placeForLines() {
  await using places = new AsyncDisposableStack();
  const folder = places.use(await temporaryFolder());
  const { host: http } = places.use(await serveRegistry());
  const authority = await createAuthority();
  const ca = await folder.write("ca.pem", authority.cert);
  const { port } = places.use(serveTls(createRegistry(), await authority.issue()));
  const tar = await Deno.readFile(new URL("tests/fixtures/docker20-single.tar", root));
  await folder.write("docker20.tar.zst", storeAsZstd(tar));
  const kept = places.move();
  return {
    names: { http, https: `localhost:${port}`, ca, folder: folder.path },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
