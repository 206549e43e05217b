import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { pushImage } from "../../src/push/push.ts";
import { toBytes } from "../../src/bytes.ts";
import { digestBytes, digestHex } from "../../src/digest.ts";
import { currentHost } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { baseName, formatPartList, PartSummary } from "../../src/source/part_list.ts";
import {
  type Bytes,
  gzip,
  makeImage,
  makeLayer,
  OciLayout,
  randomBytes,
} from "../helpers/archives.ts";
import { badDisk } from "../helpers/bad_disk.ts";
import { readBack } from "../helpers/expected.ts";
import { type TemporaryFolder, temporaryFolder } from "../helpers/process.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { runFake } from "./fake_host.ts";

const TARGET = "localhost:5000/app:1";

async function makeArchive(): Promise<Bytes> {
  const layer = await makeLayer(writeTar([{ path: "large", body: randomBytes(100_000) }]));
  const layout = await OciLayout.of(await makeImage([layer]), { ref: "v1" });
  return writeTar(layout.entries());
}

/** Writes parts, and the list of them where one is wanted. */
async function writeParts(
  folder: TemporaryFolder,
  bytes: Bytes,
  { stem = "app.tar", list = false } = {},
): Promise<string[]> {
  const paths: string[] = [];
  const listed = [];
  const size = Math.ceil(bytes.length / 4);
  for (let at = 0; at < bytes.length; at += size) {
    const name = `${stem}.00${paths.length + 1}`;
    const content = bytes.subarray(at, at + size);
    paths.push(await folder.write(name, content));
    const summary = await PartSummary.start();
    await summary.update(content);
    listed.push(await summary.finish(name));
  }
  if (list) await folder.write(`${stem}.sha256`, formatPartList(listed));
  return paths;
}

async function runWith(...args: string[]) {
  const registry = createRegistry();
  const writes: string[] = [];
  const counted: typeof registry = (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") writes.push(request.method);
    return registry(request);
  };
  return { registry, writes, ...await runFake(args, { registry: counted }) };
}

test("run() push looks for the checksum files of parts once", async () => {
  await using folder = await temporaryFolder();
  const paths = await writeParts(folder, await makeArchive(), { list: true });
  const asked: string[] = [];
  const { fileInfo } = currentHost();
  const { code, stderr } = await runFake(["push", "--parts", ...paths, TARGET], {
    overrides: { fileInfo: (path) => (asked.push(path), fileInfo(path)) },
  });
  assertEquals(code, 0, stderr);
  assertEquals(asked.length, new Set(asked).size, asked.join("\n"));
  asked.length = 0;
  // What is written must not be what is read: then it is asked what those that are there are.
  const digests = ["--digestfile", await folder.write("digests", "")];
  const again = await runFake(["push", "--parts", ...paths, TARGET, ...digests], {
    overrides: {
      fileInfo: (path) => (asked.push(path), fileInfo(path)),
      requireWritable: () => Promise.resolve(true),
    },
  });
  assertEquals(again.code, 0, again.stderr);
  const sums = asked.filter((path) => path.endsWith(".001.sha256"));
  assertEquals(sums.length, 1, asked.join("\n"));
});

for (const list of [false, true]) {
  const listed = list ? "with" : "without";
  test(`run() push, inspect and check read parts ${listed} a list beside them`, async () => {
    await using folder = await temporaryFolder();
    const paths = await writeParts(folder, await makeArchive(), { list });
    const pushed = await runWith("push", "--parts", ...paths, TARGET);
    assertEquals([pushed.code, pushed.stderr.includes("warning")], [0, false], pushed.stderr);
    await readBack(pushed.registry, "app", "1");
    const shown = await runWith("inspect", "--parts", ...paths);
    assertEquals(shown.code, 0, shown.stderr);
    assertStringIncludes(shown.stdout, "v1");
    const checked = await runWith("check", "--parts", ...paths);
    assertEquals(checked.code, 0, checked.stderr);
    assertMatch(checked.stdout, /app\.tar\.001: ok \(oci archive/);
  });

  test(`run() push sends nothing of parts that are not all there, ${listed} a list`, async () => {
    await using folder = await temporaryFolder();
    const paths = await writeParts(folder, await makeArchive(), { list });
    const { code, writes, stderr, stdout } = await runWith(
      ...["push", "--parts", ...paths.slice(0, -1), TARGET],
    );
    assertEquals([code, writes, stdout], [1, [], ""]);
    assertMatch(stderr, /^tarpush: Cannot use .*"app\.tar\.00[34]".*\n(hint: .*\n)?$/);
  });
}

test("run() push takes the list among the parts, as A.tar.* gives it, and targets by --to", async () => {
  await using folder = await temporaryFolder();
  const paths = await writeParts(folder, await gzip(await makeArchive()), { list: true });
  const list = `${folder.path}/app.tar.sha256`;
  const { code, stdout, registry, stderr } = await runWith(
    ...["push", "--parts", ...paths, list, "--to", TARGET, "--to", "localhost:5000/b:2"],
  );
  assertEquals(code, 0, stderr);
  assertEquals(stdout.trim().split("\n").length, 2);
  await readBack(registry, "app", "1");
  await readBack(registry, "b", "2");
});

test("run() check takes a list for each part, beside them or among them", async () => {
  for (const form of ["line", "sum"]) {
    await using folder = await temporaryFolder();
    const paths = await writeParts(folder, await makeArchive());
    const lists: string[] = [];
    for (let at = 1; at <= paths.length; at++) {
      const name = `app.tar.00${at}`;
      const sum = digestHex(await digestBytes(toBytes(await folder.read(name))));
      lists.push(
        await folder.write(`${name}.sha256`, form === "line" ? `${sum}  ${name}\n` : sum),
      );
    }
    const read = async (...words: string[]) => (await runWith("check", "--parts", ...words)).stderr;
    assertEquals([await read(...paths), await read(...paths, ...lists)], ["", ""]);
    await folder.write("app.tar.002.sha256", `${"0".repeat(64)}  app.tar.002\n`);
    for (const words of [paths, [...paths, ...lists]]) {
      assertMatch(await read(...words), /"app\.tar\.002" as a part: it is damaged/);
    }
  }
});

test("run() inspect takes lists by their usual names, and no list of other sums for a part", async () => {
  await using folder = await temporaryFolder();
  const paths = await writeParts(folder, await makeArchive(), { list: true });
  const list = await currentHost().readTextFile(`${folder.path}/app.tar.sha256`);
  const read = async (name: string, text: string) =>
    (await runWith("inspect", "--parts", ...paths, await folder.write(name, text))).stderr;
  for (const name of ["app.tar.sha256sum", "SHA256SUMS", "sha256sum.txt"]) {
    assertEquals(await read(name, list), "", name);
  }
  for (const name of ["app.tar.md5", "SHA512SUMS", "b2sum.txt"]) {
    assertMatch(await read(name, list), /is no part and has no SHA-256 sums/, name);
  }
  for (const text of ["", "no sum\n"]) {
    assertMatch(await read("app.tar.sha256", text), /has no sums as sha256sum writes them/);
  }
});

test("run() push reads parts behind URLs by ranges, and wants a server that knows those", async () => {
  const bytes = await makeArchive();
  const half = bytes.length >> 1;
  const files = new Map([
    ["/a/app.tar.001", bytes.subarray(0, half)],
    ["/a/app.tar.002", bytes.subarray(half)],
  ]);
  const urls = [...files.keys()].map((path) => `http://files.lan${path}?token=1`);
  const registry = createRegistry();
  let failures = 0;
  const push = async (knowsRanges: boolean, ...more: string[]) => {
    return await runFake(["push", "--parts", ...urls, ...more, TARGET], {
      registry: async (request) => {
        const content = files.get(new URL(request.url).pathname);
        if (!content) return await registry(request);
        if (failures-- > 0) return new Response("busy", { status: 503 });
        const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "") ?? [];
        if (!knowsRanges || from === undefined) return new Response(content);
        const end = Math.min(Number(to) + 1, content.length);
        return new Response(content.slice(Number(from), end), {
          status: 206,
          headers: { "content-range": `bytes ${from}-${end - 1}/${content.length}` },
        });
      },
    });
  };
  const { code, stderr } = await push(true);
  assertEquals(code, 0, stderr);
  await readBack(registry, "app", "1");
  failures = 1;
  const impatient = await push(true, "--retries", "0");
  assertEquals(impatient.code, 1);
  assertStringIncludes(
    impatient.stderr,
    "Cannot read http://files.lan/a/app.tar.001: files.lan answered 503",
  );
  const list = "http://files.lan/a/app.tar.sha256?token=2";
  files.set("/a/app.tar.sha256", new TextEncoder().encode(`${"0".repeat(64)}  app.tar.001\n`));
  assertStringIncludes((await push(true, list)).stderr, "the checksum file does not know it");
  // As Windows PowerShell writes it.
  const wide = Uint16Array.from(
    `\ufeff${"0".repeat(64)}  app.tar.001\n`,
    (char) => char.charCodeAt(0),
  );
  files.set("/a/app.tar.sha256", new Uint8Array(wide.buffer));
  assertStringIncludes((await push(true, list)).stderr, "the checksum file does not know it");
  files.set("/a/app.tar.sha256", new TextEncoder().encode("no sums\n"));
  const unread = (await push(true, list)).stderr;
  assertStringIncludes(unread, '"http://files.lan/a/app.tar.sha256" has no sums');
  const refused = await push(false);
  assertEquals(refused.code, 2);
  assertMatch(
    refused.stderr,
    /^tarpush: "http:\/\/files\.lan\/a\/app\.tar\.001" cannot be read in ranges: its server sends all or/,
  );
});

test("run() push keeps none of very many parts open", async () => {
  await using folder = await temporaryFolder();
  const bytes = await makeArchive();
  const size = Math.ceil(bytes.length / 201);
  const paths: string[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const name = `app.tar.${String(paths.length + 1).padStart(3, "0")}`;
    paths.push(await folder.write(name, bytes.subarray(at, at + size)));
  }
  const held = new Set<boolean | undefined>();
  const { openFile } = currentHost();
  const { code, stderr } = await runFake(["push", "--parts", ...paths, TARGET, "-q"], {
    overrides: {
      openFile: (path, options) => {
        held.add(options?.isHeld);
        return openFile(path, options);
      },
    },
  });
  assertEquals(code, 0, stderr);
  assertEquals([...held], [false]);
});

test("run() push --parts wants a target, files, and one archive", async () => {
  await using folder = await temporaryFolder();
  const paths = await writeParts(folder, await makeArchive());
  const cases: [args: string[], said: RegExp][] = [
    [[...paths], /No target given.*\nhint: tarpush push --parts .*app\.tar\.001 \.\.\. REFERENCE/],
    [["-", TARGET], /stdin is no part of an archive/],
    [[...paths, "--to", TARGET, "--fail-fast"], /--parts pushes one archive/],
    [["x.sha256", TARGET], /names no parts/],
    [
      [...paths, TARGET, "localhost:5000/b:2"],
      /app:1" is no part.*\nhint: several targets: .* --to /,
    ],
    [[], /Nothing to push/],
  ];
  for (const [args, said] of cases) {
    const { code, stderr } = await runWith("push", "--parts", ...args);
    assertEquals(code, 2, stderr);
    assertMatch(stderr, said);
  }
});

test("run() points to --parts where the first of several is given alone", async () => {
  await using folder = await temporaryFolder();
  const [first = "", second = ""] = await writeParts(folder, await makeArchive());
  const hint = /hint: .*--parts .*app\.tar\.\* reads all of them/;
  for (const args of [["push", first, TARGET], ["inspect", first], ["check", first]]) {
    const { code, stderr, writes } = await runWith(...args);
    assertEquals([code, writes], [1, []]);
    assertMatch(stderr, hint);
  }
  const { code, stderr } = await runWith("push", first, second, TARGET);
  assertEquals(code, 2);
  assertMatch(stderr, /hint: parts of one archive: tarpush push --parts /);
});

test("check --repair and save --without take the first part for all of an archive", async () => {
  for (const list of [true, false]) {
    await using folder = await temporaryFolder();
    const bytes = await makeArchive();
    const [first = "", second = ""] = await writeParts(folder, bytes, { list });
    const disk = badDisk();
    await pushImage(new Blob([bytes]), TARGET, { fetch: disk.fetch });
    const call = (...args: string[]) => runFake(args, { registry: disk.fetch });
    const [image] = (await pushImage(new Blob([bytes]), TARGET, { fetch: disk.fetch })).images;
    const layer = image?.blobs.find(({ size }) => size > 100_000)?.digest ?? "";
    disk.lose(layer);
    const repaired = await call("check", TARGET, "--repair", first);
    assertEquals([repaired.code, repaired.stderr], [0, ""]);
    assertStringIncludes(repaired.stdout, `sent     ${layer}\n`);
    const delta = `${folder.path}/delta.tar`;
    const saved = await call("save", TARGET, delta, "--without", first, "--json");
    assertEquals(JSON.parse(saved.stdout).leftOut.blobs, 1);
    await folder.write("app.tar.002", "damaged");
    disk.lose(layer);
    for (
      const args of [["check", TARGET, "--repair", first], [
        "save",
        TARGET,
        delta,
        "--without",
        first,
      ]]
    ) {
      const { code, stderr } = await call(...args);
      assertEquals(code, 1, stderr);
      assertStringIncludes(stderr, baseName(second));
    }
  }
});

test("push --parts writes digests over nothing that it reads", async () => {
  await using folder = await temporaryFolder();
  const parts = await writeParts(folder, await makeArchive(), { list: true });
  const pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const ca = await folder.write("ca.pem", pem);
  const { requireWritable } = currentHost();
  for (const file of [...parts, `${folder.path}/app.tar.sha256`, ca]) {
    const args = ["push", "--parts", ...parts, TARGET, "--digestfile", file, "--ca", ca];
    const registry = createRegistry();
    const { code, stderr } = await runFake(args, { registry, overrides: { requireWritable } });
    assertEquals(code, 2, stderr);
    assertMatch(stderr, /Cannot write to "\S+": it is read as well, expected another name/);
  }
});

test("the head of a package of Zarf stands for all of its parts, or points to --parts", async () => {
  await using folder = await temporaryFolder();
  const bytes = await makeArchive();
  await writeParts(folder, bytes, { stem: "app.tar.part" });
  const names = ["001", "002", "003", "004"];
  for (const name of names) {
    await folder.write(`app.tar.part${name}`, await folder.read(`app.tar.part.${name}`));
  }
  const sum = digestHex(await digestBytes(bytes));
  const text = JSON.stringify({ Sha256Sum: sum, Bytes: bytes.length, Count: names.length });
  const head = await folder.write("app.tar.part000", text);
  const registry = createRegistry();
  await pushImage(new Blob([bytes]), TARGET, { fetch: registry });
  const call = (...args: string[]) => runFake(args, { registry });
  const alone = await call("push", head, TARGET);
  assertEquals(alone.code, 1);
  assertMatch(alone.stderr, /hint: .*--parts .*app\.tar\.\* reads all of them/);
  const args = ["save", TARGET, `${folder.path}/delta.tar`, "--without", head, "--json"];
  const saved = await call(...args);
  assertEquals(JSON.parse(saved.stdout).leftOut.blobs, 1, saved.stderr);
  assertEquals((await call("check", TARGET, "--repair", head)).code, 0);
});
