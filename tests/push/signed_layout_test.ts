import { assertEquals, assertRejects } from "@std/assert";
import { openArchive } from "../../src/archive/open_archive.ts";
import { AmbiguousImageError } from "../../src/errors.ts";
import { OCI_CONFIG, OCI_MANIFEST } from "../../src/media_types.ts";
import type { PushOptions } from "../../src/push/options.ts";
import { pushImage } from "../../src/push/push.ts";
import { referrersTag } from "../../src/reference.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  encodeJson,
  gzip,
  linkBlobs,
  type MadeDescriptor,
  makeImage,
  OciLayout,
  toBlob,
  withPlatform,
} from "../helpers/archives.ts";
import { allTags, pushTo, readBack } from "../helpers/expected.ts";
import { check, codesOf } from "../helpers/findings.ts";
import type { TarWriterEntry } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const HOST = "localhost:5000";
const SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json";
const DSSE_ENVELOPE = "application/vnd.dsse.envelope.v1+json";

/** Adds a manifest as cosign writes its signatures: an image config of no platform, one layer. */
async function addSigned(layout: OciLayout, mediaType: string, content: unknown) {
  const layer = await layout.blob(encodeJson(content), mediaType);
  const config = { rootfs: { type: "layers", diff_ids: [layer.digest] }, config: {} };
  return await layout.document({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: await layout.document({ architecture: "", os: "", ...config }, OCI_CONFIG),
    layers: [layer],
  }, OCI_MANIFEST);
}

function signature(layout: OciLayout, about: MadeDescriptor, identity = "") {
  const image = { "docker-manifest-digest": about.digest };
  return addSigned(layout, SIMPLE_SIGNING, { critical: { identity, image } });
}

function attestation(layout: OciLayout, about: MadeDescriptor) {
  const [, sha256] = about.digest.split(":");
  const statement = { subject: [{ name: "x", digest: { sha256 } }], predicate: {} };
  const payload = btoa(JSON.stringify(statement));
  return addSigned(layout, DSSE_ENVELOPE, { payload, signatures: [] });
}

/** An SBOM: nothing in it tells what it is about. */
function sbom(layout: OciLayout, text: string) {
  return addSigned(layout, "text/spdx+json", { text });
}

function tagOf({ digest }: MadeDescriptor, kind: string): string {
  return `${digest.replace(":", "-")}.${kind}`;
}

function ofKind(descriptor: MadeDescriptor, kind: string): MadeDescriptor {
  return { ...descriptor, annotations: { ...descriptor.annotations, kind } };
}

/** The ways in which an archive can come. */
const SOURCES: Record<
  string,
  (entries: readonly TarWriterEntry[]) => Promise<Blob | ReadableStream>
> = {
  "a file": (entries) => Promise.resolve(toBlob(entries)),
  "a pipe": (entries) => Promise.resolve(toBlob(entries).stream()),
  "a compressed file": async (entries) => new Blob([await gzip(await bytesOf(entries))]),
};

async function bytesOf(entries: readonly TarWriterEntry[]) {
  return await toBlob(entries).bytes();
}

/** Pushes and returns all tags and what each of them names. */
async function pushed(
  source: Blob | ReadableStream,
  target: string,
  options: PushOptions = {},
): Promise<Record<string, string>> {
  const fetch = createRegistry();
  await pushImage(source, target, { ...options, fetch });
  const tags: Record<string, string> = {};
  for (const reference of await allTags(fetch)) {
    const colon = reference.lastIndexOf(":");
    const read = await readBack(fetch, reference.slice(0, colon), reference.slice(colon + 1));
    tags[reference] = read.digest;
  }
  return tags;
}

/** A store of two images with all that cosign keeps beside them, as hauler lays it out. */
async function store(vendor: string) {
  const layout = new OciLayout();
  const tags: Record<string, string> = {};
  for (const name of ["app", "db"]) {
    const image = await layout.image(await makeImage([name]));
    const names = { name: `reg.example/team/${name}:1.0`, ref: `team/${name}:1.0` };
    const beside = {
      sig: await signature(layout, image),
      att: await attestation(layout, image),
      sbom: await sbom(layout, name),
    };
    layout.add(ofKind(image, `${vendor}/image`), names);
    tags[`team/${name}:1.0`] = image.digest;
    for (const [kind, descriptor] of Object.entries(beside)) {
      layout.add(ofKind(descriptor, `${vendor}/${kind}s`), names);
      tags[`team/${name}:${tagOf(image, kind)}`] = descriptor.digest;
    }
  }
  return { layout, tags };
}

for (const vendor of ["dev.cosignproject.cosign", "dev.hauler"]) {
  for (const [name, open] of Object.entries(SOURCES)) {
    if (name === "a pipe") continue;
    test(`pushImage() pushes a whole store of ${vendor} under its own names from ${name}`, async () => {
      const { layout, tags } = await store(vendor);
      assertEquals(await pushed(await open(layout.entries()), HOST), tags);
      assertEquals((await codesOf(layout.entries())).length, 0);
    });
  }

  test(`openArchive() has the images of a store of ${vendor}, and what is beside each`, async () => {
    const { layout, tags } = await store(vendor);
    const { images } = await openArchive(toBlob(layout.entries()));
    assertEquals(images.map(({ names }) => names), [
      ["reg.example/team/app:1.0"],
      ["reg.example/team/db:1.0"],
    ]);
    for (const { names: [name = ""], digest, beside } of images) {
      const repository = name.slice("reg.example/".length, -":1.0".length);
      assertEquals(beside?.map(({ kind }) => kind), ["signature", "attestation", "sbom"]);
      for (const { tag, digest: found, subject } of beside ?? []) {
        assertEquals([subject, found as string], [digest, tags[`${repository}:${tag}`]]);
      }
    }
  });
}

for (const [name, open] of Object.entries(SOURCES)) {
  test(`pushImage() puts a signature beside the one image without a name, from ${name}`, async () => {
    const layout = new OciLayout();
    const image = await layout.image(await makeImage(["one"]));
    const signed = await signature(layout, image);
    layout.add(ofKind(image, "dev.cosignproject.cosign/image"));
    layout.add(ofKind(signed, "dev.cosignproject.cosign/sigs"));
    assertEquals(await pushed(await open(layout.entries()), `${HOST}/x/y:2`), {
      "x/y:2": image.digest,
      [`x/y:${tagOf(image, "sig")}`]: signed.digest,
    });
  });
}

test("pushImage() reports a signature beside its image, and writes it once", async () => {
  const layout = new OciLayout();
  const image = await layout.image(await makeImage(["one"]));
  const signed = await signature(layout, image);
  layout.add(ofKind(image, "dev.cosignproject.cosign/image"));
  layout.add(ofKind(signed, "dev.cosignproject.cosign/sigs"));
  const tag = `${HOST}/app:${tagOf(image, "sig")}`;
  const fetch = createRegistry();
  const writes: string[] = [];
  const watched = (request: Request) => {
    if (request.method === "PUT" && request.url.includes("/manifests/")) writes.push(request.url);
    return fetch(request);
  };
  const events: unknown[] = [];
  const targets = [`${HOST}/app:1`, `${HOST}/app:2`];
  const { images } = await pushImage(toBlob(layout.entries()), targets, {
    fetch: watched,
    onEvent: (event) => void (event.type === "tag" && events.push(event)),
  });
  const beside = [{ reference: tag, digest: signed.digest }];
  assertEquals(images.map((each) => [each.reference, each.beside]), [
    [targets[0], beside],
    [targets[1], beside],
  ]);
  assertEquals(events[0], {
    type: "tag",
    reference: tag,
    digest: signed.digest,
    subject: image.digest,
  });
  assertEquals(writes.filter((url) => url.endsWith(".sig")).length, 1);
  writes.length = 0;
  await pushImage(toBlob(layout.entries()), targets, { fetch: watched });
  assertEquals(writes.filter((url) => url.endsWith(".sig")), []);
});

test("pushImage() knows a signature by what was signed, whatever its name and place", async () => {
  const layout = new OciLayout();
  const images = [
    await layout.image(await makeImage(["one"])),
    await layout.image(await makeImage(["two"])),
  ];
  const expected: Record<string, string> = {};
  for (const [at, image] of images.entries()) {
    const signed = await signature(layout, image);
    // Before the images, and without a name.
    layout.index.unshift(ofKind(signed, "dev.cosignproject.cosign/sigs"));
    layout.add(ofKind(image, "dev.cosignproject.cosign/image"), { name: `h.example/a/${at}:1` });
    expected[`a/${at}:1`] = image.digest;
    expected[`a/${at}:${tagOf(image, "sig")}`] = signed.digest;
  }
  assertEquals(await pushed(toBlob(layout.entries()), HOST), expected);
});

test("pushImage() puts signatures of an index and of its children beside the index", async () => {
  const layout = new OciLayout();
  const children: MadeDescriptor[] = [];
  for (const platform of ["linux/amd64", "linux/arm64"]) {
    children.push(
      withPlatform(await layout.image(await makeImage([platform], { platform })), platform),
    );
  }
  const index = await layout.indexOf(children);
  layout.add(ofKind(index, "dev.hauler/imageIndex"), { name: "h.example/app:1" });
  const [first, second] = children;
  if (!first || !second) throw new TypeError("unreachable");
  const expected: Record<string, string> = { "app:1": index.digest };
  for (const about of [index, first, second]) {
    const signed = await signature(layout, about, about.digest);
    layout.add(ofKind(signed, "dev.hauler/sigs"), { name: "h.example/app:1" });
    expected[`app:${tagOf(about, "sig")}`] = signed.digest;
  }
  assertEquals(await pushed(toBlob(layout.entries()), HOST), expected);
  // One platform is another digest: the signature of the index is none of it.
  const { registry, warnings } = await pushTo(layout.entries(), `${HOST}/one:1`, {
    platforms: ["linux/arm64"],
  });
  assertEquals(await allTags(registry), ["one:1", `one:${tagOf(second, "sig")}`].sort());
  assertEquals(warnings.length, 1);
  assertEquals(warnings[0]?.includes("has beside an index, such as its signature"), true);
});

test("pushImage() knows signatures by their tags in a layout, with the name of the image or without", async () => {
  const named = new OciLayout();
  const image = await named.image(await makeImage(["one"]));
  const signed = await signature(named, image);
  const list = await named.artifact("sbom", "application/example", { subject: image });
  named.add(image, { name: "docker.io/library/app:1", ref: "library/app:1" });
  // As newer hauler has it: the full name is that of the image, the other one its own.
  named.add(signed, { name: "docker.io/library/app:1", ref: `library/app:${tagOf(image, "sig")}` });
  named.add(list, { name: "docker.io/library/app:1", ref: `library/app@${list.digest}` });
  const bare = new OciLayout();
  for (const [path, bytes] of named.blobs) bare.blobs.set(path, bytes);
  // As regctl and oras copy a repository with its tags.
  bare.add(image, { ref: "1" });
  bare.add(signed, { ref: tagOf(image, "sig") });
  bare.add(await bare.indexOf([list]), { ref: image.digest.replace(":", "-") });
  for (const [layout, target] of [[named, HOST], [bare, `${HOST}/app:1`]] as const) {
    const fetch = createRegistry();
    await pushImage(toBlob(layout.entries()), target, { fetch });
    assertEquals(await allTags(fetch), ["app:1", `app:${tagOf(image, "sig")}`]);
    await readBack(fetch, "app", list.digest);
    assertEquals((await check(layout.entries())).findings.map(({ code }) => code), []);
  }
});

test("pushImage() knows lists of referrers by their tags, which have half of a SHA-512 digest", async () => {
  for (const algorithm of ["sha256", "sha512"] as const) {
    const layout = new OciLayout();
    const image = await layout.image(await makeImage(["one"]), {}, algorithm);
    const sbom = await layout.artifact("sbom", "application/example", { subject: image });
    layout.add(image, { ref: "1" });
    layout.add(await layout.indexOf([sbom]), { ref: referrersTag(image.digest) });
    // Of an image that was there before: `regctl image mod` leaves its list in the folder.
    const gone = await new OciLayout().image(await makeImage(["gone"]), {}, algorithm);
    const left = await layout.artifact("left", "application/example", { subject: gone });
    layout.add(await layout.indexOf([left]), { ref: referrersTag(gone.digest) });
    const fetch = createRegistry();
    await pushImage(toBlob(layout.entries()), `${HOST}/app:1`, { fetch });
    assertEquals(await allTags(fetch), ["app:1"]);
    await readBack(fetch, "app", image.digest);
    await readBack(fetch, "app", sbom.digest);
    assertEquals(
      (await fetch(new Request(`http://${HOST}/v2/app/manifests/${left.digest}`))).status,
      404,
    );
  }
});

test("pushImage() brings signatures along that cosign save leaves among the blobs", async () => {
  const layout = new OciLayout();
  const image = await layout.image(await makeImage(["one"]));
  const bundle = await layout.artifact("{}", "application/vnd.dev.sigstore.bundle.v0.3+json", {
    subject: image,
  });
  const stray = await layout.document({ schemaVersion: 2, subject: "nothing" }, "text/json");
  layout.add(ofKind(image, "dev.cosignproject.cosign/image"));
  for (const entries of [layout.entries(), linkBlobs(layout.entries())]) {
    for (const open of Object.values(SOURCES)) {
      const fetch = createRegistry();
      await pushImage(await open(entries), `${HOST}/app:1`, { fetch });
      await readBack(fetch, "app", bundle.digest);
      assertEquals(await allTags(fetch), ["app:1"]);
    }
  }
  const { findings } = await check(layout.entries());
  assertEquals(findings.map(({ code, digest }) => [code, digest]), [[
    "unreferenced",
    stray.digest,
  ]]);
});

test("a signature whose image is not there is an image like any other", async () => {
  const layout = new OciLayout();
  const elsewhere = await new OciLayout().image(await makeImage(["elsewhere"]));
  const signed = await signature(layout, elsewhere);
  layout.add(signed, { ref: tagOf(elsewhere, "sig") });
  const tags = await pushed(toBlob(layout.entries()), `${HOST}/app`, { allTags: true });
  assertEquals(tags, { [`app:${tagOf(elsewhere, "sig")}`]: signed.digest });
});

test("two images of one name are told apart by numbers, in a file and in a pipe", async () => {
  const layout = new OciLayout();
  const digests: string[] = [];
  for (const content of ["one", "two"]) {
    const image = await layout.image(await makeImage([content]));
    digests.push(image.digest);
    layout.add(image, { name: "h.example/app:1" });
  }
  for (const target of [`${HOST}/app:1`, HOST]) {
    const error = await assertRejects(
      () => pushImage(toBlob(layout.entries()), target, { fetch: createRegistry() }),
      AmbiguousImageError,
    );
    assertEquals(error.choices, ["#1", "#2"]);
    assertEquals(error.hint, "choose one: --image '#1' or --image '#2'");
    assertEquals(error.message.match(/sha256:\w+/g), digests);
  }
  for (const [at, choice] of ["#1", "#2"].entries()) {
    for (const source of [toBlob(layout.entries()), toBlob(layout.entries()).stream()]) {
      const tags = await pushed(source, `${HOST}/app:1`, { images: [choice] });
      assertEquals(tags, { "app:1": `${digests[at]}` });
    }
  }
});

test("pushImage() pushes what a store names by digest under its digest, with what is beside it", async () => {
  const layout = new OciLayout();
  const made = await makeImage(["one"]);
  const image = await layout.image(made);
  const signed = await signature(layout, image);
  const names = {
    name: `index.docker.io/library/app@${image.digest}`,
    ref: `library/app@${image.digest}`,
  };
  layout.add(ofKind(image, "dev.hauler/image"), names);
  layout.add(ofKind(signed, "dev.hauler/sigs"), names);
  // As hauler has it for docker, which needs a tag.
  const repoTags = [`app:${image.digest.replace(":", "-")}`];
  for (const entries of [layout.entries(), layout.entries([{ image: made, repoTags }])]) {
    for (const open of [SOURCES["a file"], SOURCES["a compressed file"]]) {
      const fetch = createRegistry();
      const source = await open?.(entries);
      if (!source) throw new TypeError("unreachable");
      const { images } = await pushImage(source, `${HOST}/x/`, { fetch });
      assertEquals(images.map(({ reference }) => reference), [`${HOST}/x/app@${image.digest}`]);
      await readBack(fetch, "x/app", image.digest);
      assertEquals(await allTags(fetch), [`x/app:${tagOf(image, "sig")}`]);
    }
    const { images: [found] } = await openArchive(toBlob(entries));
    assertEquals([found?.names, found?.primaryTag], [[`app@${image.digest}`], undefined]);
    const { registry } = await pushTo(entries, `${HOST}/one:1`, {
      images: [`app@${image.digest}`],
    });
    assertEquals((await readBack(registry, "one", "1")).digest, image.digest);
    assertEquals(await codesOf(entries), []);
  }
});

test("a name with a tag and a digest is one with that tag, where the digest is right", async () => {
  const layout = new OciLayout();
  const image = await layout.image(await makeImage(["one"]));
  layout.add(image, { name: `h.example/app:1.0@${image.digest}` });
  layout.add(image, { name: `h.example/app:2.0@sha256:${"0".repeat(64)}` });
  assertEquals(await pushed(toBlob(layout.entries()), HOST), { "app:1.0": image.digest });
  assertEquals(await codesOf(layout.entries()), ["note bad-name"]);
});

test("pushImage() pushes a store with an index, whose platforms docker knows by one name", async () => {
  const layout = new OciLayout();
  const made = [
    await makeImage(["one"], { platform: "linux/amd64" }),
    await makeImage(["two"], { platform: "linux/arm64" }),
  ];
  const children: MadeDescriptor[] = [];
  for (const image of made) {
    const { architecture } = JSON.parse(new TextDecoder().decode(image.config));
    children.push(withPlatform(await layout.image(image), `linux/${architecture}`));
  }
  const index = await layout.indexOf(children);
  const signed = await signature(layout, index);
  const names = { name: "h.example/app:1", ref: "app:1" };
  layout.add(ofKind(index, "dev.hauler/imageIndex"), names);
  layout.add(ofKind(signed, "dev.hauler/sigs"), names);
  const entries = layout.entries(made.map((image) => ({ image, repoTags: ["h.example/app:1"] })));
  const expected = { "app:1": index.digest, [`app:${tagOf(index, "sig")}`]: signed.digest };
  assertEquals(await pushed(toBlob(entries), HOST), expected);
  assertEquals(await pushed(toBlob(entries).stream(), `${HOST}/app:1`), expected);
});
