import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../../src/cli/run.ts";
import {
  dockerSave,
  encode,
  flipByte,
  makeImage,
  OciLayout,
  pathOf,
  replaceBody,
  toBlob,
} from "../helpers/archives.ts";
import type { TarWriterEntry } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { fakeHost, type FakeHostOptions, runFake } from "./fake_host.ts";

const SINGLE = "tests/fixtures/docker29-single.tar";
const SPARSE = "tests/fixtures/ctr-export-platform.tar";
const image = await makeImage(["one"]);
const layout = await OciLayout.of(image, { ref: "v1" });
const [layer] = image.layers;
const layerPath = layer ? pathOf(layer) : "";
const broken = replaceBody(layout.entries(), layerPath, flipByte(layer?.bytes ?? encode(""), 600));

async function piped(entries: readonly TarWriterEntry[]): Promise<FakeHostOptions> {
  return { stdin: await toBlob(entries).bytes() };
}

test("run() check says in its last line that an archive is whole, and exits with 0", async () => {
  const { code, stdout, stderr } = await runFake(`check ${SINGLE}`);
  assertEquals([code, stdout, stderr], [
    0,
    `${SINGLE}: ok (docker+oci archive, 8 files, 8.85 kB)\n`,
    "",
  ]);
  const notes = await runFake(`check ${SPARSE}`);
  assertEquals(notes.code, 0);
  assertMatch(
    notes.stdout,
    /^note {5}absent-platform {2}linux\/amd64 of .*\nnote .*\nnote .*\n.*: ok, 3 notes/,
  );
});

test("run() check prints findings and exits with 1 when something is wrong", async () => {
  const entries = [...broken, { path: "README", body: "x" }];
  const { code, stdout, stderr } = await runFake("check -", await piped(entries));
  assertEquals([code, stderr], [1, ""]);
  const [first, second, verdict, end] = stdout.split("\n");
  assertMatch(first ?? "", /^error {4}wrong-digest {2}"blobs.* \(layer 1 of "v1"\)$/);
  assertMatch(second ?? "", /^note {5}unreferenced {2}"README" is needed by no image$/);
  assertEquals([verdict?.startsWith("stdin: broken, 1 error, 1 note"), end], [true, ""]);
});

test("run() check does not show what a URL has after its path, which may be secret", async () => {
  const bytes = await toBlob(layout.entries()).bytes();
  const { code, stdout } = await runFake("check https://a.test/app.tar?key=secret", {
    registry: () => Promise.resolve(new Response(bytes)),
  });
  assertEquals(code, 0);
  assertMatch(stdout, /^https:\/\/a\.test\/app\.tar: ok /);
});

test("run() check prints errors and the verdict alone with --quiet", async () => {
  const entries = [...broken, { path: "README", body: "x" }];
  const { code, stdout } = await runFake("check - -q", await piped(entries));
  assertEquals([code, stdout.includes("README"), stdout.split("\n").length], [1, false, 3]);
  assertStringIncludes(stdout, "1 error, 1 note");
});

test("run() check prints one document with --json, and one with the error", async () => {
  const bad = await runFake("check - --json", await piped(broken));
  const { ok, dialect, findings } = JSON.parse(bad.stdout);
  assertEquals([bad.code, ok, dialect, findings.length], [1, false, "oci", 1]);
  assertEquals(Object.keys(findings[0]).sort(), [
    "actual",
    "code",
    "digest",
    "expected",
    "image",
    "message",
    "path",
    "severity",
  ]);
  const good = await runFake(`check ${SINGLE} --json`);
  assertEquals([good.code, JSON.parse(good.stdout).findings], [0, []]);
  const none = await runFake("check nowhere.tar --json");
  assertEquals([none.code, JSON.parse(none.stdout).error.name], [1, "OciError"]);
  assertStringIncludes(none.stderr, 'tarpush: Cannot open "nowhere.tar"');
});

test("run() check is broken for what is no archive, and wants one", async () => {
  const text = await runFake("check -", { stdin: encode("no tar at all") });
  assertEquals(text.code, 1);
  assertMatch(
    text.stdout,
    /^error {4}broken-tar {2}.*\nstdin: broken, 1 error \(0 files, 0 B\)\n$/,
  );
  assertEquals((await runFake("check")).code, 2);
  assertEquals((await runFake("check -")).code, 2);
  assertEquals((await runFake("check a b")).code, 2);
  assertEquals((await runFake("check a --image x")).code, 2);
});

test("run() check shows nothing on a terminal that could steer it", async () => {
  const entries = [
    ...dockerSave([{ image, repoTags: ["\x1b[2J\u009b31m"] }]),
    { path: "\x1b]0;title\x07", body: "x" },
  ];
  const { stdout } = await runFake("check -", {
    ...await piped(entries),
    isTerminal: true,
    env: { NO_COLOR: "1" },
  });
  assertEquals(/\p{Cc}/u.test(stdout.replaceAll("\n", "")), false);
  assertStringIncludes(stdout, "warning  bad-name");
});

test("run() check ends with 130 after an interrupt", async () => {
  const host = fakeHost(["check", "-"], {
    overrides: {
      stdin: {
        ...fakeHost([]).stdin,
        isTerminal: () => false,
        pieces: () => new ReadableStream(),
        stream: () => new ReadableStream({ pull: () => host.interrupt() }, { highWaterMark: 0 }),
      },
    },
  });
  assertEquals(await run(host), 130);
  assertEquals(host.written.stderr, "tarpush: Interrupted\n");
});
