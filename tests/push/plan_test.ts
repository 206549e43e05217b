import { assertEquals, assertThrows } from "@std/assert";
import { AmbiguousImageError, ArchiveError } from "../../src/errors.ts";
import { openArchive } from "../../src/image/archive.ts";
import { selectImages } from "../../src/push/choices.ts";
import {
  parseTargets,
  planImages,
  type PlanOptions,
  type PushTarget,
} from "../../src/push/plan.ts";
import { formatReference, parseReference } from "../../src/reference.ts";
import { dockerSave, makeImage, OciLayout, toBlob } from "../helpers/archives.ts";
import { assertClear } from "../helpers/expected.ts";
import { test } from "../helpers/test.ts";

const ALL: PlanOptions = { images: [], allTags: false, rename: [] };

/** Three images: one with two full names, one with a bare tag, one without any name. */
async function mixedArchive() {
  const layout = new OciLayout();
  const images = await Promise.all(["a", "b", "c"].map((text) => makeImage([text])));
  const [first, second, third] = await Promise.all(images.map((image) => layout.image(image)));
  if (!first || !second || !third) throw new Error("unreachable");
  layout.add(first, { ref: "docker.io/library/app:1" });
  layout.add(first, { ref: "registry.example.com/team/app:2" });
  layout.add(second, { ref: "v1" });
  layout.add(third);
  const archive = await openArchive(toBlob(layout.entries()));
  return { archive, digests: [first.digest, second.digest, third.digest] };
}

/** The references of a plan, each with the id of its image. */
function planned(...parameters: Parameters<typeof planImages>): string[] {
  return planImages(...parameters).planned
    .map(({ image, reference }) => `${image.id} ${formatReference(reference)}`);
}

test("selectImages() finds each image by everything that names it", async () => {
  const { archive, digests } = await mixedArchive();
  const cases: [string, string][] = [
    ["app:1", "#1"],
    ["docker.io/library/app:1", "#1"],
    ["registry.example.com/team/app:2", "#1"],
    ["1", "#1"],
    ["2", "#1"],
    ["v1", "#2"],
    ["#3", "#3"],
    ...digests.map((digest, index): [string, string] => [digest, `#${index + 1}`]),
  ];
  for (const [text, id] of cases) {
    assertEquals(selectImages(archive, [text]).map((image) => image.id), [id], text);
  }
  assertEquals(selectImages(archive, []).length, 3);
});

test("selectImages() keeps the order of the archive", async () => {
  const { archive } = await mixedArchive();
  const ids = selectImages(archive, ["#3", "v1", "#3", "app:1"]).map(({ id }) => id);
  assertEquals(ids, ["#1", "#2", "#3"]);
});

test("selectImages() says what there is when a name fits nothing", async () => {
  const { archive } = await mixedArchive();
  for (const text of ["team/app:2", "registry.example.com/team/app:1", "v", "3", "#4", "latest"]) {
    const error = assertThrows(
      () => selectImages(archive, [text]),
      ArchiveError,
      '"app:1", "v1", #3',
    );
    assertClear(error);
  }
});

test("selectImages() prefers a name to the first digits of a digest", async () => {
  const [one, two] = [await makeImage(["one"]), await makeImage(["two"])];
  const digits = one.configDigest.slice(7, 19);
  const archive = await openArchive(toBlob(dockerSave([
    { image: one, repoTags: ["one:1"] },
    { image: two, repoTags: [`two:${digits}`] },
  ])));
  assertEquals(selectImages(archive, [digits]).map(({ id }) => id), ["#2"]);
});

test("planImages() gives each image the references that name it by its place", async () => {
  const { archive } = await mixedArchive();
  const target = (id: string, text: string): PushTarget => {
    return { kind: "image", id, reference: parseReference(text) };
  };
  const targets = [target("#3", "h/c"), target("#1", "h/a:1"), target("#1", "h/a:2")];
  assertEquals(planned(archive, targets, ALL), ["#3 h/c:latest", "#1 h/a:1", "#1 h/a:2"]);
  const twice = [target("#1", "h/a:1"), target("#2", "h/a:1")];
  assertThrows(() => planned(archive, twice, ALL), AmbiguousImageError, "h/a:1");
  assertThrows(() => planned(archive, [target("#4", "h/a:1")], ALL), ArchiveError, "#4");
});

test("planImages() keeps the scheme of a place", async () => {
  const { archive } = await mixedArchive();
  const options = { ...ALL, images: ["#1"] };
  const { planned } = planImages(archive, parseTargets("http://h"), options);
  assertEquals(planned.map(({ reference }) => reference.scheme), ["http", "http"]);
});

test("planImages() takes the first rename that fits", async () => {
  const { archive } = await mixedArchive();
  const options = {
    ...ALL,
    images: ["#1"],
    rename: ["team=never", "registry.example.com/team=new", "registry.example.com=late", "app=web"],
  };
  // The second spelling of the name, without its host, fits the first pair.
  assertEquals(planned(archive, parseTargets("h"), options), ["#1 h/web:1", "#1 h/never/app:2"]);
});
