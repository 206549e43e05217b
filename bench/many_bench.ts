import { findProgram } from "../tests/helpers/programs.ts";
import { startRealRegistry } from "../tests/helpers/real_registry.ts";
import { MIB } from "./archives.ts";
import { type ManyShape, writeArchives } from "./many_archives.ts";
import { type BenchOptions, type Measurement, measureProcess, usualCells } from "./measure.ts";

/** 2.5 GB in all, of which a registry keeps 114 MB. */
export const MANY: ManyShape = {
  count: 200,
  shared: { layers: 6, bytes: 2 * MIB },
  own: { layers: 2, bytes: 0.25 * MIB },
};
const MAIN = decodeURIComponent(new URL("../src/cli/main.ts", import.meta.url).pathname);
/** What runs our program. */
export const OURS = new Map([
  ["deno", { program: `'${Deno.execPath()}' run -A`, main: MAIN }],
  ["bun", { program: "bun", main: MAIN }],
]);

/** A way to push all archives of a folder. */
interface Way {
  name: string;
  /** For a shell; `$1` is the folder, `$2` the registry. */
  script: string;
  program: string;
}

/**
 * Pushes many archives that share layers: in one call, again, with receipts; then by loops around our own command, around
 * skopeo, and around skopeo four at a time. Each round goes through all of them, each with a registry of its own.
 */
export async function benchMany({ runs, isWanted, onRow }: BenchOptions): Promise<void> {
  for (const kind of ["docker-registry", "registry"] as const) {
    const wanted = ways().filter(({ name }) => isWanted(`many ${kind} ${name}`));
    if (wanted.length === 0 || !findProgram(kind)) continue;
    const folder = await Deno.makeTempDir({ prefix: "tarpush-bench-" });
    try {
      await writeArchives(folder, MANY);
      const measured = new Map<Way, Measurement[]>(wanted.map((way) => [way, []]));
      for (let run = 0; run < runs; run++) {
        for (const [way, all] of measured) all.push(...await measureWay(way, kind, folder));
      }
      for (const [{ name }, all] of measured) {
        onRow({ bench: `many ${kind} ${name}`, cells: usualCells(all) });
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
}

function ways(): Way[] {
  const commands = [...OURS].map(([name, { program, main }]) => [name, `${program} '${main}'`]);
  const all = commands.flatMap(([name = "", command = ""]): Way[] => [
    { name, program: name, script: `${command} push -q "$1"/*.tar --to $2` },
    {
      name: `again ${name}`,
      program: name,
      script: `${command} push -q "$1"/*.tar --to $2`,
    },
    {
      name: `receipts ${name}`,
      program: name,
      script: `${command} push -q "$1"/*.tar --to $2 --receipts "$3"/receipts`,
    },
    {
      name: `loop ${name}`,
      program: name,
      script: `for tar in "$1"/*.tar; do ${command} push -q "$tar" $2 || exit; done`,
    },
  ]);
  const skopeo = "skopeo --insecure-policy copy -q --preserve-digests --dest-tls-verify=false";
  return [
    ...all,
    {
      name: "skopeo",
      program: "skopeo",
      script: `for tar in "$1"/*.tar; do name=$(basename "$tar" .tar); ` +
        `${skopeo} oci-archive:"$tar" docker://$2/many/$name:1 || exit; done`,
    },
    {
      name: "skopeo-P4",
      program: "skopeo",
      script: `ls "$1" | sed s/.tar$// | ` +
        `xargs -P4 -I% ${skopeo} oci-archive:"$1"/%.tar docker://$2/many/%:1`,
    },
  ].filter(({ program }) => program === "deno" || findProgram(program) !== undefined);
}

async function measureWay(
  { name, script }: Way,
  kind: "docker-registry" | "registry",
  folder: string,
): Promise<Measurement[]> {
  await using registry = await startRealRegistry(kind);
  const state = await Deno.makeTempDir({ prefix: "tarpush-bench-" });
  try {
    const command = ["sh", "-c", script, "sh", folder, registry.host, state];
    if (/^(?:again|receipts) /.test(name)) await measureProcess(command);
    return [await measureProcess(command)];
  } finally {
    await Deno.remove(state, { recursive: true });
  }
}
