import { assert, assertEquals } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { pushImage } from "../../src/push/push.ts";
import { openFile } from "../../src/runtime/mod.ts";
import { readBack } from "../helpers/expected.ts";
import { runWell, type TemporaryFolder, temporaryFolder } from "../helpers/process.ts";
import { requireProgram } from "../helpers/programs.ts";
import { realRegistries, startRealRegistry } from "../helpers/real_registry.ts";
import { test } from "../helpers/test.ts";
import { handlerOf } from "./read_registry.ts";
import {
  assertSkopeoReads,
  type Content,
  contentOf,
  readLayout,
  runSkopeo,
  skopeo,
} from "./skopeo.ts";

const umoci = requireProgram("umoci");
const buildah = requireProgram("buildah");

/** An OCI layout with an image of two layers, made by umoci in the folder `layout`. */
async function makeLayout(folder: TemporaryFolder): Promise<void> {
  const layout = `${folder.path}/layout`;
  const image = ["--image", `${layout}:1`];
  await runWell(umoci.path, ["init", "--layout", layout]);
  await runWell(umoci.path, ["new", ...image]);
  for (const name of ["first", "second"]) {
    const file = await folder.write(name, `${name}\n`.repeat(5000));
    await runWell(umoci.path, ["insert", "--rootless", ...image, file, `/${name}`]);
  }
  await runWell(umoci.path, ["config", ...image, "--config.cmd", "true"]);
}

/** Archives of the layout, each with what it must be in a registry. */
const ARCHIVES: Record<string, (folder: TemporaryFolder) => Promise<string>> = {
  "skopeo's docker-archive": async (folder) => {
    const path = `${folder.path}/docker.tar`;
    await copyLayout(folder, `docker-archive:${path}:team/app:1`);
    return path;
  },
  "skopeo's oci-archive": async (folder) => {
    const path = `${folder.path}/oci.tar`;
    await copyLayout(folder, `oci-archive:${path}:team/app:1`);
    return path;
  },
  "umoci's layout in a tar": async (folder) => {
    const path = `${folder.path}/layout.tar`;
    await runWell("tar", ["-C", `${folder.path}/layout`, "-cf", path, "."]);
    return path;
  },
  "umoci's layout in a compressed tar": async (folder) => {
    const path = `${folder.path}/layout.tar.gz`;
    await runWell("tar", ["-C", `${folder.path}/layout`, "-czf", path, "."]);
    return path;
  },
};

async function copyLayout(folder: TemporaryFolder, target: string): Promise<void> {
  await runSkopeo("copy", "--quiet", `oci:${folder.path}/layout:1`, target);
}

/** Pushes a file and compares what stands in the registry with what the producer has. */
async function assertPushes(
  path: string,
  host: string,
  folder: TemporaryFolder,
  name: string,
  expected: Content[],
): Promise<void> {
  await using file = await openFile(path);
  const reference = `${host}/${name}:1`;
  const { images } = await pushImage(file, reference);
  const read = await readBack(handlerOf(host), name, "1");
  assertEquals(images[0]?.digest, read.digest);
  assertEquals(await contentOf(read), expected, path);
  await assertSkopeoReads(reference, folder, `read-${name}`, read);
}

for (const { kind, title, skip } of realRegistries()) {
  test(`pushImage() brings what umoci and skopeo make to ${title}`, async () => {
    await using server = await startRealRegistry(kind);
    await using folder = await temporaryFolder();
    await makeLayout(folder);
    const expected = await readLayout(folder, "layout");
    assertEquals(expected[0]?.diffIds.length, 2);
    for (const [index, make] of Object.values(ARCHIVES).entries()) {
      await assertPushes(await make(folder), server.host, folder, `made${index}`, expected);
    }
  }, { skip: skip ?? skopeo.skip ?? umoci.skip });

  // Without a run step, vfs storage needs no privileges.
  test(`pushImage() brings what buildah makes to ${title}`, async () => {
    await using server = await startRealRegistry(kind);
    await using folder = await temporaryFolder();
    const storage = ["--root", `${folder.path}/root`, "--runroot", `${folder.path}/run`];
    const build = async (...args: string[]) =>
      (await runWell(buildah.path, [...storage, "--storage-driver", "vfs", ...args])).trim();
    const container = await build("from", "scratch");
    await build("copy", container, await folder.write("file", "content\n".repeat(1000)), "/file");
    for (const transport of ["docker-archive", "oci-archive"]) {
      const place = `${transport}:${folder.path}/${transport}.tar`;
      await build("commit", "--quiet", container, `${place}:team/app:1`);
      const config = await runSkopeo("inspect", "--config", "--raw", place);
      const { rootfs } = JSON.parse(new TextDecoder().decode(config));
      assert(rootfs.diff_ids.length === 1);
      await assertPushes(`${folder.path}/${transport}.tar`, server.host, folder, transport, [
        { config: await digestBytes(config), diffIds: rootfs.diff_ids },
      ]);
    }
    await build("rm", container);
  }, { skip: skip ?? skopeo.skip ?? buildah.skip });
}
