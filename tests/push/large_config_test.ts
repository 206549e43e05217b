import { assert, assertEquals, assertRejects } from "@std/assert";
import { openArchive } from "../../src/archive/open_archive.ts";
import { MAX_CONFIG_BYTES } from "../../src/config_json.ts";
import { ArchiveError } from "../../src/errors.ts";
import { pullImage } from "../../src/pull/pull.ts";
import { copyImage } from "../../src/push/copy.ts";
import { pushImage } from "../../src/push/push.ts";
import { RegistryClient } from "../../src/registry/client.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  dockerSave,
  encodeJson,
  hybridManifest,
  type MadeImage,
  makeImage,
  OciLayout,
  toBlob,
} from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { check } from "../helpers/findings.ts";
import { collectGarbage } from "../helpers/garbage.ts";
import type { TarWriterEntry } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

/** An image whose config has so many bytes, as a long history makes it. */
async function imageWithConfig(size: number): Promise<MadeImage> {
  const history = (length: number) => ({ history: [{ created_by: "x".repeat(length) }] });
  const { config } = await makeImage(["one"], { config: history(0) });
  const image = await makeImage(["one"], { config: history(size - config.length) });
  assertEquals(image.config.length, size);
  return image;
}

const longest = await imageWithConfig(MAX_CONFIG_BYTES);
const layout = await OciLayout.of(longest, { ref: "app:1" });
const ARCHIVES: Record<string, TarWriterEntry[]> = {
  "a docker archive": dockerSave([{ image: longest, repoTags: ["app:1"] }]),
  "an OCI archive": layout.entries(),
  "both": [...layout.entries(), {
    path: "manifest.json",
    body: hybridManifest([{ image: longest, repoTags: ["app:1"] }]),
  }],
};

for (const [name, entries] of Object.entries(ARCHIVES)) {
  test(`a config of 32 MiB goes through push, inspect and check in ${name}`, async () => {
    const archive = toBlob(entries);
    const digests = new Set<string>();
    for (const source of [() => archive, () => archive.stream()]) {
      collectGarbage();
      const fetch = createRegistry();
      const { images: [pushed] } = await pushImage(source(), "localhost:5000/app:1", { fetch });
      assert(pushed);
      digests.add(pushed.digest);
      const read = await readBack(fetch, "app", "1");
      assertEquals(read.config?.digest, longest.configDigest);
      const again = await pushImage(source(), "localhost:5000/app:1", { fetch });
      assertEquals(again.bytesUploaded, 0);
    }
    assertEquals(digests.size, 1);
    collectGarbage();
    for (const source of [archive, archive.stream()]) {
      const { images: [found] } = await openArchive(source);
      assertEquals([found?.platforms, found?.digest], [["linux/amd64"], [...digests][0]]);
    }
    assertEquals((await check(archive)).findings, []);
  });
}

test("a config of 32 MiB goes through copy, save and info", async () => {
  collectGarbage();
  const fetch = createRegistry();
  await pushImage(toBlob(layout.entries()), "localhost:5000/app:1", { fetch });
  const platforms = ["linux/amd64"];
  await copyImage("localhost:5000/app:1", "localhost:5000/copied:1", { fetch, platforms });
  const saved = await new Response(pullImage("localhost:5000/app:1", { fetch, platforms })).blob();
  await pushImage(saved, "localhost:5000/saved:1", { fetch });
  assertEquals(await allTags(fetch), ["app:1", "copied:1", "saved:1"]);
  const dialects = (await openArchive(saved)).dialect;
  assertEquals(dialects, "docker+oci");
  await using client = new RegistryClient("http://localhost:5000", { fetch });
  const info = await client.repository("saved").image("1");
  assertEquals(info.platform, { os: "linux", architecture: "amd64" });
});

test("a config above 32 MiB is refused with its size, from a file and from a pipe", async () => {
  collectGarbage();
  const image = await imageWithConfig(MAX_CONFIG_BYTES + 1);
  const archive = toBlob(dockerSave([{ image }]));
  for (const source of [archive, archive.stream()]) {
    await assertRejects(
      () => pushImage(source, "localhost:5000/app:1", { fetch: createRegistry() }),
      ArchiveError,
      `it has ${MAX_CONFIG_BYTES + 1} bytes, expected at most ${MAX_CONFIG_BYTES}`,
    );
  }
});

test("pushImage() of a pipe finds small documents behind large ones that no image needs", async () => {
  collectGarbage();
  const image = await makeImage(["one"]);
  const text = encodeJson({ sbom: "x".repeat(20 * 1024 * 1024) });
  const entries = [
    { path: "a.json", body: text },
    { path: "b.json", body: text },
    ...dockerSave([{ image }]),
  ];
  const fetch = createRegistry();
  await pushImage(toBlob(entries).stream(), "localhost:5000/app:1", { fetch });
  assertEquals((await readBack(fetch, "app", "1")).config?.digest, image.configDigest);
});
