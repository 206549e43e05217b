import { assert, assertEquals } from "@std/assert";
import { pullImages } from "../../src/pull/pull.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { makeImage, makeLayer, OciLayout, toBlob } from "../helpers/archives.ts";
import { runWell, type TemporaryFolder, temporaryFolder } from "../helpers/process.ts";
import { requireProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";
import { podmanSkip, runPodman } from "./podman.ts";
import { runSkopeo, skopeo } from "./skopeo.ts";

// Programs that are handed an archive of many images, and take each by its name.

const HOST = "localhost:5000";
const umoci = requireProgram("umoci");

/** Images that share a layer; two have the same tag. */
const { registry, images } = await (async () => {
  const registry = createRegistry();
  const base = await makeLayer("base", "gzip");
  const images: Record<string, { digest: string; config: string }> = {};
  for (const name of ["app:1", "app:2", "web:1"]) {
    const image = await makeImage([base, await makeLayer(name, "gzip")]);
    const layout = new OciLayout();
    const { digest } = await layout.image(image);
    layout.add(await layout.image(image), { ref: "1" });
    await pushImage(toBlob(layout.entries()), `${HOST}/team/${name}`, { fetch: registry });
    images[`${HOST}/team/${name}`] = { digest, config: image.configDigest };
  }
  return { registry, images };
})();

async function save(
  folder: TemporaryFolder,
  references: readonly string[],
  format: "docker" | "oci" = "docker",
): Promise<string> {
  const tar = pullImages(references, { fetch: registry, format });
  return await folder.write(`${format}.tar`, await new Response(tar).bytes());
}

test(
  "skopeo takes each image of many by its name, from docker-archive: and oci-archive:",
  async () => {
    await using folder = await temporaryFolder();
    const docker = await save(folder, Object.keys(images));
    const oci = await save(folder, Object.keys(images), "oci");
    const inspect = async (source: string) =>
      JSON.parse(new TextDecoder().decode(await runSkopeo("inspect", "--raw", source)));
    for (const [name, { config }] of Object.entries(images)) {
      const ref = name.endsWith("app:2") ? "2" : name;
      for (
        const source of [
          `docker-archive:${docker}:${name}`,
          `oci-archive:${docker}:${ref}`,
          `oci-archive:${oci}:${ref}`,
        ]
      ) assertEquals((await inspect(source)).config.digest, config, source);
    }
  },
  { skip: skopeo.skip },
);

test(
  "podman loads all images of an archive under their names, and one that was saved by its digest",
  async () => {
    await using folder = await temporaryFolder();
    const load = async (file: string) => await runPodman(folder, "load", "-q", "-i", file);
    const lines = (await load(await save(folder, Object.keys(images)))).trim().split("\n");
    assertEquals(lines, Object.keys(images).map((name) => `Loaded image: ${name}`));
    for (const [name, { config }] of Object.entries(images)) {
      const id = await runPodman(folder, "image", "inspect", name, "--format", "{{.Id}}");
      assertEquals(`sha256:${id.trim()}`, config);
    }
    const digest = images[`${HOST}/team/app:2`]?.digest;
    assert(digest);
    const byDigest = `${HOST}/team/app@${digest}`;
    assertEquals(await load(await save(folder, [byDigest])), `Loaded image: ${byDigest}\n`);
  },
  { skip: podmanSkip },
);

test(
  "umoci takes each image of a layout by its tag, or its name where another has the tag",
  async () => {
    await using folder = await temporaryFolder();
    const tar = await save(folder, Object.keys(images), "oci");
    await runWell("tar", ["-xf", tar, "-C", folder.path]);
    const tags = (await runWell(umoci.path, ["ls", "--layout", folder.path])).trim().split("\n");
    assertEquals(tags.sort(), ["2", `${HOST}/team/app:1`, `${HOST}/team/web:1`].sort());
    for (const tag of tags) await runWell(umoci.path, ["stat", "--image", `${folder.path}:${tag}`]);
  },
  { skip: umoci.skip },
);
