import { assertEquals, assertRejects } from "@std/assert";
import { openArchive } from "../../src/archive/open_archive.ts";
import { ArchiveError } from "../../src/errors.ts";
import { pushImage } from "../../src/push/push.ts";
import { RegistryClient } from "../../src/registry/client.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, encodeJson, makeImage, replaceBody, toBlob } from "../helpers/archives.ts";
import { allTags, assertOutcome } from "../helpers/expected.ts";
import { check } from "../helpers/findings.ts";
import { test } from "../helpers/test.ts";

const image = await makeImage(["one", "two"], { config: { created: "2026-01-02T03:04:05Z" } });
const OUTCOME = {
  config: image.configDigest,
  diff_ids: image.layers.map(({ diffId }) => diffId),
};

/** The archive with the keys of manifest.json written in another way, and other names. */
function withKeys(spell: (key: string) => string, repoTags: unknown = ["app:1"]) {
  const entries = dockerSave([{ image, repoTags: [] }]);
  const [read] = JSON.parse(`${entries.find(({ path }) => path === "manifest.json")?.body}`);
  const item: object = { ...read, RepoTags: repoTags };
  const keys = Object.entries(item).map(([key, value]) => [spell(key), value]);
  return replaceBody(entries, "manifest.json", encodeJson([Object.fromEntries(keys)]));
}

const SPELLINGS: Record<string, (key: string) => string> = {
  "camelCase, as containerify has them": (key) => key[0]?.toLowerCase() + key.slice(1),
  "lower case": (key) => key.toLowerCase(),
  "upper case": (key) => key.toUpperCase(),
  "letters that Go folds": (key) => key.replace("s", "\u017f"),
};

for (const [name, spell] of Object.entries(SPELLINGS)) {
  test(`pushImage() reads a manifest.json whose keys are in ${name}`, async () => {
    const archive = toBlob(withKeys(spell));
    for (const source of [() => archive, () => archive.stream()]) {
      const registry = createRegistry();
      await pushImage(source(), "localhost:5000/x:1", { fetch: registry });
      await assertOutcome(registry, "x", "1", [OUTCOME]);
    }
    const registry = createRegistry();
    await pushImage(archive, "localhost:5000", { fetch: registry });
    assertEquals(await allTags(registry), ["app:1"]);
    assertEquals((await openArchive(archive)).images[0]?.names, ["app:1"]);
    assertEquals((await check(archive)).findings, []);
  });
}

test("RepoTags that are missing, null, empty or in other letters without a name are one thing", async () => {
  const spellings = [
    withKeys((key) => key, null),
    withKeys((key) => key, []),
    withKeys((key) => key === "RepoTags" ? "repoTags" : key, null),
    withKeys((key) => key === "RepoTags" ? "other" : key),
  ];
  const summaries = await Promise.all(spellings.map(async (entries) => {
    const { images, notices } = await openArchive(toBlob(entries));
    return { images, notices, findings: (await check(entries)).findings };
  }));
  for (const summary of summaries) assertEquals(summary, summaries[0]);
});

test("a name in RepoTags that is null is an empty one, as Go has it", async () => {
  const [empty, none] = await Promise.all([[""], [null]].map(async (tags) => {
    const entries = withKeys((key) => key, tags);
    const { images, notices } = await openArchive(toBlob(entries));
    return { images, notices, findings: (await check(entries)).findings };
  }));
  assertEquals(none, empty);
  await assertRejects(() => openArchive(toBlob(withKeys((key) => key, [1]))), ArchiveError);
});

test("the config of an image is read in any letters, in an archive and in a registry", async () => {
  const shouted = {
    OS: "linux",
    Architecture: "arm64",
    Created: "2026-01-02T03:04:05Z",
    RootFS: { Diff_IDs: OUTCOME.diff_ids },
    Config: { labels: { team: "core" } },
  };
  const entries = dockerSave([{ image, repoTags: ["app:1"] }], { configPath: () => "config.json" });
  const archive = toBlob(replaceBody(entries, "config.json", encodeJson(shouted)));
  const { images: [found] } = await openArchive(archive);
  assertEquals([found?.platforms, found?.created], [["linux/arm64"], shouted.Created]);
  assertEquals((await check(archive)).findings, []);
  const fetch = createRegistry();
  await pushImage(archive, "localhost:5000/app:1", { fetch });
  await using client = new RegistryClient("http://localhost:5000", { fetch });
  const info = await client.repository("app").image("1");
  assertEquals([info.platform?.architecture, info.created], ["arm64", shouted.Created]);
  assertEquals(info.labels, { team: "core" });
});
