import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { findAbsent } from "../../src/archive/find_absent.ts";
import { checkArchive } from "../../src/archive/check_archive.ts";
import { openArchive } from "../../src/archive/open_archive.ts";
import type { Digest } from "../../src/digest.ts";
import { ArchiveError, PushError } from "../../src/errors.ts";
import { LEFT_OUT_PATH } from "../../src/image/entry_names.ts";
import type { PullEvent } from "../../src/pull/events.ts";
import type { PullImagesOptions } from "../../src/pull/options.ts";
import { pullImages } from "../../src/pull/pull.ts";
import { pushImage } from "../../src/push/push.ts";
import { pushAll } from "../../src/push/push_all.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { scanTar } from "../../src/tar/scan.ts";
import {
  encode,
  layoutTar,
  makeImage,
  makeLayer,
  OciLayout,
  platformLayout,
  toBlob,
} from "../helpers/archives.ts";
import { badDisk } from "../helpers/bad_disk.ts";
import { assertClear, readBack } from "../helpers/expected.ts";
import { faultLayer } from "../helpers/fault_layer.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { withPrivate } from "../helpers/private_repository.ts";
import { test } from "../helpers/test.ts";

const FROM = "localhost:5000";
const TO = "localhost:6000";
const [BASE, OLD, NEW, WEB] = await Promise.all(
  ["base", "old", "new", "web"].map((name) => makeLayer(name, "gzip")),
);

/** A registry with two releases and another image, all on one base. */
async function makeSource(): Promise<FetchHandler> {
  const registry = createRegistry();
  assert(BASE && OLD && NEW && WEB);
  const images = {
    "team/app:1": [BASE, OLD],
    "team/app:2": [BASE, NEW],
    "team/web:1": [BASE, WEB],
  };
  for (const [name, layers] of Object.entries(images)) {
    await pushImage(await layoutTar(await makeImage(layers)), `${FROM}/${name}`, {
      fetch: registry,
    });
  }
  return registry;
}

const SOURCE = await makeSource();
const DIGESTS = await Promise.all(
  [["team/app", "2"], ["team/web", "1"]].map(([repository = "", tag = ""]) =>
    readBack(SOURCE, repository, tag).then(({ digest }) => digest)
  ),
);

async function save(
  references: readonly string[],
  without: PullImagesOptions["without"] = [],
  { fetch = SOURCE, ...options }: PullImagesOptions = {},
) {
  const events: PullEvent[] = [];
  const stream = pullImages(references.map((name) => `${FROM}/${name}`), {
    fetch,
    without,
    ...options,
    onEvent: (event) => void events.push(event),
  });
  const tar = await new Response(stream).blob();
  const plan = events.find((event) => event.type === "plan");
  return { tar, leftOut: plan?.type === "plan" ? plan.leftOut : undefined };
}

async function saveBase() {
  const { tar } = await save(["team/app:1"]);
  return { tar, other: { name: "base.tar", archive: await openArchive(tar) } };
}

async function pathsOf(tar: Blob): Promise<string[]> {
  return (await Array.fromAsync(scanTar(tar))).map(({ path }) => path);
}

const digestOf = (layer: { digest: Digest } | undefined): Digest => {
  assert(layer);
  return layer.digest;
};

/** The same tar as a file, and as a pipe. */
const SOURCES: [name: string, source: (tar: Blob) => Blob | ReadableStream<Uint8Array>][] = [
  ["a file", (tar) => tar],
  ["a pipe", (tar) => tar.stream()],
];

// What is left out

test("pullImages() leaves out the layers of another archive, and says which and where from", async () => {
  const { other } = await saveBase();
  for (const format of ["docker", "oci"] as const) {
    const { tar, leftOut } = await save(["team/app:2", "team/web:1"], [other], { format });
    const digest = digestOf(BASE);
    assertEquals(leftOut, { blobs: 1, bytes: BASE?.bytes.length ?? 0 });
    const archive = await openArchive(tar);
    const size = BASE?.bytes.length ?? 0;
    assertEquals(archive.leftOut, [{
      digest,
      size,
      repositories: [`${FROM}/team/app`],
      archives: ["base.tar"],
      images: [`${FROM}/team/app:2`, `${FROM}/team/web:1`],
    }]);
    const paths = await pathsOf(tar);
    assertEquals(paths.slice(0, 3), ["oci-layout", LEFT_OUT_PATH, "index.json"]);
    assert(!paths.some((path) => path.endsWith(digest.slice(7))));
    assert(paths.some((path) => path.endsWith(digestOf(NEW).slice(7))));
  }
});

test("pullImages() leaves out what a repository or a registry has, asked under the names of the images", async () => {
  const there = createRegistry();
  const { tar } = await saveBase();
  await pushImage(tar, `${TO}/mirror/`, { fetch: there });
  const fetch: FetchHandler = (request) =>
    new URL(request.url).port === "6000" ? there(request) : SOURCE(request);
  const cases: [without: string, left: number, repository: string][] = [
    [`${TO}/mirror/team/app`, 1, `${TO}/mirror/team/app`],
    [`${TO}/mirror/`, 1, `${TO}/mirror/team/app`],
    [TO, 0, ""],
    [`${TO}/other/app`, 0, ""],
  ];
  for (const [without, left, repository] of cases) {
    const { tar, leftOut } = await save(["team/app:2", "team/web:1"], [without], { fetch });
    assertEquals(leftOut?.blobs, left, without);
    const { leftOut: found = [] } = await openArchive(tar);
    assertEquals(found.map(({ repositories }) => repositories), left ? [[repository]] : []);
    assertEquals((await pathsOf(tar)).includes(LEFT_OUT_PATH), left > 0);
    if (left === 0) continue;
    const error = await assertRejects(
      () => pushImage(tar, TO, { fetch: createRegistry() }),
      PushError,
    );
    assertEquals(error.hint, `they were in ${repository}`);
  }
});

test("pullImages() leaves out nothing that another sparse archive leaves out as well", async () => {
  const { other } = await saveBase();
  const { tar } = await save(["team/web:1"], [other]);
  const sparse = { name: "sparse.tar", archive: await openArchive(tar) };
  const { leftOut } = await save(["team/app:2", "team/web:1"], [sparse]);
  assertEquals(leftOut, { blobs: 1, bytes: WEB?.bytes.length ?? 0 });
});

test("a blob that has another length somewhere is not there", async () => {
  const there = badDisk();
  const { tar: base, other } = await saveBase();
  await pushImage(base, `${TO}/mirror/`, { fetch: there.fetch });
  there.damage(digestOf(BASE), encode("cut"));
  const fetch: FetchHandler = (request) =>
    new URL(request.url).port === "6000" ? there.fetch(request) : SOURCE(request);
  assertEquals((await save(["team/app:2"], [`${TO}/mirror/`], { fetch })).leftOut?.blobs, 0);
  const { tar } = await save(["team/app:2"], [other]);
  const absent = await findAbsent(await openArchive(tar), `${TO}/mirror/`, { fetch });
  assertEquals(absent.map(({ digest }) => digest), [digestOf(BASE)]);
  await assertRejects(
    () => pushImage(tar, `${TO}/mirror/`, { fetch }),
    PushError,
    "leaves out a blob that the registry does not have",
  );
});

test("pullImages() keeps configs and manifests, and gives the same bytes each time", async () => {
  const { other } = await saveBase();
  const { tar: whole } = await save(["team/app:1"]);
  const all = { name: "all.tar", archive: await openArchive(whole) };
  const first = await save(["team/app:1", "team/app:2"], [all, other]);
  const second = await save(["team/app:1", "team/app:2"], [all, other]);
  assertEquals(await first.tar.bytes(), await second.tar.bytes());
  const { images } = await openArchive(first.tar);
  assertEquals(images.map(({ platforms }) => platforms), [["linux/amd64"], ["linux/amd64"]]);
  assertEquals(first.leftOut?.blobs, 2);
});

test("pullImages() refuses places that are none before it asks anything", () => {
  assertThrows(() => pullImages("h/a:1", { without: ["h/B"] }), SyntaxError, "h/B");
  assertThrows(
    () => pullImages("h/a:1", { without: ["h/b:1"] }),
    TypeError,
    "Cannot leave out what h/b:1 has: it names one image, expected HOST or HOST/REPOSITORY",
  );
});

// Where it is pushed

for (const [name, toSource] of SOURCES) {
  test(`pushImage() of ${name} mounts what an archive leaves out from where the registry has it`, async () => {
    const { tar: base, other } = await saveBase();
    const { tar } = await save(["team/app:2", "team/web:1"], [other]);
    for (const place of [TO, `${TO}/mirror/`]) {
      const registry = createRegistry();
      await pushImage(base, place, { fetch: registry });
      const result = await pushImage(toSource(tar), place, { fetch: registry });
      assertEquals(result.images.map(({ digest }) => digest), DIGESTS);
      const [app, web] = result.images.map(({ blobs }) =>
        blobs.find(({ digest }) => digest === digestOf(BASE))?.status
      );
      assertEquals([app, web], ["exists", "mounted"]);
      const prefix = place.slice(TO.length + 1);
      const { layers } = await readBack(registry, `${prefix}team/web`, "1");
      assertEquals(layers.map(({ digest }) => digest), [digestOf(BASE), digestOf(WEB)]);
    }
  });

  test(`pushImage() of ${name} sends nothing where something that is left out is nowhere`, async () => {
    const { other } = await saveBase();
    const { tar } = await save(["team/app:2", "team/web:1"], [other]);
    for (const target of [TO, `${TO}/x/`]) {
      const layer = faultLayer(createRegistry());
      const error = await assertRejects(
        () => pushImage(toSource(tar), target, { fetch: layer.fetch }),
        PushError,
      );
      assertClear(error);
      const prefix = target.slice(TO.length + 1);
      assertEquals(
        error.message,
        `Cannot push to ${TO}/${prefix}team/app and 1 more: the archive leaves out a ` +
          `blob that the registry does not have: ${digestOf(BASE)}`,
      );
      assertEquals([error.hint, error.step], ["push first what has them: base.tar", "plan"]);
      const sent = layer.seen.filter(({ method }) => method !== "HEAD" && method !== "GET");
      assertEquals(sent, []);
    }
  });

  test(`pushImage() of ${name} needs of what is left out only what is chosen`, async () => {
    const registry = createRegistry();
    const { layout } = await platformLayout((platform) => [platform, `more ${platform}`]);
    const archive = toBlob(layout.entries());
    await pushImage(archive, `${FROM}/multi:1`, { fetch: registry });
    const { tar: base } = await save(["multi:1"], [], {
      fetch: registry,
      platforms: ["linux/arm64"],
    });
    const other = { name: "arm.tar", archive: await openArchive(base) };
    const { tar, leftOut } = await save(["multi:1"], [other], { fetch: registry });
    assertEquals(leftOut?.blobs, 2);
    const fetch = createRegistry();
    const { images } = await pushImage(toSource(tar), `${TO}/multi:1`, {
      fetch,
      platforms: ["linux/amd64"],
    });
    assertEquals(images.length, 1);
    await assertRejects(
      () => pushImage(toSource(tar), `${TO}/multi:2`, { fetch, platforms: ["linux/arm64"] }),
      PushError,
      "leaves out 2 blobs that the registry does not have",
    );
  });
}

test("pushImage() finds what is left out under the names that archives were renamed to", async () => {
  const { tar: base, other } = await saveBase();
  const { tar } = await save(["team/web:1"], [other]);
  const options = { fetch: createRegistry(), rename: ["team/=staging/"] };
  await pushImage(base, TO, options);
  const { images } = await pushImage(tar, TO, options);
  assertEquals(images.map(({ reference }) => reference), [`${TO}/staging/web:1`]);
});

for (const [name, toSource] of SOURCES) {
  test(`pushImage() of ${name} with one image under two names finds what it leaves out`, async () => {
    assert(BASE && NEW);
    const layout = await OciLayout.of(await makeImage([BASE, NEW]));
    const names = ["app:1", "app:2"];
    const registry = createRegistry();
    const references = names.map((name) => `${FROM}/${name}`);
    await pushImage(toBlob(layout.entries()), references, { fetch: registry });
    const { tar: base, other } = await saveBase();
    const { tar } = await save(names, [other], { fetch: registry });
    const fetch = createRegistry();
    await pushImage(base, `${TO}/app:0`, { fetch });
    const { images: [pushed] } = await pushImage(toSource(tar), `${TO}/app:3`, { fetch });
    assertEquals(pushed?.digest, layout.index[0]?.digest);
  });
}

test("pushImage() finds what is left out in a repository that the caller names", async () => {
  const { tar: base, other } = await saveBase();
  const { tar } = await save(["team/web:1"], [other]);
  const fetch = createRegistry();
  await pushImage(base, `${TO}/elsewhere:1`, { fetch });
  await assertRejects(() => pushImage(tar, TO, { fetch }), PushError, "leaves out");
  const { images } = await pushImage(tar, TO, { fetch, mountFrom: ["elsewhere"] });
  assertEquals(images[0]?.digest, DIGESTS[1]);
});

test("pushAll() finds what is left out where it has pushed an archive before", async () => {
  const { tar: base, other } = await saveBase();
  const { tar } = await save(["team/web:1"], [other]);
  const sources = [
    { source: base, target: [`${TO}/elsewhere:1`] },
    { source: tar, target: [`${TO}/web:1`] },
  ];
  const fetch = createRegistry();
  const results = await Array.fromAsync(pushAll(sources, undefined, { fetch, archives: 1 }));
  assertEquals(results.map(({ status }) => status), ["pushed", "pushed"]);
  assertEquals(results[1]?.images[0]?.digest, DIGESTS[1]);
  await readBack(fetch, "web", "1");
});

test("pushImage() finds what is left out beside a repository that may not be asked", async () => {
  const { tar: base, other } = await saveBase();
  const { tar } = await save(["team/web:1"], [other]);
  const registry = createRegistry();
  await pushImage(base, `${TO}/elsewhere:1`, { fetch: registry });
  const { images } = await pushImage(tar, TO, {
    fetch: withPrivate(registry),
    mountFrom: ["private", "elsewhere"],
  });
  assertEquals(images[0]?.digest, DIGESTS[1]);
});

test("pushImage() copies what is left out within the registry where that does not mount", async () => {
  const { tar: base, other } = await saveBase();
  const { tar } = await save(["team/web:1"], [other]);
  const registry = createRegistry();
  await pushImage(base, TO, { fetch: registry });
  const noMounts: FetchHandler = (request) => {
    const url = new URL(request.url);
    url.searchParams.delete("mount");
    url.searchParams.delete("from");
    return registry(request.method === "POST" ? new Request(url, request) : request);
  };
  const { images } = await pushImage(tar, TO, { fetch: noMounts });
  assertEquals(images[0]?.digest, DIGESTS[1]);
  const { layers } = await readBack(registry, "team/web", "1");
  assertEquals(layers[0]?.digest, digestOf(BASE));
});

test("pushImage() asks no registry that only the archive names", async () => {
  const { other } = await saveBase();
  const { tar } = await save(["team/web:1"], [other]);
  const hosts = new Set<string>();
  const registry = createRegistry();
  const fetch: FetchHandler = (request) => {
    hosts.add(new URL(request.url).host);
    return registry(request);
  };
  await assertRejects(() => pushImage(tar, `${TO}/web:1`, { fetch }), PushError);
  assertEquals([...hosts], [TO]);
});

// What is said of it

test("checkArchive() and findAbsent() tell what is left out, and whether a registry has it", async () => {
  const { tar: base, other } = await saveBase();
  const { tar } = await save(["team/app:2", "team/web:1"], [other]);
  for (const source of [tar, tar.stream()]) {
    const check = await checkArchive(source);
    assertEquals(check.ok, true, JSON.stringify(check.findings));
    assertEquals(check.findings.map(({ code, severity }) => [code, severity]), [
      ["left-out-blob", "note"],
    ]);
    assertMatch(
      check.findings[0]?.message ?? "",
      /^"blobs\/sha256\/\w+" is left out of the archive: it was in "localhost:5000\/team\/app", "base\.tar" \(layer 1 of/,
    );
    const registry = createRegistry();
    const absent = await findAbsent(check, TO, { fetch: registry });
    assertEquals(
      absent,
      ["app:2", "web:1"].map((name) => ({
        digest: digestOf(BASE),
        size: BASE?.bytes.length ?? 0,
        repository: `${TO}/team/${name.slice(0, -2)}`,
        images: [`${FROM}/team/${name}`],
      })),
    );
    assertEquals((await findAbsent(check, `${TO}/all`, { fetch: registry })).length, 1);
    await pushImage(base, TO, { fetch: registry });
    for (const target of [TO, `${TO}/all`, `${TO}/x/`]) {
      assertEquals(await findAbsent(check, target, { fetch: registry }), [], target);
    }
  }
  const whole = await checkArchive(base);
  assertEquals([whole.leftOut, await findAbsent(whole, TO)], [undefined, []]);
  await assertRejects(
    () => findAbsent({ leftOut: [] }, `${TO}/app:1`),
    TypeError,
    "it names one image, expected HOST or HOST/REPOSITORY",
  );
});

test("a record of what is left out that cannot be used is an error of the archive", async () => {
  const layout = await OciLayout.of(await makeImage(["a"]));
  const item = { digest: `sha256:${"0".repeat(64)}`, size: 1 };
  const records: [text: string, message: string][] = [
    ["{", "it is not JSON"],
    ["[]", "it is not a JSON object"],
    ['{"version":2,"absent":[]}', "its version is not 1: a newer tarpush wrote it"],
    ['{"version":1}', 'its member "absent" is no list'],
    ...[
      null,
      {},
      { ...item, size: -1 },
      { ...item, size: "1" },
      { ...item, digest: "sha256:0" },
      { ...item, repositories: "a" },
      { ...item, repositories: [1] },
      { ...item, archives: ["a".repeat(513)] },
    ].map((bad): [string, string] => [
      JSON.stringify({ version: 1, absent: [item, bad] }),
      'item 1 of "absent" is no blob',
    ]),
  ];
  for (const [body, message] of records) {
    const tar = new Blob([writeTar([...layout.entries(), { path: LEFT_OUT_PATH, body }])]);
    await assertRejects(
      () => pushImage(tar, `${TO}/a:1`, { fetch: createRegistry() }),
      ArchiveError,
      message,
    );
    const { ok, findings } = await checkArchive(tar);
    assertEquals([ok, findings[0]?.code], [false, "malformed"], body);
  }
});

test("checkArchive() finds a length in the record that is not that of the manifest", async () => {
  const layout = await OciLayout.of(await makeImage(["a"]));
  const [layer] = layout.entries().filter(({ path }) => path.startsWith("blobs/"))
    .toSorted((a, b) => (b.body?.length ?? 0) - (a.body?.length ?? 0));
  const { path = "", body = "" } = layer ?? {};
  const digest = `sha256:${path.slice(-64)}`;
  const without = layout.entries().filter((entry) => entry !== layer && entry.path !== path);
  for (const [more, ok] of [[0, true], [1, false]] as const) {
    const absent = [{ digest, size: body.length + more, repositories: [`${FROM}/a`] }];
    const record = { path: LEFT_OUT_PATH, body: JSON.stringify({ version: 1, absent }) };
    const check = await checkArchive(new Blob([writeTar([...without, record])]));
    const errors = check.findings.filter(({ severity }) => severity === "error");
    assertEquals([check.ok, errors.map(({ code }) => code)], [ok, ok ? [] : ["wrong-size"]]);
    if (!ok) assertEquals(errors[0]?.path, LEFT_OUT_PATH);
  }
});
