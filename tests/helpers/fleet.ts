import { createPromise } from "../../src/concurrency.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { serve } from "../end_to_end/registry_server.ts";
import { layoutTar, makeImage, makeLayer } from "./archives.ts";
import { type NatsServer, startNats } from "./nats_server.ts";
import { Output } from "./output.ts";
import {
  cliCommand,
  runWell,
  type SpawnedProcess,
  spawnProcess,
  type TemporaryFolder,
  temporaryFolder,
  toPath,
} from "./process.ts";

/** Layers that all archives of a fleet hold. */
export const SHARED = await Promise.all(["base", "lib", "runtime"].map((text) => makeLayer(text)));

/** A queue, a registry and a list, of which workers push the archives. */
export interface Fleet extends AsyncDisposable {
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
export async function startFleet(env: Record<string, string> = {}): Promise<Fleet> {
  await using stack = new AsyncDisposableStack();
  const nats = stack.use(await startNats());
  const registry = new CountingRegistry();
  const { host } = stack.use(await serve(registry.fetch));
  const folder = stack.use(await temporaryFolder());
  const lines = new Set<string>();
  const settings = { NATS_URL: nats.url, FLEET_PATIENCE_SECONDS: "2", FLEET_ARCHIVES: "2", ...env };
  const all = stack.move();
  return {
    nats,
    registry,
    folder,
    list: `${folder.path}/list`,
    async add(name, content) {
      const archive = content ?? await (await makeArchive(name)).bytes();
      lines.add(`${await folder.write(`${name}.tar`, archive)} ${host}/${name}:1`);
      await folder.write("list", [...lines].join("\n"));
    },
    async run(program, ...args) {
      const line = programLine(program, args);
      return await runWell(line.command, line.args, { env: settings });
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
export class Worker implements AsyncDisposable {
  readonly ended: Promise<number>;
  readonly #process: SpawnedProcess;
  readonly #output: Output;

  constructor(process: SpawnedProcess) {
    this.#process = process;
    this.#output = new Output(process.stdout, process.stderr);
    this.ended = this.#output.ended.then(() => process.exited);
  }

  /** What it has written. */
  output(): string {
    return this.#output.text;
  }

  /** Waits until it says that it has taken an archive; rejects if it ends and never does. */
  async took(name: string): Promise<Worker> {
    await this.#output.has(`/${name}.tar, try`);
    return this;
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    this.#process.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.ended;
  }
}

/** A registry that counts how often each blob was sent, and may hold an upload. */
export class CountingRegistry {
  readonly handler = createRegistry();
  readonly sent = new Map<string, number>();
  /** Called for each request before it is answered. */
  onRequest = (): void | Promise<void> => {};
  readonly #held = new Map<string, { reach: () => void; opened: Promise<void> }>();

  fetch = async (request: Request): Promise<Response> => {
    const digest = new URL(request.url).searchParams.get("digest");
    const isUpload = request.method === "PUT" && digest !== null;
    if (isUpload) this.sent.set(digest, (this.sent.get(digest) ?? 0) + 1);
    await this.onRequest();
    if (!isUpload) return await this.handler(request);
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
  return await layoutTar(image);
}

/** The digest of the layer that an archive has to itself. */
export async function ownLayer(name: string): Promise<string> {
  const { layers } = await makeImage([`own ${name}`]);
  return layers[0]?.digest ?? "";
}
