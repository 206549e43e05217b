// Deletes all but the newest tags of a repository, by the time at which their images were made. Without --yes it only says
// what it would delete: deno run --allow-net clean_old_tags.ts http://localhost:5000 team/app 10 --yes
import { pushImage, RegistryClient } from "@tarpush/tarpush";
import { createRegistry } from "@tarpush/tarpush/registry";
import { currentHost, openFile } from "@tarpush/tarpush/runtime";

const [origin, name = "team/app", keep = "1", yes] = currentHost().args;
const options = origin === undefined ? { fetch: createRegistry() } : {};
if (origin === undefined) await pushSamples();

await using client = new RegistryClient(origin ?? "http://localhost:5000", options);
const repository = client.repository(name);
const tags: { tag: string; created: string }[] = [];
for await (const tag of repository.tags()) {
  const { created } = await repository.image(tag);
  tags.push({ tag, created: created ?? "" });
}
tags.sort((a, b) => a.created < b.created ? 1 : -1);
for (const { tag, created } of tags.slice(Number(keep))) {
  console.log(`${yes === "--yes" ? "delete" : "would delete"} ${tag} of ${created}`);
  if (yes === "--yes") await repository.manifests.delete(tag);
}

async function pushSamples(): Promise<void> {
  for (const [at, fixture] of ["docker28-single.tar", "podman-oci.tar"].entries()) {
    await using file = await openFile(new URL(`../tests/fixtures/${fixture}`, import.meta.url));
    await pushImage(file, `localhost:5000/${name}:${at + 1}.0`, options);
  }
}
