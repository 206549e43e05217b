import { assertEquals, assertStringIncludes } from "@std/assert";
import { BLOCK_BYTES } from "../../src/codec/encoder_pool.ts";
import { digestBytes, digestHex } from "../../src/digest.ts";
import { pushImage } from "../../src/push/push.ts";
import { dockerSave, makeImage, makeLayer, randomBytes, toBlob } from "../helpers/archives.ts";
import { readBack } from "../helpers/expected.ts";
import { runProcess, temporaryFolder } from "../helpers/process.ts";
import { requireProgram } from "../helpers/programs.ts";
import { realRegistries, startRealRegistry } from "../helpers/real_registry.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { podmanSkip, runPodman } from "./podman.ts";
import { handlerOf } from "./read_registry.ts";
import { assertSkopeoReads, runSkopeo, skopeo } from "./skopeo.ts";

const umoci = requireProgram("umoci");
const crane = requireProgram("crane");

/** A layer of several gzip members or zstd frames, and a small one. */
const content = randomBytes(3 * BLOCK_BYTES + 12_345);
for (let at = 0; at < content.length; at += 128) content.fill(at >> 16, at, at + 96);
const image = await makeImage([
  await makeLayer(writeTar([{ path: "many-blocks", body: content }])),
  "small",
]);
const archive = toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));
const diffIds = image.layers.map(({ diffId }) => diffId);

for (const { kind, title, skip } of realRegistries()) {
  for (const compression of ["gzip", "zstd"] as const) {
    test(`skopeo reads layers that were compressed with ${compression} from ${title}`, async () => {
      await using server = await startRealRegistry(kind);
      await using folder = await temporaryFolder();
      const reference = `${server.host}/app:1`;
      for (const source of [archive, archive.stream()]) {
        await pushImage(source, reference, { compression, memoryBudget: 2 * BLOCK_BYTES });
      }
      const read = await readBack(handlerOf(server.host), "app", "1");
      await assertSkopeoReads(reference, folder, "layout", read);
      // Its own decoder at work, and not ours.
      const place = `dir:${folder.path}/plain`;
      const options = ["--src-tls-verify=false", "--dest-decompress", "--quiet"];
      await runSkopeo("copy", ...options, `docker://${reference}`, place);
      for (const diffId of diffIds) {
        assertEquals(
          await digestBytes(new Uint8Array(await folder.read(`plain/${digestHex(diffId)}`))),
          diffId,
        );
      }
    }, { skip: skip ?? skopeo.skip });
  }
}

// Debian's umoci 0.4.7 knows no zstd.
test("umoci unpacks layers that were compressed with gzip", async () => {
  await using server = await startRealRegistry("docker-registry");
  await using folder = await temporaryFolder();
  const reference = `${server.host}/app:1`;
  await pushImage(archive, reference, { compression: "gzip", manifestType: "oci" });
  const layout = `${folder.path}/layout`;
  const copy = ["copy", "--src-tls-verify=false", "--quiet"];
  await runSkopeo(...copy, `docker://${reference}`, `oci:${layout}:1`);
  await run(
    umoci.path,
    "unpack",
    "--rootless",
    "--image",
    `${layout}:1`,
    `${folder.path}/bundle`,
  );
  assertEquals(await folder.read("bundle/rootfs/many-blocks"), content);
}, { skip: firstSkip("docker-registry") ?? skopeo.skip ?? umoci.skip });

for (const compression of ["gzip", "zstd"] as const) {
  test(`crane reads layers that were compressed with ${compression}`, async () => {
    await using server = await startRealRegistry("docker-registry");
    await using folder = await temporaryFolder();
    const reference = `${server.host}/app:1`;
    await pushImage(archive, reference, { compression });
    // crane 0.22 takes every layer for gzip when it validates what a registry has.
    if (compression === "gzip") {
      const told = await run(crane.path, "validate", "--insecure", "--remote", reference);
      assertStringIncludes(told, "PASS");
    }
    const tar = `${folder.path}/export.tar`;
    await run(crane.path, "export", "--insecure", reference, tar);
    await run("tar", "-xf", tar, "-C", folder.path, "many-blocks");
    assertEquals(await folder.read("many-blocks"), content);
  }, { skip: firstSkip("docker-registry") ?? crane.skip });

  test(`podman pulls layers that were compressed with ${compression}`, async () => {
    await using server = await startRealRegistry("docker-registry");
    await using folder = await temporaryFolder();
    const reference = `${server.host}/app:1`;
    await pushImage(archive, reference, { compression });
    await runPodman(folder, "pull", "--quiet", "--tls-verify=false", reference);
    const told = await runPodman(folder, "inspect", reference);
    assertEquals(JSON.parse(told)[0].RootFS.Layers, diffIds);
  }, { skip: firstSkip("docker-registry") ?? podmanSkip });
}

function firstSkip(wanted: string): string | undefined {
  return realRegistries().find(({ kind }) => kind === wanted)?.skip;
}

async function run(command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProcess(command, args);
  assertEquals(code, 0, `${command} ${args.join(" ")}: ${stderr}`);
  return `${stdout}${stderr}`;
}
