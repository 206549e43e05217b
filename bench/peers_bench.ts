import { findProgram } from "../tests/helpers/programs.ts";
import { startFront } from "../tests/helpers/front_server.ts";
import { type RealRegistry, startRealRegistry } from "../tests/helpers/real_registry.ts";
import { type ImageShape, MIB, type PreparedImage, prepareImage } from "./archives.ts";
import { type Contender, contenders, oras } from "./contenders.ts";
import {
  type BenchOptions,
  type Measurement,
  measureProcess,
  usualCells,
  warmUp,
} from "./measure.ts";

/** A usual image, in plain layers as `docker save` writes them. */
const USUAL: ImageShape = { name: "8x32", layers: 8, layerBytes: 32 * MIB };

/** Pushes once, and says how long it took. */
type Run = (contender: Contender, image: PreparedImage) => Promise<Measurement>;

/** What README compares: the same archive in the ways that people push it, to distribution 3. */
const WAYS: Record<string, Run> = {
  file: (contender, image) =>
    withRegistry(({ host }) => measureProcess(contender.push(image, host))),
  again: (contender, image) =>
    withRegistry(async ({ host }) => {
      await measureProcess(contender.push(image, host));
      return await measureProcess(contender.push(image, host));
    }),
  nginx: (contender, image) =>
    withRegistry(async (registry) => {
      await using front = await startFront("nginx", { upstream: registry.host });
      return await measureProcess(contender.push(image, front.host));
    }),
  pipe: (contender, image) =>
    withRegistry(async ({ host }) => {
      const tar = contender.isOurs ? "-" : "/dev/stdin";
      const input = (await Deno.open(contender.source?.(image) ?? image.tar)).readable;
      return await measureProcess(contender.push({ ...image, tar }, host), input);
    }),
};

/** Compares with the peers, one after the other in each round. */
export async function benchPeers({ runs, isWanted, onRow }: BenchOptions): Promise<void> {
  if (!findProgram("registry") || !findProgram("nginx")) return;
  for (const [way, run] of Object.entries(WAYS)) {
    const wanted = [...contenders(), ...oras()].filter(({ name }) =>
      isWanted(`peers ${way} ${name}`)
    );
    if (wanted.length === 0) continue;
    const image = await prepareImage(USUAL);
    await warmUp([image.tar]);
    const measured = new Map<Contender, Measurement[] | string>(wanted.map((who) => [who, []]));
    for (let round = 0; round < runs; round++) {
      for (const [contender, results] of measured) {
        if (typeof results === "string") continue;
        try {
          results.push(await run(contender, image));
        } catch (error) {
          measured.set(contender, error instanceof Error ? error.message : String(error));
        }
      }
    }
    for (const [{ name }, results] of measured) {
      onRow({ bench: `peers ${way} ${name}`, cells: cellsOf(results) });
    }
  }
}

function cellsOf(results: Measurement[] | string): Record<string, string> {
  if (typeof results === "string") return { time: `fails: ${results.replaceAll("\n", " ")}` };
  return usualCells(results);
}

async function withRegistry<T>(use: (registry: RealRegistry) => Promise<T>): Promise<T> {
  await using registry = await startRealRegistry("registry");
  return await use(registry);
}
