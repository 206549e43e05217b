// Deletes the images of a repository but for the newest, by the time at which they were made. They go by digest, which every
// registry that deletes can do: all tags of one go with it, and it stays where an image that is kept has it.
//   deno run --allow-net clean_old_tags.ts http://localhost:5000 team/app 10 --yes (without --yes it says what it would delete)
import { type ImageInfo, pushImage, RegistryClient } from "@tarpush/tarpush";
import { createRegistry } from "@tarpush/tarpush/registry";
import { currentHost, openFile } from "@tarpush/tarpush/runtime";

const [origin, name = "team/app", keep = "1", yes] = currentHost().args;
const options = origin === undefined ? { fetch: createRegistry() } : {};
if (origin === undefined) await pushSamples();

await using client = new RegistryClient(origin ?? "http://localhost:5000", options);
const repository = client.repository(name);
const images = new Map<string, { tags: string[]; time: number; all: ImageInfo[] }>();
for await (const tag of repository.tags()) {
  const image = await repository.image(tag);
  const all = [image, ...image.entries.flatMap((entry) => entry.image ?? [])];
  const time = Math.max(...all.flatMap(({ created }) => created ? Date.parse(created) : []));
  images.set(image.digest, { tags: [...images.get(image.digest)?.tags ?? [], tag], time, all });
}
// What has no time is no image: a signature, an SBOM.
const newest = [...images].filter(([, { time }]) => Number.isFinite(time))
  .sort(([, a], [, b]) => b.time - a.time);
const kept = newest.slice(0, Number(keep)).flatMap(([, { all }]) => all.map((it) => it.digest));
for (const [digest, { tags, time }] of newest.slice(Number(keep))) {
  if (kept.some((it) => it === digest)) continue;
  const what = `${tags.join(", ")} of ${new Date(time).toISOString()}`;
  console.log(`${yes === "--yes" ? "delete" : "would delete"} ${what}`);
  if (yes === "--yes") await repository.manifests.delete(digest);
}

async function pushSamples(): Promise<void> {
  for (const [at, fixture] of ["docker28-single.tar", "podman-oci.tar"].entries()) {
    await using file = await openFile(new URL(`../tests/fixtures/${fixture}`, import.meta.url));
    await pushImage(file, `localhost:5000/${name}:${at + 1}.0`, options);
  }
}
