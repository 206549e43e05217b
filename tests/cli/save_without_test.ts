import { assert, assertEquals, assertMatch } from "@std/assert";
import { run } from "../../src/cli/run.ts";
import { pushImage } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, flipByte, gzip, makeImage, toBlob } from "../helpers/archives.ts";
import { asNetwork } from "../helpers/as_network.ts";
import { runProcess, temporaryFolder } from "../helpers/process.ts";
import { optionalProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";
import { fakeHost, type FakeHostOptions, runFake } from "./fake_host.ts";

const HOST = "localhost:5000";

/** Two registries at two ports, the first with two images on one base. */
async function makeRegistries(): Promise<{ fetch: FetchHandler; there: FetchHandler }> {
  const [here, there] = [createRegistry(), createRegistry()];
  for (const name of ["app:1", "app:2"]) {
    const archive = toBlob(dockerSave([{ image: await makeImage(["base", name]) }]));
    await pushImage(archive, `${HOST}/team/${name}`, { fetch: here });
  }
  const fetch: FetchHandler = (request) =>
    new URL(request.url).port === "5000" ? here(request) : there(request);
  return { fetch, there };
}

async function runWith(
  registry: FetchHandler,
  args: readonly string[],
  options: FakeHostOptions = {},
) {
  return await runFake(args, { registry, ...options });
}

test("save --without an archive, inspect, check --against and push of what is left", async () => {
  await using folder = await temporaryFolder();
  const { fetch } = await makeRegistries();
  const [base, delta] = [`${folder.path}/base.tar`, `${folder.path}/delta.tar`];
  assertEquals((await runWith(fetch, ["save", `${HOST}/team/app:1`, base, "-q"])).code, 0);
  const packed = `${folder.path}/base.tar.gz`;
  await folder.write("base.tar.gz", await gzip(new Uint8Array(await folder.read("base.tar"))));
  for (const other of [base, packed]) {
    const args = ["save", `${HOST}/team/app:2`, delta, "--without", other];
    const saved = await runWith(fetch, args);
    assertEquals(saved.code, 0, saved.stderr);
    assertMatch(saved.stderr, /\n1 layer of 2\.05 kB left out: the archive can be pushed to where/);
    const json = await runWith(fetch, [...args, "--json", "-q"]);
    assertEquals(JSON.parse(json.stdout).leftOut.blobs, 1);
  }
  const shown = await runWith(fetch, ["inspect", delta]);
  assertMatch(
    shown.stdout,
    /\nleft out {2}1 blob, 2\.05 kB\n {2}sha256:\w{64} {2}2\.05 kB {2}localhost:5000\/team\/app, base\.tar\.gz\n$/,
  );
  const alone = await runWith(fetch, ["check", delta]);
  assertEquals(alone.code, 0, alone.stdout);
  const nowhere = await runWith(fetch, ["check", delta, "--against", "localhost:6000"]);
  assertEquals(nowhere.code, 1);
  assertMatch(
    nowhere.stdout,
    /^error +missing-blob +sha256:\w{64} is left out of the archive, and localhost:6000\/team\/app does not have it \(needed by "localhost:5000\/team\/app:2"\)\n/,
  );
  assertMatch(nowhere.stdout, /broken, 1 error, 1 note/);
  const refused = await runWith(fetch, ["push", delta, "localhost:6000"]);
  assertEquals([refused.code, refused.stdout], [1, ""]);
  assertMatch(
    refused.stderr,
    /^tarpush: Cannot push to localhost:6000\/team\/app: the archive leaves/,
  );
  assertMatch(refused.stderr, /\nhint: push first what has them: base\.tar\.gz\n$/);
  assertEquals((await runWith(fetch, ["push", base, "localhost:6000", "-q"])).code, 0);
  const there = await runWith(fetch, ["check", delta, "--against", "localhost:6000"]);
  assertEquals(there.code, 0, there.stdout);
  assertMatch(there.stdout, /\nlocalhost:6000 has all that it leaves out\n.*: ok, 1 note \(/);
  const pushed = await runWith(fetch, ["push", delta, "localhost:6000", "-q"]);
  assertMatch(pushed.stdout, /^localhost:6000\/team\/app:2@sha256:/);
});

test("check --against says what is missing of an archive with other faults as well", async () => {
  await using folder = await temporaryFolder();
  const { fetch } = await makeRegistries();
  const [base, delta] = [`${folder.path}/base.tar`, `${folder.path}/delta.tar`];
  await runWith(fetch, ["save", `${HOST}/team/app:1`, base, "-q"]);
  await runWith(fetch, ["save", `${HOST}/team/app:2`, delta, "-q", "--without", base]);
  const bytes = await folder.read("delta.tar");
  const at = new TextDecoder("latin1").decode(bytes).indexOf("app:2.txt");
  await folder.write("delta.tar", flipByte(bytes, at));
  const { code, stdout } = await runWith(fetch, ["check", delta, "--against", "localhost:6000"]);
  assertEquals(code, 1);
  assertMatch(stdout, /^error +missing-blob +sha256:\w{64} is left out of the archive, and local/);
  assertMatch(stdout, /\nerror +wrong-digest /);
  // One whose documents cannot be read tells why, and is asked for nothing.
  await folder.write("delta.tar", bytes.slice(0, 3000));
  const cut = await runWith(fetch, ["check", delta, "--against", "localhost:6000"]);
  assertEquals([cut.code, cut.stderr], [1, ""]);
});

test("save --without a registry leaves out what it has, also to a pipe", async () => {
  const { fetch } = await makeRegistries();
  const { bytes } = await runWith(fetch, ["save", `${HOST}/team/app:1`, "-", "-q"]);
  const stdin = await new Blob(bytes as BlobPart[]).bytes();
  const pushed = await runWith(fetch, ["push", "-", "localhost:6000/team/app:1", "-q"], { stdin });
  assertEquals(pushed.code, 0, pushed.stderr);
  for (const other of ["localhost:6000", "localhost:6000/team/app"]) {
    const delta = await runWith(fetch, ["save", `${HOST}/team/app:2`, "-", "--without", other]);
    assertMatch(delta.stderr, /\n[12] layers? of [\d.]+ kB left out/);
    const stdin = await new Blob(delta.bytes as BlobPart[]).bytes();
    const { code, stdout, stderr } = await runWith(fetch, ["push", "-", "localhost:6000"], {
      stdin,
    });
    assertEquals(code, 0, stderr);
    assert(stdout.startsWith("localhost:6000/team/app:2@sha256:"));
  }
  const none = await runWith(fetch, [
    ...["save", `${HOST}/team/app:2`, "-", "--without", "localhost:7000/else"],
  ]);
  assertMatch(none.stderr, /\nnothing is left out: none of the layers is there\n/);
  const whole = await new Blob(none.bytes as BlobPart[]).bytes();
  const taken = await runWith(createRegistry(), ["push", "-", HOST, "-q"], { stdin: whole });
  assertEquals(taken.code, 0, taken.stderr);
});

test("save --without reads an archive behind a URL that is signed", async () => {
  const { fetch } = await makeRegistries();
  const { bytes } = await runWith(fetch, ["save", `${HOST}/team/app:1`, "-", "-q"]);
  const base = new Blob(bytes as BlobPart[]);
  const network = asNetwork((request: Request) =>
    new URL(request.url).host === "files.lan"
      ? Promise.resolve(new Response(base.stream()))
      : fetch(request)
  );
  for (const url of ["http://files.lan/base.tar?token=1", "http://files.lan/get?name=base"]) {
    const args = ["save", `${HOST}/team/app:2`, "-", "--without", url];
    const { code, stderr } = await runWith(network, args);
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /\n1 layer of 2\.05 kB left out/);
  }
});

test("save --without asks for an archive behind a URL as often as --retries says", async () => {
  const { fetch } = await makeRegistries();
  let asked = 0;
  const busy = asNetwork((request: Request) => {
    if (new URL(request.url).host !== "files.lan") return fetch(request);
    asked++;
    return Promise.resolve(new Response(null, { status: 503 }));
  });
  const other = ["--without", "http://files.lan/a.tar", "--retries", "0"];
  const { code, stderr } = await runWith(busy, ["save", `${HOST}/team/app:2`, "-", ...other]);
  assertMatch(stderr, /answered 503/);
  assertEquals([code, asked], [1, 1]);
});

test("save --without does not wait for an archive that does not come after an interrupt", async () => {
  const { fetch } = await makeRegistries();
  const silent = asNetwork((request: Request) => {
    if (new URL(request.url).host !== "files.lan") return fetch(request);
    return Promise.resolve(
      new Response(
        new ReadableStream({ pull: () => void host.interrupt() }, { highWaterMark: 0 }),
      ),
    );
  });
  const args = ["save", `${HOST}/team/app:2`, "out.tar", "--without", "http://files.lan/a.tar"];
  const host = fakeHost(args, { overrides: { fetchWith: () => silent } });
  assertEquals(await run(host), 130);
});

test("save --without refuses what it cannot leave out", async () => {
  await using folder = await temporaryFolder();
  const { fetch } = await makeRegistries();
  const file = `${folder.path}/a.tar`;
  const save = ["save", `${HOST}/team/app:2`];
  const cases: [args: string[], code: number, message: RegExp][] = [
    [[...save, file, "--without", "-"], 2, /Cannot leave out what a pipe has, expected a file/],
    [[...save, `${file}/`, "--without", HOST], 2, /Cannot leave blobs out of a folder/],
    [[...save, file, "--without", `${HOST}/a:1`], 2, /Cannot leave out what \S+ has: it names one/],
    [[...save, file, "--without", "gone/base.tar"], 1, /gone\/base\.tar": no such file/],
    [[...save, file, "--without", await folder.write("no.tar", "x")], 1, /no tar|Cannot read/],
    [
      [...save, file, "--without", await folder.write("p.tar.001", "x")],
      1,
      /Cannot leave out what ".*p\.tar\.001" has: .*\nhint: .* they must be beside it/,
    ],
    [["check", await folder.write("b.tar", ""), "--against", `${HOST}/a:1`], 2, /names one image/],
    [["check", `${HOST}/team/app:1`, "--against", HOST], 2, /--against is for an archive/],
  ];
  for (const [args, code, message] of cases) {
    const result = await runWith(fetch, args);
    assertEquals(result.code, code, `${args}: ${result.stderr}${result.stdout}`);
    assertMatch(result.stderr, message);
  }
});

test("save writes over nothing that it reads, by whatever name", async () => {
  await using folder = await temporaryFolder();
  const { fetch } = await makeRegistries();
  const save = ["save", `${HOST}/team/app:2`];
  const file = await folder.write("a.tar", "x");
  await runProcess("ln", ["-s", "a.tar", `${folder.path}/link.tar`]);
  await runProcess("ln", ["-s", folder.path, `${folder.path}/here`]);
  const part = await folder.write("p.tar.001", "x");
  for (const name of ["p.tar.002", "p.tar.sha256"]) await folder.write(name, "x");
  const list = await folder.write("list", `${HOST}/team/app:2\n`);
  const numbered = await folder.write("q.tar.002", `${HOST}/team/app:2\n`);
  const cases: string[][] = [
    [...save, "./no-such.tar", "--without", "no-such.tar"],
    [...save, file, "--without", `${folder.path}/./a.tar`],
    [...save, file, "--without", `${folder.path}/link.tar`],
    [...save, `${folder.path}/link.tar`, "--without", file],
    [...save, `${folder.path}/here/a.tar`, "--without", HOST, "--without", file],
    [...save, `${folder.path}/p.tar`, "--split", "1KiB", "--without", part],
    [...save, `${folder.path}/p.tar.002`, "--without", part],
    [...save, `${folder.path}/p.tar.sha256`, "--without", part],
    ["save", list, "--from", list],
    ["save", `${folder.path}/q.tar`, "--split", "1KiB", "--from", numbered],
  ];
  for (const args of cases) {
    const { code, stderr } = await runWith(fetch, args);
    assertEquals(code, 2, `${args}: ${stderr}`);
    assertMatch(stderr, /Cannot write to "\S+": \S+ is read as well, expected another name/);
  }
  assertEquals((await folder.read("a.tar")).length, 1);
}, { skip: optionalProgram("ln").skip });
