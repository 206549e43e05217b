import { assert, assertEquals } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from "../../src/media_types.ts";
import { randomBytes } from "../helpers/archives.ts";
import { runProcess, runProgram, temporaryFolder } from "../helpers/process.ts";
import { type ServerProcess, startTarpush } from "../helpers/server_process.ts";

/** Clients that push at the same time. */
const CLIENTS = 8;
const KIB = 1024;

/** What a client was told that the registry has. */
interface Acknowledged {
  /** Path under `/v2/`, and the digest of what is there. */
  content: Map<string, string>;
  /** What a tag that moves was last said to name, and what it names if the last answer was lost. */
  moving: Map<string, { told?: string | undefined; asked?: string }>;
}

/**
 * Pushes from eight clients, kills the registry with SIGKILL in the middle of it, and looks after that whether everything is
 * there that it had said it has, and nothing that is half there; over and over, in one folder.
 *
 * @param rounds How many times.
 * @param onRound Told how many answers a round had relied on by the end of it.
 */
export async function killRegistry(
  rounds: number,
  onRound: (round: number, acknowledged: number) => void = () => {},
): Promise<void> {
  await using folder = await temporaryFolder();
  const dir = `${folder.path}/registry`;
  const told: Acknowledged = { content: new Map(), moving: new Map() };
  for (let round = 1; round <= rounds; round++) {
    {
      await using server = await startTarpush("--dir", dir);
      await pushUntilKilled(server, round, told);
    }
    await checkAll(dir, told);
    onRound(round, told.content.size);
  }
}

/** The registry ends after so many answers, at some moment of all the other uploads. */
async function pushUntilKilled(
  { port, [Symbol.asyncDispose]: kill }: ServerProcess,
  round: number,
  told: Acknowledged,
): Promise<void> {
  let left = 3 + Math.floor(Math.random() * 60);
  let killed: Promise<void> | undefined;
  const onAnswer = () => {
    if (--left <= 0) killed ??= Promise.resolve(kill());
    return killed === undefined;
  };
  const base = `http://127.0.0.1:${port}/v2/`;
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    for (let turn = 0; killed === undefined; turn++) {
      try {
        await pushImage(base, `client-${client}`, `${round}-${turn}`, told, onAnswer);
      } catch (error) {
        if (!killed) throw error;
      }
    }
  });
  await Promise.all(clients);
  await killed;
}

async function pushImage(
  base: string,
  repository: string,
  tag: string,
  told: Acknowledged,
  onAnswer: () => boolean,
): Promise<void> {
  const layers = [];
  for (const size of [Math.random() * 3000 * KIB, Math.random() * 200 * KIB, 100]) {
    const bytes = randomBytes(Math.ceil(size));
    const digest = await digestBytes(bytes);
    await upload(base, repository, digest, bytes);
    told.content.set(`${repository}/blobs/${digest}`, digest);
    if (!onAnswer()) return;
    layers.push({ mediaType: OCI_LAYER, digest, size: bytes.length });
  }
  const [config, ...rest] = layers;
  const manifest = JSON.stringify({
    ...{ schemaVersion: 2, mediaType: OCI_MANIFEST },
    config: { ...config, mediaType: OCI_CONFIG },
    layers: rest,
  });
  const digest = await digestBytes(new TextEncoder().encode(manifest));
  await put(base, `${repository}/manifests/${tag}`, manifest);
  told.content.set(`${repository}/manifests/${tag}`, digest);
  if (!onAnswer()) return;
  const latest = `${repository}/manifests/latest`;
  told.moving.set(latest, { told: told.moving.get(latest)?.told, asked: digest });
  await put(base, latest, manifest);
  told.moving.set(latest, { told: digest });
  onAnswer();
}

async function upload(
  base: string,
  repository: string,
  digest: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const start = await fetch(`${base}${repository}/blobs/uploads/`, { method: "POST" });
  await start.body?.cancel();
  const session = new URL(start.headers.get("Location") ?? "", base);
  const half = bytes.length >> 1;
  const patch = await fetch(session, { method: "PATCH", body: bytes.subarray(0, half) });
  await patch.body?.cancel();
  session.searchParams.set("digest", digest);
  const done = await fetch(session, { method: "PUT", body: bytes.subarray(half) });
  assertEquals(done.status, 201, await done.text());
}

async function put(base: string, path: string, manifest: string): Promise<void> {
  const headers = { "Content-Type": OCI_MANIFEST };
  const response = await fetch(base + path, { method: "PUT", body: manifest, headers });
  assertEquals(response.status, 201, await response.text());
}

async function checkAll(dir: string, { content, moving }: Acknowledged): Promise<void> {
  const { code, stdout, stderr } = await runProgram(["serve", "--dir", dir, "--scrub"]);
  assertEquals(code, 0, stdout + stderr);
  await using server = await startTarpush("--dir", dir);
  const base = `http://127.0.0.1:${server.port}/v2/`;
  for (const [path, digest] of content) assertEquals(await digestOf(base + path), digest, path);
  for (const [path, { told, asked }] of moving) {
    const found = await digestOf(base + path);
    assert(found === told || found === asked, `${path} is ${found}, not ${told} or ${asked}`);
    moving.set(path, { told: found });
  }
  const { stdout: uploads } = await runProcess("ls", [`${dir}/_uploads`]);
  assertEquals(uploads, "");
}

async function digestOf(url: string): Promise<string | undefined> {
  const response = await fetch(url);
  const bytes = await response.bytes();
  return response.ok ? await digestBytes(bytes) : undefined;
}
