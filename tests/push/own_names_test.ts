import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { AmbiguousImageError, ArchiveError, DigestMismatchError } from "../../src/errors.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, encode, makeImage, OciLayout, withPlatform } from "../helpers/archives.ts";
import {
  allTags,
  assertClear,
  hasManifest,
  pushFails,
  pushTo,
  readBack,
  type Registry,
  tagsOf,
} from "../helpers/expected.ts";
import type { TarWriterEntry } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const HOST = "localhost:5000";

/** A docker archive: one image for each list of names, which is its content, too. */
async function docker(...images: (string[] | null)[]): Promise<TarWriterEntry[]> {
  return dockerSave(
    await Promise.all(images.map(async (repoTags, index) => ({
      image: await makeImage([`image ${index}`]),
      repoTags,
    }))),
  );
}

/** An OCI layout: one image for each list of ref names. */
async function oci(...images: string[][]): Promise<TarWriterEntry[]> {
  const layout = new OciLayout();
  for (const [index, refs] of images.entries()) {
    const descriptor = await layout.image(await makeImage([`image ${index}`]));
    if (refs.length === 0) layout.add(descriptor);
    for (const ref of refs) layout.add(descriptor, { ref });
  }
  return layout.entries();
}

/** What a target makes of own names. */
async function placed(
  archive: TarWriterEntry[],
  target: string | string[],
  options: Parameters<typeof pushTo>[2] = {},
): Promise<string[]> {
  return await allTags((await pushTo(archive, target, options)).registry);
}

/** The text of the layer that stands under a reference. */
async function contentOf(registry: Registry, repository: string, tag: string): Promise<string> {
  const { layers } = await readBack(registry, repository, tag);
  return new TextDecoder().decode(layers[0]?.bytes.slice(512)).replaceAll("\0", "").slice(0, 7);
}

// Targets

test("a reference without a tag means latest", async () => {
  const { registry, result, warnings } = await pushTo(await docker(["app:latest"]), `${HOST}/app`);
  assertEquals(await allTags(registry), ["app:latest"]);
  assertEquals(result.images[0]?.reference, `${HOST}/app:latest`);
  assertEquals(warnings, []);
});

test("a reference without a tag brings a hint when the archive has other tags", async () => {
  for (const archive of [await docker(["app:1.0", "app:2.0"]), await oci(["1.0", "2.0"])]) {
    const { registry, warnings } = await pushTo(archive, `${HOST}/app`);
    assertEquals(await allTags(registry), ["app:latest"]);
    assertEquals(warnings.length, 1);
    for (const part of ["1.0, 2.0", "--all-tags", `${HOST}/app:latest`]) {
      assertStringIncludes(warnings[0] ?? "", part);
    }
  }
  const { warnings } = await pushTo(await docker(["app:1.0"]), `${HOST}/app:2`);
  assertEquals(warnings, []);
});

test("a reference with a digest and no tag writes no tag", async () => {
  const archive = await oci(["v1"]);
  const [image] = (await pushTo(archive, `${HOST}/app:1`)).result.images;
  const { registry, result } = await pushTo(archive, `${HOST}/app@${image?.digest}`);
  assertEquals(await tagsOf(registry, "app"), []);
  assertEquals(await hasManifest(registry, "app", image?.digest ?? ""), true);
  assertEquals(result.images[0]?.reference, `${HOST}/app@${image?.digest}`);
});

test("a reference with tag and digest writes the tag", async () => {
  const archive = await docker(["app:1"]);
  const [image] = (await pushTo(archive, `${HOST}/app:1`)).result.images;
  assertEquals(await placed(archive, `${HOST}/app:9@${image?.digest}`), ["app:9"]);
});

test("a reference with another digest fails before anything is uploaded", async () => {
  const wrong = await digestBytes(encode("something else"));
  for (const archive of [await docker(["app:1"]), await oci(["v1"])]) {
    for (const target of [`${HOST}/app@${wrong}`, `${HOST}/app:1@${wrong}`]) {
      const registry = createRegistry();
      const methods: string[] = [];
      const fetch = (request: Request) => {
        methods.push(request.method);
        return registry(request);
      };
      const error = await assertRejects(
        () => pushTo(archive, target, { fetch }),
        DigestMismatchError,
        wrong,
      );
      assertClear(error);
      assertEquals(error.expected, wrong);
      assertEquals(methods.filter((method) => method !== "HEAD" && method !== "GET"), []);
    }
  }
});

test("a reference with a digest chooses the image that has it", async () => {
  const archive = await oci(["v1"], ["v2"]);
  const all = await pushTo(archive, `${HOST}/all`, { allTags: true });
  const { digest } = await readBack(all.registry, "all", "v2");
  const { registry } = await pushTo(archive, `${HOST}/app:x@${digest}`);
  assertEquals((await readBack(registry, "app", "x")).digest, digest);
});

test("several references each get the image", async () => {
  const targets = [`${HOST}/a:1`, `${HOST}/b/c:2`, `${HOST}/a:1`, `${HOST}/a`, `${HOST}/a:latest`];
  assertEquals(await placed(await docker(["app:1"]), targets), ["a:1", "a:latest", "b/c:2"]);
});

test("several places each get the own names", async () => {
  const archive = await docker(["app:1"]);
  assertEquals(await placed(archive, [HOST, `${HOST}/x/`]), ["app:1", "x/app:1"]);
});

test("references and places do not mix, and there must be one", async () => {
  const archive = await docker(["app:1"]);
  for (const target of [[`${HOST}/a:1`, HOST], [`${HOST}/x/`, `${HOST}/x/y`], []]) {
    await pushFails(archive, TypeError, "Cannot push", { target });
  }
});

test("a target that does not parse is a SyntaxError before anything is read or sent", async () => {
  const unread = {
    size: 1024,
    slice: () => {
      throw new Error("read");
    },
  };
  const fetch = () => Promise.reject(new Error("sent"));
  for (const target of ["", "UPPER/App", `${HOST}/app@sha256:1`, `ftp://${HOST}/app`]) {
    await assertRejects(() => pushImage(unread, target, { fetch }), SyntaxError, "Cannot parse");
    await assertRejects(() => pushImage(unread, [HOST + "/a", target], { fetch }), SyntaxError);
  }
});

// Own names under a place

test("own names keep path and tag, the host is replaced", async () => {
  const cases: [string, string][] = [
    ["localhost:5000/team/app:1", "team/app:1"],
    ["localhost/app:1", "app:1"],
    ["docker.io/team/app:1", "team/app:1"],
    ["registry.example.com/a/b/c:dup", "a/b/c:dup"],
    ["127.0.0.1:59751/c/app:oci", "c/app:oci"],
    ["app:1", "app:1"],
    ["docker.io/library/app:1", "app:1"],
    ["library/app:1", "app:1"],
    ["team/app", "team/app:latest"],
    ["app", "app:latest"],
  ];
  for (const [name, place] of cases) {
    assertEquals(await placed(await docker([name]), HOST), [place], name);
    assertEquals(await placed(await docker([name]), `${HOST}/`), [place], name);
    assertEquals(await placed(await docker([name]), `${HOST}/x/y/`), [`x/y/${place}`], name);
  }
});

test("own names of index.json work as RepoTags do", async () => {
  const archive = await oci(["docker.io/library/app:1"], ["localhost:5000/team/app:2"]);
  assertEquals(await placed(archive, HOST), ["app:1", "team/app:2"]);
  assertEquals(await placed(archive, `${HOST}/x/`), ["x/app:1", "x/team/app:2"]);
});

test("every name of every image is pushed, and lands on its own image", async () => {
  const archive = await docker(["a:1", "docker.io/team/a:latest"], ["b:1"], ["localhost:1/c/d:e"]);
  const { registry, result } = await pushTo(archive, HOST);
  assertEquals(await allTags(registry), ["a:1", "b:1", "c/d:e", "team/a:latest"]);
  assertEquals(await contentOf(registry, "a", "1"), "image 0");
  assertEquals(await contentOf(registry, "team/a", "latest"), "image 0");
  assertEquals(await contentOf(registry, "b", "1"), "image 1");
  assertEquals(await contentOf(registry, "c/d", "e"), "image 2");
  assertEquals(result.images.map(({ reference }) => reference), [
    `${HOST}/a:1`,
    `${HOST}/team/a:latest`,
    `${HOST}/b:1`,
    `${HOST}/c/d:e`,
  ]);
});

test("spellings of one name are pushed once", async () => {
  const archive = await docker(["app:1", "docker.io/library/app:1", "docker.io/app:1"]);
  const { result } = await pushTo(archive, HOST);
  assertEquals(result.images.map(({ reference }) => reference), [`${HOST}/app:1`]);
});

test("one place for two different images is refused, with both names", async () => {
  const archive = await docker(["one.example.com/app:1"], ["two.example.com/app:1"]);
  const error = await pushFails(archive, AmbiguousImageError, `${HOST}/app:1`, { target: HOST });
  assertEquals(error.choices, ["one.example.com/app:1", "two.example.com/app:1"]);
  const options = { images: ["two.example.com/app:1"] };
  assertEquals(await placed(archive, HOST, options), ["app:1"]);
});

test("RepoTags win over the names of index.json for the same image", async () => {
  const layout = new OciLayout();
  const [named, unnamed] = [await makeImage(["named"]), await makeImage(["unnamed"])];
  const descriptor = await layout.image(named);
  layout.add(descriptor, { ref: "from-index:1" });
  layout.add(await layout.image(unnamed), { ref: "only-index:1" });
  const archive = layout.entries([{ image: named, repoTags: ["from-docker:1"] }]);
  const { registry } = await pushTo(archive, HOST);
  assertEquals(await allTags(registry), ["from-docker:1", "only-index:1"]);
  assertEquals((await readBack(registry, "from-docker", "1")).digest, descriptor.digest);
  // The other name still finds it.
  const found = await pushTo(archive, `${HOST}/app:1`, { images: ["from-index:1"] });
  assertEquals((await readBack(found.registry, "app", "1")).digest, descriptor.digest);
});

test("names of index.json count where manifest.json has the image without RepoTags", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one"]);
  layout.add(await layout.image(image), { ref: "team/app:1" });
  assertEquals(await placed(layout.entries([{ image }]), HOST), ["team/app:1"]);
});

test("containerd's full name counts, not the bare tag beside it", async () => {
  const layout = new OciLayout();
  const names = ["docker.io/library/one:1", "docker.io/team/two:1", "localhost:1/three:1"];
  for (const name of names) {
    layout.add(await layout.image(await makeImage([name])), { ref: "1", name });
  }
  assertEquals(await placed(layout.entries(), HOST), ["one:1", "team/two:1", "three:1"]);
});

test("a bare tag has no repository under a place; the error names the way", async () => {
  for (const target of [HOST, `${HOST}/x/`]) {
    const error = await pushFails(await oci(["v1"]), ArchiveError, "expected a repository", {
      target,
    });
    assertStringIncludes(`${error.hint}`, "--all-tags");
    assertStringIncludes(`${error.hint}`, `${target === HOST ? `${HOST}/` : target}REPOSITORY`);
  }
});

test("an archive without names has none for a place", async () => {
  for (const archive of [await docker(null), await docker([]), await oci([])]) {
    const error = await pushFails(archive, ArchiveError, "no image of the archive has a name", {
      target: HOST,
    });
    assertStringIncludes(`${error.hint}`, `${HOST}/`);
  }
});

test("a name that no registry takes is told under a place", async () => {
  const archive = await docker(["Team/App:1"]);
  await pushFails(archive, ArchiveError, 'has no name that registries take ("Team/App:1")', {
    target: HOST,
  });
  const { warnings } = await pushTo(await docker(["app:1"], ["Team/App:1"]), HOST);
  assertEquals(warnings, [
    'image #2 has no name that registries take ("Team/App:1") and is not pushed',
  ]);
});

test("an image without a name is left out under a place, and said so", async () => {
  const { registry, warnings } = await pushTo(await docker(["app:1"], null), HOST);
  assertEquals(await allTags(registry), ["app:1"]);
  assertEquals(warnings, ["image #2 has no name and is not pushed"]);
});

test("a name that would be too long under a prefix is refused", async () => {
  const archive = await docker([`${"a".repeat(100)}/app:1`]);
  const target = `${HOST}/${"x/".repeat(80)}`;
  await pushFails(archive, Error, "at most 255", { target });
});

// --all-tags

test("allTags pushes bare tags and the tags of full names to one repository", async () => {
  const options = { allTags: true };
  assertEquals(await placed(await oci(["v1", "v2"], ["v3"]), `${HOST}/x`, options), [
    "x:v1",
    "x:v2",
    "x:v3",
  ]);
  assertEquals(await placed(await docker(["a:1", "b/c:2"]), `${HOST}/x`, options), ["x:1", "x:2"]);
  const mixed = await oci(["v1", "docker.io/team/app:v2", "localhost:1/app:v1"]);
  assertEquals(await placed(mixed, `${HOST}/x`, options), ["x:v1", "x:v2"]);
  // Own names have their tags anyway.
  assertEquals(await placed(await docker(["a:1", "b/c:2"]), HOST, options), ["a:1", "b/c:2"]);
});

test("allTags refuses one tag for two images", async () => {
  const archive = await docker(["one:1"], ["two:1"], ["two:2"]);
  const options = { target: `${HOST}/app`, allTags: true };
  const error = await pushFails(archive, AmbiguousImageError, `${HOST}/app:1`, options);
  assertEquals(error.choices, ["one:1", "two:1"]);
  const chosen = { allTags: true, images: ["two:1", "two:2"] };
  assertEquals(await placed(archive, `${HOST}/app`, chosen), ["app:1", "app:2"]);
});

test("allTags wants a repository alone, and some tag", async () => {
  const archive = await docker(["app:1"]);
  for (const target of [`${HOST}/app:1`, `${HOST}/app@sha256:${"0".repeat(64)}`]) {
    await pushFails(archive, TypeError, "all tags", { target, allTags: true });
  }
  for (const nameless of [await docker(null), await oci([])]) {
    const options = { target: `${HOST}/app`, allTags: true };
    const error = await pushFails(
      nameless,
      ArchiveError,
      "no image of the archive has a tag",
      options,
    );
    assertStringIncludes(`${error.hint}`, `${HOST}/app:TAG`);
  }
});

// --rename

test("rename changes a leading part of own names", async () => {
  const archive = await docker([
    "team/app:1",
    "team2/app:1",
    "registry.example.com/a/b:2",
    "base:3",
  ]);
  const cases: [string[], string[]][] = [
    [["team=new"], ["a/b:2", "base:3", "new/app:1", "team2/app:1"]],
    [["team/=new/"], ["a/b:2", "base:3", "new/app:1", "team2/app:1"]],
    [["team/=deep/er/"], ["a/b:2", "base:3", "deep/er/app:1", "team2/app:1"]],
    [["team/="], ["a/b:2", "app:1", "base:3", "team2/app:1"]],
    [["team/app=x/y"], ["a/b:2", "base:3", "team2/app:1", "x/y:1"]],
    [["team/app:1=team/app:9"], ["a/b:2", "base:3", "team/app:9", "team2/app:1"]],
    [["registry.example.com/a=z"], ["base:3", "team/app:1", "team2/app:1", "z/b:2"]],
    [["registry.example.com=z"], ["base:3", "team/app:1", "team2/app:1", "z/a/b:2"]],
    [["a/b=q"], ["base:3", "q:2", "team/app:1", "team2/app:1"]],
    [["docker.io/library/base=core/base"], ["a/b:2", "core/base:3", "team/app:1", "team2/app:1"]],
    [["docker.io=hub"], ["a/b:2", "hub/base:3", "hub/team/app:1", "hub/team2/app:1"]],
    [["team=one", "team=two"], ["a/b:2", "base:3", "one/app:1", "team2/app:1"]],
    [["tea=x"], ["a/b:2", "base:3", "team/app:1", "team2/app:1"]],
  ];
  for (const [rename, names] of cases) {
    assertEquals(await placed(archive, HOST, { rename }), names, rename.join(" "));
  }
  assertEquals(await placed(await docker(["team/app:1"]), `${HOST}/x/`, { rename: ["team=new"] }), [
    "x/new/app:1",
  ]);
});

test("rename refuses what gives no name, and what is no pair", async () => {
  const archive = await docker(["team/app:1"]);
  for (const rename of ["team", "", "=x", "team/app=", "team=Upper", "team/app:1=team/app:-"]) {
    await pushFails(archive, TypeError, "Cannot rename", { target: HOST, rename: [rename] });
  }
});

test("rename that fits no name is told", async () => {
  const archive = await docker(["team/app:1"]);
  const options = { rename: ["taem=x", "team=new"] };
  const { warnings } = await pushTo(archive, HOST, options);
  assertEquals(warnings, ['no name to push to starts with "taem": nothing is renamed by that']);
  const one = await pushTo(archive, `${HOST}/app:1`, { rename: ["team=new"] });
  assertEquals(one.warnings.filter((text) => text.includes("nothing is renamed")).length, 1);
});

test("rename that brings two images together is refused", async () => {
  const archive = await docker(["a/app:1"], ["b/app:1"]);
  const options = { target: HOST, rename: ["b=a"] };
  await pushFails(archive, AmbiguousImageError, `${HOST}/a/app:1`, options);
});

test("rename that brings two names of an image together writes one", async () => {
  const archive = await docker(["a/app:1", "b/app:1"]);
  const { registry, result } = await pushTo(archive, HOST, { rename: ["b=a"] });
  assertEquals(result.images.map(({ reference }) => reference), [`${HOST}/a/app:1`]);
  assertEquals(await allTags(registry), ["a/app:1"]);
});

// Choosing an image

test("one reference for several images is refused with the choices", async () => {
  const cases: [TarWriterEntry[], string[]][] = [
    [await docker(["a:1", "a:2"], ["b:1"]), ["a:1", "b:1"]],
    [await oci(["v1"], ["v2"]), ["v1", "v2"]],
    [await docker(null, ["b:1"], null), ["#1", "b:1", "#3"]],
    [await oci([], []), ["#1", "#2"]],
  ];
  for (const [archive, choices] of cases) {
    for (const target of [`${HOST}/app:1`, `${HOST}/app`]) {
      const error = await pushFails(archive, AmbiguousImageError, `${choices.length} images`, {
        target,
      });
      assertEquals(error.choices, choices);
      assertStringIncludes(`${error.hint}`, "--image");
      assertStringIncludes(error.message, choices[1] ?? "");
    }
    for (const [index, choice] of choices.entries()) {
      const { registry } = await pushTo(archive, `${HOST}/app:1`, { images: [choice] });
      const expected = choice === "b:1" || choice === "v2" || choice === "#2" ? 1 : index;
      assertEquals(await contentOf(registry, "app", "1"), `image ${expected}`);
    }
  }
});

test("the hint for several images names what pushes all of them", async () => {
  const cases: [TarWriterEntry[], string | undefined, string][] = [
    [await docker(["a:1", "a:2"], ["b:1"]), HOST, "own names: HOST[:PORT]"],
    [await oci(["v1"], ["v2"]), `${HOST}/app`, "tags: HOST[:PORT]/REPOSITORY --all-tags"],
    [await oci(["v1"], ["team/app:2"]), `${HOST}/app`, "HOST[:PORT]/REPOSITORY --all-tags"],
    // Neither: one has no repository, and two have the same tag.
    [await oci(["v1"], ["a:1"], ["b:1"]), undefined, "choose one with --image NAME"],
  ];
  for (const [archive, target, hint] of cases) {
    const error = await pushFails(archive, AmbiguousImageError, "images for it");
    assert(error.hint?.endsWith(hint), error.hint);
    if (target === undefined) continue;
    const allTags = target.includes("/");
    await pushTo(archive, target, { allTags });
  }
});

test("two chosen images do not fit one reference", async () => {
  const archive = await docker(["a:1"], ["b:1"], ["c:1"]);
  const error = await pushFails(archive, AmbiguousImageError, "2 images", {
    images: ["a:1", "c:1"],
  });
  assertEquals(error.choices, ["a:1", "c:1"]);
  assertEquals(await placed(archive, HOST, { images: ["c:1", "a:1"] }), ["a:1", "c:1"]);
});

test("an image chosen by two of its names is one image", async () => {
  const archive = await docker(["a:1", "a:2"], ["b:1"]);
  assertEquals(await placed(archive, `${HOST}/x:1`, { images: ["a:1", "a:2", "#1"] }), ["x:1"]);
});

test("the same digest under several names is one image", async () => {
  assertEquals(await placed(await oci(["v1", "v2", "team/app:3"]), `${HOST}/x:1`), ["x:1"]);
});

test("images takes every spelling of a full name", async () => {
  const archive = await docker(["docker.io/library/app:1"], ["team/app:latest"], ["localhost/x:1"]);
  const cases: [string, number][] = [
    ["app:1", 0],
    ["library/app:1", 0],
    ["docker.io/app:1", 0],
    ["docker.io/library/app:1", 0],
    ["team/app", 1],
    ["docker.io/team/app:latest", 1],
    ["localhost/x:1", 2],
    ["#3", 2],
  ];
  for (const [name, index] of cases) {
    const { registry } = await pushTo(archive, `${HOST}/app:1`, { images: [name] });
    assertEquals(await contentOf(registry, "app", "1"), `image ${index}`, name);
  }
});

test("images takes a bare tag when only one image has it", async () => {
  const archive = await docker(["a:1"], ["b:1", "b:2"]);
  const { registry } = await pushTo(archive, `${HOST}/app:1`, { images: ["2"] });
  assertEquals(await contentOf(registry, "app", "1"), "image 1");
  const error = await pushFails(archive, AmbiguousImageError, 'choose image "1"', {
    images: ["1"],
  });
  assertEquals(error.choices, ["a:1", "b:1"]);
});

test("images takes 12 or more hex digits of a manifest or config digest", async () => {
  const archive = await oci(["v1"], ["v2"]);
  const all = await pushTo(archive, `${HOST}/all`, { allTags: true });
  const { digest, config } = await readBack(all.registry, "all", "v2");
  for (const full of [digest, config?.digest ?? ""]) {
    for (const text of [full, full.slice(7), full.slice(0, 19), full.slice(7, 19)]) {
      const { registry } = await pushTo(archive, `${HOST}/app:1`, { images: [text] });
      assertEquals((await readBack(registry, "app", "1")).digest, digest, text);
    }
    for (const text of [full.slice(7, 18), `${full.slice(7, 19)}xyz`]) {
      await pushFails(archive, ArchiveError, "Cannot find image", { images: [text] });
    }
  }
});

test("images that fits nothing is an error with what there is", async () => {
  const archive = await docker(["a:1"], null);
  for (const name of ["b:1", "#3", "#0", "", "\u001b[31m", "x".repeat(500), "a"]) {
    const error = await pushFails(archive, ArchiveError, "Cannot find image", { images: [name] });
    assertStringIncludes(error.message, '"a:1", #2 (sha256:');
  }
});

test("a name on both an index and an image means the index", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one"]);
  const child = await layout.image(image);
  const index = await layout.indexOf([withPlatform(child, "linux/amd64")]);
  for (const order of [[child, index], [index, child]]) {
    layout.index.length = 0;
    for (const descriptor of order) layout.add(descriptor, { ref: "team/app:1" });
    const archive = layout.entries();
    const own = await pushTo(archive, HOST);
    assertEquals((await readBack(own.registry, "team/app", "1")).digest, index.digest);
    const chosen = await pushTo(archive, `${HOST}/x:1`, { images: ["team/app:1"] });
    assertEquals((await readBack(chosen.registry, "x", "1")).digest, index.digest);
    const byTag = await pushTo(archive, `${HOST}/x`, { allTags: true });
    assertEquals((await readBack(byTag.registry, "x", "1")).digest, index.digest);
  }
});

test("a name that manifest.json gives to an image inside an index means the index", async () => {
  const layout = new OciLayout();
  const image = await makeImage(["one"]);
  const child = await layout.image(image);
  const index = await layout.indexOf([withPlatform(child, "linux/amd64")]);
  layout.add(child);
  layout.add(index, { ref: "1" });
  const { registry } = await pushTo(layout.entries([{ image, repoTags: ["team/app:1"] }]), HOST);
  assertEquals((await readBack(registry, "team/app", "1")).digest, index.digest);
});

test("a long list of choices is cut in the message, not in the error", async () => {
  const names = Array.from({ length: 40 }, (_, index) => [`team/image-${index}:1`]);
  const error = await pushFails(await docker(...names), AmbiguousImageError, "and 28 more");
  assertEquals(error.choices.length, 40);
});

test("names of another grammar choose an image but are nothing to push under", async () => {
  const layout = new OciLayout();
  const descriptor = await layout.image(await makeImage(["one"]));
  layout.add(descriptor, { name: "ocidir://layout:latest" });
  layout.add(await layout.image(await makeImage(["two"])), { ref: "Team/App:1" });
  const archive = layout.entries();
  await pushFails(archive, ArchiveError, "no image of the archive has a name", { target: HOST });
  const error = await pushFails(archive, AmbiguousImageError, '"ocidir://layout:latest", "Team');
  assertEquals(error.choices, ["ocidir://layout:latest", "Team/App:1"]);
  const { registry } = await pushTo(archive, `${HOST}/app:1`, {
    images: ["ocidir://layout:latest"],
  });
  assertEquals((await readBack(registry, "app", "1")).digest, descriptor.digest);
});
