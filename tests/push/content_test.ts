import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { DigestMismatchError, PushError } from "../../src/errors.ts";
import { parsePlatforms } from "../../src/image/platform_text.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  dockerSave,
  type MadeDescriptor,
  type MadeImage,
  makeImage,
  makeLayer,
  OciLayout,
  withPlatform,
} from "../helpers/archives.ts";
import {
  allTags,
  hasManifest,
  pushFails,
  pushTo,
  readBack,
  type Registry,
} from "../helpers/expected.ts";
import { withPrivate } from "../helpers/private_repository.ts";
import { test } from "../helpers/test.ts";

const TARGET = "localhost:5000/app:1";

/** An index of platforms with an attestation for each, as buildx makes it. */
async function multiPlatform(...platforms: string[]) {
  const layout = new OciLayout();
  const images: MadeImage[] = [];
  const children: MadeDescriptor[] = [];
  const attestations: MadeDescriptor[] = [];
  for (const platform of platforms) {
    const image = await makeImage([await makeLayer("base", "gzip"), `for ${platform}`], {
      platform,
    });
    const child = withPlatform(await layout.image(image), platform);
    images.push(image);
    children.push(child);
    attestations.push(await layout.attestation(child));
  }
  const members = { annotations: { made: "by buildx" } };
  const index = await layout.indexOf([...children, ...attestations], members);
  layout.add(index, { ref: "1", name: "docker.io/team/app:1" });
  return { layout, images, children, attestations, index };
}

/** A handler that records every PUT of a manifest: the path's last part, and the body. */
function recording(registry: Registry) {
  const puts: [string, string][] = [];
  const fetch = async (request: Request) => {
    const { pathname } = new URL(request.url);
    if (request.method === "PUT" && pathname.includes("/manifests/")) {
      puts.push([pathname.slice(pathname.lastIndexOf("/") + 1), await request.clone().text()]);
    }
    return await registry(request);
  };
  return { fetch, puts };
}

const removeAll = (layout: OciLayout, image: MadeImage, ...descriptors: MadeDescriptor[]) => {
  for (const descriptor of descriptors) layout.remove(descriptor);
  // The base layer is shared.
  for (const { digest } of image.layers.slice(1)) layout.remove({ digest });
  layout.remove({ digest: image.configDigest });
};

test("parsePlatforms() takes os/architecture, a variant, an os.version and os.features", () => {
  assertEquals(parsePlatforms(["linux/amd64", "linux/arm/v7"]), [
    { os: "linux", architecture: "amd64" },
    { os: "linux", architecture: "arm", variant: "v7" },
  ]);
  assertEquals(parsePlatforms(["windows/amd64:10.0.20348.1+win32k", "linux/arm/v7:+a+b"]), [
    {
      os: "windows",
      architecture: "amd64",
      "os.version": "10.0.20348.1",
      "os.features": ["win32k"],
    },
    { os: "linux", architecture: "arm", variant: "v7", "os.features": ["a", "b"] },
  ]);
  const wrong = ["", "linux", "linux/", "/amd64", "linux/arm/", "linux/arm/v7/x", "windows/amd64:"];
  for (const text of [...wrong, "windows/amd64:1:2", "windows:1/amd64", "linux/amd64:1+"]) {
    assertThrows(() => parsePlatforms([text]), TypeError, "expected OS/ARCHITECTURE[/VARIANT]");
  }
});

test("an index is pushed with all its children, attestations included, byte for byte", async () => {
  const { layout, index, children, attestations } = await multiPlatform(
    "linux/amd64",
    "linux/arm64",
  );
  const { registry, warnings } = await pushTo(layout.entries(), TARGET);
  const read = await readBack(registry, "app", "1");
  assertEquals(read.digest, index.digest);
  assertEquals(
    read.children.map(({ digest }) => digest),
    [...children, ...attestations].map(({ digest }) => digest),
  );
  assertEquals(warnings, []);
});

test("children go before their index, and the tag last", async () => {
  const { layout, index, children, attestations } = await multiPlatform(
    "linux/amd64",
    "linux/arm64",
  );
  const { fetch, puts } = recording(createRegistry());
  await pushTo(layout.entries(), TARGET, { fetch });
  const references = puts.map(([reference]) => reference);
  assertEquals(references.slice(-2), [index.digest, "1"]);
  assertEquals(
    references.slice(0, -2).sort(),
    [...children, ...attestations].map(({ digest }) => digest as string).sort(),
  );
});

// --platform

test("one platform pushes that child itself, byte for byte", async () => {
  const { layout, children } = await multiPlatform("linux/amd64", "linux/arm64", "linux/arm/v7");
  const texts = ["linux/amd64", "linux/arm64", "linux/arm/v7"];
  for (const [at, platform] of texts.entries()) {
    const { registry, result, warnings } = await pushTo(layout.entries(), TARGET, {
      platforms: [platform],
    });
    const read = await readBack(registry, "app", "1");
    assertEquals([read.digest, warnings], [children[at]?.digest ?? read.digest, []]);
    assertEquals(result.images[0]?.blobs.length, 3);
  }
});

test("several platforms push a new index of the chosen children and their attestations", async () => {
  const made = await multiPlatform("linux/amd64", "linux/arm64", "linux/arm/v7");
  const { layout, children, attestations, index } = made;
  const { registry, warnings } = await pushTo(layout.entries(), TARGET, {
    platforms: ["linux/arm/v7", "linux/amd64"],
  });
  const read = await readBack(registry, "app", "1");
  assert(read.digest !== index.digest);
  assertEquals(
    read.children.map(({ digest }) => digest).sort(),
    [children[0], children[2], attestations[0], attestations[2]].map((d) => d?.digest ?? "")
      .sort() as typeof read.digest[],
  );
  // What the index said of them, and of itself, is kept.
  assertEquals(read.json.annotations, { made: "by buildx" });
  assertEquals(
    read.json.manifests.map(({ platform }: MadeDescriptor) => platform?.variant).filter(Boolean),
    ["v7"],
  );
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0] ?? "", read.digest);
  assertStringIncludes(warnings[0] ?? "", "new index");
});

test("a platform asked for twice, or in two spellings, is one platform", async () => {
  const { layout, children } = await multiPlatform("linux/amd64", "linux/arm64");
  for (const platforms of [["linux/arm64", "linux/arm64"], ["linux/arm64", "linux/arm64/v8"]]) {
    const { registry } = await pushTo(layout.entries(), TARGET, { platforms });
    assertEquals((await readBack(registry, "app", "1")).digest, children[1]?.digest);
  }
});

test("a platform that is not there is an error with those that are", async () => {
  const { layout } = await multiPlatform("linux/amd64", "linux/arm64");
  for (const platform of ["linux/s390x", "windows/amd64", "linux/arm64/v9", "unknown/unknown"]) {
    const options = { platforms: [platform] };
    await pushFails(layout.entries(), PushError, "linux/amd64, linux/arm64", options);
  }
});

test("a platform is found by the config where the index does not tell", async () => {
  const layout = new OciLayout();
  const images = [await makeImage(["a"]), await makeImage(["b"], { platform: "linux/arm64" })];
  const children = await Promise.all(images.map((image) => layout.image(image)));
  layout.add(await layout.indexOf(children));
  const { registry } = await pushTo(layout.entries(), TARGET, { platforms: ["linux/arm64"] });
  assertEquals((await readBack(registry, "app", "1")).digest, children[1]?.digest);
});

test("a part of an index goes under no digest of the whole, which is told with what to do", async () => {
  const { layout, index } = await multiPlatform("linux/amd64", "linux/arm64");
  const target = `localhost:5000/app@${index.digest}`;
  const options = { target, platforms: ["linux/arm64"] };
  const error = await pushFails(
    layout.entries(),
    DigestMismatchError,
    "the image's digest",
    options,
  );
  assertStringIncludes(error.hint ?? "", "the digest of the whole index");
  const other = { target: `localhost:5000/app@sha256:${"0".repeat(64)}` };
  const plain = await pushFails(layout.entries(), DigestMismatchError, "the image's digest", other);
  assertEquals(plain.hint, undefined);
});

test("a platform is found in an index below the index", async () => {
  const layout = new OciLayout();
  const child = withPlatform(await layout.image(await makeImage(["a"])), "linux/riscv64");
  layout.add(await layout.indexOf([await layout.indexOf([child])]));
  const { registry } = await pushTo(layout.entries(), TARGET, { platforms: ["linux/riscv64"] });
  assertEquals((await readBack(registry, "app", "1")).digest, child.digest);
});

test("an image without an index is pushed when it has the platform, else refused", async () => {
  const image = await makeImage(["a"], { platform: "linux/arm64/v8" });
  const layout = new OciLayout();
  layout.add(await layout.image(image));
  for (const entries of [dockerSave([{ image }]), layout.entries()]) {
    const { registry } = await pushTo(entries, TARGET, { platforms: ["linux/arm64"] });
    assertEquals((await readBack(registry, "app", "1")).config?.digest, image.configDigest);
    await pushFails(entries, PushError, "linux/arm64/v8", { platforms: ["linux/amd64"] });
  }
});

/** An index of children with these platforms; only the index tells them apart. */
async function withChildren(...texts: string[]) {
  const layout = new OciLayout();
  const children: MadeDescriptor[] = [];
  for (const [at, platform] of parsePlatforms(texts).entries()) {
    const { os, architecture } = platform;
    const image = await makeImage([`child ${at}`], { platform: `${os}/${architecture}` });
    children.push({ ...await layout.image(image), platform: { ...platform } });
  }
  const index = await layout.indexOf(children);
  layout.add(index, { ref: "1" });
  return { layout, index, children };
}

test("of several images that fit one platform the newest is pushed, and the notice names all", async () => {
  const cases = [
    ["linux/arm", "linux/arm/v5", "linux/arm/v7", "linux/arm/v6"],
    ["windows/amd64", "windows/amd64:10.0.17763.1", "windows/amd64:10.0.20348.1", "linux/amd64"],
    ["linux/amd64", "linux/amd64/v2", "linux/amd64", "linux/amd64/v3"],
  ] as const;
  const notices = [
    "3 images of the index fit linux/arm: linux/arm/v7 is pushed, and not linux/arm/v6, linux/arm/v5",
    "2 images of the index fit windows/amd64: windows/amd64:10.0.20348.1 is pushed, " +
    "and not windows/amd64:10.0.17763.1",
    "3 images of the index fit linux/amd64: linux/amd64 is pushed, " +
    "and not linux/amd64/v3, linux/amd64/v2",
  ];
  for (const [at, [wanted, ...offered]] of cases.entries()) {
    const { layout, children } = await withChildren(...offered);
    const { registry, warnings } = await pushTo(layout.entries(), TARGET, { platforms: [wanted] });
    assertEquals((await readBack(registry, "app", "1")).digest, children[1]?.digest);
    assertEquals(warnings, [notices[at]]);
  }
});

test("the same platform twice: the first is pushed, the notice tells the digests", async () => {
  const { layout, children } = await withChildren("linux/amd64", "linux/amd64");
  const options = { platforms: ["linux/amd64"] };
  const { registry, warnings } = await pushTo(layout.entries(), TARGET, options);
  const [first, second] = children.map(({ digest }) => digest);
  assertEquals((await readBack(registry, "app", "1")).digest, first);
  assertEquals(warnings, [
    `2 images of the index fit linux/amd64: linux/amd64 (${first}) is pushed, ` +
    `and not linux/amd64 (${second})`,
  ]);
});

test("an os.version that is asked for chooses that image, without a notice", async () => {
  const offered = ["windows/amd64:10.0.17763.1", "windows/amd64:10.0.20348.1"];
  const { layout, children } = await withChildren(...offered);
  for (const [at, platform] of offered.entries()) {
    const options = { platforms: [platform] };
    const { registry, warnings } = await pushTo(layout.entries(), TARGET, options);
    assertEquals((await readBack(registry, "app", "1")).digest, children[at]?.digest);
    assertEquals(warnings, []);
  }
  const absent = { platforms: ["windows/amd64:10.0.26100.1"] };
  await pushFails(layout.entries(), PushError, offered.join(", "), absent);
});

test("a new index keeps all that fit", async () => {
  const { layout, children } = await withChildren(
    "windows/amd64:10.0.17763.1",
    "linux/arm/v5",
    "linux/arm64",
    "linux/arm/v7",
    "windows/amd64:10.0.20348.1",
    "linux/arm/v7",
  );
  const options = { platforms: ["linux/arm", "windows/amd64"] };
  const { registry, warnings } = await pushTo(layout.entries(), TARGET, options);
  const { digest, json } = await readBack(registry, "app", "1");
  assertEquals(
    json.manifests.map(({ digest }: MadeDescriptor) => digest),
    [0, 1, 3, 4, 5].map((at) => children[at]?.digest),
  );
  assertEquals(warnings, [
    "a new index of windows/amd64:10.0.17763.1, linux/arm/v5, linux/arm/v7, " +
    `windows/amd64:10.0.20348.1, linux/arm/v7 is pushed: ${digest}`,
  ]);
});

test("a manifest that stands for two platforms is found under both, and kept under both", async () => {
  const layout = new OciLayout();
  const child = await layout.image(await makeImage(["a"], { platform: "linux/arm" }));
  const other = withPlatform(await layout.image(await makeImage(["b"])), "linux/amd64");
  const twice = ["linux/arm/v6", "linux/arm/v7"].map((text) => withPlatform(child, text));
  layout.add(await layout.indexOf([...twice, other]));
  for (const platform of ["linux/arm/v6", "linux/arm/v7", "linux/arm"]) {
    const options = { platforms: [platform] };
    const { registry, warnings } = await pushTo(layout.entries(), TARGET, options);
    assertEquals((await readBack(registry, "app", "1")).digest, child.digest);
    assertEquals(warnings, []);
  }
  const options = { platforms: ["linux/arm", "linux/amd64"] };
  const { registry } = await pushTo(layout.entries(), TARGET, options);
  assertEquals((await readBack(registry, "app", "1")).json.manifests, [...twice, other]);
});

test("where the index gives two images one platform, their configs tell them apart", async () => {
  const layout = new OciLayout();
  const children: MadeDescriptor[] = [];
  for (const version of ["10.0.17763.1", "10.0.20348.1"]) {
    const image = await makeImage([version], {
      platform: "windows/amd64",
      config: { "os.version": version },
    });
    children.push(withPlatform(await layout.image(image), "windows/amd64"));
  }
  layout.add(await layout.indexOf(children));
  const options = { platforms: ["windows/amd64"] };
  const { registry, warnings } = await pushTo(layout.entries(), TARGET, options);
  assertEquals((await readBack(registry, "app", "1")).digest, children[1]?.digest);
  assertEquals(warnings, [
    "2 images of the index fit windows/amd64: windows/amd64:10.0.20348.1 is pushed, " +
    "and not windows/amd64:10.0.17763.1",
  ]);
});

test("an os.version is found by the config where the index does not tell it", async () => {
  const layout = new OciLayout();
  const platform = "windows/amd64";
  const config = { "os.version": "10.0.20348.1" };
  const child = await layout.image(await makeImage(["a"], { platform, config }));
  const other = withPlatform(await layout.image(await makeImage(["b"])), "linux/amd64");
  layout.add(await layout.indexOf([withPlatform(child, platform), other]));
  for (const version of ["10.0.20348.1", "10.0.20348"]) {
    const options = { platforms: [`${platform}:${version}`] };
    const { registry } = await pushTo(layout.entries(), TARGET, options);
    assertEquals((await readBack(registry, "app", "1")).digest, child.digest);
  }
  const absent = { platforms: [`${platform}:10.0.17763`] };
  await pushFails(layout.entries(), PushError, `${platform}:10.0.20348.1, linux/amd64`, absent);
});

test("a platform text that is none is wrong usage", async () => {
  const { layout } = await multiPlatform("linux/amd64");
  await pushFails(layout.entries(), TypeError, "linux", { platforms: ["linux"] });
});

// Sparse indexes

test("sparse index: the one image that manifest.json names and the archive has is pushed, with a notice", async () => {
  const { layout, images, children, attestations, index } = await multiPlatform(
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
  );
  for (const at of [0, 2]) {
    const [image, child, attestation] = [images[at], children[at], attestations[at]];
    assert(image && child && attestation);
    removeAll(layout, image, child, attestation);
  }
  const [, image] = images;
  assert(image);
  const { fetch, puts } = recording(createRegistry());
  const docker = [{ image, repoTags: ["team/app:1"] }];
  const { registry, warnings } = await pushTo(layout.entries(docker), TARGET, { fetch });
  const read = await readBack(registry, "app", "1");
  assertEquals(read.digest, children[1]?.digest);
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0] ?? "", "lacks linux/amd64, linux/arm/v7");
  assertStringIncludes(warnings[0] ?? "", "only linux/arm64 is pushed");
  assertEquals(puts.map(([reference]) => reference), [read.digest as string, "1"]);
  assertEquals(await hasManifest(registry, "app", index.digest), false);
});

test("sparse index: the one complete image is pushed where nothing else names one", async () => {
  const { layout, images, children, attestations } = await multiPlatform(
    "linux/amd64",
    "linux/arm64",
  );
  const [image] = images;
  assert(image && children[0] && attestations[0]);
  removeAll(layout, image, children[0], attestations[0]);
  const { registry, warnings } = await pushTo(layout.entries(), TARGET);
  assertEquals((await readBack(registry, "app", "1")).digest, children[1]?.digest);
  assertStringIncludes(warnings[0] ?? "", "linux/amd64");
});

test("sparse index: a child whose manifest is there but not its layers counts as absent", async () => {
  const { layout, images, children } = await multiPlatform("linux/amd64", "linux/arm64");
  const [, second] = images[0]?.layers ?? [];
  assert(second);
  layout.remove(second);
  const { registry, warnings } = await pushTo(layout.entries(), TARGET);
  assertEquals((await readBack(registry, "app", "1")).digest, children[1]?.digest);
  assertStringIncludes(warnings[0] ?? "", "lacks linux/amd64");
});

test("sparse index: several complete images need a choice; the error lists what is there and what is not", async () => {
  const { layout, images, children, attestations } = await multiPlatform(
    "linux/amd64",
    "linux/arm64",
    "linux/s390x",
  );
  const [image] = images;
  assert(image && children[0] && attestations[0]);
  removeAll(layout, image, children[0], attestations[0]);
  const { fetch, puts } = recording(createRegistry());
  const error = await pushFails(layout.entries(), PushError, "has linux/arm64, linux/s390x", {
    fetch,
  });
  assertStringIncludes(error.message, "lacks linux/amd64");
  assertStringIncludes(`${error.hint}`, "--platform linux/arm64 --platform linux/s390x");
  assertEquals(puts, []);
  const one = await pushTo(layout.entries(), TARGET, { platforms: ["linux/s390x"] });
  assertEquals((await readBack(one.registry, "app", "1")).digest, children[2]?.digest);
  const two = await pushTo(layout.entries(), TARGET, { platforms: ["linux/arm64", "linux/s390x"] });
  assertEquals((await readBack(two.registry, "app", "1")).children.length, 4);
  const absent = { platforms: ["linux/arm64", "linux/amd64"] };
  await pushFails(layout.entries(), PushError, "linux/amd64", absent);
  await pushFails(layout.entries(), PushError, "linux/amd64", { platforms: ["linux/amd64"] });
});

test("sparse index: none of several images that manifest.json names is preferred", async () => {
  const { layout, images, children, attestations } = await multiPlatform(
    "linux/amd64",
    "linux/arm64",
    "linux/s390x",
  );
  const [first, ...rest] = images;
  assert(first && children[0] && attestations[0]);
  removeAll(layout, first, children[0], attestations[0]);
  const docker = rest.map((image) => ({ image, repoTags: ["team/app:1"] }));
  await pushFails(layout.entries(docker), PushError, "has linux/arm64, linux/s390x");
  // One of two named: manifest.json decides.
  const { registry } = await pushTo(layout.entries(docker.slice(1)), TARGET);
  assertEquals((await readBack(registry, "app", "1")).digest, children[2]?.digest);
});

test("sparse index: no complete image at all", async () => {
  const { layout, images, children, attestations } = await multiPlatform(
    "linux/amd64",
    "linux/arm64",
  );
  for (const [at, image] of images.entries()) {
    const [child, attestation] = [children[at], attestations[at]];
    assert(child && attestation);
    for (const { digest } of [...image.layers.slice(1), { digest: image.configDigest }]) {
      layout.remove({ digest });
    }
    layout.remove(child);
    layout.remove(attestation);
  }
  const error = await pushFails(layout.entries(), PushError, "lacks linux/amd64, linux/arm64");
  assertEquals(error.hint, undefined);
});

test("sparse index: an attestation that is nowhere is told, and the platforms can be pushed", async () => {
  const { layout, attestations, children } = await multiPlatform("linux/amd64", "linux/arm64");
  const [attestation] = attestations;
  assert(attestation);
  layout.remove(attestation);
  const error = await pushFails(layout.entries(), PushError, attestation.digest);
  assertStringIncludes(`${error.hint}`, "--platform linux/amd64 --platform linux/arm64");
  const { registry } = await pushTo(layout.entries(), TARGET, {
    platforms: ["linux/amd64", "linux/arm64"],
  });
  assertEquals((await readBack(registry, "app", "1")).children.length, 3);
  const one = await pushTo(layout.entries(), TARGET, { platforms: ["linux/amd64"] });
  assertEquals((await readBack(one.registry, "app", "1")).digest, children[0]?.digest);
});

test("an index whose children the registry has is pushed whole, wherever its archive lacks them", async () => {
  const { layout, images, children, attestations, index } = await multiPlatform(
    "linux/amd64",
    "linux/arm64",
  );
  const registry = createRegistry();
  const whole = layout.entries();
  await pushTo(whole, "localhost:5000/app:amd64", { fetch: registry, platforms: ["linux/amd64"] });
  const [image] = images;
  assert(image && children[0] && attestations[0]);
  removeAll(layout, image, children[0]);
  const { warnings } = await pushTo(layout.entries(), TARGET, { fetch: registry });
  assertEquals((await readBack(registry, "app", "1")).digest, index.digest);
  assertEquals(warnings, []);
  // Another repository of the registry does not count.
  const other = await pushTo(layout.entries(), "localhost:5000/other:1", { fetch: registry });
  assertEquals((await readBack(registry, "other", "1")).digest, children[1]?.digest);
  assertEquals(other.warnings.length, 1);
});

test("layers that the registry has may be absent from the archive", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one", "two"]);
  const descriptor = await layout.image(image);
  layout.add(descriptor);
  const registry = createRegistry();
  await pushTo(layout.entries(), "localhost:5000/app:whole", { fetch: registry });
  const [layer] = image.layers;
  assert(layer);
  layout.remove(layer);
  const { result } = await pushTo(layout.entries(), TARGET, { fetch: registry });
  assertEquals((await readBack(registry, "app", "1")).digest, descriptor.digest);
  assertEquals(result.images[0]?.blobs.map(({ status }) => status), ["exists", "exists", "exists"]);
  const options = { fetch: registry, mountFrom: ["app"] };
  const mounted = await pushTo(layout.entries(), "localhost:5000/other:1", options);
  assertEquals((await readBack(registry, "other", "1")).digest, descriptor.digest);
  assert(mounted.result.images[0]?.blobs.every(({ status }) => status === "mounted"));
  await pushTo(layout.entries(), "localhost:5000/third:1", {
    fetch: withPrivate(registry),
    mountFrom: ["private", "app"],
  });
});

test("layers and configs that are nowhere are named", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one", "two"]);
  layout.add(await layout.image(image));
  const [, layer] = image.layers;
  assert(layer);
  layout.remove(layer);
  await pushFails(layout.entries(), PushError, `layer 2 ${layer.digest}`);
  await layout.blob(layer.bytes, "");
  layout.remove({ digest: image.configDigest });
  await pushFails(layout.entries(), PushError, `config ${image.configDigest}`);
});

test("a manifest that index.json names and the archive lacks is told, the rest is pushed", async () => {
  const layout = new OciLayout();
  const [gone, there] = [
    await layout.image(await makeImage(["gone"])),
    await layout.image(await makeImage(["there"])),
  ];
  layout.add(gone, { ref: "gone" });
  layout.add(there, { ref: "there" });
  layout.remove(gone);
  const { registry, warnings } = await pushTo(layout.entries(), "localhost:5000/app", {
    allTags: true,
  });
  assertEquals(await allTags(registry), ["app:there"]);
  assertStringIncludes(warnings[0] ?? "", gone.digest);
});

test("after a failure the error tells which images stand", async () => {
  const [one, two] = [await makeImage(["one"]), await makeImage(["two"])];
  const entries = dockerSave([
    { image: one, repoTags: ["one:1"] },
    { image: two, repoTags: ["two:1"] },
  ]).map((entry) =>
    entry.body === two.layers[0]?.bytes ? { ...entry, body: makeDifferent(entry.body) } : entry
  );
  const registry = createRegistry();
  const error = await assertRejects(() => pushTo(entries, "localhost:5000", { fetch: registry }));
  const pushed = (error as { pushed?: { reference: string }[] }).pushed;
  assertEquals(pushed?.map(({ reference }) => reference), ["localhost:5000/one:1"]);
  assertEquals(await allTags(registry), ["one:1"]);
});

function makeDifferent(body: unknown): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(body as Uint8Array);
  copy[0] = (copy[0] ?? 0) ^ 1;
  return copy;
}
