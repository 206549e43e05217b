import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createPromise } from "../../src/concurrency.ts";
import { run } from "../../src/cli/run.ts";
import { OciError } from "../../src/errors.ts";
import type { Host } from "../../src/runtime/host.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { allTags, readFixtureTar } from "../helpers/expected.ts";
import { asNetwork } from "../helpers/as_network.ts";
import { faultLayer } from "../helpers/fault_layer.ts";
import { temporaryFolder } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";
import { fakeHost, linesOf, runFake } from "./fake_host.ts";

const SINGLE = "tests/fixtures/docker28-single.tar";
/** An archive with another name. */
const OTHER = "tests/fixtures/skopeo-docker.tar";
const DIGEST = "sha256:88287e9f4e47a23a1315d297acac3e659b2d638fcb8492a27d7fd0de9f47a2db";

type Fetch = (request: Request) => Promise<Response>;
type Files = Map<string, string>;

test("push SOURCE... --to pushes each archive, and prints names, lines and a table", async () => {
  const registry = createRegistry();
  const args = `push ${SINGLE} no-such.tar ${OTHER} --to localhost:5000`;
  const { code, stdout, stderr } = await runFake(args, { registry });
  assertEquals(code, 1);
  const tags = await allTags(registry);
  assertEquals(stdout.trimEnd().split("\n").length, tags.length);
  assertMatch(
    stderr,
    /^pushed {3}tests\/fixtures\/docker28-single\.tar {2}4 blobs sent \(21 kB\) in /m,
  );
  assertStringIncludes(stderr, "failed   no-such.tar: Cannot open");
  assertMatch(
    stderr,
    /\n3 archives in .*\n {7}2 {2}pushed: .* blobs sent .*\n {7}1 {2}failed\nfailed: no-such/,
  );
  const again = await runFake(args, { registry });
  assertMatch(again.stderr, /\n {7}2 {2}already there\n {7}1 {2}failed\n/);
});

test("push of many counts a blob once for each repository, whatever its image is called there", async () => {
  const archive = "tests/fixtures/docker28-multitag.tar"; // two names in held/basic, one in team/app
  for (const [option, word] of [["--dry-run", "missing"], ["", "sent (21 kB)"]]) {
    const { stderr } = await runFake(`push ${archive} --to localhost:5000 ${option}`.trim());
    assertStringIncludes(stderr, `  ${archive}  4 blobs ${word}, 4 mounted in `);
  }
});

test("push --quiet of many leaves nothing on stderr but what failed", async () => {
  const { code, stderr } = await runFake(`push -q ${SINGLE} no-such.tar --to localhost:5000`);
  assertEquals([code, stderr], [
    1,
    'failed: no-such.tar: Cannot open "no-such.tar": no such file\n',
  ]);
});

test("push --json of many writes a line an archive", async () => {
  const args = `push ${SINGLE} no-such.tar --to localhost:5000/a:1 --to localhost:5000/b:1 --json`;
  const { stdout } = await runFake(args);
  const [failed, pushed] = linesOf(stdout).sort((a, b) => `${a.status}` < `${b.status}` ? -1 : 1);
  assertEquals([failed?.source, failed?.status], ["no-such.tar", "failed"]);
  assertStringIncludes(JSON.stringify(failed?.error), "no such file");
  assertEquals([pushed?.status, pushed?.target], ["pushed", [
    "localhost:5000/a:1",
    "localhost:5000/b:1",
  ]]);
  assertStringIncludes(JSON.stringify(pushed?.images), DIGEST);
});

test("push --from takes archives and their targets from a file and from stdin", async () => {
  const list = `# list\n${SINGLE} localhost:5000/own:1\n${SINGLE}\n`;
  const registry = createRegistry();
  const files = new Map([["list", list]]);
  const { code } = await runFake("push --from list --to localhost:5000/all:1", { registry, files });
  assertEquals([code, await allTags(registry)], [0, ["all:1", "own:1"]]);
  const stdin = new TextEncoder().encode(list);
  assertEquals((await runFake("push --from - --to localhost:5000/all:1", { stdin })).code, 0);
});

test("push --from --insecure is about the registries of the list as well", async () => {
  const list = `${SINGLE} localhost:5000/own:1\n${SINGLE} 127.0.0.1:5000/other:1\n${SINGLE}\n`;
  const sources = {
    list: { files: new Map([["list", list]]) },
    "-": { stdin: new TextEncoder().encode(list) },
  };
  for (const [from, given] of Object.entries(sources)) {
    const hosts: unknown[] = [];
    const registry = createRegistry();
    const overrides: Partial<Host> = {
      fetchWith: (options) => {
        hosts.push(options.insecureHosts);
        return registry;
      },
    };
    const args = `push --from ${from} --to [::1]:5000/all:1 --insecure`;
    const { code, stderr } = await runFake(args, { ...given, overrides });
    assertEquals(code, 0, stderr);
    // Of a pipe those count that have come by then.
    assertEquals(hosts, [["[::1]", "localhost", "127.0.0.1"]]);
  }
});

test("push of many reads one of them from stdin", async () => {
  const stdin = await readFixtureTar("docker28-single.tar");
  const files = new Map([["list", `- localhost:5000/a:1\n${OTHER} localhost:5000/b:1\n`]]);
  const { code, stderr } = await runFake("push --from list", { stdin, files });
  assertEquals(code, 0);
  assertMatch(stderr, /^pushed {3}stdin {2}/m);
  const twice = await runFake("push - - --to localhost:5000", { stdin });
  assertEquals(twice.code, 2);
  assertEquals(twice.stderr, "tarpush: stdin can be read once only, expected one -\n");
});

test("push --receipts writes what was done, and skips that the next time", async () => {
  const registry = createRegistry();
  const args = `push ${SINGLE} no-such.tar --to localhost:5000/app:1 --receipts done`;
  const first = await runFake(args, { registry });
  const receipts = first.files.get("done");
  const [failed, pushed] = linesOf(receipts).sort((a, b) => `${a.status}` < `${b.status}` ? -1 : 1);
  assertEquals([failed?.status, pushed?.status], ["failed", "pushed"]);
  assertEquals(pushed?.images, [{ reference: "localhost:5000/app:1", digest: DIGEST }]);
  const { fetch, seen } = faultLayer(registry);
  const files = new Map([["done", receipts ?? ""]]);
  const again = await runFake(args, { registry: fetch, files });
  assertEquals(seen.length, 0);
  assertStringIncludes(again.stderr, "1 of 2 archives are skipped: done says that they are done\n");
  assertMatch(again.stderr, /\n {7}1 {2}done before\n {7}1 {2}failed\n/);
  const elsewhere = args.replace("app:1", "app:2");
  assertStringIncludes((await runFake(elsewhere, { registry, files })).stderr, "1  pushed: ");
  const other = `${args} --platform linux/amd64`;
  assertEquals((await runFake(other, { registry, files })).stderr.includes("skipped"), false);
});

const OTHER_WISHES = [
  "--compress gzip",
  "--manifest-type oci",
  "--force",
  "--on-existing overwrite",
];

for (const wish of OTHER_WISHES) {
  test(`push --receipts does not take what was pushed without ${wish} for done with it`, async () => {
    const registry = createRegistry();
    const args = `push ${SINGLE} --to localhost:5000/app:1 --receipts done`;
    // A tag that was to be left alone is not what the archive has.
    const first = wish.startsWith("--on") ? `${args} --on-existing skip` : args;
    const { files } = await runFake(first, { registry });
    const second = await runFake(`${args} ${wish}`, { registry, files });
    assertEquals([second.code, second.stderr.includes("done before")], [0, false]);
    const third = await runFake(`${args} ${wish}`, { registry, files: second.files });
    assertStringIncludes(third.stderr, "1  done before");
  });
}

test("push --on-existing skip of many tells what was left alone", async () => {
  const registry = createRegistry();
  const args = `push ${SINGLE} --to localhost:5000/app:1`;
  await runFake(args, { registry });
  const other = `${args} --on-existing skip`.replace(SINGLE, OTHER);
  const { code, stderr } = await runFake(other, { registry });
  assertEquals(code, 0);
  assertMatch(stderr, /^left {5}tests\/fixtures\/skopeo-docker\.tar$/m);
  assertMatch(stderr, /\n1 archive in .*\n {7}1 {2}left alone: their names have other images\n$/);
  const kept = `${other} --receipts done`;
  const { files } = await runFake(kept, { registry });
  assertStringIncludes((await runFake(kept, { registry, files })).stderr, "1  left alone");
});

test("push of many tells again what receipts say is done, to programs and in --digestfile", async () => {
  const registry = createRegistry();
  const args =
    `push ${SINGLE} --to localhost:5000/app:1 --receipts done --digestfile digests --json`;
  const { files } = await runFake(args, { registry });
  const digests = files.get("digests");
  const again = await runFake(args, { registry, files: new Map([...files, ["digests", ""]]) });
  assertEquals([again.files.get("digests"), digests], [`${DIGEST}\n`, `${DIGEST}\n`]);
  assertEquals(linesOf(again.stdout), [{
    source: SINGLE,
    target: ["localhost:5000/app:1"],
    status: "skipped",
    images: [{ reference: "localhost:5000/app:1", digest: DIGEST }],
  }]);
});

test("push of many numbers what only the query of a URL tells apart", async () => {
  const fetch = asNetwork(() => Promise.resolve(new Response("no", { status: 404 })));
  const args =
    "push no.tar http://files.test/get?a http://files.test/get?b --to localhost:5000 --json --receipts done";
  const { stderr, stdout, files } = await runFake(args, { registry: fetch });
  assertMatch(stderr, /^failed {3}http:\/\/files\.test\/get \(#3\): /m);
  for (const text of [stdout, files.get("done")]) {
    const numbers = linesOf(text).map(({ source, number }) => `${source} ${number}`).sort();
    assertEquals(numbers, [
      "http://files.test/get 2",
      "http://files.test/get 3",
      "no.tar undefined",
    ]);
  }
});

test("push --json of many writes a line for what ends all of it", async () => {
  const absent = await runFake("push --from list --to localhost:5000 --json", {
    files: { list: "" },
  });
  assertEquals(absent.code, 2);
  assertStringIncludes(JSON.stringify(linesOf(absent.stdout)), "list names no archive");
});

/** A pipe that nobody writes to, in which something happens as soon as it is read. */
function silentPipe(onRead: () => void): Host["stdin"] {
  return {
    isTerminal: () => false,
    stream: () => new ReadableStream({ pull: () => void onRead() }, { highWaterMark: 0 }),
    pieces: () => new ReadableStream({ pull: () => void onRead() }, { highWaterMark: 0 }),
  };
}

for (const args of ["push --from - --to localhost:5000", "save --from - out.tar"]) {
  test(`${args} does not wait for its list after an interrupt`, async () => {
    const host = fakeHost(args.split(" "), {
      overrides: { stdin: silentPipe(() => host.interrupt()) },
    });
    assertEquals(await run(host), 130);
    assertStringIncludes(host.written.stderr, "tarpush: Interrupted\n");
  });
}

test("save --from - gives up a pipe that does not end", async () => {
  const piece = new TextEncoder().encode("a.tar\n".repeat(1_000_000));
  let given = 0;
  const stream = () =>
    ReadableStream.from({
      async *[Symbol.asyncIterator]() {
        for (; given < 100; given++) yield piece;
      },
    });
  const stdin = { ...silentPipe(() => {}), stream };
  const { code, stderr } = await runFake("save --from - out.tar", {
    overrides: { stdin },
  });
  assertEquals([code, given < 50], [1, true]);
  assertStringIncludes(stderr, "expected a text of at most 268435456");
});

/** A list that comes in pieces; the next is given when `goOn` is done. */
function pipedList(pieces: readonly string[], goOn: (at: number) => Promise<void>): Host["stdin"] {
  const encoder = new TextEncoder();
  return {
    ...silentPipe(() => {}),
    pieces: async function* () {
      for (const [at, piece] of pieces.entries()) {
        await goOn(at);
        yield encoder.encode(piece);
      }
    },
  };
}

test("push --from - begins with the first line, whole as soon as its end is there", async () => {
  const registry = createRegistry();
  const pushed = createPromise();
  const watched = async (request: Request) => {
    const answer = await registry(request);
    if (request.method === "PUT" && request.url.endsWith("/a/manifests/1")) pushed.resolve();
    return answer;
  };
  const list = [`# first\n${SINGLE} local`, `host:5000/a:1\r\n`, `${OTHER} localhost:5000/b:1`];
  // The rest is only written once the first stands: a list that is read to its end would never be.
  const stdin = pipedList(list, (at) => at < 2 ? Promise.resolve() : pushed.promise);
  const { code, stderr } = await runFake("push --from -", {
    registry: watched,
    overrides: { stdin },
  });
  assertEquals(code, 0, stderr);
  assertEquals(await allTags(registry), ["a:1", "b:1"]);
});

test("push --from - names a line that it cannot use, and ends what came before", async () => {
  const first = `${SINGLE} localhost:5000/a:1`;
  const cases: [rest: string, says: string][] = [
    ["\n\na b c\n", "Cannot use line 4 of stdin: it has 3 words"],
    [`\n${OTHER}\n`, `No target for "${OTHER}" (line 3 of stdin)`],
    [`\n${OTHER} localhost:5000/UPPER`, "(line 3 of stdin)"],
    ["\n- localhost:5000/x:1\n", "stdin can be read once only"],
    [`\n${"x".repeat(1024 * 1024 + 1)}`, "Cannot use line 3 of stdin: it has more than 1048576"],
    ["\n# \nPK\0", "Cannot use stdin: it is no text"],
  ];
  for (const [rest, says] of cases) {
    const registry = createRegistry();
    const stdin = pipedList([`# list\n${first}\n`, rest.slice(1)], () => Promise.resolve());
    const { code, stderr, stdout } = await runFake("push --from - --json", {
      registry,
      overrides: { stdin },
    });
    assertEquals([code, await allTags(registry)], [2, ["a:1"]], stderr);
    assertStringIncludes(stderr, says);
    const [pushed, failure] = linesOf(stdout);
    assertEquals(pushed?.status, "pushed");
    assert("error" in (failure ?? {}));
    const atOnce = pipedList([rest], () => Promise.resolve());
    const empty = createRegistry();
    const early = await runFake("push --from -", { registry: empty, overrides: { stdin: atOnce } });
    assertEquals([early.code, await allTags(empty)], [2, []]);
  }
});

test("push --from - skips what receipts say is done, and lets nothing else take its tags", async () => {
  const registry = createRegistry();
  const target = "localhost:5000/app:1";
  const run = (list: string, done = "") => {
    const stdin = pipedList(list.split(/(?<=\n)/), () => Promise.resolve());
    const args = "push --from - --receipts done --json --archives 1";
    return runFake(args, { registry, files: new Map([["done", done]]), overrides: { stdin } });
  };
  const lines = `${OTHER} localhost:5000/b:1\n${SINGLE} ${target}\n`;
  const { files } = await run(lines);
  const again = await run(`${lines}${OTHER} ${target}\n`, files.get("done"));
  assertEquals(again.code, 1, again.stderr);
  assertEquals(linesOf(again.stdout).map(({ status }) => status), ["skipped", "skipped", "failed"]);
  assertStringIncludes(again.stdout, "is pushed there as well");
});

test("push --receipts lets nothing else take the name of what is done", async () => {
  const registry = createRegistry();
  const args = `push ${SINGLE} --to localhost:5000/app:1 --receipts done`;
  const files = new Map([["done", (await runFake(args, { registry })).files.get("done") ?? ""]]);
  const again = await runFake(args.replace("--to", `${OTHER} --to`), { registry, files });
  assertEquals(again.code, 1);
  assertStringIncludes(again.stderr, `"${SINGLE}" is pushed there as well and is ${DIGEST}`);
  const { headers } = await registry(new Request("http://localhost:5000/v2/app/manifests/1"));
  assertEquals(headers.get("docker-content-digest"), DIGEST);
});

test("push --receipts pushes again what another archive has taken the tag of since", async () => {
  const registry = createRegistry();
  const push = async (source: string, files: Files = new Map()) =>
    await runFake(`push ${source} --to localhost:5000/app:1 --receipts done`, { registry, files });
  const first = (await push(SINGLE)).files;
  const second = (await push(OTHER, first)).files;
  assertEquals(linesOf(second.get("done")).length, 2);
  const { stderr, stdout } = await push(SINGLE, second);
  assertStringIncludes(stderr, "1  pushed: ");
  assertEquals(stdout, `localhost:5000/app:1@${DIGEST}\n`);
});

test("push --receipts tells before it pushes that it cannot write them", async () => {
  const { fetch, seen } = faultLayer(createRegistry());
  const appendText = () => Promise.reject(new OciError("the disk is gone"));
  const args = `push ${SINGLE} ${OTHER} --to localhost:5000 --receipts done`;
  const early = await runFake(args, { registry: fetch, overrides: { appendText } });
  assertEquals([early.code, seen.length], [1, 0]);
  let calls = 0;
  const late = () => ++calls > 1 ? appendText() : Promise.resolve();
  const { code, stderr } = await runFake(`${args} --archives 1`, {
    overrides: { appendText: late },
  });
  assertEquals(code, 1);
  assertMatch(stderr, /\n2 archives in .*\n {7}1 {2}pushed: .*\n {7}1 {2}not done\n/);
});

test("push --receipts skips a URL, but none that only its query tells from others", async () => {
  const registry = createRegistry();
  const tar = await readFixtureTar("docker28-single.tar");
  const headers = { "last-modified": "Sat, 28 Nov 2026 17:00:00 GMT" };
  const fetch = asNetwork((request: Request) =>
    new URL(request.url).host === "files.test"
      ? Promise.resolve(
        new Response(tar, { headers: { ...headers, "content-length": `${tar.length}` } }),
      )
      : registry(request)
  );
  const push = async (source: string, files: Files = new Map()) =>
    await runFake(`push ${source} --to localhost:5000/app:1 --receipts done`, {
      registry: fetch,
      files,
    });
  const first = await push("http://files.test/get?name=a");
  assertEquals(first.code, 0);
  const signedAnew = await push("http://files.test/get?name=a&signature=2", first.files);
  assertStringIncludes(signedAnew.stderr, "1  done before");
  const both = await push("http://files.test/get?name=a http://files.test/get?name=b", first.files);
  assertStringIncludes(both.stderr, "2  already there");
});

test("push --receipts does not skip a file that has changed", async () => {
  await using folder = await temporaryFolder();
  const registry = createRegistry();
  const path = await folder.write("a.tar", "no tar");
  const args = ["push", path, "--to", "localhost:5000", "--receipts", "done"];
  const broken = await runFake(args, { registry });
  const line = JSON.parse(broken.files.get("done") ?? "");
  const images = [{ reference: "localhost:5000/app:1", digest: DIGEST }];
  const forged = `${JSON.stringify({ ...line, status: "pushed", images })}\n`;
  const files = new Map([["done", forged]]);
  assertEquals((await runFake(args, { registry, files })).code, 0);
  await folder.write("a.tar", "no tar, either");
  assertEquals((await runFake(args, { registry, files })).code, 1);
});

test("push --receipts survives a line that was cut off", async () => {
  const files = new Map([["done", `{"source":"x"}\nnonsense\n{"source":"tests/fix`]]);
  const args = `push ${SINGLE} --to localhost:5000/app:1 --receipts done`;
  const { code, files: written } = await runFake(args, { files });
  assertEquals(code, 0);
  const lines = (written.get("done") ?? "").split("\n");
  assertEquals(lines.length, 5);
  assertEquals(JSON.parse(lines[3] ?? "").status, "pushed");
});

test("push --receipts leaves nothing half when it is interrupted", async () => {
  const registry = createRegistry();
  const host = fakeHost(
    `push ${SINGLE} ${OTHER} --to localhost:5000 --receipts done --archives 1`.split(" "),
    {
      overrides: {
        fetchWith: () => async (request) => {
          if (request.method === "PUT" && request.url.includes("/held/app/manifests/")) {
            host.interrupt();
          }
          return await registry(request);
        },
      },
    },
  );
  const code = await run(host);
  const lines = linesOf(host.written.files.get("done"));
  assertEquals([code, lines.map(({ status }) => status)], [130, ["pushed"]]);
  assertMatch(host.written.stderr, /\n {7}1 {2}not done\n/);
  assertStringIncludes(host.written.stderr, "tarpush: Interrupted\n");
});

test("push --fail-fast ends at the first failure", async () => {
  const args = `push no-such.tar ${SINGLE} --to localhost:5000 --fail-fast --archives 1`;
  const { code, stderr } = await runFake(args);
  assertEquals(code, 1);
  assertMatch(stderr, /\n {7}1 {2}failed\n {7}1 {2}not done\n/);
});

test("push --dry-run of many counts a shared blob once, and writes no receipts", async () => {
  const args =
    `push ${SINGLE} --to localhost:5000/a:1 --to localhost:5000/b:1 --dry-run --receipts done`;
  const { stderr, files, stdout } = await runFake(args);
  assertStringIncludes(stderr, "1  to push: 4 blobs missing, 4 mounted\n");
  const [told] = linesOf((await runFake(`${args} --json`)).stdout);
  assertEquals([told?.dryRun, told?.status], [true, "pushed"]);
  assertStringIncludes(stderr, `would push localhost:5000/a:1@${DIGEST}\n`);
  assertEquals([files.size, stdout], [0, ""]);
});

const WRONG: [args: string, says: string][] = [
  ["push --to localhost:5000", "Nothing to push"],
  ["push --from list --from empty --to localhost:5000", "--from is given more than once"],
  ["push a.tar --to localhost:5000 --archives 201", "expected a whole number from 1 to 200"],
  ["copy h/a --to localhost:5000 --images 201", "expected a whole number from 1 to 200"],
  ["push --from empty --to localhost:5000", "Nothing to push: empty names no archive"],
  ["push --from list", 'No target for "a.tar" (line 1 of list)'],
  [`push ${SINGLE} --to localhost:5000/UPPER`, "(on the command line)"],
  [`push a.tar b.tar localhost:5000`, '"b.tar" is no target'],
  [`push a.tar ./b.tar.gz localhost:5000`, '"./b.tar.gz" is no target'],
  [`push localhost:5000/app:1 a.tar`, '"localhost:5000/app:1" is no archive'],
  ["push in/a.tar in/b.tar in/c.tar", "tarpush push in/a.tar in/b.tar ... --to TARGET"],
  [`push ${SINGLE} --to localhost:5000 --receipts a.tar`, "it has something else in it"],
  [`push ${SINGLE} --to localhost:5000 --receipts -`, "it is a pipe or device"],
  [`push ${SINGLE} --to localhost:5000 --receipts pipe`, "it is a pipe or device"],
  ["push --from a.tar --to localhost:5000", "Cannot use a.tar: it is no text"],
  [`push ${SINGLE} --to localhost:5000/a:1 --all-tags`, "names one image"],
  [`push ${SINGLE} --to localhost:5000 --rename x`, "Cannot rename by"],
  [`push ${SINGLE} --to localhost:5000 --level 3`, "Cannot use compressionLevel"],
  [`push ${SINGLE} --to localhost:5000 --platform linux --receipts new`, "Cannot use platform"],
  ["copy localhost:5000/a --to localhost:5000/b --platform linux", "Cannot use platform"],
  ["push --from spaces --to localhost:5000", '"image.tar" is no target (line 1 of spaces)'],
];

for (const [args, says] of WRONG) {
  test(`${args} is wrong usage`, async () => {
    const files = new Map([["list", "a.tar\n"], ["empty", "# nothing\n"], ["a.tar", "a\0b"]]);
    files.set("spaces", "my image.tar\n");
    const pipe = { kind: "other", size: 0, modified: 0 } as const;
    const fileInfo = (path: string) => Promise.resolve(path === "pipe" ? pipe : undefined);
    const overrides = args.endsWith(" pipe") ? { fileInfo } : {};
    const { code, stderr, stdout } = await runFake(args, { files, overrides });
    assertEquals([code, stdout, files.has("new")], [2, "", false]);
    assertMatch(stderr, /^tarpush: /, "and nothing of what was not begun");
    assertStringIncludes(stderr, says);
  });
}

/** A registry that takes as long as bars need to be drawn. */
function slowRegistry(): Fetch {
  const registry = createRegistry();
  return async (request) => {
    await new Promise((resolve) => setTimeout(resolve, 60));
    return await registry(request);
  };
}

test("push of many on a terminal shows archives and bytes in total", async () => {
  const args = `push ${SINGLE} ${OTHER} --to localhost:5000`;
  const { stderr } = await runFake(args, {
    registry: slowRegistry(),
    isTerminal: true,
    columns: 100,
  });
  assertMatch(stderr, /total .* \d\/2 archives/);
  const narrow = { registry: slowRegistry(), isTerminal: true, columns: 60 };
  assertMatch((await runFake(args, narrow)).stderr, /^total [01]\/2 {3}/m);
});

test("push --json of many on a terminal takes the bars away for each line", async () => {
  const args = `push ${SINGLE} ${OTHER} --to localhost:5000 --json --archives 1`.split(" ");
  const options = { isTerminal: true, columns: 100 };
  const before: string[] = [];
  const stdout = {
    ...fakeHost(args, options).stdout,
    write: () => Promise.resolve(void before.push(host.written.stderr)),
  };
  const overrides = { stdout, fetchWith: () => slowRegistry() };
  const host = fakeHost(args, { ...options, overrides });
  assertEquals(await run(host), 0);
  const hasBars = (stderr: string) => stderr.endsWith(" archives\x1b[K\n\x1b[J");
  assertEquals(before.map(hasBars), [false, false]);
});
