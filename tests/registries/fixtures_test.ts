import { assertEquals } from "@std/assert";
import { pushImage, type PushResult } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { allTags, assertOutcome, FIXTURES, readBack, readFixture } from "../helpers/expected.ts";
import { pushOwnNames, repositoryOf } from "../helpers/own_names.ts";
import { temporaryFolder } from "../helpers/process.ts";
import { realRegistries, startRealRegistry } from "../helpers/real_registry.ts";
import { test } from "../helpers/test.ts";
import { handlerOf } from "./read_registry.ts";
import { assertSkopeoReads, skopeo } from "./skopeo.ts";

const NAMES = [...FIXTURES.keys()];

/** Archives with one image, or one index. */
const SINGLE = NAMES.filter((name) => FIXTURES.get(name)?.push.expect === "accept");

function summary({ images }: PushResult, host: string): string[] {
  return images.map(({ reference, digest }) => `${reference.replace(host, "")}@${digest}`);
}

for (const { kind, title, skip } of realRegistries()) {
  test(`${title} has every fixture under the reference that it was pushed to`, async () => {
    await using server = await startRealRegistry(kind);
    const registry = handlerOf(server.host);
    for (const name of SINGLE) {
      const target = `${server.host}/${repositoryOf(name)}:1.0`;
      const { images } = await pushImage(await readFixture(name), target);
      const outcomes = FIXTURES.get(name)?.push.any_of ?? [];
      const read = await assertOutcome(registry, repositoryOf(name), "1.0", outcomes);
      assertEquals(images[0]?.digest, read.digest, name);
      const again = await pushImage(await readFixture(name), target);
      assertEquals([again.bytesUploaded, again.images[0]?.digest], [0, read.digest], name);
    }
  }, { skip });

  test(`${title} has every fixture under all of its own names`, async () => {
    await using server = await startRealRegistry(kind);
    const registry = handlerOf(server.host);
    const written: string[] = [];
    for (const name of NAMES) {
      const result = await pushOwnNames(name, server.host);
      // What the embedded registry gets is checked name by name elsewhere.
      const host = "localhost:5000";
      const embedded = await pushOwnNames(name, host, createRegistry());
      assertEquals(summary(result, server.host), summary(embedded, host), name);
      for (const { reference, digest } of result.images) {
        const path = reference.slice(server.host.length + 1);
        const colon = path.lastIndexOf(":");
        const read = await readBack(registry, path.slice(0, colon), path.slice(colon + 1));
        assertEquals(read.digest, digest, path);
        written.push(path);
      }
    }
    // Attestations with a subject are owed a tag of their own where the registry does not list them.
    const tags = (await allTags(registry)).filter((tag) =>
      !/:sha256-[0-9a-f]{64}(?:\.sig)?$/.test(tag)
    );
    assertEquals(tags, written.sort());
  }, { skip });

  test(`${title} gets every fixture in one pass as well`, async () => {
    await using server = await startRealRegistry(kind);
    const registry = handlerOf(server.host);
    for (const name of SINGLE) {
      const blob = await readFixture(name);
      await pushImage(blob.stream(), `${server.host}/${repositoryOf(name)}:1.0`);
      const outcomes = FIXTURES.get(name)?.push.any_of ?? [];
      await assertOutcome(registry, repositoryOf(name), "1.0", outcomes);
    }
  }, { skip });

  test(`skopeo reads every fixture from ${title}`, async () => {
    await using server = await startRealRegistry(kind);
    await using folder = await temporaryFolder();
    const registry = handlerOf(server.host);
    for (const name of SINGLE) {
      const repository = repositoryOf(name);
      const reference = `${server.host}/${repository}:1.0`;
      await pushImage(await readFixture(name), reference);
      const read = await readBack(registry, repository, "1.0");
      await assertSkopeoReads(reference, folder, repository, read);
    }
  }, { skip: skip ?? skopeo.skip });
}
