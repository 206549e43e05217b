import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createPromise } from "../../src/concurrency.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { makeImage, makeLayer, OciLayout, toBlob } from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { type NatsServer, natsSkip, startNats } from "../helpers/nats_server.ts";
import {
  cliCommand,
  runProcess,
  type SpawnedProcess,
  spawnProcess,
  type TemporaryFolder,
  temporaryFolder,
  toPath,
} from "../helpers/process.ts";
import { test } from "../helpers/test.ts";
import { serve } from "./registry_server.ts";

const SHARED = await Promise.all(["base", "lib", "runtime"].map((text) => makeLayer(text)));

test("a fleet pushes every archive though a worker is killed and the queue restarts", async () => {
  await using fleet = await startFleet();
  const names = Array.from({ length: 9 }, (_, at) => `app${at}`);
  for (const name of names) await fleet.add(name);
  assertEquals(await fleet.run("enqueue.ts", fleet.list), "9 queued, 0 queued before\n");
  assertEquals(await fleet.run("enqueue.ts", fleet.list), "0 queued, 9 queued before\n");

  const gate = fleet.registry.holdUpload(await ownLayer("app4"));
  const workers = [fleet.startWorker(), fleet.startWorker(), fleet.startWorker()];
  await gate.reached;
  const victim = await Promise.race(workers.map((worker) => worker.took("app4")));
  victim.kill("SIGKILL");
  await fleet.nats.restart();
  gate.open();
  for (const worker of workers) {
    if (worker !== victim) assertEquals(await worker.ended, 0, worker.output());
  }

  assertEquals(await allTags(fleet.registry.handler), names.map((name) => `${name}:1`));
  for (const name of names) await readBack(fleet.registry.handler, name, "1");
  const { sent } = fleet.registry;
  assertEquals(sent.size, SHARED.length + 2 * names.length);
  // Once, and once more where the one that was killed was at it.
  assertEquals([...sent].filter(([, times]) => times > 2), []);
  assertMatch(await fleet.run("status.ts"), /^9 done .* 0 in work, 0 waiting, 0 given up/);
}, { skip: natsSkip });

test("a fleet gives up what fails five times, and takes it again when it is told to", async () => {
  await using fleet = await startFleet();
  await fleet.add("good");
  await fleet.add("bad", "no archive");
  await fleet.run("enqueue.ts", fleet.list);
  await fleet.startWorker().ended;
  assertEquals(await allTags(fleet.registry.handler), ["good:1"]);
  const status = await fleet.run("status.ts");
  assertMatch(status, /^1 done .* 1 given up/);
  assertMatch(status, /given up: \S+bad\.tar: \w+Error: Cannot read/);

  await fleet.add("bad");
  const dead = await fleet.run("status.ts", "--dead");
  const again = await fleet.folder.write("again", dead);
  assertEquals(await fleet.run("enqueue.ts", again), "0 queued, 1 queued before\n");
  assertEquals(await fleet.run("enqueue.ts", again, "--again"), "1 queued, 0 queued before\n");
  await fleet.startWorker().ended;
  assertEquals(await allTags(fleet.registry.handler), ["bad:1", "good:1"]);
  assertMatch(await fleet.run("status.ts", "--follow"), /^2 done .* 0 given up/);
}, { skip: natsSkip });

test("a worker of a fleet that is told to end leaves its archive to another one", async () => {
  await using fleet = await startFleet({ FLEET_PATIENCE_SECONDS: "600" });
  await fleet.add("app");
  await fleet.run("enqueue.ts", fleet.list);
  const gate = fleet.registry.holdUpload(await ownLayer("app"));
  const first = fleet.startWorker();
  await gate.reached;
  first.kill("SIGTERM");
  assertEquals(await first.ended, 0);
  gate.open();
  const second = fleet.startWorker();
  assertEquals(await second.ended, 0, second.output());
  assertStringIncludes(second.output(), "try 2");
  assertEquals(await allTags(fleet.registry.handler), ["app:1"]);
}, { skip: natsSkip });

test("a worker of a fleet gives up an archive that five have not come back from", async () => {
  await using fleet = await startFleet();
  await fleet.add("app");
  await fleet.run("enqueue.ts", fleet.list);
  const { wsconnect } = await import("@nats-io/nats-core");
  const { jetstream } = await import("@nats-io/jetstream");
  const connection = await wsconnect({ servers: fleet.nats.url });
  const queue = await jetstream(connection).consumers.get("fleet-work", "workers");
  for (let tries = 1; tries <= 5; tries++) (await queue.next())?.nak();
  await connection.drain();
  assertEquals(await fleet.startWorker().ended, 0);
  assertEquals(await allTags(fleet.registry.handler), []);
  assertStringIncludes(await fleet.run("status.ts"), "app.tar: 5 workers ended while");
}, { skip: natsSkip });

interface Fleet extends AsyncDisposable {
  readonly nats: NatsServer;
  readonly registry: CountingRegistry;
  readonly folder: TemporaryFolder;
  /** Path of the list. */
  readonly list: string;
  /** Writes an archive that goes to a repository called like it, and puts it on the list. */
  add(name: string, content?: string): Promise<void>;
  /** Runs a program to its end and returns what it printed. */
  run(program: string, ...args: string[]): Promise<string>;
  startWorker(): Worker;
}

/** Starts all but the workers. */
async function startFleet(env: Record<string, string> = {}): Promise<Fleet> {
  await using stack = new AsyncDisposableStack();
  const nats = stack.use(await startNats());
  const registry = new CountingRegistry();
  const { host } = stack.use(await serve(registry.fetch));
  const folder = stack.use(await temporaryFolder());
  const lines = new Set<string>();
  const settings = { NATS_URL: nats.url, FLEET_PATIENCE_SECONDS: "1", FLEET_ARCHIVES: "2", ...env };
  const all = stack.move();
  return {
    nats,
    registry,
    folder,
    list: `${folder.path}/list`,
    async add(name, content) {
      const archive = content ?? new Uint8Array(await (await makeArchive(name)).arrayBuffer());
      lines.add(`${await folder.write(`${name}.tar`, archive)} ${host}/${name}:1`);
      await folder.write("list", [...lines].join("\n"));
    },
    async run(program, ...args) {
      const line = programLine(program, args);
      const { code, stdout, stderr } = await runProcess(line.command, line.args, { env: settings });
      assertEquals(code, 0, stderr);
      return stdout;
    },
    startWorker() {
      const { command, args } = programLine("worker.ts", []);
      const worker = new Worker(spawnProcess(command, args, { env: settings }));
      all.use(worker);
      return worker;
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

function programLine(program: string, given: string[]): { command: string; args: string[] } {
  const { command, args } = cliCommand();
  const file = toPath(new URL(`../../examples/fleet/${program}`, import.meta.url));
  return { command, args: [...args.slice(0, -1), file, ...given] };
}

/** A worker that runs. */
class Worker implements AsyncDisposable {
  readonly ended: Promise<number>;
  readonly #process: SpawnedProcess;
  #output = "";
  #heard = createPromise();

  constructor(process: SpawnedProcess) {
    this.#process = process;
    const read = [process.stdout, process.stderr].map((stream) => this.#follow(stream));
    this.ended = Promise.all(read).then(() => process.exited);
  }

  /** What it has written. */
  output(): string {
    return this.#output;
  }

  /** Waits until it says that it has taken an archive. */
  async took(name: string): Promise<Worker> {
    while (!this.#output.includes(`/${name}.tar, try`)) await this.#heard.promise;
    return this;
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    this.#process.kill(signal);
  }

  async #follow(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#output += text;
      this.#heard.resolve();
      this.#heard = createPromise();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.ended;
  }
}

/** A registry that counts how often each blob was sent, and may hold an upload. */
class CountingRegistry {
  readonly handler = createRegistry();
  readonly sent = new Map<string, number>();
  readonly #held = new Map<string, { reach: () => void; opened: Promise<void> }>();

  fetch = async (request: Request): Promise<Response> => {
    const digest = new URL(request.url).searchParams.get("digest");
    if (request.method !== "PUT" || digest === null) return await this.handler(request);
    this.sent.set(digest, (this.sent.get(digest) ?? 0) + 1);
    const held = this.#held.get(digest);
    this.#held.delete(digest);
    held?.reach();
    await held?.opened;
    return await this.handler(request);
  };

  /** Holds the first upload of a blob until it is let go on. */
  holdUpload(digest: string): { reached: Promise<void>; open: () => void } {
    const reached = createPromise();
    const opened = createPromise();
    this.#held.set(digest, { reach: reached.resolve, opened: opened.promise });
    return { reached: reached.promise, open: opened.resolve };
  }
}

/** Archives share three layers, and have one and a config of their own. */
async function makeArchive(name: string): Promise<Blob> {
  const image = await makeImage([...SHARED, `own ${name}`], { config: { created: name } });
  const layout = new OciLayout();
  layout.add(await layout.image(image), { ref: "1" });
  return toBlob(layout.entries());
}

async function ownLayer(name: string): Promise<string> {
  const { layers } = await makeImage([`own ${name}`]);
  return layers[0]?.digest ?? "";
}
