import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ArchiveError } from "../../../src/errors.ts";
import type { PushOptions } from "../../../src/push/options.ts";
import { pushImage } from "../../../src/push/push.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import { scanTar } from "../../../src/tar/scan.ts";
import {
  dockerSave,
  makeImage,
  makeLayer,
  OciLayout,
  pathOf,
  toBlob,
  withPlatform,
} from "../../helpers/archives.ts";
import { allTags, readBack } from "../../helpers/expected.ts";
import { endsUpload, faultLayer, type SeenRequest } from "../../helpers/fault_layer.ts";
import { type TarWriterEntry, writeTar } from "../../helpers/tar_writer.ts";
import { test } from "../../helpers/test.ts";

const shared = await makeLayer("shared");
const one = await makeImage([shared, "one"]);
const two = await makeImage([shared, "two"]);
const nameless = await makeImage(["nameless"]);

/** The same entries with those of these paths before all others. */
function first(entries: readonly TarWriterEntry[], ...paths: string[]): TarWriterEntry[] {
  const chosen = paths.flatMap((path) => entries.filter((entry) => entry.path === path));
  return [...chosen, ...entries.filter((entry) => !chosen.includes(entry))];
}

/** Paths of the manifests, indexes and configs. */
function documentsOf(entries: readonly TarWriterEntry[]): string[] {
  return entries.filter(({ body }) => body instanceof Uint8Array && body[0] === 0x7b)
    .map(({ path }) => path);
}

const DOCKER = first(
  dockerSave([
    { image: one, repoTags: ["team/one:1", "team/one:2"] },
    { image: nameless, repoTags: null },
    { image: two, repoTags: ["localhost:5000/two:1"] },
  ]),
  "manifest.json",
);

/** Both kinds of layout: manifests first of all, or sorted by name. */
async function makeLayout(): Promise<OciLayout> {
  const layout = await OciLayout.of(one, { name: "docker.io/team/one:1" });
  layout.add(await layout.image(nameless));
  const children = [
    withPlatform(await layout.image(two), "linux/amd64"),
    withPlatform(await layout.image(await makeImage(["arm"])), "linux/arm64"),
  ];
  layout.add(await layout.indexOf(children), { name: "localhost:5000/two:1" });
  return layout;
}

async function push(entries: readonly TarWriterEntry[], target: string, options: PushOptions = {}) {
  const registry = createRegistry();
  const { fetch, seen } = faultLayer(registry);
  const result = await pushImage(toBlob(entries).stream(), target, { fetch, ...options });
  return { registry, seen, result };
}

/** `REPOSITORY DIGEST` of each blob that was sent. */
function sent(seen: readonly SeenRequest[]): string[] {
  return seen.filter(endsUpload)
    .map(({ path, query }) => `${path.slice(4, path.indexOf("/blobs/"))} ${query.get("digest")}`);
}

for (const memoryBudget of [undefined, 1024 * 1024]) {
  test(`a pipe with manifest.json first goes to its own names, in ${memoryBudget ?? "all"} bytes of memory`, async () => {
    const { registry, seen } = await push(DOCKER, "localhost:5000/mirror/", {
      ...(memoryBudget !== undefined && { memoryBudget }),
    });
    assertEquals(await allTags(registry), [
      "mirror/team/one:1",
      "mirror/team/one:2",
      "mirror/two:1",
    ]);
    await readBack(registry, "mirror/team/one", "1");
    await readBack(registry, "mirror/two", "1");
    const blobs = sent(seen);
    // Two layers and a config of one, a layer and a config of the other; nothing of the one without a name.
    assertEquals(blobs.length, 5);
    assertEquals(blobs.filter((blob) => blob.endsWith(shared.digest)).length, 1);
    assertEquals(blobs.filter((blob) => blob.startsWith("mirror/two ")).length, 2);
  });
}

test("a pipe with index.json and manifests first goes to its own names", async () => {
  const layout = await makeLayout();
  const entries = layout.entries();
  const documents = documentsOf(entries);
  const { registry, seen } = await push(
    first(entries, "index.json", ...documents),
    "localhost:5000",
  );
  assertEquals(await allTags(registry), ["team/one:1", "two:1"]);
  await readBack(registry, "team/one", "1");
  const needless = nameless.layers.map(({ digest }) => digest);
  assertEquals(sent(seen).filter((blob) => needless.some((digest) => blob.endsWith(digest))), []);
});

test("a pipe with index.json first and manifests among the blobs goes to its own names", async () => {
  const layout = await makeLayout();
  const { registry } = await push(first(layout.entries(), "index.json"), "localhost:5000");
  assertEquals(await allTags(registry), ["team/one:1", "two:1"]);
  await readBack(registry, "team/one", "1");
});

test("a pipe with manifest.json first and index.json last goes to its own names, attestations included", async () => {
  const layout = new OciLayout();
  const image = await layout.image(one);
  const children = [withPlatform(image, "linux/amd64"), await layout.attestation(image)];
  layout.add(await layout.indexOf(children), { name: "docker.io/team/one:1" });
  const entries = layout.entries([{ image: one, repoTags: ["team/one:1"] }]);
  const { registry, result } = await push(first(entries, "manifest.json"), "localhost:5000");
  assertEquals(await allTags(registry), ["team/one:1"]);
  assertEquals(result.images[0]?.digest, layout.index[0]?.digest);
});

test("a pipe finds the index around an image that only manifest.json names", async () => {
  const layout = new OciLayout();
  const children = [
    withPlatform(await layout.image(one), "linux/amd64"),
    withPlatform(await layout.image(two), "linux/arm64"),
  ];
  layout.add(await layout.indexOf(children), { ref: "1" });
  const entries = layout.entries([{ image: one, repoTags: ["team/one:1"] }]);
  // Every document, then the blobs: from the first one on, all is known.
  const documents = documentsOf(entries);
  const { registry, result } = await push(
    first(entries, "manifest.json", "index.json", ...documents),
    "localhost:5000",
  );
  assertEquals(await allTags(registry), ["team/one:1"]);
  assertEquals(result.images[0]?.digest, layout.index[0]?.digest);
  await readBack(registry, "team/one", "1");
});

test("a pipe with an image under a full name and a bare tag goes to the full one, as a file does", async () => {
  const layout = new OciLayout();
  const image = await layout.image(one);
  layout.add(image, { name: "docker.io/team/one:1" });
  layout.add(image, { ref: "latest" });
  const entries = first(layout.entries(), "index.json");
  const { registry } = await push(entries, "localhost:5000");
  assertEquals(await allTags(registry), ["team/one:1"]);
});

test("a pipe commits what it sent for one image before it knew that another needs it", async () => {
  const layout = new OciLayout();
  await layout.image(one);
  layout.add(await layout.image(nameless), { name: "docker.io/team/late:1" });
  const entries = layout.entries([
    { image: one, repoTags: ["team/one:1"] },
    { image: nameless, repoTags: null },
  ]);
  const others = entries.map(({ path }) => path).filter((path) => path !== "index.json");
  const documents = documentsOf(entries).filter((path) => others.includes(path));
  const early = ["manifest.json", ...documents, ...one.layers.map(pathOf)];
  const { registry } = await push(first(first(entries, ...others), ...early), "localhost:5000");
  assertEquals(await allTags(registry), ["team/late:1", "team/one:1"]);
  await readBack(registry, "team/late", "1");
});

test("--image counts the images of a pipe as those of a file", async () => {
  const layout = await OciLayout.of(one, { name: "docker.io/team/one:1" });
  layout.add(await layout.image(two), { name: "docker.io/team/two:1" });
  const entries = layout.entries([{ image: one }, { image: two }]);
  const documents = documentsOf(entries);
  const ordered = first(entries, "manifest.json", "index.json", ...documents);
  for (const [id, name] of [["#1", "team/one:1"], ["#2", "team/two:1"]] as const) {
    const { registry } = await push(ordered, "localhost:5000", { images: [id] });
    assertEquals(await allTags(registry), [name]);
  }
});

test("a document of which only the head has come is not asked for by the blob before it", async () => {
  const layout = new OciLayout();
  const annotations = { padding: "x".repeat(1000) };
  for (let number = 1; number <= 8; number++) {
    const image = await layout.image(await makeImage([`${number}`]), { annotations });
    layout.add(image, { name: `docker.io/team/app:${number}` });
  }
  // While the first blob's way is looked for in all manifests but the last one, that begins to come.
  const manifests = layout.index.map(pathOf);
  const manifest = manifests.pop() ?? "";
  const entries = layout.entries();
  const layer = entries.find(({ body }) => body && body[0] !== 0x7b)?.path ?? "";
  const tar = writeTar(first(entries, "index.json", ...manifests, layer, manifest));
  let place = 0;
  for await (const { path, bodyOffset } of scanTar(new Blob([tar]))) {
    if (path === manifest) place = bodyOffset + 600;
  }
  const { promise: isAsked, resolve } = Promise.withResolvers<void>();
  const pieces = [tar.subarray(0, place), tar.subarray(place)];
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      // The rest comes once a blob has been sent, or at least looked at.
      if (pieces.length === 1) await isAsked;
      const piece = pieces.shift();
      if (piece) controller.enqueue(piece);
      else controller.close();
    },
    cancel: () => resolve(),
  }, { highWaterMark: 0 });
  const registry = createRegistry();
  const fetch = (request: Request) => (resolve(), registry(request));
  await pushImage(stream, "localhost:5000", { fetch });
  assertEquals((await allTags(registry)).length, 8);
});

test("a pipe with names first obeys --rename and --image", async () => {
  const renamed = await push(DOCKER, "localhost:5000", { rename: ["team/=staging/"] });
  assertEquals(await allTags(renamed.registry), ["staging/one:1", "staging/one:2", "two:1"]);
  const chosen = await push(DOCKER, "localhost:5000", { images: ["localhost:5000/two:1"] });
  assertEquals(await allTags(chosen.registry), ["two:1"]);
});

const WRONG: [what: string, entries: TarWriterEntry[], says: string][] = [
  ["that is no JSON", [{ path: "manifest.json", body: "[{" }, ...DOCKER.slice(1)], "manifest.json"],
  [
    "without a Config",
    [{ path: "manifest.json", body: '[{"RepoTags":["a:1"],"Layers":["x"]}]' }, ...DOCKER.slice(1)],
    "item 0 names no Config",
  ],
  [
    "without a name",
    first(dockerSave([{ image: one, repoTags: null }]), "manifest.json"),
    "has a name",
  ],
];

for (const [what, entries, says] of WRONG) {
  test(`a pipe with a manifest.json first ${what} ends before anything is sent`, async () => {
    const { fetch, seen } = faultLayer(createRegistry());
    // Under a name of the caller's it needs none.
    const targets = says === "has a name" ? [] : ["localhost:5000/app:1"];
    for (const target of ["localhost:5000", ...targets]) {
      const error = await assertRejects(
        () => pushImage(toBlob(entries).stream(), target, { fetch }),
        ArchiveError,
      );
      assertStringIncludes(error.message, says);
    }
    assertEquals(seen.length, 0);
  });
}
