/**
 * `deno run -A bench/fleet_kills.ts [RUNS]`, or with `bun`: three workers push 40 archives, and at moments that chance
 * chooses one of them is killed, three times a run, or the queue is, once. Whoever looks after the workers starts another.
 * In the end everything has to stand, and no blob may have been sent more often than once and once more for each kill.
 */
import { sleep } from "../src/concurrency.ts";
import { currentHost } from "../src/runtime/mod.ts";
import { allTags, readBack } from "../tests/helpers/expected.ts";
import { type Fleet, ownLayer, SHARED, startFleet, type Worker } from "../tests/helpers/fleet.ts";

const NAMES = Array.from({ length: 40 }, (_, at) => `app${at}`);
const WORKERS = 3;
const KILLS = 3;
/** Requests that a run without trouble takes. */
const REQUESTS = 440;
/** Most that the registry takes for an answer: what is killed is killed in the middle of something. */
const ANSWER_MILLISECONDS = 20;

interface Outcome {
  lost: number;
  wrong: number;
  sentTooOften: number;
  /** Uploads beyond one a blob. */
  sentAgain: number;
  kills: number;
  seconds: number;
  requests: number;
}

const runs = Number(currentHost().args[0] ?? 20);
const outcomes: Outcome[] = [];
for (let run = 1; run <= runs; run++) {
  const outcome = await runOnce();
  console.log(`run ${run}:`, JSON.stringify(outcome));
  outcomes.push(outcome);
}
const sum = (key: keyof Outcome) => outcomes.reduce((sum, outcome) => sum + outcome[key], 0);
console.log(
  `${runs} runs, ${sum("kills")} workers killed: ${sum("lost")} lost, ${sum("wrong")} wrong, ` +
    `${sum("sentTooOften")} blobs sent too often, ${sum("sentAgain")} sent again`,
);
currentHost().exit(sum("lost") + sum("wrong") + sum("sentTooOften") > 0 ? 1 : 0);

async function runOnce(): Promise<Outcome> {
  await using fleet = await startFleet({ FLEET_PATIENCE_SECONDS: "2" });
  for (const name of NAMES) await fleet.add(name);
  await fleet.run("enqueue.ts", fleet.list);
  const start = performance.now();
  const living = new Set<Worker>();
  const ended: Promise<number>[] = [];
  const startWorker = () => {
    const worker = fleet.startWorker();
    living.add(worker);
    ended.push(worker.ended.then((code) => {
      living.delete(worker);
      return code;
    }));
  };
  for (let at = 0; at < WORKERS; at++) startWorker();

  const moments = chooseMoments(KILLS + 1);
  const restart = moments.pop();
  let kills = 0;
  let requests = 0;
  let restarted: Promise<void> | undefined;
  const kill = () => {
    const victim = [...living][Math.floor(Math.random() * living.size)];
    if (!victim) return;
    kills++;
    victim.kill("SIGKILL");
    startWorker();
  };
  fleet.registry.onRequest = async () => {
    requests++;
    if (requests === restart) restarted = fleet.nats.restart();
    if (moments.includes(requests)) kill();
    await sleep(Math.random() * ANSWER_MILLISECONDS);
  };
  // Workers that are started meanwhile are among them.
  for (let at = 0; at < ended.length; at++) await ended[at];
  await restarted;
  const seconds = Math.round(performance.now() - start) / 1000;
  return { ...await judge(fleet, kills), kills, seconds, requests };
}

/** Requests at which something happens, each another. */
function chooseMoments(count: number): number[] {
  const moments = new Set<number>();
  while (moments.size < count) moments.add(1 + Math.floor(Math.random() * REQUESTS));
  return [...moments];
}

async function judge({ registry }: Fleet, kills: number) {
  const tags = new Set(await allTags(registry.handler));
  const lost = NAMES.filter((name) => !tags.has(`${name}:1`));
  let wrong = 0;
  for (const name of NAMES) {
    if (!tags.has(`${name}:1`)) continue;
    const expected = [...SHARED.map(({ digest }) => digest), await ownLayer(name)].join();
    // What does not have its digest is an error of its own.
    const read = await readBack(registry.handler, name, "1").catch(() => undefined);
    if (read?.layers.map(({ digest }) => digest).join() !== expected) wrong++;
  }
  const again = [...registry.sent.values()].map((times) => times - 1);
  return {
    lost: lost.length,
    wrong,
    sentTooOften: again.filter((times) => times > kills).length,
    sentAgain: again.reduce((sum, times) => sum + times, 0),
  };
}
