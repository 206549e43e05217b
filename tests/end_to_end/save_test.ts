import { assert, assertEquals, assertMatch } from "@std/assert";
import { pushImage } from "../../src/push/push.ts";
import { dockerSave, makeImage, makeLayer, toBlob } from "../helpers/archives.ts";
import { allTags, archiveDigests, readBack } from "../helpers/expected.ts";
import {
  cliCommand,
  listFolder,
  type ProcessResult,
  resultOf,
  type RunOptions,
  runProcess,
  runProgram,
  spawnProcess,
  temporaryFolder,
} from "../helpers/process.ts";
import { test } from "../helpers/test.ts";
import { serve, serveRegistry } from "./registry_server.ts";

const isWindows = "Deno" in globalThis && Deno.build.os === "windows";
const needsShell = { skip: isWindows ? "no sh" : undefined };
const LARGE_BYTES = 6 * 1024 * 1024;
const LARGE = await makeLayer(new Uint8Array(LARGE_BYTES).map((_, at) => at * 11 + (at >> 10)));
const IMAGE = await makeImage(["small", LARGE]);

/** A registry behind a socket with an image `app:1`. */
async function serveImage(plan?: Parameters<typeof serveRegistry>[0]) {
  const server = await serveRegistry(plan);
  const archive = toBlob(dockerSave([{ image: IMAGE }]));
  const { images } = await pushImage(archive, "localhost/app:1", { fetch: server.registry });
  const digest = images[0]?.digest;
  assert(digest);
  return { server, digest, reference: `${server.host}/app:1` };
}

async function tarpush(args: string[], options: RunOptions = {}): Promise<ProcessResult> {
  return await runProgram(args, options);
}

/** Runs a line of a shell in which `$@` is the program with its arguments. */
async function shell(line: string, args: string[], cwd: string): Promise<ProcessResult> {
  const { command, args: rest } = cliCommand(...args);
  return await runProcess("sh", ["-c", line, "sh", command, ...rest], { cwd });
}

test(
  "tarpush save writes a file that tar lists and tarpush push takes under the same name",
  async () => {
    const { server, digest, reference } = await serveImage();
    await using _ = server;
    await using folder = await temporaryFolder();
    const saved = await tarpush(["save", reference, "app.tar"], { cwd: folder.path });
    assertEquals([saved.code, saved.stdout], [0, `${reference}@${digest}\n`], saved.stderr);
    assertMatch(saved.stderr, /3 blobs saved .* in [\d.]+s\n$/);
    assertEquals(await listFolder(folder.path), ["app.tar"]);
    const listed = await runProcess("tar", ["-tf", "app.tar"], { cwd: folder.path });
    assertEquals([listed.code, listed.stderr], [0, ""]);
    assertMatch(listed.stdout, /^oci-layout\n(?:blobs\/.*\n)+index\.json\nmanifest\.json\n$/);
    await using other = await serveRegistry();
    const pushed = await tarpush(["push", "app.tar", other.host], { cwd: folder.path });
    assertEquals(
      [pushed.code, pushed.stdout],
      [0, `${other.host}/app:1@${digest}\n`],
      pushed.stderr,
    );
  },
  needsShell,
);

test("tarpush save - goes through a pipe into tarpush push -, and into a file", async () => {
  const { server, digest, reference } = await serveImage();
  await using _ = server;
  await using other = await serveRegistry();
  await using folder = await temporaryFolder();
  const target = `${other.host}/copy:1`;
  const { command, args: [...push] } = cliCommand("push", "-", target);
  const into = [command, ...push].map((arg) => `'${arg}'`).join(" ");
  const piped = await shell(`"$@" | ${into}`, ["save", reference, "-", "-q"], folder.path);
  assertEquals([piped.code, piped.stdout], [0, `${target}@${digest}\n`], piped.stderr);
  assertEquals((await readBack(other.registry, "copy", "1")).digest, digest);
  await folder.write("both", "first\n");
  const appended = await shell(
    '"$@" > app.tar && "$@" >> both',
    ["save", reference, "-", "-q"],
    folder.path,
  );
  assertEquals([appended.code, appended.stdout], [0, ""]);
  const tar = await folder.read("app.tar");
  assertEquals(await archiveDigests(new Blob([new Uint8Array(tar)])), [digest]);
  const both = await folder.read("both");
  assertEquals(both.length, tar.length + 6);
  assertEquals(both.subarray(6), tar);
}, needsShell);

test("tarpush save - ends quietly and not with 0 where its reader goes away", async () => {
  const { server, reference } = await serveImage();
  await using _ = server;
  await using folder = await temporaryFolder();
  const { stdout, stderr } = await shell(
    '{ "$@"; echo "code $?" >&2; } | head -c 5000 | wc -c',
    ["save", reference, "-", "-q"],
    folder.path,
  );
  assertEquals([stdout.trim(), stderr], ["5000", "code 1\n"]);
}, needsShell);

test(
  "tarpush save leaves the old file, and no other, where the system takes no more bytes",
  async () => {
    const { server, reference } = await serveImage();
    await using _ = server;
    await using folder = await temporaryFolder();
    await folder.write("app.tar", "before");
    // As on a full disk: a file may have 2 MiB and no more.
    const { code, stdout, stderr } = await shell(
      `trap '' XFSZ; ulimit -f 4096; exec "$@"`,
      ["save", reference, "app.tar", "-q"],
      folder.path,
    );
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      /^tarpush: Cannot write "app\.tar": (?:it is larger than a file may be here|File too large .*)\n/,
    );
    assertEquals(await listFolder(folder.path), ["app.tar"]);
    assertEquals(new TextDecoder().decode(await folder.read("app.tar")), "before");
  },
  needsShell,
);

test(
  "tarpush save leaves the old file, and no other, where the registry goes away for good",
  async () => {
    const { server, reference } = await serveImage(({ path, method }) =>
      method === "GET" && path.endsWith(LARGE.digest)
        ? { kind: "answer", answer: () => new Response(null, { status: 503 }) }
        : undefined
    );
    await using _ = server;
    await using folder = await temporaryFolder();
    await folder.write("app.tar", "before");
    const args = ["save", reference, "app.tar", "-q", "--retries", "0"];
    const { code, stdout, stderr } = await tarpush(args, { cwd: folder.path });
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, /^tarpush: Cannot read blob sha256:[0-9a-f]+ of .*: .*503/);
    assertEquals(await listFolder(folder.path), ["app.tar"]);
    const piped = await tarpush(["save", reference, "-", "-q", "--retries", "0"]);
    assertEquals(piped.code, 1);
    // What came before has no end: tar readers notice.
    const listed = await runProcess("tar", ["-tf", "-"], { stdin: piped.stdoutBytes });
    assert(listed.code !== 0, listed.stdout);
  },
  needsShell,
);

test("tarpush save ends at Ctrl-C in the middle, with 130 and no file", async () => {
  const arrived = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const { server } = await serveImage();
  await using _ = server;
  await using slow = await serve(async (request) => {
    if (!request.url.endsWith(LARGE.digest)) return await server.registry(request);
    arrived.resolve();
    await end.promise;
    return new Response(null, { status: 500 });
  });
  await using folder = await temporaryFolder();
  const { command, args } = cliCommand("save", `${slow.host}/app:1`, "app.tar");
  await using child = spawnProcess(command, args, { cwd: folder.path });
  const result = resultOf(child);
  await arrived.promise;
  child.kill("SIGINT");
  await child.exited;
  end.resolve();
  const { code, stdout, stderr } = await result;
  assertEquals([code, stdout], [130, ""], stderr);
  assertMatch(stderr, /^tarpush: Interrupted\nhint: app\.tar is as it was before$/m);
  assertEquals(await listFolder(folder.path), []);
}, needsShell);

test("tarpush save says what is wrong with the place before it asks the registry", async () => {
  const { server, reference } = await serveImage();
  await using _ = server;
  await using folder = await temporaryFolder();
  await folder.write("notes.txt", "not an image");
  const before = server.layer.seen.length;
  for (
    const [tar, message] of [
      ["none/app.tar", /Cannot write "none\/app\.tar": its folder does not exist/],
      [".", /it has files and no index\.json/],
      ["/dev/null", /Cannot write "\/dev\/null": it is a pipe or device/],
    ] as const
  ) {
    const { code, stdout, stderr } = await tarpush(["save", reference, tar], { cwd: folder.path });
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, message);
  }
  assertEquals(server.layer.seen.length, before);
  assertEquals(await allTags(server.registry), ["app:1"]);
}, needsShell);
