// Queues the archives of a list for the workers: a line is "SOURCE TARGET", or as JSON {"source": ..., "target": ...}.
//   deno run -A enqueue.ts LIST|- [--again]
// What was queued within the last hour is not queued twice, unless --again is given.
import { currentHost } from "@tarpush/tarpush/runtime";
import { fail, openFleet, SUBJECTS } from "./fleet.ts";
import { idOf, type Job, readJob } from "./jobs.ts";

const host = currentHost();
const [path = "-"] = host.args.filter((arg) => arg !== "--again");
const run = host.args.includes("--again") ? crypto.randomUUID() : "";
const text = path === "-"
  ? await new Response(host.stdin.stream()).text()
  : await host.readTextFile(path).catch(({ message }) => fail(message));
const jobs = text.split("\n").map((line) => line.trim())
  .filter((line) => line !== "" && !line.startsWith("#")).map(parseJob);

const { nats, stream } = await openFleet();
let known = 0;
for (const job of jobs) {
  const msgID = run + await idOf(job);
  const { duplicate } = await stream.publish(SUBJECTS.push, JSON.stringify(job), {
    msgID,
    retries: 20,
  });
  if (duplicate) known++;
}
console.log(`${jobs.length - known} queued, ${known} queued before`);
await nats.drain();

function parseJob(line: string, at: number): Job {
  const [source, target, ...more] = line.split(/\s+/);
  const words = more.length === 0 ? JSON.stringify({ source, target }) : "";
  const job = readJob(line.startsWith("{") ? line : words);
  return job ??
    fail(`Cannot queue line ${at + 1}, ${JSON.stringify(line)}: expected SOURCE TARGET`);
}
