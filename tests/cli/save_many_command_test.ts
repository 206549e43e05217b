import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Digest } from "../../src/digest.ts";
import { openArchive } from "../../src/image/archive.ts";
import { pushImage } from "../../src/push/push.ts";
import { currentHost, openDirectory } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, makeImage, toBlob } from "../helpers/archives.ts";
import { temporaryFolder } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";
import { type FakeHostOptions, runFake } from "./fake_host.ts";

const HOST = "localhost:5000";

/** A registry with images that share a layer; their digests by name. */
const { registry, digests } = await (async () => {
  const registry = createRegistry();
  const digests: Record<string, Digest> = {};
  for (const name of ["app:v1.0", "app:v1.1", "app:v2.0", "web:v1.0"]) {
    const archive = toBlob(dockerSave([{ image: await makeImage(["base", name]) }]));
    const { images } = await pushImage(archive, `${HOST}/${name}`, { fetch: registry });
    assert(images[0]);
    digests[`${HOST}/${name}`] = images[0].digest;
  }
  return { registry, digests };
})();

async function runWith(args: readonly string[], options: FakeHostOptions = {}) {
  return await runFake(args, { registry, ...options });
}

async function namesIn(tar: Uint8Array<ArrayBuffer>): Promise<string[]> {
  const { images } = await openArchive(new Blob([tar]));
  return images.flatMap(({ names }) => names);
}

const lineOf = (name: string) => `${HOST}/${name}@${digests[`${HOST}/${name}`]}\n`;

test("save REF... writes all images into one file and prints a line for each", async () => {
  await using folder = await temporaryFolder();
  const file = `${folder.path}/all.tar`;
  const { code, stdout, stderr } = await runWith([
    ...["save", `${HOST}/app:v1.0`, `${HOST}/web:v1.0`, file],
  ]);
  assertEquals([code, stdout], [0, lineOf("app:v1.0") + lineOf("web:v1.0")], stderr);
  assertMatch(stderr, /\n5 blobs saved \([\d.]+ kB\) in /);
  const names = await namesIn(new Uint8Array(await folder.read("all.tar")));
  assertEquals(names, [`${HOST}/app:v1.0`, `${HOST}/web:v1.0`]);
});

test("save --all-tags and --tag take a repository's tags, also into a folder", async () => {
  await using folder = await temporaryFolder();
  const all = await runWith(["save", `${HOST}/app`, "-", "--all-tags", "-q"]);
  assertEquals(all.stderr, lineOf("app:v1.0") + lineOf("app:v1.1") + lineOf("app:v2.0"));
  const some = await runWith([
    ...["save", `${HOST}/app`, `${folder.path}/layout/`, "--tag", "v1.*", "--tag", "!*.0", "-q"],
  ]);
  assertEquals([some.code, some.stdout], [0, lineOf("app:v1.1")], some.stderr);
  const again = await runWith([
    ...["save", `${HOST}/app:v1.0`, `${HOST}/web:v1.0`, `${folder.path}/layout`, "-q"],
  ]);
  assertEquals(again.code, 0, again.stderr);
  const result = await pushImage(await openDirectory(`${folder.path}/layout`), "localhost:6000", {
    fetch: createRegistry(),
  });
  assertEquals(
    result.images.map(({ reference, digest }) => [reference, digest]),
    ["app:v1.1", "app:v1.0", "web:v1.0"]
      .map((name) => [`localhost:6000/${name}`, digests[`${HOST}/${name}`]]),
  );
});

test("save --from takes references, and names for them, from a file and from stdin", async () => {
  await using folder = await temporaryFolder();
  const text = [
    "# images",
    `${HOST}/app:v1.0`,
    `${HOST}/web:v1.0 docker.io/team/web:1`,
    `{"source": "${HOST}/app:v2.0", "target": ["app:2", "app:latest"]}`,
  ].join("\n");
  const list = await folder.write("images.txt", text);
  const file = `${folder.path}/all.tar`;
  const { code, stdout, stderr } = await runWith(["save", "--from", list, file, "--json", "-q"]);
  assertEquals(code, 0, stderr);
  const { images, tar, format } = JSON.parse(stdout);
  assertEquals([tar, format, images.length], [file, "docker", 3]);
  assertEquals(images[1].digest, digests[`${HOST}/web:v1.0`]);
  const names = await namesIn(new Uint8Array(await folder.read("all.tar")));
  assertEquals(names, [`${HOST}/app:v1.0`, "team/web:1", "app:2", "app:latest"]);
  const stdin = new TextEncoder().encode(text);
  const piped = await runWith(["save", "--from", "-", "-", "-q"], { stdin });
  assertEquals(piped.code, 0, piped.stderr);
  assertEquals(await namesIn(await new Blob(piped.bytes as BlobPart[]).bytes()), names);
});

test("save of many names what cannot be saved, and leaves what was there", async () => {
  await using folder = await temporaryFolder();
  const file = await folder.write("all.tar", "before");
  const cases: [args: string[], code: number, message: RegExp][] = [
    [[`${HOST}/app:v1.0`, `${HOST}/app:v9`], 1, /manifest v9 of localhost:5000\/app/],
    [
      [`${HOST}/app:v1.0`, `${HOST}/app:v8`, `${HOST}/app:v9`],
      1,
      /^tarpush: Cannot save 2 of 3 images: the registry does not have \S+app:v8, \S+app:v9$/m,
    ],
    [[`${HOST}/app`, "--tag", "v7*"], 1, /Cannot save tags of \S+: none fits, it has v1\.0, v1\.1/],
    [["--from", await folder.write("bad", "h/A:1")], 2, /reference "h\/A:1".*line 1 of .*bad\)/],
    [
      ["--from", await folder.write("name", "h/a:1\nh/a:1 b:c:d")],
      2,
      /"b:c:d".*line 2 of .*name\)/,
    ],
    [["--from", await folder.write("three", "a/b c d")], 2, /line 1 of .*three: it has 3 words/],
    [["--from", await folder.write("none", "#\n")], 2, /Nothing to save: .*none names no image/],
    [["--from", `${folder.path}/gone`], 1, /gone/],
  ];
  for (const [args, code, message] of cases) {
    const result = await runWith(["save", ...args, file, "--retries", "0"]);
    assertEquals([result.code, result.stdout], [code, ""], result.stderr);
    assertMatch(result.stderr, message);
    assertEquals(new TextDecoder().decode(await folder.read("all.tar")), "before");
  }
  const { stderr, code } = await runWith(["save", "--from", "-", file]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, "Nothing is piped in");
  const forgotten = await runWith(["save", `${HOST}/app:v1.0`, `${HOST}/web:v1.0`]);
  assertEquals(forgotten.code, 2);
  assertStringIncludes(
    forgotten.stderr,
    `Nothing to write to: "${HOST}/web:v1.0" is a reference, expected a file, a folder or - after it\n` +
      `hint: tarpush save ${HOST}/app:v1.0 ${HOST}/web:v1.0 images.tar`,
  );
});

test("save into one folder by several at once adds the images of all", async () => {
  await using folder = await temporaryFolder();
  const registry = createRegistry();
  // One that was killed at its beginning has left this.
  await folder.write("oci-layout.0123abcd.partial", "{");
  const tags = ["1", "2", "3", "4", "5", "6"];
  for (const tag of tags) {
    const archive = toBlob(dockerSave([{ image: await makeImage(["base", tag]) }]));
    await pushImage(archive, `localhost:5000/app:${tag}`, { fetch: registry });
  }
  const runs = await Promise.all(
    tags.map((tag) => runFake(`save localhost:5000/app:${tag} ${folder.path}/ -q`, { registry })),
  );
  assertEquals(runs.map(({ code, stderr }) => [code, stderr]), tags.map(() => [0, ""]));
  const { manifests } = JSON.parse(
    new TextDecoder().decode(await folder.read("index.json")),
  );
  assertEquals(manifests.length, tags.length);
  const { code, stdout } = await runFake(`check ${folder.path}`);
  assertEquals([code, stdout.includes("warning")], [0, false], stdout);
});

for (const name of ["oci-layout", "index.json"]) {
  test(`save into a folder whose ${name} is none of a layout's files is an error`, async () => {
    await using folder = await temporaryFolder();
    if (name !== "index.json") await folder.write("index.json", '{"manifests":[]}');
    await currentHost().makeDirectory(`${folder.path}/${name}`);
    const { code, stderr } = await runWith(["save", `${HOST}/app:v1.0`, `${folder.path}/`, "-q"]);
    assertEquals([code, stderr], [
      1,
      `tarpush: Cannot write "${folder.path}/${name}": it is a directory, expected a file\n` +
      "hint: name a new folder, or an empty one\n",
    ]);
  });
}
