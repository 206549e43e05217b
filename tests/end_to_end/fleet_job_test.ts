import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { parse } from "@std/yaml/parse";
import { isJsonObject } from "../../src/media_types.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { allTags, readFixtureTar } from "../helpers/expected.ts";
import { runProgram, temporaryFolder } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";
import { serve } from "./registry_server.ts";

const SINGLE = "docker28-single.tar";
const OTHER = "skopeo-docker.tar";

test("examples/fleet/job.yaml is an Indexed Job of as many parts as it has pods", async () => {
  const { spec, args, pod } = await readJob();
  const { completions, parallelism } = spec;
  assertEquals([spec.completionMode, parallelism], ["Indexed", completions]);
  assert(args.includes(`--shard=$(JOB_COMPLETION_INDEX)/${completions}`));
  // What the command line names is mounted.
  const { containers, volumes } = pod;
  assert(Array.isArray(containers) && Array.isArray(volumes));
  const mounts: { name: string; mountPath: string }[] = containers[0].volumeMounts;
  assertEquals(mounts.map(({ name }) => name), volumes.map(({ name }) => name));
  for (const path of args.flatMap((arg) => /=(\/\w+)\//.exec(arg)?.[1] ?? [])) {
    assert(mounts.some(({ mountPath }) => mountPath === path), path);
  }
});

test("the pods of examples/fleet/job.yaml push the whole list, and after a restart nothing", async () => {
  const { args, count } = await readJob();
  const registry = createRegistry();
  await using target = await serve(registry);
  await using archives = await serve(serveSigned);
  await using folder = await temporaryFolder();
  const names = Array.from({ length: 8 }, (_, at) => `app${at}`);
  const lines = names.map((name, at) => {
    const path = `${name}/${at % 2 ? SINGLE : OTHER}`;
    const source = `http://${archives.host}/${path}?X-Amz-Signature=${name}`;
    return { source, target: `${target.host}/${name}:1` };
  });
  const list = await folder.write("list", lines.map((line) => JSON.stringify(line)).join("\n"));
  const run = async (index: number) => {
    const words = args.map((arg) =>
      arg.replace("$(JOB_COMPLETION_INDEX)", `${index}`).replace("/archives/list", list)
        .replace("/receipts/done.jsonl", `${folder.path}/done${index}`)
        .replace("registry.lan", target.host)
    );
    const { code, stderr } = await runProgram(words);
    assertEquals(code, 0, stderr);
    return stderr;
  };
  for (let index = 0; index < count; index++) await run(index);
  assertEquals(await allTags(registry), names.map((name) => `${name}:1`));
  for (let index = 0; index < count; index++) assertMatch(await run(index), /skipped|^0 of 8/m);
});

/** Archives of a store that wants a signature; the folder in the path is for the name alone. */
async function serveSigned(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  if (!searchParams.has("X-Amz-Signature")) return new Response(null, { status: 403 });
  const bytes = await readFixtureTar(pathname.split("/").at(-1) ?? "");
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "") ?? [];
  const headers = { etag: '"1"', "accept-ranges": "bytes" };
  if (from === undefined) return new Response(bytes, { headers });
  const part = bytes.slice(Number(from), to ? Number(to) + 1 : undefined);
  const range = `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`;
  return new Response(part, { status: 206, headers: { ...headers, "content-range": range } });
}

async function readJob() {
  const path = new URL("../../examples/fleet/job.yaml", import.meta.url);
  const job: unknown = parse(await (await fetch(path)).text());
  assert(isJsonObject(job) && isJsonObject(job.spec));
  const { spec } = job;
  assert(isJsonObject(spec.template) && isJsonObject(spec.template.spec));
  const pod = spec.template.spec;
  assert(Array.isArray(pod.containers));
  const [{ command, args }] = pod.containers;
  assertEquals(command, ["bunx", "tarpush"]);
  const count = Number(spec.completions);
  assertGreater(count, 1);
  return { spec, pod, count, args: args.map(String) as string[] };
}
