import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import {
  cliCommand,
  runProcess,
  runProgram,
  spawnProcess,
  temporaryFolder,
} from "../helpers/process.ts";
import { requireProgram } from "../helpers/programs.ts";
import { startServer, startTarpush, TARPUSH_LISTENS } from "../helpers/server_process.ts";
import { test } from "../helpers/test.ts";

const isWindows = "Deno" in globalThis && Deno.build.os === "windows";
const skip = isWindows ? "no signals, no sh" : undefined;
const FIXTURE = "tests/fixtures/buildah-oci-multi.tar";
const MIB = 1024 * 1024;

async function tarpush(...words: string[]) {
  return await runProgram(words);
}

async function upload(port: string, bytes: Uint8Array<ArrayBuffer>): Promise<Response> {
  const digest = await digestBytes(bytes);
  const url = `http://127.0.0.1:${port}/v2/app/blobs/uploads/?digest=${digest}`;
  return await fetch(url, { method: "POST", body: bytes });
}

test("tarpush push and skopeo read the folder of a repository of tarpush serve --dir", async () => {
  await using folder = await temporaryFolder();
  const dir = `${folder.path}/registry`;
  await using server = await startTarpush("--dir", dir);
  const host = `127.0.0.1:${server.port}`;
  const pushed = await tarpush("push", FIXTURE, `${host}/team/app`, "--all-tags", "-q");
  const [digest] = /sha256:[0-9a-f]{64}/.exec(pushed.stdout) ?? [];
  assert(digest, pushed.stderr);
  const again = await tarpush("push", `${dir}/team/app`, `${host}/copy:1`, "-q");
  assertEquals([again.stdout, again.stderr], [`${host}/copy:1@${digest}\n`, ""]);
  const skopeo = requireProgram("skopeo");
  if (skopeo.skip) return console.log(`skopeo was not asked: ${skopeo.skip}`);
  const copied = await runProcess(skopeo.path, [
    ...["copy", "--all", "--quiet", "--insecure-policy"],
    ...[`oci:${dir}/team/app:multi`, `oci:${folder.path}/copied:multi`],
  ]);
  assertEquals([copied.code, copied.stderr], [0, ""]);
  const index = JSON.parse(new TextDecoder().decode(await folder.read("copied/index.json")));
  assertEquals(index.manifests[0].digest, digest);
}, { skip });

test("tarpush serve --dir ends where another process has the folder", async () => {
  await using folder = await temporaryFolder();
  await using _server = await startTarpush("--dir", folder.path);
  const { code, stderr } = await tarpush("serve", "--dir", folder.path, "--port", "0");
  assertEquals([code, stderr.split("\n")[0]], [
    1,
    `tarpush: Cannot open "${folder.path}": another process has it, expected a folder that nobody serves`,
  ]);
}, { skip });

test("tarpush serve --dir breaks the answer off where a blob is damaged, and says so", async () => {
  await using folder = await temporaryFolder();
  await using server = await startTarpush("--dir", folder.path);
  const bytes = new Uint8Array(3 * MIB).fill(1);
  assertEquals((await upload(server.port, bytes)).status, 201);
  const digest = await digestBytes(bytes);
  bytes[2 * MIB] = 2;
  await folder.write(`app/blobs/sha256/${digest.slice(7)}`, bytes);
  const url = `http://127.0.0.1:${server.port}/v2/app/blobs/${digest}`;
  await assertRejects(async () => await (await fetch(url)).bytes());
  await server.logged(`${digest.slice(7)}": it is damaged, expected content`);
  assertEquals((await fetch(`http://127.0.0.1:${server.port}/v2/`)).status, 200);
}, { skip });

test("tarpush serve --dir --scrub lists what is damaged or missing, with exit code 1", async () => {
  await using folder = await temporaryFolder();
  const bytes = new Uint8Array(1000);
  {
    await using server = await startTarpush("--dir", folder.path);
    assertEquals((await upload(server.port, bytes)).status, 201);
  }
  const whole = await tarpush("serve", "--dir", folder.path, "--scrub");
  assertEquals([whole.code, whole.stdout], [0, ""], whole.stderr);
  assertStringIncludes(whole.stderr, "Nothing is damaged or missing");
  const digest = await digestBytes(bytes);
  await folder.write(`app/blobs/sha256/${digest.slice(7)}`, "damaged");
  const damaged = await tarpush("serve", "--dir", folder.path, "--scrub", "--json");
  assertEquals(damaged.code, 1);
  assertEquals(JSON.parse(damaged.stdout), { kind: "damaged", repository: "app", digest });
}, { skip });

test("tarpush serve --dir --scrub takes no folder for whole in which nothing is", async () => {
  await using folder = await temporaryFolder();
  for (const path of [folder.path, `${folder.path}/none`]) {
    const { code, stderr } = await tarpush("serve", "--dir", path, "--scrub");
    assertEquals(code, 1);
    assertStringIncludes(stderr, "there is nothing in it, expected a folder that tarpush serve");
  }
  assertEquals((await runProcess("ls", ["-A", folder.path])).stdout, "");
}, { skip });

test("tarpush serve --dir on a full disk refuses what it cannot keep, and goes on", async () => {
  await using folder = await temporaryFolder();
  const { command, args } = cliCommand("serve", "--dir", folder.path, "--port", "0");
  // A file of more than 2 MiB is as little to be had as one on a full disk. The page that Deno keeps in the file of its own
  // memory is smaller.
  await using server = await startServer("sh", [
    ...["-c", `trap '' XFSZ; ulimit -f 4096; exec "$@"`, "sh", command, ...args],
  ], { listening: TARPUSH_LISTENS });
  const refused = await upload(server.port, new Uint8Array(5 * MIB));
  assertEquals(refused.status, 507);
  assertStringIncludes(await refused.text(), "it is larger than a file may be here");
  await server.logged(`: Cannot write "${folder.path}/_uploads/`);
  const { stdout } = await runProcess("ls", [`${folder.path}/_uploads`]);
  assertEquals(stdout, "");
  assertEquals((await upload(server.port, new Uint8Array(MIB))).status, 201);
}, { skip });

test("tarpush serve ends at SIGTERM when the upload that has begun is there", async () => {
  await using folder = await temporaryFolder();
  const { command, args } = cliCommand("serve", "--dir", folder.path, "--port", "0", "--json");
  await using server = spawnProcess(command, args);
  const lines = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { url } = JSON.parse((await lines.read()).value ?? "");
  const bytes = new TextEncoder().encode("hello");
  const start = await fetch(`${url}/v2/app/blobs/uploads/`, { method: "POST" });
  const session = new URL(start.headers.get("Location") ?? "", url);
  server.kill("SIGTERM");
  const health = async () => {
    const response = await fetch(`${url}/healthz`);
    return [response.status, await response.text()];
  };
  while ((await health())[0] === 200);
  assertEquals(await health(), [503, "ending\n"]);
  const refused = await fetch(`${url}/v2/app/blobs/uploads/`, { method: "POST" });
  assertEquals(refused.status, 503);
  await refused.body?.cancel();
  session.searchParams.set("digest", await digestBytes(bytes));
  const put = await fetch(session, { method: "PUT", body: bytes });
  assertEquals(put.status, 201);
  assertEquals(await server.exited, 0);
  lines.releaseLock();
}, { skip });
