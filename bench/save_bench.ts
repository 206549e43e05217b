import { findProgram } from "../tests/helpers/programs.ts";
import { startRealRegistry } from "../tests/helpers/real_registry.ts";
import { MIB } from "./archives.ts";
import { OURS } from "./many_bench.ts";
import { type ManyShape, writeArchives } from "./many_archives.ts";
import { type BenchOptions, type Measurement, measureProcess, usualCells } from "./measure.ts";

const SHAPES = new Map<string, ManyShape>([
  ["50", { count: 50, shared: { layers: 6, bytes: 4 * MIB }, own: { layers: 2, bytes: MIB } }],
  ["10", {
    count: 10,
    shared: { layers: 3, bytes: 24 * MIB },
    own: { layers: 1, bytes: 12 * MIB },
  }],
]);

/**
 * Saves images that share layers into one archive, beside curl, which fetches each of their blobs once over one connection. curl is told
 * where they are, asks for no manifest, and hashes nothing. All take turns.
 */
export async function benchSave({ runs, isWanted, onRow }: BenchOptions): Promise<void> {
  for (const kind of ["docker-registry", "registry"] as const) {
    for (const [name, shape] of SHAPES) {
      const title = (who: string) => `save ${name} ${kind} ${who}`;
      const wanted = ["curl", ...OURS.keys()].filter((who) =>
        isWanted(title(who)) && (who === "deno" || findProgram(who))
      );
      if (wanted.length === 0 || !findProgram(kind)) continue;
      const folder = await Deno.makeTempDir({ prefix: "tarpush-bench-" });
      try {
        await using registry = await startRealRegistry(kind);
        const commands = await prepare(folder, shape, registry.host);
        const measured = new Map<string, Measurement[]>(wanted.map((who) => [who, []]));
        for (let run = 0; run < runs; run++) {
          for (const [who, all] of measured) {
            all.push(await measureProcess(["sh", "-c", commands.get(who) ?? ""]));
          }
        }
        for (const [who, all] of measured) onRow({ bench: title(who), cells: usualCells(all) });
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    }
  }
}

/** Fills a registry, and tells what saves or fetches its content, for a shell. */
async function prepare(
  folder: string,
  shape: ManyShape,
  host: string,
): Promise<Map<string, string>> {
  const archives = await writeArchives(folder, shape);
  const ours = [...OURS].map(([who, { program, main }]) => [who, `${program} '${main}'`] as const);
  await measureProcess(["sh", "-c", `${ours[0]?.[1]} push -q ${archives.join(" ")} --to ${host}`]);
  for (const path of archives) await Deno.remove(path);
  const repositories = archives.map((path) => path.replace(/.*\/(.*)\.tar$/, "many/$1"));
  const [list, urls] = [`${folder}/list`, `${folder}/urls`];
  await Deno.writeTextFile(list, repositories.map((name) => `${host}/${name}:1\n`).join(""));
  await Deno.writeTextFile(urls, await blobUrls(`http://${host}/v2`, repositories));
  return new Map([
    ["curl", `cd '${folder}' && curl -sf --remote-name-all -K '${urls}'`],
    ...ours.map(([who, command]) =>
      [who, `${command} save -q --from '${list}' '${folder}/saved.tar'`] as const
    ),
  ]);
}

/** Where each blob of images can be had, in curl's words. */
async function blobUrls(base: string, repositories: readonly string[]): Promise<string> {
  const urls = new Map<string, string>();
  for (const name of repositories) {
    const headers = { accept: "application/vnd.oci.image.manifest.v1+json" };
    const response = await fetch(`${base}/${name}/manifests/1`, { headers });
    const { config, layers } = await response.json();
    for (const { digest } of [config, ...layers]) {
      urls.set(digest, `url = "${base}/${name}/blobs/${digest}"\n`);
    }
  }
  return [...urls.values()].join("");
}
