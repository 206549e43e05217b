// Tells how far the fleet is.
//   deno run -A status.ts [--follow] [--dead]
// --follow tells it every two seconds until nothing is left; --dead prints what was given up, for enqueue.ts - --again.
import { DeliverPolicy } from "@nats-io/jetstream";
import { currentHost } from "@tarpush/tarpush/runtime";
import { openFleet, RESULTS, SUBJECTS } from "./fleet.ts";
import type { Receipt } from "./jobs.ts";

interface Ended extends Receipt {
  isDead: boolean;
  time: number;
}

const MINUTE = 60_000;
const { args } = currentHost();
const { nats, stream, manager, queue } = await openFleet();
const ended = new Map<string, Ended>();
let lastRead = 0;
const results = await stream.consumers.get(RESULTS, { deliver_policy: DeliverPolicy.All });

for (;;) {
  await readResults();
  const { num_pending: waiting, num_ack_pending: working } = await queue.info();
  if (args.includes("--dead")) {
    for (const { isDead, job } of ended.values()) if (isDead) console.log(JSON.stringify(job));
  } else console.log(lineOf(waiting, working));
  if (!args.includes("--follow") || waiting + working === 0) break;
  await new Promise((resolve) => setTimeout(resolve, 2000));
}
if (!args.includes("--dead")) {
  for (const { isDead, source, error } of ended.values()) {
    if (isDead) console.log(`given up: ${source}: ${error}`);
  }
}
await nats.drain();

/** Reads what has come since; the last that is told of an archive counts. */
async function readResults(): Promise<void> {
  const { state } = await manager.streams.info(RESULTS);
  if (lastRead >= state.last_seq) return;
  const options = { max_messages: state.last_seq - lastRead, expires: 1000 };
  for await (const message of await results.fetch(options)) {
    lastRead = message.seq;
    const receipt = message.json<Receipt>();
    const isDead = message.subject === SUBJECTS.dead;
    ended.set(receipt.id, { ...receipt, isDead, time: message.time.getTime() });
  }
}

function lineOf(waiting: number, working: number): string {
  const all = [...ended.values()];
  const done = all.filter(({ isDead }) => !isDead);
  const recent = done.filter(({ time }) => time > Date.now() - MINUTE);
  const sent = (some: Ended[]) =>
    some.reduce((sum, { bytesUploaded = 0 }) => sum + bytesUploaded, 0);
  const rate = `${recent.length} archives and ${megabytes(sent(recent))} in the last minute`;
  const minutes = recent.length > 0 ? Math.ceil((waiting + working) / recent.length) : undefined;
  const left = waiting + working > 0 && minutes !== undefined ? `, ${minutes} min left` : "";
  return `${done.length} done (${
    megabytes(sent(done))
  } sent), ${working} in work, ${waiting} waiting, ` +
    `${all.length - done.length} given up; ${rate}${left}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
