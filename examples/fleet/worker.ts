// Pushes archives of the queue until all are done; run it on as many machines as you like, as often as you like.
//   deno run -A worker.ts [--stay]
// --stay waits for more. FLEET_ARCHIVES (4) are worked on at the same time, with FLEET_CONCURRENCY (3) uploads in all.
import { type ArchiveInput, type ArchiveResult, pushAll } from "@tarpush/tarpush";
import { currentHost, openDirectory, openFile } from "@tarpush/tarpush/runtime";
import { numberOf, openFleet } from "./fleet.ts";
import { urlOf } from "./jobs.ts";
import { shareBlobs } from "./share_blobs.ts";
import type { TakenJob } from "./taken_job.ts";
import { WorkQueue } from "./work_queue.ts";

/** An archive that fails so often, or whose workers die so often, is given up. */
const MAX_TRIES = 5;

const host = currentHost();
const worker = `${host.env("HOSTNAME") ?? "worker"}-${crypto.randomUUID().slice(0, 8)}`;
const fleet = await openFleet();
const stop = new AbortController();
const release = host.onInterrupt(() => stop.abort());
const queue = new WorkQueue(fleet, worker);
const taken = new Map<number, TakenJob>();
let asked: Promise<TakenJob | undefined> | undefined;
try {
  const results = pushAll(takeArchives(), undefined, {
    archives: numberOf("FLEET_ARCHIVES", 4),
    concurrency: numberOf("FLEET_CONCURRENCY", 3),
    shareBlob: shareBlobs(fleet),
    signal: stop.signal,
  });
  for await (const result of results) {
    const one = taken.get(result.index);
    if (one) await settle(one, result);
    taken.delete(result.index);
  }
} catch (error) {
  if (!stop.signal.aborted) throw error;
  // Others begin at once with what is left, and not this worker, should it have asked for more.
  await asked;
} finally {
  queue.leave();
  for (const one of taken.values()) one.leave();
  release();
  await fleet.nats.drain();
}

/** Archives of the queue, each as soon as there is a place for it. */
async function* takeArchives(): AsyncGenerator<ArchiveInput> {
  for (let index = 0; !stop.signal.aborted;) {
    asked = queue.take();
    const one = await asked;
    if (stop.signal.aborted) return one?.leave();
    if (!one) {
      if (await isOver()) return;
      continue;
    }
    const { name, tries, job: { source, target } } = one;
    if (tries > MAX_TRIES) {
      await one.giveUp(`${MAX_TRIES} workers ended while they pushed it`);
      continue;
    }
    console.log(`${worker} takes ${name}, try ${tries}`);
    taken.set(index++, one);
    const open = async () => urlOf(source) ?? await openPath(source);
    yield { name, target, source: open };
  }
}

/** Opens a file, or a folder with an image in it. */
async function openPath(path: string) {
  const isFolder = (await host.fileInfo(path))?.kind === "directory";
  return isFolder ? await openDirectory(path) : await openFile(path);
}

/** Whether nothing is left, and no worker has anything that may come back. */
async function isOver(): Promise<boolean> {
  if (host.args.includes("--stay")) return false;
  const info = await fleet.queue.info().catch(() => undefined);
  return info !== undefined && info.num_pending + info.num_ack_pending === 0;
}

async function settle(one: TakenJob, result: ArchiveResult): Promise<void> {
  const { name, tries } = one;
  if (result.status !== "failed") {
    const { bytesUploaded, milliseconds } = result;
    const images = result.images.map(({ reference, digest }) => ({ reference, digest }));
    const found = result.status === "exists" ? "found" : "pushed";
    console.log(`${worker} has ${found} ${name}, ${bytesUploaded} bytes sent`);
    return await one.done({ images, bytesUploaded, milliseconds });
  }
  if (tries >= MAX_TRIES) return await one.giveUp(`${result.error}`);
  console.error(`${name}, try ${tries}: ${result.error}`);
  one.leave(fleet.patience * tries / 3);
}
