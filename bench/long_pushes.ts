/**
 * What `long_bench.ts` watches: pushes in one process, one after the other.
 *
 * `long_pushes.ts images|cancel HOST COUNT` prints a line whenever a hundredth is done.
 */
import { pushImage } from "../mod.ts";
import { createBunHost } from "../src/runtime/bun.ts";
import { createDenoHost } from "../src/runtime/deno.ts";
import { runtimeName } from "../src/runtime/runtime_name.ts";
import { dockerSave, makeImage, makeLayer, toBlob } from "../tests/helpers/archives.ts";
import { writeTar } from "../tests/helpers/tar_writer.ts";

/** A layer takes some milliseconds, so that pushes are cancelled in each state. */
const LAYER_CHARACTERS = 512 * 1024;
/** Pushes are cancelled up to so late; some have ended by then. */
const LATEST_MILLISECONDS = 40;

const KINDS: Record<string, (host: string, index: number) => Promise<void>> = {
  images: pushImageOfItsOwn,
  cancel: pushAndCancel,
};

/** A small image that shares a layer with all others. */
async function pushImageOfItsOwn(host: string, index: number): Promise<void> {
  const image = await makeImage([`${index} a`, `${index} b`, "shared"]);
  const repoTags = [`long/images-${index % 100}:${index}`];
  await pushImage(toBlob(dockerSave([{ image, repoTags }])), host);
}

/** An image that the registry does not have, from a file and from a pipe in turns, cancelled at any time. */
async function pushAndCancel(host: string, index: number): Promise<void> {
  const bodies = [0, 1, 2, 3].map((layer) => `${index} ${layer} `.padEnd(LAYER_CHARACTERS, "x"));
  const layers = bodies.map((body) => makeLayer(writeTar([{ path: "data", body }])));
  const archive = toBlob(dockerSave([{ image: await makeImage(await Promise.all(layers)) }]));
  const source = index % 2 === 0 ? archive : archive.stream();
  const controller = new AbortController();
  const reason = new Error("cancelled on purpose");
  const delay = (index * 7.3) % LATEST_MILLISECONDS;
  const timer = setTimeout(() => controller.abort(reason), delay);
  try {
    await pushImage(source, `${host}/long/cancel-${index % 100}`, { signal: controller.signal });
  } catch (error) {
    if (error !== reason) throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function main(): Promise<void> {
  const system = runtimeName(globalThis) === "deno" ? createDenoHost() : createBunHost();
  const [kind = "", host = "", count = ""] = system.args;
  const push = KINDS[kind];
  if (!push) throw new Error(`Cannot push ${kind}: expected ${Object.keys(KINDS).join(" or ")}`);
  for (let index = 0; index < Number(count); index++) {
    if (index % Math.ceil(Number(count) / 100) === 0) await system.stdout.write(`${index}\n`);
    await push(host, index);
  }
  await system.stdout.write(`${count}\n`);
  system.exit(0);
}

await main();
