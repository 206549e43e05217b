import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { AmbiguousImageError } from "../../src/errors.ts";
import { formatImageName, isTag, parseImageName } from "../../src/reference.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  allTags,
  assertClear,
  assertOutcome,
  type Fixture,
  type FixtureImage,
  FIXTURES,
  hasManifest,
  isContested,
  type Outcome,
  readBack,
  readFixture,
  type Registry,
  signaturesOf,
} from "../helpers/expected.ts";
import { test } from "../helpers/test.ts";

/** What a push of one image of manifest.json must leave. */
function outcomesOf(
  { config_digest, diff_ids }: FixtureImage,
  { docker, push }: Fixture,
): Outcome[] {
  return docker?.length === 1 ? push.any_of : [{ config: config_digest, diff_ids }];
}

/** What an archive calls its images, and what a push under that name must leave. */
function namesOf(fixture: Fixture): [string, Outcome[]][] {
  const names: [string, Outcome[]][] = [];
  for (const image of fixture.docker ?? []) {
    for (const tag of image.tags ?? []) names.push([tag, outcomesOf(image, fixture)]);
  }
  for (const { ref_name, image_name, beside } of fixture.oci ?? []) {
    if (beside) continue;
    for (const name of [ref_name, image_name]) if (name) names.push([name, fixture.push.any_of]);
  }
  return names;
}

/** The digests that an image can be chosen by: of an index its own, else those of manifest and config. */
function digestsOf(fixture: Fixture): [string, Outcome[]][] {
  const { docker, oci, push } = fixture;
  const manifests = (oci ?? []).filter(({ beside }) => !beside)
    .map(({ digest }): [string, Outcome[]] => [digest, push.any_of]);
  if (oci?.some(({ kind }) => kind === "index")) return manifests;
  // Two images of one name have one config, too.
  if (isContested(fixture)) return manifests;
  const configs = (docker ?? []).map((image): [string, Outcome[]] => [
    image.config_digest,
    outcomesOf(image, fixture),
  ]);
  return [...manifests, ...configs];
}

/** Where own names go under a place: host replaced, Docker Hub's `library/` left out. */
function placeOf(name: string): string | undefined {
  const parsed = parseImageName(name);
  return parsed && !isTag(name) ? formatImageName({ ...parsed, host: "" }) : undefined;
}

/** Checks that a registry has these references, and beside each the signatures of the archive. */
async function assertTags(registry: Registry, references: readonly string[], fixture: Fixture) {
  const expected = [...references];
  for (const reference of references) {
    const repository = reference.slice(0, reference.lastIndexOf(":"));
    for (const { tag, digest } of signaturesOf(fixture)) {
      expected.push(`${repository}:${tag}`);
      assertEquals((await readBack(registry, repository, tag)).digest as string, digest);
    }
  }
  assertEquals(await allTags(registry), expected.sort());
}

/** Checks that a name or digest which fits two images is refused, with numbers that fit one each. */
async function assertContested(blob: Blob, fixture: Fixture) {
  const texts = [...namesOf(fixture).map(([name]) => name), fixture.docker?.[0]?.config_digest];
  for (const text of texts) {
    const options = { fetch: createRegistry(), images: [text ?? ""] };
    const error = await assertRejects(
      () => pushImage(blob, "localhost:5000/app:1", options),
      AmbiguousImageError,
    );
    assertClear(error);
    assertEquals(error.choices, ["#1", "#2"]);
    assertEquals(error.hint, "choose one: --image '#1' or --image '#2'");
    for (const { digest } of fixture.oci ?? []) assertStringIncludes(error.message, digest);
    const digests = error.message.replace(text ?? "", "").match(/sha256:[0-9a-f]{64}/g);
    assertEquals(new Set(digests).size, 2);
  }
}

test("fixtures are the files that expected.json describes", async () => {
  assertEquals(FIXTURES.size > 15, true);
  for (const [name, { size, sha256 }] of FIXTURES) {
    const blob = await readFixture(name);
    assertEquals(blob.size, size, name);
    assertEquals(await digestBytes(await blob.bytes()), sha256, name);
  }
});

for (const [file, fixture] of FIXTURES) {
  const { push, docker, oci } = fixture;

  if (push.expect === "ambiguous") {
    test(`pushImage() refuses one reference for the images of ${file}`, async () => {
      const registry = createRegistry();
      const error = await assertRejects(
        async () =>
          await pushImage(await readFixture(file), "localhost:5000/app:1", { fetch: registry }),
        AmbiguousImageError,
      );
      assertClear(error);
      assertEquals(error.choices.length, push.any_of.length);
      assertEquals(await allTags(registry), []);
      for (const choice of error.choices) {
        const again = createRegistry();
        const options = { fetch: again, images: [choice] };
        await pushImage(await readFixture(file), "localhost:5000/app:1", options);
        await assertOutcome(again, "app", "1", push.any_of);
      }
    });
  } else {
    test(`pushImage() puts ${file} under one reference`, async () => {
      const registry = createRegistry();
      const blob = await readFixture(file);
      const target = "localhost:5000/team/app:1.0";
      const first = await pushImage(blob, target, { fetch: registry });
      const read = await assertOutcome(registry, "team/app", "1.0", push.any_of);
      await assertTags(registry, ["team/app:1.0"], fixture);
      assertEquals(
        first.images.map(({ reference, digest, mediaType }) => [reference, digest, mediaType]),
        [
          [target, read.digest, read.mediaType],
        ],
      );
      const again = await pushImage(blob, target, { fetch: registry });
      assertEquals(again.bytesUploaded, 0);
      const [image] = again.images;
      assertEquals(image?.digest, read.digest);
      assertEquals(new Set(image?.blobs.map(({ status }) => status)), new Set(["exists"]));
    });

    test(`pushImage() gives ${file} the same digest when it comes in one pass`, async () => {
      const blob = await readFixture(file);
      const options = { fetch: createRegistry() };
      const { images: [image] } = await pushImage(blob, "localhost:5000/app:1", options);
      for (const verify of [false, true]) {
        const registry = createRegistry();
        await pushImage(blob.stream(), "localhost:5000/app:1", { fetch: registry, verify });
        assertEquals((await readBack(registry, "app", "1")).digest, image?.digest);
      }
    });

    test(`pushImage() gives ${file} the same digest when it reads everything first`, async () => {
      const [one, two] = [createRegistry(), createRegistry()];
      const blob = await readFixture(file);
      const plain = await pushImage(blob, "localhost:5000/app:1", { fetch: one });
      const verified = await pushImage(blob, "localhost:5000/app:1", { fetch: two, verify: true });
      assertEquals(verified.images[0]?.digest, plain.images[0]?.digest);
      assertEquals((await readBack(two, "app", "1")).digest, plain.images[0]?.digest);
    });
  }

  test(`pushImage() finds every image of ${file} by each of its names`, async () => {
    const blob = await readFixture(file);
    if (isContested(fixture)) return await assertContested(blob, fixture);
    for (const [name, outcomes] of namesOf(fixture)) {
      const registry = createRegistry();
      const options = { fetch: registry, images: [name] };
      await pushImage(blob, "localhost:5000/app:1", options);
      await assertOutcome(registry, "app", "1", outcomes);
    }
  });

  test(`pushImage() finds every image of ${file} by its digests`, async () => {
    const blob = await readFixture(file);
    for (const [digest, outcomes] of digestsOf(fixture)) {
      for (const text of [digest, digest.slice(7), digest.slice(7, 19)]) {
        const registry = createRegistry();
        await pushImage(blob, "localhost:5000/app:1", { fetch: registry, images: [text] });
        await assertOutcome(registry, "app", "1", outcomes);
      }
    }
  });

  const places = new Map<string, Outcome[]>();
  const own = namesOf(fixture).filter(([name]) =>
    // RepoTags win over the names of index.json.
    !docker || docker.some(({ tags }) => tags?.includes(name))
  );
  for (const [name, outcomes] of own) {
    const place = placeOf(name);
    if (place) places.set(place, outcomes);
  }
  if (isContested(fixture)) {
    test(`pushImage() pushes no name of ${file} that two images have`, async () => {
      const registry = createRegistry();
      const blob = await readFixture(file);
      for (const source of [() => blob, () => blob.stream()]) {
        const target = source() === blob ? "localhost:5000" : "localhost:5000/app";
        await assertRejects(
          () => pushImage(source(), target, { fetch: registry, allTags: target.includes("/") }),
          AmbiguousImageError,
        );
      }
      assertEquals(await allTags(registry), []);
    });
  } else if (places.size > 0) {
    test(`pushImage() puts ${file} under all of its own names`, async () => {
      const registry = createRegistry();
      await pushImage(await readFixture(file), "localhost:5000", { fetch: registry });
      await assertTags(registry, [...places.keys()], fixture);
      for (const [place, outcomes] of places) {
        const colon = place.lastIndexOf(":");
        await assertOutcome(registry, place.slice(0, colon), place.slice(colon + 1), outcomes);
      }
    });
  } else if (oci?.some(({ ref_name }) => ref_name)) {
    test(`pushImage() has no repository for the bare tags of ${file}`, async () => {
      const registry = createRegistry();
      const blob = await readFixture(file);
      const error = await assertRejects(
        () => pushImage(blob, "localhost:5000", { fetch: registry }),
        Error,
        "expected a repository",
      );
      assertClear(error);
      assertEquals(await allTags(registry), []);
      await pushImage(blob, "localhost:5000/app", { fetch: registry, allTags: true });
      for (const { ref_name } of oci ?? []) {
        assert(
          ref_name !== null && await hasManifest(registry, "app", ref_name),
          `tag ${ref_name}`,
        );
      }
    });
  } else {
    test(`pushImage() has no name for the image of ${file}`, async () => {
      const registry = createRegistry();
      const blob = await readFixture(file);
      const error = await assertRejects(
        () => pushImage(blob, "localhost:5000", { fetch: registry }),
        Error,
        "no image of the archive has a name",
      );
      assertClear(error);
      assertEquals(await allTags(registry), []);
    });
  }
}
