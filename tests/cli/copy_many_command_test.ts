import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { pushImage } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { layoutTar, makeImage } from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { test } from "../helpers/test.ts";
import { type FakeRunOptions, linesOf, runFake } from "./fake_host.ts";

const APP = "localhost:5000/team/app";
const TAGS = ["1.0", "1.1", "2.0"];

/** A registry with three tags at localhost:5000, and an empty one everywhere else. */
async function makeWorld() {
  const [from, to] = [createRegistry(), createRegistry()];
  for (const tag of TAGS) {
    await pushImage(await layoutTar(await makeImage(["base", `own ${tag}`])), `${APP}:${tag}`, {
      fetch: from,
    });
  }
  const fetch: FetchHandler = (request) =>
    (new URL(request.url).host === "localhost:5000" ? from : to)(request);
  return { from, to, fetch };
}

async function runWith(args: string, registry: FetchHandler, options: FakeRunOptions = {}) {
  return await runFake(args, { registry, ...options });
}

test("copy --all-tags copies what differs, prints names, a line an image and a table", async () => {
  const { from, to, fetch } = await makeWorld();
  const args = `copy --all-tags ${APP} mirror.lan/app`;
  const first = await runWith(args, fetch);
  assertEquals(first.code, 0);
  const names = first.stdout.trimEnd().split("\n").map((line) => line.split("@")[0]).sort();
  assertEquals(names, TAGS.map((tag) => `mirror.lan/app:${tag}`));
  assertMatch(first.stderr, /^copied {3}localhost:5000\/team\/app:1\.0 {2}\d blobs? sent/m);
  assertMatch(first.stderr, /\n3 images in .*\n {7}3 {2}copied: 7 blobs sent .*\n$/);
  for (const tag of TAGS) {
    assertEquals(await readBack(to, "app", tag), await readBack(from, "team/app", tag));
  }
  const again = await runWith(args, fetch);
  assertEquals([again.code, again.stdout.trimEnd().split("\n").length], [0, 3]);
  assertMatch(again.stderr, /^exists {3}localhost:5000\/team\/app:2\.0$/m);
  assertMatch(again.stderr, /\n3 images in .*\n {7}3 {2}already there\n$/);
});

test("copy --tag copies the tags that fit, with or without --all-tags", async () => {
  const { to, fetch } = await makeWorld();
  await runWith(`copy ${APP} mirror.lan/a --tag 1.*`, fetch);
  await runWith(`copy --all-tags ${APP} mirror.lan/b --tag * --tag !2*`, fetch);
  assertEquals(await allTags(to), ["a:1.0", "a:1.1", "b:1.0", "b:1.1"]);
  const none = await runWith(`copy ${APP} mirror.lan/c --tag v*`, fetch);
  assertEquals(none.code, 1);
  assertStringIncludes(none.stderr, "none fits, it has 1.0, 1.1, 2.0");
});

test("copy --from takes images and their targets from a file and from stdin", async () => {
  const { to, fetch } = await makeWorld();
  const list = `# images\n${APP}:1.0\n{"source":"${APP}:1.1","target":["mirror.lan/x:1"]}\n`;
  const files = { list };
  assertEquals((await runWith("copy --from list --to mirror.lan/p/", fetch, { files })).code, 0);
  assertEquals(await allTags(to), ["p/team/app:1.0", "x:1"]);
  const stdin = new TextEncoder().encode(list);
  const piped = await runWith("copy --from - --to mirror.lan/p/", fetch, { stdin });
  assertMatch(piped.stderr, / {7}2 {2}already there/);
  const { code, stderr } = await runWith("copy --from list", fetch, { files });
  assertEquals(code, 2);
  assertMatch(
    stderr,
    /^tarpush: No target for ".*" \(line 2 of list\), expected one there or with --to\nhint: tarpush copy SOURCE/,
  );
});

test("copy --from - ends with a line that it cannot use, and copies what came before", async () => {
  for (const flags of ["", " --insecure"]) {
    const { to, fetch } = await makeWorld();
    const stdin = new TextEncoder().encode(`${APP}:1.0\n${APP}:1.1\na b c\n${APP}:2.0\n`);
    const { code, stderr, stdout } = await runWith(
      `copy --from - --to mirror.lan --json${flags}`,
      fetch,
      { stdin },
    );
    assertStringIncludes(stderr, "Cannot use line 3 of stdin: it has 3 words");
    const targets = linesOf(stdout).map(({ target }) => target);
    assertEquals(targets, [["mirror.lan"], ["mirror.lan"], undefined]);
    assertEquals([code, await allTags(to)], [2, ["team/app:1.0", "team/app:1.1"]]);
  }
});

test("copy --from --insecure takes a list of any length", async () => {
  const { fetch } = await makeWorld();
  const files = { list: `${APP}:none\n`.repeat(200_000) };
  const args = "copy --from list --to mirror.lan --insecure --fail-fast";
  const { code, stderr } = await runWith(args, fetch, { files });
  assertEquals(code, 1);
  assertMatch(stderr, /\n {7}1 {2}failed\n {2}199999 {2}not done\n/);
});

test("copy SOURCE... --to copies each, one that fails does not stop the others", async () => {
  const { to, fetch } = await makeWorld();
  const args = `copy ${APP}:1.0 ${APP}:none ${APP}:2.0 --to mirror.lan`;
  const { code, stderr } = await runWith(args, fetch);
  assertEquals([code, await allTags(to)], [1, ["team/app:1.0", "team/app:2.0"]]);
  assertMatch(
    stderr,
    /\n {7}2 {2}copied: .*\n {7}1 {2}failed\nfailed: localhost:5000\/team\/app:none: /,
  );
  const fast = await runWith(`copy ${APP}:none --to mirror.lan --from list --fail-fast`, fetch, {
    files: { list: `${APP}:none\n`.repeat(100) },
  });
  assertMatch(fast.stderr, /\n {7}1 {2}failed\n {5}100 {2}not done\n/);
});

test("copy --json of many writes a line an image", async () => {
  const { fetch } = await makeWorld();
  const { stdout } = await runWith(`copy ${APP}:1.0 ${APP}:none --to mirror.lan --json`, fetch);
  const [failed, done] = linesOf(stdout).sort((a, b) => `${a.status}` < `${b.status}` ? -1 : 1);
  assertEquals([failed?.source, failed?.status], [`${APP}:none`, "failed"]);
  assertEquals([done?.source, done?.status, done?.target], [`${APP}:1.0`, "pushed", [
    "mirror.lan",
  ]]);
  const all = linesOf((await runWith(`copy ${APP} mirror.lan/a --all-tags --json`, fetch)).stdout);
  assertEquals(all.map(({ source }) => source).sort(), TAGS.map((tag) => `${APP}:${tag}`));
});

test("copy --dry-run of many writes nothing, and says what it would", async () => {
  const { to, fetch } = await makeWorld();
  await runWith(`copy ${APP}:1.0 mirror.lan/app:1.0`, fetch);
  const { code, stdout, stderr } = await runWith(
    `copy --all-tags ${APP} mirror.lan/app --dry-run`,
    fetch,
  );
  assertEquals([code, stdout], [0, ""]);
  assertEquals(stderr.match(/^would copy mirror\.lan\/app:/gm)?.length, 2);
  assertMatch(stderr, / {7}2 {2}to copy: \d blobs missing, 0 mounted\n {7}1 {2}already there\n$/);
  assertEquals(await allTags(to), ["app:1.0"]);
});

test("copy of many refuses wrong usage with exit code 2, before it asks for anything", async () => {
  const fetch: FetchHandler = () => Promise.reject(new TypeError("unreachable"));
  const files = { list: `${APP}:1\nregistry/UPPER:1 mirror.lan/a:1\n`, empty: "# none\n" };
  for (
    const [args, message] of [
      [
        `copy --all-tags ${APP}:1 mirror.lan/a`,
        "it names one image, expected HOST/REPOSITORY alone",
      ],
      [
        `copy --all-tags ${APP} mirror.lan/a:1`,
        'Cannot copy all tags with "mirror.lan/a:1": it names one image',
      ],
      [`copy --all-tags ${APP}`, "Nowhere to copy to"],
      ["copy --from list --to mirror.lan", "(line 2 of list)"],
      ["copy --from empty --to mirror.lan", "Nothing to copy: empty names no image"],
      [`copy ${APP}:1 --to mirror.lan --to mirror.lan/a:1`, "Cannot copy: references and places"],
      [`copy ${APP} mirror.lan/a --tag [`, 'Cannot use pattern "["'],
    ] as const
  ) {
    const { code, stdout, stderr } = await runWith(args, fetch, { files });
    assertEquals([code, stdout], [2, ""], args);
    assertStringIncludes(stderr, message);
    assert(stderr.startsWith("tarpush: "), stderr);
  }
});
