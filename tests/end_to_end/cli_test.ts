import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  type Bytes,
  dockerSave,
  flipByte,
  gzip,
  makeImage,
  makeLayer,
  OciLayout,
  pathOf,
  replaceBody,
} from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import {
  cliCommand,
  type ProcessResult,
  resultOf,
  type RunOptions,
  runProgram,
  spawnProcess,
  temporaryFolder,
} from "../helpers/process.ts";
import { type TarWriterEntry, writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { closedPort, serve, serveRegistry } from "./registry_server.ts";

const isWindows = "Deno" in globalThis && Deno.build.os === "windows";
const IMAGE = await makeImage(["a", "b"]);
const DOCKER = dockerSave([{ image: IMAGE, repoTags: ["team/app:1.0"] }]);
const TAR = writeTar(DOCKER);

/** Runs the program in a folder that holds `image.tar`. */
async function tarpush(
  args: string,
  { tar = TAR, ...options }: RunOptions & { tar?: Bytes } = {},
): Promise<ProcessResult & { read: (name: string) => Promise<string> }> {
  await using folder = await temporaryFolder();
  await folder.write("image.tar", tar);
  const result = await runProgram(args, { cwd: folder.path, ...options });
  const files = new Map<string, string>();
  if (args.includes("--digestfile")) {
    files.set("digests", new TextDecoder().decode(await folder.read("digests")));
  }
  return { ...result, read: (name) => Promise.resolve(files.get(name) ?? "") };
}

/** A failure is one line for people and perhaps a hint: nothing on stdout, no stack trace. */
function assertFailure({ code, stdout, stderr }: ProcessResult, expected: {
  code?: number;
  message: RegExp;
  hint?: RegExp;
}): void {
  assertEquals([code, stdout], [expected.code ?? 1, ""], stderr);
  const lines = stderr.trimEnd().split("\n");
  const at = lines.findIndex((line) => line.startsWith("tarpush: "));
  assert(at >= 0, stderr);
  assertMatch(lines[at] ?? "", expected.message);
  const rest = lines.slice(at + 1);
  assertEquals(rest.filter((line) => !/^(?:hint: |\s+--image )/.test(line)), [], stderr);
  if (expected.hint) assertMatch(rest[0] ?? "", expected.hint);
  assert(!/^\s+at |\bundefined\b|\[object /m.test(stderr), stderr);
}

// What goes well

test("tarpush push prints the digest on stdout and all else on stderr, and uploads nothing twice", async () => {
  await using server = await serveRegistry();
  const reference = `${server.host}/team/app:1.0`;
  const first = await tarpush(`push image.tar ${reference} --digestfile digests`);
  assertEquals(first.code, 0, first.stderr);
  const { digest } = await readBack(server.registry, "team/app", "1.0");
  assertEquals(first.stdout, `${reference}@${digest}\n`);
  assertEquals(await first.read("digests"), `${digest}\n`);
  assertMatch(first.stderr, /\bpushed\b/);
  assertMatch(first.stderr, /3 blobs pushed .* in [\d.]+s\n$/);

  const second = await tarpush(`push image.tar ${reference}`);
  assertEquals([second.code, second.stdout], [0, first.stdout]);
  assertMatch(second.stderr, /0 blobs pushed, 3 already there/);
  const uploads = server.layer.lines().filter((line) => line.startsWith("POST "));
  assertEquals(uploads.length, 3);
});

test("tarpush push --json prints one document", async () => {
  await using server = await serveRegistry();
  const { code, stdout, stderr } = await tarpush(
    `push image.tar ${server.host}/team/app:1.0 --json --quiet`,
  );
  assertEquals([code, stderr], [0, ""]);
  const result = JSON.parse(stdout);
  assertEquals(Object.keys(result), ["images", "bytesUploaded", "bytesRead", "milliseconds"]);
  const { digest } = await readBack(server.registry, "team/app", "1.0");
  assertEquals(result.images[0].digest, digest);
  assertEquals(result.images[0].blobs.map(({ status }: { status: string }) => status), [
    "pushed",
    "pushed",
    "pushed",
  ]);
});

test("tarpush push --json prints the error in the document", async () => {
  const host = await closedPort();
  const { code, stdout, stderr } = await tarpush(
    `push image.tar ${host}/team/app:1.0 --json --retries 0`,
  );
  assertEquals(code, 1);
  const { images, error } = JSON.parse(stdout);
  assertEquals([images, error.name, error.retryable], [[], "NetworkError", true]);
  assertStringIncludes(error.message, "connection refused");
  assertMatch(stderr, /^tarpush: /m);
});

test("tarpush push keeps the archive's names where the target is a host", async () => {
  await using server = await serveRegistry();
  const { code, stdout, stderr } = await tarpush(`push image.tar ${server.host}`);
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^127\.0\.0\.1:\d+\/team\/app:1\.0@sha256:[0-9a-f]{64}\n$/);
  assertEquals(await allTags(server.registry), ["team/app:1.0"]);
});

test("tarpush push - pushes a pipe in one pass, compressed or not", async () => {
  await using server = await serveRegistry();
  for (const [tag, stdin] of [["plain", TAR], ["packed", await gzip(TAR)]] as const) {
    const pieces = ReadableStream.from([stdin.subarray(0, 700), stdin.subarray(700)]);
    const { code, stderr } = await tarpush(`push - ${server.host}/team/app:${tag}`, {
      stdin: pieces,
    });
    assertEquals(code, 0, stderr);
  }
  const plain = await readBack(server.registry, "team/app", "plain");
  assertEquals((await readBack(server.registry, "team/app", "packed")).digest, plain.digest);
  assertEquals(plain.config?.digest, IMAGE.configDigest);
});

test("tarpush push --dry-run writes nothing", async () => {
  await using server = await serveRegistry();
  const { code, stdout, stderr } = await tarpush(
    `push image.tar ${server.host}/team/app:1.0 --dry-run`,
  );
  assertEquals([code, stdout], [0, ""], stderr);
  assertMatch(stderr, /would push 127\.0\.0\.1:\d+\/team\/app:1\.0@sha256:/);
  assert(server.layer.seen.every(({ method }) => method === "HEAD" || method === "GET"));
});

// Archives that are none

const LAYER = DOCKER.find(({ path }) => path.endsWith("layer.tar"));
assert(LAYER);
const MANIFEST = JSON.parse(String(DOCKER.at(-1)?.body));

function withManifest(change: (image: typeof MANIFEST[0]) => void): Bytes {
  const list = structuredClone(MANIFEST);
  change(list[0]);
  return writeTar(replaceBody(DOCKER, "manifest.json", JSON.stringify(list)));
}

async function damagedLayout(): Promise<Bytes> {
  const layout = await OciLayout.of(IMAGE);
  const [layer] = IMAGE.layers;
  assert(layer);
  return writeTar(replaceBody(layout.entries(), pathOf(layer), flipByte(layer.bytes, 600)));
}

function cycle(): Bytes {
  const links: TarWriterEntry[] = [
    { path: LAYER?.path ?? "", linkname: "../loop/layer.tar" },
    { path: "loop/layer.tar", linkname: `../${LAYER?.path}` },
  ];
  return writeTar([...links, ...DOCKER.filter((entry) => entry !== LAYER)]);
}

const BAD_ARCHIVES: Record<string, [tar: Bytes, message: RegExp]> = {
  "a file that is no tar": [new TextEncoder().encode("hello world\n".repeat(200)), /tar/],
  "an empty file": [new Uint8Array(0), /empty|tar/],
  "a tar that ends in a header": [TAR.subarray(0, 512 * 3 + 100), /byte \d+|ends/],
  "a tar that ends in a body": [TAR.subarray(0, TAR.length - 1024 - 300), /byte \d+|ends/],
  "a tar with a wrong checksum": [flipByte(TAR, 512 * 3 + 3), /checksum/],
  "a tar that is no image archive": [
    writeTar([{ path: "notes.txt", body: "hello" }]),
    /notes\.txt.*manifest\.json or index\.json/,
  ],
  "a tar without entries": [writeTar([]), /empty/],
  "manifest.json that is not JSON": [
    writeTar(replaceBody(DOCKER, "manifest.json", "not json")),
    /manifest\.json.*JSON/,
  ],
  "a layer that is not there": [
    withManifest((image) => image.Layers[0] = "gone/layer.tar"),
    /gone\/layer\.tar/,
  ],
  "more layers than diff_ids": [
    withManifest((image) => image.Layers.push(image.Layers[0])),
    /2 diff_ids.*3 layers/,
  ],
  "a layer whose bytes are not its digest": [await damagedLayout(), /blobs\/sha256\/[0-9a-f]{64}/],
  "a circle of links": [cycle(), /circle/],
};

for (const [name, [tar, message]] of Object.entries(BAD_ARCHIVES)) {
  test(`tarpush push refuses ${name}`, async () => {
    await using server = await serveRegistry();
    const result = await tarpush(`push image.tar ${server.host}/app:1 --retries 0`, {
      tar: new Uint8Array(tar),
    });
    assertFailure(result, { message });
    assertEquals(await allTags(server.registry), []);
  });
}

test("tarpush push refuses a file that is not there", async () => {
  const result = await tarpush("push no-such.tar 127.0.0.1:1/app:1");
  assertFailure(result, { message: /no-such\.tar/ });
});

// Wrong usage

test("tarpush push without a target shows the names and how to go on", async () => {
  const { code, stdout, stderr } = await tarpush("push image.tar");
  assertEquals([code, stdout], [2, ""]);
  assertStringIncludes(stderr, "team/app:1.0");
  assertMatch(stderr, /^tarpush: No target given/m);
  assertMatch(stderr, /^hint: tarpush push image\.tar HOST/m);
});

for (const reference of ["localhost:5000/App:1", "localhost:5000/app:-", "localhost:99999/app"]) {
  test(`tarpush push refuses the reference ${reference}`, async () => {
    const result = await tarpush(`push image.tar ${reference}`);
    assertFailure(result, { code: 2, message: /localhost:\d+/ });
  });
}

test("tarpush push refuses one reference for several images and lists them", async () => {
  await using server = await serveRegistry();
  const other = await makeImage(["c"]);
  const tar = writeTar(dockerSave([
    { image: IMAGE, repoTags: ["team/app:1.0"] },
    { image: other, repoTags: ["team/other:2.0"] },
  ]));
  const result = await tarpush(`push image.tar ${server.host}/app:1`, { tar });
  assertFailure(result, { code: 2, message: /team\/app:1\.0.*team\/other:2\.0/ });
  assertEquals(server.layer.lines(), []);
});

test("tarpush push - refuses a host alone before it reads", async () => {
  const result = await tarpush("push - localhost:5000", { stdin: TAR });
  assertFailure(result, { code: 2, message: /localhost:5000/ });
});

// Registries that are none, or do not want to

test("tarpush push says where nobody listens", async () => {
  const host = await closedPort();
  const result = await tarpush(`push image.tar ${host}/app:1`);
  assertFailure(result, { message: /127\.0\.0\.1:\d+: connection refused/, hint: /^hint: / });
  // Not another word: nothing is tried again where nobody has answered yet.
  assertEquals(result.stderr.trimEnd().split("\n").length, 2, result.stderr);
});

const HTML = { "content-type": "text/html" };
const ANSWERS: Record<string, [answer: () => Response, message: RegExp, hint?: RegExp]> = {
  "answers 401": [() => new Response(null, { status: 401 }), /401 Unauthorized/, /login/],
  "answers 404": [() => new Response(null, { status: 404 }), /404 Not Found/, /\/v2\//],
  "answers 500": [
    () => Response.json({ errors: [{ code: "UNKNOWN", message: "disk full" }] }, { status: 500 }),
    /500 Internal Server Error/,
  ],
  "is a web page": [
    () => new Response("<html>hi</html>", { headers: HTML }),
    /200 OK with text\/html, expected the answer of a registry/,
    /\/v2\//,
  ],
};

for (const [name, [answer, message, hint]] of Object.entries(ANSWERS)) {
  test(`tarpush push says that the registry ${name}`, async () => {
    await using server = await serveRegistry(() => ({ kind: "answer", answer, readBody: true }));
    const result = await tarpush(`push image.tar ${server.host}/app:1 --retries 0`);
    assertFailure(result, { message, ...(hint && { hint }) });
    assertEquals(await allTags(server.registry), []);
  });
}

test("tarpush push says what to do where https meets plain http", async () => {
  await using server = await serveRegistry();
  const result = await tarpush(`push image.tar https://${server.host}/app:1 --retries 0`);
  assertFailure(result, {
    message: /speaks plain http/,
    hint: /--plain-http.*http:\/\/127\.0\.0\.1:\d+/,
  });
  assertEquals(await allTags(server.registry), []);
});

test("tarpush push tries again, and says so", async () => {
  let failures = 1;
  await using server = await serveRegistry(({ method }) =>
    method === "PUT" && failures-- > 0
      ? { kind: "answer", answer: () => new Response(null, { status: 503 }), readBody: true }
      : undefined
  );
  const { code, stderr } = await tarpush(`push image.tar ${server.host}/app:1`);
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /^retry: .*attempt 2 .*503 Service Unavailable/m);
});

// Ctrl-C

test("tarpush push ends at Ctrl-C in the middle of an upload, with 130 and no tag", async () => {
  const arrived = Promise.withResolvers<void>();
  const cancelled = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  await using registry = await serveRegistry();
  await using slow = await serve(async (request) => {
    if (request.method === "DELETE") cancelled.resolve();
    if (request.method !== "PUT") return await registry.registry(request);
    // Reads nothing: what fits into the buffers of the sockets is on its way, the rest waits.
    arrived.resolve();
    await end.promise;
    return new Response(null, { status: 500 });
  });
  await using folder = await temporaryFolder();
  const large = await makeImage([await makeLayer(new Uint8Array(32 * 1024 * 1024))]);
  const tar = await folder.write("image.tar", writeTar(dockerSave([{ image: large }])));
  const { command, args } = cliCommand("push", tar, `${slow.host}/app:1`);
  await using child = spawnProcess(command, args);
  const result = resultOf(child);
  await arrived.promise;
  child.kill("SIGINT");
  await child.exited;
  end.resolve();
  const { code, stdout, stderr } = await result;
  assertEquals([code, stdout], [130, ""], stderr);
  assertMatch(stderr, /^tarpush: Interrupted$/m);
  assertMatch(stderr, /^hint: /m);
  await cancelled.promise;
  assertEquals(await allTags(registry.registry), []);
}, { skip: isWindows ? "no signals" : undefined });
