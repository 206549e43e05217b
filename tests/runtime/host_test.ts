import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { OciError } from "../../src/errors.ts";
import { fileId } from "../../src/runtime/file_error.ts";
import { currentHost } from "../../src/runtime/mod.ts";
import { createByteOutput, createTextOutput, type OutputDevice } from "../../src/runtime/output.ts";
import { requireTextSize } from "../../src/runtime/text_file.ts";
import { runProcess, runWell, spawnProcess, temporaryFolder } from "../helpers/process.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { optionalProgram, requireProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";

const host = currentHost();
const curl = requireProgram("curl");
const bash = requireProgram("bash");

function isOldDeno(): boolean {
  return "Deno" in globalThis && Deno.version.deno.startsWith("2.5.");
}

test("currentHost() is the one of the runtime", () => {
  assertEquals(host.name, "Deno" in globalThis ? "deno" : "bun");
  assertEquals(host.env("TARPUSH_TEST_NOT_SET"), undefined);
  assert((host.env("PATH") ?? host.env("Path") ?? "") !== "");
});

// Deno has Node's process, and takes longer to load it than a small push takes.
test("Deno loads no half of Bun's that asks for Node's process", async () => {
  const url = new URL("../../src/runtime/mod.ts", import.meta.url).href;
  const trap =
    `Object.defineProperty(globalThis, "process", { get() { throw new Error("asked") } })`;
  const code = `${trap}; console.log((await import("${url}")).currentHost().name)`;
  assertEquals(await runWell(Deno.execPath(), ["eval", code]), "deno\n");
}, { skip: "Deno" in globalThis ? undefined : "Bun has its process at hand" });

test("Host reads and writes small files", async () => {
  await using folder = await temporaryFolder();
  const path = await folder.write("text", "before");
  await host.writeTextFile(path, "after\n");
  assertEquals(await host.readTextFile(path), "after\n");
  const missing = await assertRejects(() => host.readTextFile(`${folder.path}/none`), OciError);
  assertMatch(missing.message, /^Cannot read ".*none": no such file$/);
  const folderAsText = await assertRejects(() => host.readTextFile(folder.path), OciError);
  assertMatch(folderAsText.message, /^Cannot read ".*": it is a directory, expected a file$/);
  // Only an archive is worth packing.
  assertEquals(folderAsText.hint, undefined);
  const error = await assertRejects(() => host.writeTextFile(folder.path, "x"), OciError);
  assertMatch(error.message, /^Cannot write ".*": it is a directory, expected a file$/);
});

test("Host reads no text that is larger than any is", () => {
  requireTextSize("list", 256 * 1024 * 1024);
  const error = assertThrows(() => requireTextSize("big.tar", 256 * 1024 * 1024 + 1), OciError);
  assertEquals(
    error.message,
    'Cannot read "big.tar": it has 268435457 bytes, expected a text of at most 268435456',
  );
});

test("Host reads text in UTF-8 and, as Windows writes it, in UTF-16", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/text`;
  const text = "é\n€\n";
  const units = [0xfeff, ...text].map((unit) =>
    typeof unit === "number" ? unit : unit.charCodeAt(0)
  );
  const little = units.flatMap((unit) => [unit & 255, unit >> 8]);
  const big = units.flatMap((unit) => [unit >> 8, unit & 255]);
  const marked = [...new TextEncoder().encode(`\ufeff${text}`)];
  for (const bytes of [marked, marked.slice(3), little, big]) {
    const file = await host.createFile(path);
    await file.write(new Uint8Array(bytes));
    await file.commit();
    assertEquals(await host.readTextFile(path), text);
  }
});

test("Host appends lines to a file, whatever is in them", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/some lines`;
  const lines = [`{"a":"it's \\"$HOME\\" \\n é"}`, "`ls` > x; -n", "\n* ~"];
  await host.appendText(path, "");
  assertEquals(await host.readTextFile(path), "");
  for (const line of lines) await host.appendText(path, `${line}\n`);
  assertEquals(await host.readTextFile(path), `${lines.join("\n")}\n`);
  const error = await assertRejects(() => host.appendText(`${folder.path}/none/x`, ""), OciError);
  assertMatch(error.message, /^Cannot write ".*x": no such file$/);
});

test("Host tells why a text cannot be appended", async () => {
  const full = () => host.appendText("/dev/full", "x");
  const error = await assertRejects(full, OciError);
  assertEquals(error.message, 'Cannot write "/dev/full": the disk is full');
}, { skip: await host.fileInfo("/dev/full") ? undefined : "no /dev/full" });

test("Host makes folders, those above them too, and again", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/a b/$HOME/-c`;
  await host.makeDirectory(path);
  await host.makeDirectory(path);
  assertEquals((await host.fileInfo(path))?.kind, "directory");
  const file = await folder.write("file", "");
  const error = await assertRejects(() => host.makeDirectory(`${file}/x`), OciError);
  assertMatch(error.message, /^Cannot make ".*x": no such file$/);
  const taken = await assertRejects(() => host.makeDirectory(file), OciError);
  assertMatch(taken.message, /^Cannot make ".*file": a file has that name$/);
});

test("Host tells what is under a path", async () => {
  assertEquals(await host.fileInfo("no\0path"), undefined);
  await using folder = await temporaryFolder();
  const before = Date.now();
  const info = await host.fileInfo(await folder.write("text", "12345"));
  assertEquals([info?.kind, info?.size], ["file", 5]);
  const modified = info?.modified ?? 0;
  assert(modified > before - 10_000 && modified < Date.now() + 10_000);
  assertEquals((await host.fileInfo(folder.path))?.kind, "directory");
  assertEquals(await host.fileInfo(`${folder.path}/none`), undefined);
});

test("Host tells one file by another name from another file", async () => {
  await using folder = await temporaryFolder();
  const [one, other] = [await folder.write("one", "1"), await folder.write("other", "1")];
  await runProcess("ln", ["-s", "one", `${folder.path}/link`]);
  const idOf = async (path: string) => (await host.fileInfo(path))?.id;
  const id = await idOf(one);
  assert(id !== undefined);
  assertEquals([await idOf(`${folder.path}/./link`), await idOf(other) === id], [id, false]);
}, { skip: optionalProgram("ln").skip });

// Those of NTFS and of overlays have 64 bits: a runtime rounds two that are near each other to one.
test("fileId() takes no number that was rounded for one of a single file", () => {
  assertEquals(fileId(1, 2 ** 53 - 1), { id: "1:9007199254740991" });
  for (const number of [null, 0, 2 ** 53, 2 ** 60]) assertEquals(fileId(1, number), {});
  assertEquals(fileId(null, 7), {});
});

test("Host tells whether a file may be written, and leaves all as it was", async () => {
  await using folder = await temporaryFolder();
  const there = await folder.write("there", "text");
  const before = await host.fileInfo(there);
  assertEquals(await host.requireWritable(there), true);
  assertEquals(await host.fileInfo(there), before);
  const link = `${folder.path}/link`;
  await runProcess("ln", ["-s", "nowhere", link]);
  for (const path of [`${folder.path}/${"n".repeat(250)}`, link]) {
    assertEquals(await host.requireWritable(path), false);
    assertEquals(await host.fileInfo(path), undefined);
  }
  assertEquals((await runProcess("ls", ["-A", folder.path])).stdout, "link\nthere\n");
  for (
    const [path, says] of [
      [`${folder.path}/no/file`, "its folder does not exist"],
      [`${there}/file`, "no such file"],
      [folder.path, "it is a directory, expected a file"],
      ["", "its folder does not exist"],
    ] as const
  ) await assertRejects(() => host.requireWritable(path), OciError, says);
}, { skip: optionalProgram("ln").skip });

test("Host does not wait for who reads a pipe to tell that it may be written", async () => {
  await using folder = await temporaryFolder();
  await runProcess("mkfifo", [`${folder.path}/pipe`]);
  assertEquals(await host.requireWritable(`${folder.path}/pipe`), true);
}, { skip: optionalProgram("mkfifo").skip });

test("Host serves HTTP on a free port, and stops", async () => {
  const server = await host.serve(
    async (request) => new Response(`${request.method} ${(await request.bytes()).length}`),
    { hostname: "127.0.0.1", port: 0 },
  );
  const url = `http://127.0.0.1:${server.port}/`;
  const body = new Uint8Array(1024 * 1024);
  const answer = await host.fetchWith({})(new Request(url, { method: "PUT", body }));
  assertEquals(await answer.text(), "PUT 1048576");
  const taken = await assertRejects(
    () => host.serve(() => new Response(), { hostname: "127.0.0.1", port: server.port }),
    OciError,
  );
  assertEquals(taken.message, `Cannot listen on 127.0.0.1:${server.port}: the port is in use`);
  await server.stop();
  await assertRejects(() => fetch(url).then((response) => response.body?.cancel()));
});

test("Host lets requests that are under way end", async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const server = await host.serve(async () => {
    ask();
    await gate;
    return new Response("whole");
  }, { hostname: "127.0.0.1", port: 0 });
  const answer = fetch(`http://127.0.0.1:${server.port}/`);
  await asked;
  const finished = server.finish();
  open();
  assertEquals(await (await answer).text(), "whole");
  await finished;
  await assertRejects(() => fetch(`http://127.0.0.1:${server.port}/`));
  await server.stop();
});

test("Host waits for nobody who has not asked to the end", async () => {
  const server = await host.serve(() => new Response(), { hostname: "127.0.0.1", port: 0 });
  const connect = `exec 3<>/dev/tcp/127.0.0.1/${server.port}`;
  const send = "printf 'GET / HTTP/1.1\\r\\nHost: x\\r\\nX' >&3; echo; exec sleep 9";
  await using silent = spawnProcess(bash.path, ["-c", `${connect}; ${send}`]);
  const said = silent.stdout.getReader();
  await said.read();
  await said.cancel();
  const first = [server.finish().then(() => "the server"), silent.exited.then(() => "the client")];
  assertEquals(await Promise.race(first), "the server");
  await server.stop();
}, { skip: bash.skip ?? (isOldDeno() ? "Deno 2.5 waits" : undefined) });

test("Host ends an answer that does not end, also after it was to finish", async () => {
  const endless = () =>
    new Response(new ReadableStream({ start: (to) => to.enqueue(new Uint8Array(9)) }));
  const server = await host.serve(endless, { hostname: "127.0.0.1", port: 0 });
  const answer = await fetch(`http://127.0.0.1:${server.port}/`);
  const finished = server.finish();
  await server.stop();
  await finished;
  await assertRejects(() => answer.bytes());
});

test("Host serves who names no host, and refuses a name that is none", async () => {
  const server = await host.serve(
    ({ method, url }) => new Response(`${method} ${new URL(url).pathname}`),
    { hostname: "127.0.0.1", port: 0 },
  );
  const get = async (...options: string[]) => {
    const url = `http://127.0.0.1:${server.port}/healthz`;
    const { stdout } = await runProcess(curl.path, ["-s", "-w", " %{http_code}", ...options, url]);
    return stdout;
  };
  // As HAProxy 2.6 checks with `option httpchk`.
  assertEquals(await get("--http1.0", "-H", "Host:"), "GET /healthz 200");
  for (const name of ["a b", "x/y", "[::1", "x:99999999"]) {
    assertEquals(await get("-H", `Host: ${name}`), " 400", name);
  }
  await server.stop();
}, { skip: curl.skip });

test("Host says nothing of a handler that fails but that it has", async () => {
  const server = await host.serve(() => {
    throw new Error("a secret");
  }, { hostname: "127.0.0.1", port: 0 });
  const answer = await fetch(`http://127.0.0.1:${server.port}/`);
  assertEquals([answer.status, await answer.text()], [500, ""]);
  await server.stop();
});

test("Host says which key is not that of the certificate", async () => {
  const authority = await createAuthority();
  const [{ cert }, { key }] = [await authority.issue(), await authority.issue()];
  const error = await assertRejects(
    () => host.serve(() => new Response(), { hostname: "127.0.0.1", port: 0, tls: { cert, key } }),
    OciError,
  );
  assertEquals(
    error.message,
    "Cannot listen on 127.0.0.1:0: the key is not that of the certificate",
  );
});

test("Host.onInterrupt() can be taken back", () => {
  const release = host.onInterrupt(() => {});
  release();
});

function memoryDevice(
  overrides: Partial<OutputDevice> = {},
  size: () => { columns?: number; rows?: number } = () => ({ columns: 120, rows: 40 }),
) {
  const texts: string[] = [];
  const device: OutputDevice = {
    name: "stdout",
    isTerminal: () => true,
    write: async (bytes) => {
      const text = new TextDecoder().decode(bytes);
      // A long text takes longer, yet those after it must wait.
      for (let turn = 0; turn < text.length; turn++) await Promise.resolve();
      texts.push(text);
    },
    isBrokenPipe: (error) => error === "broken",
    ...overrides,
  };
  return { texts, output: createTextOutput(createByteOutput(device), size) };
}

test("TextOutput keeps the order of writes", async () => {
  const { texts, output } = memoryDevice();
  await Promise.all([output.write("a long text"), output.write("b"), output.write("")]);
  assertEquals(texts, ["a long text", "b"]);
});

test("TextOutput drops what nobody reads, and reports other failures", async () => {
  const failures: unknown[] = [new Error("disk full"), undefined, "broken"];
  let written = 0;
  const write = () => {
    written++;
    const failure = failures.shift();
    return failure === undefined ? Promise.resolve() : Promise.reject(failure);
  };
  const { output } = memoryDevice({ write });
  const error = await assertRejects(() => output.write("1"), OciError);
  assertEquals(error.message, "Cannot write to stdout: disk full");
  for (const text of ["2", "3", "4", "5"]) await output.write(text);
  assertEquals(written, 3);
});

test("TextOutput has a usual size where none can be asked", () => {
  assertEquals(memoryDevice().output.size(), { columns: 120, rows: 40 });
  assertEquals(memoryDevice({}, () => ({})).output.size(), { columns: 80, rows: 24 });
  const fail = () => {
    throw new Error("no terminal");
  };
  assertEquals(memoryDevice({}, fail).output.size(), { columns: 80, rows: 24 });
});
