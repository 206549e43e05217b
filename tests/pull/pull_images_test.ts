import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { cosignTag } from "../../src/cosign_tags.ts";
import type { Digest } from "../../src/digest.ts";
import { NetworkError, OciError, RegistryError } from "../../src/errors.ts";
import { openArchive } from "../../src/image/archive.ts";
import { OCI_INDEX } from "../../src/media_types.ts";
import type { PullEvent } from "../../src/pull/events.ts";
import type { ImageToPull } from "../../src/pull/list_images.ts";
import type { PullImagesOptions } from "../../src/pull/options.ts";
import { pullImages } from "../../src/pull/pull.ts";
import { pushImage } from "../../src/push/push.ts";
import { referrersTag } from "../../src/reference.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  type MadeDescriptor,
  makeImage,
  OciLayout,
  toBlob,
  withPlatform,
} from "../helpers/archives.ts";
import { sign } from "../helpers/cosign.ts";
import { assertClear, readBack } from "../helpers/expected.ts";
import { endlessTags } from "../helpers/endless_tags.ts";
import { faultLayer } from "../helpers/fault_layer.ts";
import { test } from "../helpers/test.ts";

const HOST = "localhost:5000";
const FAST: PullImagesOptions = { retry: { attempts: 2, delay: 1, maxDelay: 1 } };

/** Pushes an image of one-file layers; returns its digest. */
async function put(registry: FetchHandler, name: string, ...layers: string[]): Promise<Digest> {
  const layout = await OciLayout.of(await makeImage(layers));
  return await pushLayout(registry, layout, name);
}

async function pushLayout(
  registry: FetchHandler,
  layout: OciLayout,
  name: string,
): Promise<Digest> {
  const { images } = await pushImage(toBlob(layout.entries()), `${HOST}/${name}`, {
    fetch: registry,
  });
  assert(images[0]);
  return images[0].digest;
}

/** Something that names a manifest as its subject. */
async function referrerOf(
  layout: OciLayout,
  { mediaType, digest, size }: MadeDescriptor,
  what: string,
) {
  return await layout.artifact(what, "text/x", { subject: { mediaType, digest, size } });
}

type Images = readonly (string | ImageToPull)[];

async function pull(registry: FetchHandler, images: Images, options: PullImagesOptions = {}) {
  const events: PullEvent[] = [];
  const stream = pullImages(images, {
    ...FAST,
    ...options,
    fetch: registry,
    onEvent: (event) => void events.push(event),
  });
  const tar = await new Response(stream).blob();
  const warnings = events.flatMap((event) => event.type === "warning" ? [event.message] : []);
  return { tar, events, warnings };
}

/** Pushes an archive elsewhere under its own names; what stands there, by reference. */
async function pushElsewhere(tar: Blob): Promise<Record<string, Digest>> {
  const { images } = await pushImage(tar, "localhost:6000", { fetch: createRegistry() });
  return Object.fromEntries(images.map(({ reference, digest }) => [reference, digest]));
}

async function failure(
  registry: FetchHandler,
  images: Images,
  options: PullImagesOptions = {},
): Promise<Error & { hint?: string }> {
  const error = await assertRejects(() => pull(registry, images, options), Error);
  assertClear(error);
  return error;
}

const isBlob = ({ path }: { path: string }) => path.includes("/blobs/");

test("pullImages() puts many images into one archive under their names, each blob asked for once", async () => {
  const registry = createRegistry();
  const names = Array.from({ length: 12 }, (_, at) => `team/app${at % 4}:${at}`);
  const digests: Record<string, Digest> = {};
  for (const [at, name] of names.entries()) {
    digests[`localhost:6000/${name}`] = await put(registry, name, "base", "more", `own ${at}`);
  }
  for (const format of ["docker", "oci"] as const) {
    const layer = faultLayer(registry);
    const { tar, events, warnings } = await pull(
      layer.fetch,
      names.map((name) => `${HOST}/${name}`),
      { format },
    );
    assertEquals([await pushElsewhere(tar), warnings], [digests, []]);
    const [plan] = events;
    assert(plan?.type === "plan");
    assertEquals(
      plan.images.map(({ reference }) => reference),
      names.map((name) => `${HOST}/${name}`),
    );
    assertEquals([plan.blobs, plan.size], [12 + 12 + 2, tar.size]);
    const asked = layer.seen.filter(isBlob).map(({ path }) => path.replace(/.*blobs/, ""));
    assertEquals([asked.length, new Set(asked).size], [26, 26]);
  }
});

test("pullImages() gives the same bytes each time, and as pullImage() those of one", async () => {
  const registry = createRegistry();
  await put(registry, "a:1", "base", "a");
  await put(registry, "b:1", "base", "b");
  const images = [`${HOST}/a:1`, `${HOST}/b:1`];
  const first = await pull(registry, images);
  assertEquals(await first.tar.bytes(), await (await pull(registry, images)).tar.bytes());
  const twice = await pull(registry, [...images, ...images]);
  assertEquals(await first.tar.bytes(), await twice.tar.bytes());
});

test("pullImages() gives an image with several tags all of them, and once", async () => {
  const registry = createRegistry();
  const digest = await put(registry, "app:1", "base");
  await put(registry, "app:latest", "base");
  const { tar } = await pull(registry, [`${HOST}/app:1`, `${HOST}/app`]);
  const { images } = await openArchive(tar);
  assertEquals(images.map(({ names }) => names), [[`${HOST}/app:1`, `${HOST}/app:latest`]]);
  assertEquals(Object.values(await pushElsewhere(tar)), [digest, digest]);
});

test("pullImages() keeps an index, another one, and an image of both apart", async () => {
  const registry = createRegistry();
  const layout = new OciLayout();
  const child = withPlatform(
    await layout.image(await makeImage(["amd"], { platform: "linux/amd64" })),
    "linux/amd64",
  );
  const other = withPlatform(
    await layout.image(await makeImage(["arm"], { platform: "linux/arm64" })),
    "linux/arm64",
  );
  layout.add(await layout.indexOf([child, other]), { ref: "both" });
  layout.add(await layout.indexOf([child]), { ref: "one" });
  layout.add(child, { ref: "amd" });
  const { images } = await pushImage(toBlob(layout.entries()), `${HOST}/app`, {
    fetch: registry,
    allTags: true,
  });
  const expected = Object.fromEntries(
    images.map(({ reference, digest }) => [reference.replace("5000", "6000"), digest]),
  );
  assertEquals(new Set(Object.values(expected)).size, 3);
  for (const tags of [["both", "one", "amd"], ["amd", "one", "both"]]) {
    for (const format of ["docker", "oci"] as const) {
      const references = tags.map((tag) => `${HOST}/app:${tag}`);
      const { tar } = await pull(registry, references, { format });
      assertEquals(await pushElsewhere(tar), expected, `${tags} ${format}`);
    }
  }
});

test("pullImages() takes the names that it is told", async () => {
  const registry = createRegistry();
  const digest = await put(registry, "mirror/nginx:1", "base");
  const names = ["docker.io/library/nginx:1.27", "quay.io/team/nginx:1"];
  const reference = `${HOST}/mirror/nginx@${digest}`;
  const { tar, warnings } = await pull(
    registry,
    names.map((name) => ({ reference, names: [name] })),
  );
  assertEquals((await openArchive(tar)).images[0]?.names, ["nginx:1.27", "quay.io/team/nginx:1"]);
  assertEquals(warnings, []);
  assertEquals(Object.keys(await pushElsewhere(tar)), [
    "localhost:6000/nginx:1.27",
    "localhost:6000/team/nginx:1",
  ]);
});

test("pullImages() calls what is pulled by digest alone as docker pull does, and says so", async () => {
  const registry = createRegistry();
  const digest = await put(registry, "team/app:1", "base");
  const { tar, warnings } = await pull(registry, [`${HOST}/team/app@${digest}`]);
  const name = `${HOST}/team/app@${digest}`;
  assertEquals(warnings.length, 1);
  assertMatch(warnings[0] ?? "", new RegExp(`^${name} has no tag: ctr and a docker with`));
  assertEquals(await pushElsewhere(tar), { [`localhost:6000/team/app@${digest}`]: digest });
  const files = await filesOf(tar);
  assertEquals(files["index.json"].manifests[0].annotations, { "io.containerd.image.name": name });
  assertEquals(files["manifest.json"][0].RepoTags, null);
});

test("pullImages() tells images by their tags where those differ, else by their names", async () => {
  const registry = createRegistry();
  await put(registry, "app:1", "app one");
  await put(registry, "web:1", "web one");
  await put(registry, "app:2", "app two");
  const { tar } = await pull(registry, [`${HOST}/app:1`, `${HOST}/web:1`, `${HOST}/app:2`]);
  const { "index.json": index } = await filesOf(tar);
  const refs = index.manifests.map(({ annotations }: { annotations: Record<string, string> }) =>
    annotations["org.opencontainers.image.ref.name"]
  );
  assertEquals(refs, [`${HOST}/app:1`, `${HOST}/web:1`, "2"]);
});

test("pullImages() pulls all tags of repositories, or those that fit, and no signature as an image", async () => {
  const registry = createRegistry();
  const digests: Record<string, Digest> = {};
  for (const tag of ["v1.0", "v1.1-rc1", "v1.1", "v2.0", "latest"]) {
    digests[tag] = await put(registry, `team/app:${tag}`, "base", tag);
  }
  await put(registry, "team/web:v1.5", "base", "web");
  const subject = digests["v1.0"];
  assert(subject);
  await sign(registry, `${HOST}/team/app`, subject);
  const all = [`${HOST}/team/app`, `${HOST}/team/web`];
  const namesOf = async (options: PullImagesOptions) => {
    const { tar } = await pull(registry, all, { allTags: true, ...options });
    const { images } = await openArchive(tar);
    return images.flatMap(({ names }) => names.map((name) => name.replace(`${HOST}/team/`, "")));
  };
  assertEquals(await namesOf({}), [
    ...["app:latest", "app:v1.0", "app:v1.1", "app:v1.1-rc1", "app:v2.0", "web:v1.5"],
  ]);
  assertEquals(await namesOf({ tags: ["v1.*", "!*-rc*"] }), ["app:v1.0", "app:v1.1", "web:v1.5"]);
  const { tar: plain } = await pull(registry, all, { allTags: true });
  assertEquals((await openArchive(plain)).beside, []);
  const { tar } = await pull(registry, all, { allTags: true, tags: ["v1.*"], signatures: true });
  const { images } = await pushImage(tar, "localhost:6000", { fetch: createRegistry() });
  assertEquals(
    images.flatMap(({ beside = [] }) => beside.map(({ reference }) => reference)),
    [`localhost:6000/team/app:${cosignTag(subject, "sig")}`],
  );
  const none = await failure(registry, all, { allTags: true, tags: ["v2.*"] });
  assertEquals(
    none.message,
    `Cannot save tags of ${HOST}/team/web: none fits, it has v1.5`,
  );
});

test("pullImages() takes a list of referrers under a tag for no image, and an image that is called like one for an image", async () => {
  const registry = createRegistry();
  const layout = new OciLayout();
  const image = await layout.image(await makeImage(["signed"]));
  const signature = await referrerOf(layout, image, "signature");
  layout.add(image, { ref: "1" });
  await pushLayout(registry, layout, "team/app:1");
  const list = new OciLayout();
  for (const [path, bytes] of layout.blobs) list.blobs.set(path, bytes);
  list.add(
    await list.document(
      { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [signature] },
      OCI_INDEX,
    ),
  );
  const listTag = referrersTag(image.digest);
  await pushLayout(registry, list, `team/app:${listTag}`);
  const imageTag = referrersTag(await put(registry, "team/app:2", "other"));
  await put(registry, `team/app:${imageTag}`, "other");
  for (const platforms of [[], ["linux/amd64"]]) {
    const all = { allTags: true, platforms };
    const { tar, warnings } = await pull(registry, [`${HOST}/team/app`], all);
    const { images, beside } = await openArchive(tar);
    const tags = images.map(({ aliases }) => aliases.map((name) => name.split(":").at(-1)));
    assertEquals(tags, [["1"], ["2", imageTag]]);
    assertEquals(beside, []);
    assertEquals(warnings, [
      `${HOST}/team/app:${listTag} is left out: it lists what refers to an image, which --referrers saves`,
    ]);
    const whole = await pull(registry, [`${HOST}/team/app`], { ...all, referrers: true });
    const opened = await openArchive(whole.tar);
    assertEquals(opened.images.length, images.length);
    assertEquals(opened.beside.map(({ node }) => node.digest), [signature.digest]);
    assertEquals(whole.warnings, []);
  }
  const lone = createRegistry();
  await pushLayout(lone, list, `team/app:${listTag}`);
  const { message } = await failure(lone, [`${HOST}/team/app`], { allTags: true });
  assertEquals(
    message,
    `Cannot save ${HOST}/team/app:${listTag}: no image is there, only what refers to one`,
  );
});

for (const format of ["docker", "oci"] as const) {
  test(`pullImages() takes along what refers to images into ${format} archives, and a push brings it all back`, async () => {
    const registry = createRegistry();
    const layout = new OciLayout();
    const image = await layout.image(await makeImage(["signed"]));
    const signature = await referrerOf(layout, image, "signature");
    const stamp = await referrerOf(layout, signature, "stamp");
    layout.add(image, { ref: "1" });
    layout.add(signature);
    layout.add(stamp);
    await pushLayout(registry, layout, "team/app:1");
    await put(registry, "web:1", "not signed");
    const { tag } = await sign(registry, `${HOST}/team/app`, image.digest);
    const wanted = [`${HOST}/team/app:1`, `${HOST}/web:1`];
    const { tar: alone } = await pull(registry, wanted, { format, signatures: true });
    assertEquals((await openArchive(alone)).beside.map(({ kind }) => kind), ["sig"]);
    const { tar } = await pull(registry, wanted, { format, referrers: true, namesFirst: true });
    if (format === "docker") assertEquals((await filesOf(tar))["manifest.json"].length, 2);
    for (const source of [tar, tar.stream()]) {
      const target = createRegistry();
      const { images } = await pushImage(source, "localhost:6000", { fetch: target });
      assertEquals(images.map(({ reference }) => reference), [
        "localhost:6000/team/app:1",
        "localhost:6000/web:1",
      ]);
      for (const reference of [tag, signature.digest, stamp.digest]) {
        await readBack(target, "team/app", reference);
      }
    }
  });
}

test("pullImages() has a signature that is wanted for itself as an image, whichever comes first", async () => {
  const registry = createRegistry();
  const layout = new OciLayout();
  const image = await layout.image(await makeImage(["signed"]));
  layout.add(image, { ref: "1" });
  await pushLayout(registry, layout, "app:1");
  const signing = new OciLayout();
  signing.add(await referrerOf(signing, image, "signature"));
  await pushLayout(registry, signing, "app:signature");
  const names = [`${HOST}/app:1`, `${HOST}/app:signature`];
  for (const wanted of [names, names.toReversed()]) {
    const { tar } = await pull(registry, wanted, { referrers: true });
    assertEquals(Object.keys(await pushElsewhere(tar)).sort(), [
      "localhost:6000/app:1",
      "localhost:6000/app:signature",
    ]);
  }
});

test("pullImages() takes no list of tags that goes on for ever", async () => {
  for (const [tags, most] of [[[], 10_000], [["x"], 1_000_000]] as const) {
    const registry = () => Promise.resolve(new Response(endlessTags()));
    const { message } = await failure(registry, [`${HOST}/app`], { allTags: true, tags });
    assertEquals(message, `Cannot save all tags of ${HOST}/app: it has more than ${most}`);
  }
});

test("pullImages() tells all images that are not there, and gives no archive", async () => {
  const registry = createRegistry();
  await put(registry, "app:1", "base");
  const one = await failure(registry, [`${HOST}/app:1`, `${HOST}/app:2`]);
  assert(one instanceof RegistryError);
  assertMatch(one.message, /localhost:5000\/app.*2|2.*localhost:5000\/app/);
  const absent = Array.from({ length: 7 }, (_, at) => `${HOST}/gone${at}:1`);
  const events: PullEvent[] = [];
  const stream = pullImages([`${HOST}/app:1`, ...absent], {
    fetch: registry,
    onEvent: (event) => void events.push(event),
  });
  const error = await assertRejects(() => new Response(stream).blob(), OciError);
  assertEquals(
    error.message,
    "Cannot save 7 of 8 images: the registry does not have " +
      `${absent.slice(0, 5).join(", ")} and 2 more`,
  );
  const told = events.map((event) => event.type === "warning" ? event.message : event.type);
  for (const reference of absent) {
    assert(told.some((text) => text.includes(reference.replace(":1", ""))), reference);
  }
});

test("pullImages() gives up at once where a registry does not answer", async () => {
  const registry = createRegistry();
  await put(registry, "app:1", "base");
  let asked = 0;
  const fetch: FetchHandler = (request) => {
    if (!request.url.includes("dead")) return registry(request);
    asked++;
    return Promise.reject(new TypeError("connection refused"));
  };
  const images = Array.from({ length: 50 }, (_, at) => `localhost:1/dead${at}:1`);
  const error = await failure(fetch, [`${HOST}/app:1`, ...images]);
  assert(error instanceof NetworkError);
  assert(asked <= 4 * 2, `${asked} requests`);
  const denied: FetchHandler = (request) =>
    request.url.includes("dead")
      ? Promise.resolve(new Response(null, { status: 403 }))
      : registry(request);
  assertMatch((await failure(denied, images)).message, /answered 403/);
});

test("pullImages() has no end where a blob of one of many fails, and names its repository", async () => {
  const registry = createRegistry();
  await put(registry, "app:1", "base", "app");
  await put(registry, "web:1", "base", "web");
  let blobs = 0;
  const layer = faultLayer(
    registry,
    (request) =>
      isBlob(request) && ++blobs === 5
        ? { kind: "answer", answer: () => new Response(null, { status: 404 }) }
        : undefined,
  );
  const error = await failure(layer.fetch, [`${HOST}/app:1`, `${HOST}/web:1`]);
  assertMatch(error.message, /blob sha256:[0-9a-f]{64} of localhost:5000\/web/);
});

test("pullImages() gives up what it reads ahead where a blob fails", async () => {
  const registry = createRegistry();
  await put(registry, "app:1", "base", "app");
  const { layers: [base, app] } = await readBack(registry, "app", "1");
  const ahead = Promise.withResolvers<AbortSignal>();
  let layers = 0;
  const fetch: FetchHandler = async (request) => {
    const isLayer = [base, app].some((layer) => layer && request.url.endsWith(layer.digest));
    if (!isLayer) return await registry(request);
    if (++layers === 1) {
      await ahead.promise;
      return new Response(null, { status: 404 });
    }
    ahead.resolve(request.signal);
    return await new Promise((_, reject) => {
      request.signal.addEventListener("abort", () => reject(request.signal.reason));
    });
  };
  const error = await failure(fetch, [`${HOST}/app:1`]);
  assertStrictEquals((await ahead.promise).reason, error);
});

test("pullImages() refuses two images of one name", async () => {
  const registry = createRegistry();
  await put(registry, "a:1", "a");
  await put(registry, "b:1", "b");
  const names = ["app:1"];
  const error = await failure(registry, [
    { reference: `${HOST}/a:1`, names },
    { reference: `${HOST}/b:1`, names },
  ]);
  assertMatch(
    error.message,
    /^Cannot save two images as app:1: sha256:\w+ and sha256:\w+, expected/,
  );
});

test("pullImages() refuses what makes no call before anything is asked", async () => {
  const cases: [images: Images, options: PullImagesOptions, message: string][] = [
    [[], {}, "Cannot save: no image given"],
    [["h/APP"], {}, 'Cannot parse reference "h/APP"'],
    [[{ reference: "h/a", names: ["A:1"] }], {}, 'Cannot save an image as "A:1": it is no name'],
    [["h/a"], { tags: ["v*"] }, "expected the option allTags with tags"],
    [["h/a"], { allTags: true, tags: ["[v"] }, 'Cannot use pattern "[v"'],
  ];
  for (const [images, options, message] of cases) {
    assertThrows(() => pullImages(images, options), Error, message);
  }
  const fetch = () => Promise.reject(new Error("asked"));
  for (const image of ["h/a:1", { reference: "h/a", names: ["b:1"] }]) {
    const error = await failure(fetch, [image], { allTags: true });
    assertMatch(error.message, /^Cannot save all tags of h\/a/);
  }
});

// deno-lint-ignore no-explicit-any
async function filesOf(tar: Blob): Promise<Record<string, any>> {
  const { files } = await openArchive(tar);
  const decode = async (path: string) =>
    JSON.parse(new TextDecoder().decode(await files.find(path)?.bytes(1e6)));
  return {
    "index.json": await decode("index.json"),
    "manifest.json": await decode("manifest.json"),
  };
}
