// What the programs of a fleet have in common: a queue of archives, what became of them, and which repository has which blob,
// all kept by NATS JetStream. NATS_URL says where (ws://127.0.0.1:8080), NATS_TOKEN what it wants to be shown.
import {
  AckPolicy,
  type Consumer,
  jetstream,
  type JetStreamClient,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
} from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import { nanos, type NatsConnection, wsconnect } from "@nats-io/nats-core";
import { currentHost } from "@tarpush/tarpush/runtime";

const { env, exit } = currentHost();

export const WORK = "fleet-work";
export const RESULTS = "fleet-results";
export const SUBJECTS = { push: "fleet.push", done: "fleet.done", dead: "fleet.dead" } as const;
export const WORKERS = "workers";
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export interface Fleet {
  nats: NatsConnection;
  stream: JetStreamClient;
  manager: JetStreamManager;
  queue: Consumer;
  /** Which repository has a blob, or who is sending it. */
  blobs: KV;
  /** How long nothing may be heard of a worker before its archives go to others. */
  patience: number;
}

/** Connects, and makes what is not there yet. */
export async function openFleet(): Promise<Fleet> {
  const patience = numberOf("FLEET_PATIENCE_SECONDS", 30) * 1000;
  const server = env("NATS_URL") ?? "ws://127.0.0.1:8080";
  const nats = await connect(server, env("NATS_TOKEN"));
  return await patiently(() => setUp(nats, patience))
    .catch(({ message }) => fail(`Cannot make a queue at ${server}: ${message}`));
}

async function connect(servers: string, token: string | undefined): Promise<NatsConnection> {
  const options = {
    servers,
    ...(token !== undefined && { token }),
    // A server that restarts is waited for.
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
  };
  return await wsconnect(options).catch(async ({ message }) => {
    console.error(`Cannot reach NATS at ${servers} (${message}), trying for a minute`);
    return await patiently(() => wsconnect(options));
  }).catch(({ message }) => fail(`Cannot reach NATS at ${servers}: ${message}`));
}

async function setUp(nats: NatsConnection, patience: number): Promise<Fleet> {
  const options = { timeout: Math.min(patience, 5000) };
  const manager = await jetstreamManager(nats, options);
  const stream = jetstream(nats, options);
  const window = { duplicate_window: nanos(HOUR) };
  await manager.streams.info(WORK).catch(() =>
    manager.streams.add({
      ...window,
      name: WORK,
      subjects: [SUBJECTS.push],
      retention: RetentionPolicy.Workqueue,
    })
  );
  await manager.streams.info(RESULTS).catch(() =>
    manager.streams.add({ ...window, name: RESULTS, subjects: [SUBJECTS.done, SUBJECTS.dead] })
  );
  const { config } = await manager.consumers.info(WORK, WORKERS).catch(() =>
    manager.consumers.add(WORK, {
      durable_name: WORKERS,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(patience),
      // Workers count the tries: one that crashes cannot say so, the next that gets the archive can.
      max_deliver: -1,
    })
  );
  return {
    nats,
    stream,
    manager,
    queue: await stream.consumers.get(WORK, WORKERS),
    blobs: await new Kvm(stream).create("fleet-blobs"),
    patience: (config.ack_wait ?? nanos(patience)) / 1e6,
  };
}

/** A setting of the environment. */
export function numberOf(name: string, fallback: number): number {
  const value = Number(env(name) ?? fallback);
  if (Number.isInteger(value) && value > 0) return value;
  return fail(`Cannot use ${name} ${env(name)}: expected a whole number above 0`);
}

/** Ends the program with a line that says why. */
export function fail(message: string): never {
  console.error(message);
  return exit(1);
}

/** Tries for a minute until the server answers: it may be restarting. */
export async function patiently<T>(action: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const end = Date.now() + MINUTE;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await action();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
