import { assert, assertEquals, assertMatch } from "@std/assert";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { currentHost } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, encode, makeImage, makeLayer } from "../helpers/archives.ts";
import { allTags } from "../helpers/expected.ts";
import { Output } from "../helpers/output.ts";
import { cliCommand, runProgram, spawnProcess, temporaryFolder } from "../helpers/process.ts";
import { requireProgram } from "../helpers/programs.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { serve } from "./registry_server.ts";

const host = currentHost();
const isWindows = "Deno" in globalThis && Deno.build.os === "windows";
const isLinux = await host.readTextFile("/proc/self/status").then(() => true, () => false);
const skip = isWindows ? "no signals" : undefined;
/** A program that does not leave is a failure, not a test without end. */
const LIMIT_MILLISECONDS = 300_000;

const IMAGE = await makeImage([await makeLayer("a"), await makeLayer("b")]);
const TAR = writeTar(dockerSave([{ image: IMAGE }]));
/** Of more than what is held of a pipe, and more than fits into the buffers of sockets. */
const LARGE_TAR = writeTar(
  dockerSave([{ image: await makeImage([await makeLayer(new Uint8Array(96 * 1024 * 1024))]) }]),
);

/** What a program that was interrupted has left. */
interface Interrupted {
  code: number;
  stdout: string;
  stderr: string;
}

/** What a signal waits for: something of the test, a line that the program writes, or that it takes signals. */
type Moment = Promise<unknown> | RegExp | "listening";

/** Runs the program, and sends it signals when their moments have come. */
async function interrupt(
  args: readonly string[],
  signals: readonly { at: Moment; signal?: "SIGINT" | "SIGTERM" }[],
  stdin?: ReadableStream<Uint8Array>,
): Promise<Interrupted> {
  const { command, args: rest } = cliCommand(...args);
  await using child = spawnProcess(command, rest, { stdin });
  const stdout = new Output(child.stdout);
  const stderr = new Output(child.stderr);
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MILLISECONDS);
  const ended = child.exited.then(() => "ended");
  const come = (at: Moment) => {
    if (at instanceof RegExp) return Promise.any([stdout.has(at), stderr.has(at), ended]);
    return at === "listening" ? untilListening(child.pid) : at;
  };
  for (const { at, signal = "SIGINT" } of signals) {
    if (await Promise.race([come(at), ended]) === "ended") break;
    child.kill(signal);
  }
  const code = await child.exited;
  clearTimeout(timer);
  await Promise.all([stdout.ended, stderr.ended]);
  return { code, stdout: stdout.text, stderr: stderr.text };
}

/** The number of the signal that the program listens for last: SIGUSR1 on Deno, SIGTERM on Bun. */
const LAST_SIGNAL = "Deno" in globalThis ? 10n : 15n;

/**
 * Waits until a process has its own answer to Ctrl-C, as Linux tells it. Deno catches SIGINT, SIGTERM and SIGHUP together
 * before anything listens for the first of them, and ends at once at one that comes then.
 */
async function untilListening(pid: number): Promise<void> {
  while (true) {
    const status = await host.readTextFile(`/proc/${pid}/status`);
    const [, caught = "0"] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(status) ?? [];
    if ((BigInt(`0x${caught}`) >> (LAST_SIGNAL - 1n)) & 1n) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function assertInterrupted({ code, stderr }: Interrupted): void {
  assertEquals(code, 130, stderr);
  assertMatch(stderr, /^tarpush: Interrupted$/m);
  assert(!/^\s+at |Uncaught|Unhandled/m.test(stderr), stderr);
}

/** A registry in which one kind of request gets no answer, and which tells of what it sees. */
async function stallingRegistry(isStalled: (line: string) => boolean) {
  const registry = createRegistry();
  const arrived = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const lines: string[] = [];
  const open = new Set<string>();
  const handler: FetchHandler = async (request) => {
    const { pathname } = new URL(request.url);
    const line = `${request.method} ${pathname}`;
    lines.push(line);
    if (isStalled(line)) {
      arrived.resolve();
      await end.promise;
      return new Response(null, { status: 500 });
    }
    const response = await registry(request);
    const location = response.headers.get("location") ?? "";
    if (request.method === "POST") open.add(new URL(location, request.url).pathname);
    if (request.method === "DELETE" || request.method === "PUT") open.delete(pathname);
    return response;
  };
  const server = await serve(handler);
  return {
    host: server.host,
    registry,
    lines,
    /** Uploads that were begun and neither ended nor cancelled. */
    open,
    arrived: arrived.promise,
    async [Symbol.asyncDispose]() {
      end.resolve();
      await server[Symbol.asyncDispose]();
    },
  };
}

const STALLS: Record<string, RegExp> = {
  "the first question": /^HEAD .*\/blobs\//,
  "the opening of an upload": /^POST /,
  "an upload": /^PUT .*\/uploads\//,
  "a manifest": /^PUT .*\/manifests\/sha256:/,
  "a tag": /^PUT .*\/manifests\/1$/,
};

for (const [name, pattern] of Object.entries(STALLS)) {
  for (const source of ["file", "pipe"] as const) {
    test(
      `tarpush push from a ${source} is interrupted while the registry stalls at ${name}`,
      async () => {
        await using server = await stallingRegistry((line) => pattern.test(line));
        await using folder = await temporaryFolder();
        const path = source === "file" ? await folder.write("image.tar", TAR) : "-";
        const result = await interrupt(
          ["push", path, `${server.host}/app:1`],
          [{ at: server.arrived }],
          source === "pipe" ? ReadableStream.from([TAR]) : undefined,
        );
        assertInterrupted(result);
        assertEquals(result.stdout, "");
        assertEquals([...server.open], []);
        assertEquals(await allTags(server.registry), []);
      },
      { skip },
    );
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`tarpush push is ended by ${signal} while it waits for another attempt`, async () => {
    const registry = createRegistry();
    await using server = await serve((request) => {
      if (request.method !== "PUT") return registry(request);
      const headers = { "retry-after": "100" };
      return Promise.resolve(new Response(null, { status: 503, headers }));
    });
    await using folder = await temporaryFolder();
    const path = await folder.write("image.tar", TAR);
    const result = await interrupt(
      ["push", path, `${server.host}/app:1`],
      [{ at: /^retry: .*attempt 2/m, signal }],
    );
    assertInterrupted(result);
    assertEquals(await allTags(registry), []);
  }, { skip });
}

for (const bytes of [0, 700]) {
  for (const args of [["push", "-", "127.0.0.1:1/app:1"], ["inspect", "-"]] as const) {
    test(
      `tarpush ${args[0]} is interrupted while nobody writes to its pipe, after ${bytes} bytes`,
      async () => {
        const silent = new ReadableStream<Uint8Array>({
          start: (controller) => bytes > 0 && controller.enqueue(TAR.subarray(0, bytes)),
        });
        assertInterrupted(await interrupt(args, [{ at: "listening" }], silent));
      },
      { skip: isLinux ? undefined : "no /proc" },
    );
  }
}

test("tarpush push is interrupted in the middle of a blob that passes", async () => {
  const registry = createRegistry();
  const arrived = Promise.withResolvers<void>();
  const cancelled = Promise.withResolvers<string>();
  await using server = await serve(async (request) => {
    if (request.method === "DELETE") cancelled.resolve(new URL(request.url).pathname);
    const isBody = request.method === "PATCH" || request.method === "PUT";
    if (isBody && request.body) {
      const reader = request.body.getReader();
      await reader.read();
      reader.releaseLock();
      arrived.resolve();
    }
    return await registry(request);
  });
  // The writer stops half way, and stays.
  const half = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(LARGE_TAR.subarray(0, 80 * 1024 * 1024)),
  });
  const result = await interrupt(
    ["push", "-", `${server.host}/app:1`],
    [{ at: arrived.promise }],
    half,
  );
  assertInterrupted(result);
  assertMatch(await cancelled.promise, /\/blobs\/uploads\//);
  assertEquals(await allTags(registry), []);
}, { skip });

test("tarpush push ends at once at the second interrupt, while the first is obeyed", async () => {
  const registry = createRegistry();
  const uploading = Promise.withResolvers<void>();
  const cancelling = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  await using server = await serve(async (request) => {
    if (request.method === "PUT") uploading.resolve();
    else if (request.method === "DELETE") cancelling.resolve();
    else return await registry(request);
    await end.promise;
    return new Response(null, { status: 500 });
  });
  await using folder = await temporaryFolder();
  const path = await folder.write("image.tar", TAR);
  const result = await interrupt(
    ["push", path, `${server.host}/app:1`],
    [{ at: uploading.promise }, { at: cancelling.promise }],
  );
  end.resolve();
  assertEquals([result.code, result.stdout], [130, ""]);
  assertMatch(result.stderr, /^Stopping; Ctrl-C again ends at once$/m);
  assert(!result.stderr.includes("tarpush: Interrupted"), result.stderr);
}, { skip });

const LISTS: Record<string, (request: Request) => Response> = {
  "pages without end": (request) => {
    const last = Number(new URL(request.url).searchParams.get("last") ?? "0");
    const tags = Array.from(
      { length: 100 },
      (_, index) => `${last + 100 + index}`.padStart(9, "0"),
    );
    const link = `</v2/app/tags/list?n=100&last=${`${last + 100}`.padStart(9, "0")}>; rel="next"`;
    return Response.json({ name: "app", tags }, { headers: { link } });
  },
  "one page without end": () => {
    let count = 0;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(encode('{"name":"app","tags":["first"')),
      pull(controller) {
        controller.enqueue(encode(`,"tag-${count++}"`.repeat(100)));
      },
    });
    return new Response(body, { headers: { "content-type": "application/json" } });
  },
};

for (const [name, answer] of Object.entries(LISTS)) {
  test(`tarpush ls is interrupted in a list of ${name}`, async () => {
    await using server = await serve((request) => Promise.resolve(answer(request)));
    const result = await interrupt(["ls", `${server.host}/app`], [{ at: /^.+\n.+\n/ }]);
    assertInterrupted(result);
    assert(result.stdout.endsWith("\n"), "a line was cut");
  }, { skip });
}

for (const args of [["info", "/app:1"], ["rm", "/app:1"], ["ping", ""]] as const) {
  test(`tarpush ${args[0]} is interrupted while the registry stalls`, async () => {
    await using server = await stallingRegistry(() => true);
    const result = await interrupt(
      [args[0], `${server.host}${args[1]}`],
      [{ at: server.arrived }],
    );
    assertInterrupted(result);
    assertEquals(result.stdout, "");
  }, { skip });
}

const terminal = requireProgram("script");

test("tarpush rm is interrupted at its question, in a terminal", async () => {
  const registry = createRegistry({ allowDelete: true });
  await using server = await serve((request) => {
    // As registry:2 does, which removes by digest only: so it has to be asked about the other tag.
    const isTag = request.method === "DELETE" && !request.url.includes("sha256:");
    return isTag ? Promise.resolve(new Response(null, { status: 405 })) : registry(request);
  });
  await using folder = await temporaryFolder();
  const path = await folder.write("image.tar", TAR);
  const names = [`${server.host}/app:1`, `${server.host}/app:2`];
  assertEquals((await runProgram(["push", path, ...names])).code, 0);
  const { command, args } = cliCommand("rm", `${server.host}/app:1`);
  const keys = Promise.withResolvers<void>();
  const typed = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await keys.promise;
      // Ctrl-C, as a terminal sends it; then nothing more.
      controller.enqueue(new Uint8Array([3]));
      return new Promise(() => {});
    },
  });
  const line = [command, ...args].map((word) => `'${word}'`).join(" ");
  await using child = spawnProcess(terminal.path, ["-qefc", line, "/dev/null"], { stdin: typed });
  const output = new Output(child.stdout, child.stderr);
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MILLISECONDS);
  await Promise.any([output.has(/\[y\/N\] $/), child.exited]);
  keys.resolve();
  const code = await child.exited;
  clearTimeout(timer);
  await output.ended;
  assertEquals(code, 130, output.text);
  assertMatch(output.text, /Interrupted/);
  assertEquals(await allTags(registry), ["app:1", "app:2"]);
}, { skip: isLinux ? terminal.skip : "no such terminal" });
