import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../../src/cli/run.ts";
import { OciError } from "../../src/errors.ts";
import type { Host } from "../../src/runtime/host.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { readFixtureTar } from "../helpers/expected.ts";
import { test } from "../helpers/test.ts";
import { Exited, type FakeHost, fakeHost, runFake } from "./fake_host.ts";

const FIXTURES = "tests/fixtures";
const SINGLE = `${FIXTURES}/docker28-single.tar`;
const SEVERAL = `${FIXTURES}/docker20-multiimage.tar`;
const TAGS_ONLY = `${FIXTURES}/buildah-oci-multi.tar`;
const DIGEST = "sha256:88287e9f4e47a23a1315d297acac3e659b2d638fcb8492a27d7fd0de9f47a2db";

type Fetch = (request: Request) => Promise<Response>;

test("run() prints help and version on stdout", async () => {
  const overview = await runFake("--help");
  assertEquals([overview.code, overview.stderr], [0, ""]);
  assertStringIncludes(overview.stdout, "tarpush push TAR|-|URL TARGET...");
  const push = await runFake("push --help");
  assertStringIncludes(push.stdout, "--digestfile FILE");
  assertStringIncludes((await runFake("serve --help")).stdout, "--allow-delete");
  assertMatch((await runFake("--version")).stdout, /^tarpush \d+\.\d+\.\d+\n$/);
});

test("run() answers wrong usage with one line, a hint and exit code 2", async () => {
  assertEquals(await runFake("push a.tar h --platfrom x"), {
    code: 2,
    stdout: "",
    stderr: 'tarpush: Unknown option "--platfrom"\nhint: did you mean --platform?\n',
    files: new Map(),
    bytes: [],
  });
});

test("run() tells a reference that does not parse from a failure", async () => {
  const usage = await runFake(`push ${SINGLE} localhost:5000/UPPER:1`);
  assertEquals([usage.code, usage.stdout], [2, ""]);
  const missing = await runFake("push no-such.tar localhost:5000/app:1");
  assertEquals(missing.code, 1);
  assertEquals(missing.stderr, 'tarpush: Cannot open "no-such.tar": no such file\n');
});

test("run() shows stack traces only with --debug", async () => {
  const args = "push no-such.tar localhost:5000/app:1";
  assertEquals((await runFake(args)).stderr.includes("    at "), false);
  const { stderr } = await runFake(`${args} --debug`);
  assertMatch(stderr, /\n {4}at /);
  assertStringIncludes(stderr, "caused by: ");
});

test("run() push prints each name with its digest, and plain progress beside it", async () => {
  const registry = createRegistry();
  const first = await runFake(`push ${SINGLE} localhost:5000/app:1 --insecure`, { registry });
  assertEquals([first.code, first.stdout], [0, `localhost:5000/app:1@${DIGEST}\n`]);
  const lines = first.stderr.trimEnd().split("\n");
  assertMatch(lines.pop() ?? "", /^4 blobs pushed \(21 kB\) in \d/);
  assertEquals(lines.length, 4);
  for (const line of lines) assertMatch(line, /^sha256:[0-9a-f]{12} {2}[ .\d]{5} kB {2}pushed$/);
  const second = await runFake(`push ${SINGLE} localhost:5000/app:1 --insecure`, { registry });
  assertMatch(second.stderr, /0 blobs pushed, 4 already there in/);
});

test("run() push keeps stderr empty with --quiet", async () => {
  const { stdout, stderr } = await runFake(`push ${SINGLE} localhost:5000/app:1 --insecure -q`);
  assertEquals([stdout, stderr], [`localhost:5000/app:1@${DIGEST}\n`, ""]);
});

test("run() takes common options before the command", async () => {
  const registry = createRegistry();
  const fetchWith: unknown[] = [];
  const overrides: Partial<Host> = {
    fetchWith: (options) => {
      fetchWith.push(options);
      return registry;
    },
  };
  const pushed = await runFake(`-q --insecure push ${SINGLE} localhost:5000/app:1`, { overrides });
  assertEquals(pushed, {
    code: 0,
    stdout: `localhost:5000/app:1@${DIGEST}\n`,
    stderr: "",
    files: new Map(),
    bytes: [],
  });
  assertEquals(fetchWith, [{ ca: undefined, insecureHosts: ["localhost"] }]);
  const { images } = JSON.parse((await runFake(`--json inspect ${SINGLE}`)).stdout);
  assertEquals(images[0].digest, DIGEST);
});

test("run() push prints one document with --json", async () => {
  const { code, stdout } = await runFake(`push ${SINGLE} localhost:5000/app:1 --insecure --json`);
  const result = JSON.parse(stdout);
  assertEquals(code, 0);
  assertEquals(result.images[0].reference, "localhost:5000/app:1");
  assertEquals(result.images[0].digest, DIGEST);
  assertEquals(result.images[0].blobs.length, 4);
});

test("run() push adds the error to the document with --json", async () => {
  const refuse: Fetch = () => Promise.resolve(new Response("no", { status: 403 }));
  const { code, stdout, stderr } = await runFake(
    `push ${SINGLE} localhost:5000/app:1 --insecure --json`,
    { registry: refuse },
  );
  const { images, error } = JSON.parse(stdout);
  assertEquals([code, images, error.name, error.status], [1, [], "RegistryError", 403]);
  assertStringIncludes(stderr, `tarpush: ${error.message}`);
});

test("run() prints a document with --json where a push or a copy fails before it begins", async () => {
  for (
    const [command, expected] of [
      ["push no-such.tar localhost:5000/app:1", "no such file"],
      [`push ${SINGLE} localhost:5000/app:1 --ca no-such.pem`, "no-such.pem"],
      ["copy localhost:5000/app:1 localhost:5000/app:2 --ca no-such.pem", "no-such.pem"],
    ] as const
  ) {
    const { code, stdout } = await runFake(`${command} --json`);
    assert(code !== 0, command);
    const { images, error } = JSON.parse(stdout);
    assertEquals(images, [], command);
    assertStringIncludes(error.message, expected);
  }
});

test("run() push writes the digests to a file", async () => {
  const { files } = await runFake(
    `push ${SINGLE} localhost:5000/app:1 localhost:5000/app:2 --insecure -q --digestfile digests`,
  );
  assertEquals(files.get("digests"), `${DIGEST}\n`);
});

test("run() push sends nothing where it cannot write the digests, or would over what it reads", async () => {
  const requireWritable = () => Promise.reject(new OciError("the disk is gone"));
  const fileInfo = () => Promise.resolve({ kind: "file", size: 1, modified: 0, id: "1" } as const);
  const cases: [overrides: Partial<Host>, says: string][] = [
    [{ requireWritable }, "the disk is gone"],
    [{ requireWritable: () => Promise.resolve(true), fileInfo }, 'Cannot write to "digests": '],
  ];
  for (const [overrides, says] of cases) {
    for (const target of ["localhost:5000/app:1", "--to localhost:5000/app:1"]) {
      let asked = 0;
      const registry = () => Promise.reject(new Error(`${++asked}`));
      const args = `push ${SINGLE} ${target} --insecure --digestfile digests`;
      const { code, stderr } = await runFake(args, { registry, overrides });
      assertEquals([code === 0, asked], [false, 0]);
      assertStringIncludes(stderr, says);
    }
  }
});

test("run() push writes nothing in a dry run", async () => {
  const methods = new Set<string>();
  const registry = createRegistry();
  const { code, stdout, stderr, files } = await runFake(
    `push ${SINGLE} localhost:5000/app:1 --insecure --dry-run --digestfile digests`,
    {
      registry: (request) => {
        methods.add(request.method);
        return registry(request);
      },
    },
  );
  assertEquals([code, stdout, files.size], [0, "", 0]);
  assertEquals([...methods].filter((method) => method !== "HEAD" && method !== "GET"), []);
  assertStringIncludes(stderr, "kB  missing\n");
  assertStringIncludes(stderr, `would push localhost:5000/app:1@${DIGEST}\n`);
});

test("run() push without a target names what the archive holds", async () => {
  const named = await runFake(`push ${SINGLE}`);
  assertEquals(named.code, 2);
  assertStringIncludes(named.stderr, `${SINGLE} holds:\n  held/basic:1\n`);
  assertStringIncludes(
    named.stderr,
    `hint: tarpush push ${SINGLE} HOST[:PORT] keeps these names\n`,
  );
  const tagged = await runFake(`push ${TAGS_ONLY}`);
  assertStringIncludes(tagged.stderr, "HOST[:PORT]/REPOSITORY --all-tags keeps these tags\n");
  const pipe = await runFake("push -", { stdin: new Uint8Array(0) });
  assertEquals(pipe.code, 2);
  assertStringIncludes(pipe.stderr, "hint: tarpush push - REFERENCE\n");
});

test("run() does not show what a URL has after its path, which may be secret", async () => {
  const bytes = await readFixtureTar("docker28-single.tar");
  const registry = () => Promise.resolve(new Response(bytes));
  const wrong = [
    "push URL",
    "push URL other.tar",
    "push a.tar URL",
    "push localhost:5000/app:1 URL",
    "push URL --parts",
    "push --parts URL localhost:5000/app:1 localhost:5000/app:2",
    "inspect a.tar URL",
    "inspect --parts URL.sha256",
    "check --parts URL --quick",
    "serve URL",
    "copy URL localhost:5000/app:1",
    "copy localhost:5000/app:1 URL",
    "copy localhost:5000/app localhost:5000/b --to URL",
    "ls URL",
    "rm URL",
    "ping URL",
    "save URL a.tar",
    "save localhost:5000/app:1 b.tar URL",
    "info URL",
    `push ${SINGLE} localhost:5000/app:1 --mount-from URL`,
    `push ${SINGLE} b.tar --to URL`,
    "serve --port URL",
    "URL",
    "push a.tar localhost:5000/app:1 --concurrency URL",
    "completions URL",
    "save localhost:5000/app:1 a.tar --platform URL",
  ];
  for (const words of wrong) {
    const args = words.replace(/URL(\S*)/, "https://a.test/app.tar$1?key=secret");
    const { code, stderr } = await runFake(args, { registry });
    assertEquals([code, stderr.includes("secret")], [2, false], stderr);
    assertStringIncludes(stderr, "https://a.test/app.tar");
  }
});

test("run() does not show what may be secret of a URL in the place of a file", async () => {
  for (const words of ["push --from", "save --from", "push a.tar h/a:1 --ca"]) {
    const args = `${words} https://user:secret@a.test/app?key=secret`;
    const { code, stderr } = await runFake(args + (words.startsWith("save") ? " b.tar" : ""));
    assertEquals([code, stderr.includes("secret")], [1, false], stderr);
    assertStringIncludes(stderr, "https://a.test/app");
  }
});

test("run() push of several images to one reference is wrong usage", async () => {
  const { code, stderr } = await runFake(`push ${SEVERAL} localhost:5000/app:1 --insecure`);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "held/second:1");
  assertStringIncludes(stderr, "--image");
});

test("run() refuses to read an archive from the keyboard", async () => {
  const push = await runFake("push - localhost:5000/app:1");
  assertEquals([push.code, push.stderr], [
    2,
    "tarpush: Nothing is piped in\nhint: docker save IMAGE | tarpush push - REFERENCE\n",
  ]);
  assertEquals((await runFake("inspect -")).code, 2);
});

test("run() push --ca wants a PEM certificate", async () => {
  const { code, stderr } = await runFake(`push ${SINGLE} localhost:5000/app:1 --ca ca.pem`, {
    files: { "ca.pem": "" },
  });
  assertEquals(code, 2);
  assertStringIncludes(stderr, 'Cannot use "ca.pem" as root certificates');
});

/** A host on which Ctrl-C is pressed at the first request. */
function interruptedHost(...args: string[]): FakeHost {
  const host = fakeHost(args, {
    overrides: {
      fetchWith: () => (request) =>
        new Promise((_, reject) => {
          request.signal.addEventListener("abort", () => reject(request.signal.reason));
          host.interrupt();
        }),
    },
  });
  return host;
}

test("run() ends with 130 after an interrupt, once the push has settled", async () => {
  for (const dryRun of [[], ["--dry-run"]]) {
    const host = interruptedHost("push", SINGLE, "localhost:5000/app:1", "--insecure", ...dryRun);
    assertEquals(await run(host), 130);
    assertEquals(host.written.stdout, "");
    assertStringIncludes(host.written.stderr, "tarpush: Interrupted\n");
    assertEquals(host.written.stderr.match(/Stopping/g)?.length, 1);
    assertEquals(/hint: run it again/.test(host.written.stderr), dryRun.length === 0);
  }
});

test("run() exits at once at the second interrupt", async () => {
  let exited: unknown;
  const host = fakeHost(["push", SINGLE, "localhost:5000/app:1", "--insecure", "-q"], {
    overrides: {
      fetchWith: () => () => {
        host.interrupt();
        try {
          host.interrupt();
        } catch (error) {
          exited ??= error;
        }
        return Promise.reject(new TypeError("connection lost"));
      },
    },
  });
  await run(host);
  assert(exited instanceof Exited);
  assertEquals(exited.code, 130);
});

test("run() push draws bars on a terminal and leaves only lines behind", async () => {
  const registry = createRegistry();
  const slow: Fetch = async (request) => {
    // One frame is drawn every tenth of a second: long enough for the first.
    if (request.method === "PUT") await new Promise((resolve) => setTimeout(resolve, 150));
    return await registry(request);
  };
  const { code, stdout, stderr } = await runFake(
    `push ${SINGLE} localhost:5000/app:1 --insecure`,
    { registry: slow, isTerminal: true, env: { NO_COLOR: "1" }, columns: 60 },
  );
  assertEquals([code, stdout], [0, `localhost:5000/app:1@${DIGEST}\n`]);
  assertMatch(stderr, /total {9}[━╸─]+/);
  // deno-lint-ignore no-control-regex
  assertEquals(/\x1b\[\d+m/.test(stderr), false);
  assertMatch(stderr, /4 blobs pushed \(21 kB\) in \d[^\n]*\n[^\n]*$/);
  assert(stderr.endsWith("\x1b[J"));
});

test("run() push draws no bars where TERM is dumb", async () => {
  const { stderr } = await runFake(
    `push ${SINGLE} localhost:5000/app:1 --insecure`,
    { isTerminal: true, env: { TERM: "dumb" } },
  );
  assertEquals(stderr.includes("\x1b"), false);
});

test("run() inspect shows a table or a document, from a file or a pipe alike", async () => {
  const { code, stdout } = await runFake(`inspect ${SINGLE}`);
  assertEquals(code, 0);
  assertStringIncludes(stdout, "\n#1  image, 3 layers, 21 kB\n  name       held/basic:1\n");
  assertStringIncludes(stdout, `  digest     ${DIGEST}\n`);
  const fromFile = JSON.parse((await runFake(`inspect ${SINGLE} --json`)).stdout);
  assertEquals(fromFile.images[0].digest, DIGEST);
  await using file = await fakeHost([]).openFile(SINGLE);
  const stdin = await new Response(file.slice(0, file.size).stream()).bytes();
  const fromPipe = JSON.parse((await runFake("inspect - --json", { stdin })).stdout);
  assertEquals(fromPipe.images[0], fromFile.images[0]);
});

test("run() inspect refuses what is no archive", async () => {
  const { code, stdout } = await runFake("inspect deno.json");
  assertEquals([code, stdout], [1, ""]);
});

for (
  const [line, code, message] of [
    ["inspect no-such.tar", 1, "no such file"],
    ["inspect deno.json", 1, "input is not a tar archive"],
    ["push no-such.tar", 1, "no such file"],
    [`push ${SINGLE}`, 2, "No target given"],
  ] as const
) {
  test(`run() ${line} --json writes its failure as a document`, async () => {
    const result = await runFake(`${line} --json`);
    assertEquals(result.code, code, result.stderr);
    assertStringIncludes(JSON.parse(result.stdout).error.message, message);
  });
}

test("run() serve says where it listens, and ends with 0 when it is interrupted", async () => {
  const calls: unknown[] = [];
  const host = fakeHost(["serve", "--host", "::1", "--port", "0", "--read-only"], {
    overrides: {
      serve: async (handler, options) => {
        calls.push(options);
        const answer = await handler(
          new Request("http://localhost/v2/app/blobs/uploads/", { method: "POST" }),
          "::1",
        );
        calls.push(answer.ok);
        setTimeout(() => host.interrupt());
        return {
          port: 4321,
          finish: () => Promise.resolve(void calls.push("finished")),
          stop: () => Promise.resolve(void calls.push("stopped")),
        };
      },
    },
  });
  assertEquals(await run(host), 0);
  assertEquals(calls, [{ hostname: "::1", port: 0 }, false, "finished", "stopped"]);
  const [request, listening] = host.written.stderr.split("\n");
  assertMatch(request ?? "", /^\S+Z ::1 POST \/v2\/app\/blobs\/uploads\/ 405 \d+ B \d+ ms$/);
  assertEquals(listening, "Registry on http://[::1]:4321, kept in memory; Ctrl-C ends it");
});

test("run() serve warns of a port that browsers and Deno do not connect to", async () => {
  const host = fakeHost(["serve", "--port", "6000"], {
    overrides: {
      serve: () => {
        setTimeout(() => host.interrupt());
        const done = () => Promise.resolve();
        return Promise.resolve({ port: 6000, finish: done, stop: done });
      },
    },
  });
  assertEquals(await run(host), 0);
  assertStringIncludes(
    host.written.stderr,
    "\nwarning: browsers and Deno do not connect to port 6000: choose another, such as --port 5000\n",
  );
});

test("run() serve tells of what it could not answer, and ends where it was interrupted before", async () => {
  const host = fakeHost(["serve", "--quiet"], {
    overrides: {
      serve: async (handler) => {
        // No runtime makes such a request: it stands for whatever fails inside.
        const broken = new Request("http://localhost/v2/app/manifests/1", { method: "PUT" });
        const get = (name: string) => {
          if (name === "Content-Length") throw new TypeError("broken");
          return null;
        };
        Object.defineProperty(broken, "headers", { value: { get, has: () => false } });
        assertEquals((await handler(broken, "")).status, 500);
        host.interrupt();
        const done = () => Promise.resolve();
        return { port: 1, finish: done, stop: done };
      },
    },
  });
  assertEquals(await run(host), 0);
  assertStringIncludes(host.written.stderr, "tarpush: Cannot answer PUT http://localhost/v2/app/");
});
