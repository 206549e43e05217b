import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parseCommand } from "../../src/cli/args.ts";
import { run } from "../../src/cli/run.ts";
import { cosignTag } from "../../src/cosign_tags.ts";
import { openArchive } from "../../src/image/archive.ts";
import { pushImage } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import type { Host, NewFile } from "../../src/runtime/host.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { makeImage, makeLayer, OciLayout, platformLayout, toBlob } from "../helpers/archives.ts";
import { sign } from "../helpers/cosign.ts";
import { listFolder, temporaryFolder } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";
import { fakeHost, type FakeHostOptions, runFake } from "./fake_host.ts";
import { archiveDigests } from "../helpers/expected.ts";

const REFERENCE = "localhost:5000/team/app:1.0";
const isWindows = "Deno" in globalThis && Deno.build.os === "windows";
const noLs = { skip: isWindows ? "no ls" : undefined };

/** A registry with an index of two platforms. */
const { registry, digest } = await (async () => {
  const registry = createRegistry();
  let byte = 0;
  const { layout } = await platformLayout(async () => {
    return ["base", await makeLayer(new Uint8Array(600_000).fill(++byte))];
  });
  const { images } = await pushImage(toBlob(layout.entries()), REFERENCE, { fetch: registry });
  return { registry, digest: images[0]?.digest };
})();

async function runWith(
  args: string,
  { fetch = registry, ...options }: FakeHostOptions & { fetch?: FetchHandler } = {},
) {
  return await runFake(args, { registry: fetch, ...options });
}

test("parseCommand() reads save", () => {
  const command = parseCommand(
    ["save", "h/a:1", "-", "--format", "oci", "--platform=linux/arm64", "--retries", "0"],
  );
  assert(command.verb === "save");
  const { references, tar, format, platforms, retries } = command;
  assertEquals([references, tar, format, platforms, retries], [
    ["h/a:1"],
    "-",
    "oci",
    ["linux/arm64"],
    0,
  ]);
});

test("run() save answers wrong usage before it asks or writes anything", async () => {
  await using folder = await temporaryFolder();
  const cases: [args: string, message: RegExp][] = [
    ["save", /Nothing to save, expected a reference/],
    [
      "save h/app:1",
      /Nothing to write to, expected a file, a folder or -\nhint: tarpush save h\/app:1 image/,
    ],
    ["save h/app:1 a.tar b.tar", /Cannot parse reference "a\.tar"/],
    ["save h/app:1 deno.json/", /Cannot write into "deno\.json\/": it is a file/],
    ["save --from images.txt", /Nothing to write to.*\nhint: tarpush save --from FILE image\.tar/],
    ["save h/app:1 a.tar --tag v[1", /Cannot use pattern "v\[1": it has a \[ without its \]/],
    ["save h/app:1 a.tar --all-tags", /Cannot save all tags of h\/app:1: it names one image/],
    [`save h/APP:1 ${folder.path}/a.tar`, /Cannot parse reference "h\/APP:1"/],
    [`save h/app:1 ${folder.path}/a.tar --format zip`, /--format is "zip", expected docker or oci/],
    [`save h/app:1 ${folder.path}/a.tar --platform arm64`, /Cannot use platform "arm64"/],
  ];
  const fetch = () => Promise.reject(new Error("asked"));
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await runWith(args, { fetch });
    assertEquals([code, stdout], [2, ""], args);
    assertMatch(stderr, message);
  }
  assertEquals(await listFolder(folder.path), []);
}, noLs);

test("run() save writes the tar, plain progress and the result", async () => {
  await using folder = await temporaryFolder();
  const { code, stdout, stderr } = await runWith(`save ${REFERENCE} ${folder.path}/app.tar`);
  assertEquals([code, stdout], [0, `${REFERENCE}@${digest}\n`], stderr);
  const lines = stderr.trimEnd().split("\n");
  assertMatch(lines.pop() ?? "", /^5 blobs saved \(1\.2 MB\) in \d/);
  for (const line of lines) assertMatch(line, /^sha256:[0-9a-f]{12} {2}[ .\d]+ [kM]?B {2}saved$/);
  assertEquals(lines.length, 5);
  assertEquals(await archiveDigests(new Blob([new Uint8Array(await folder.read("app.tar"))])), [
    digest,
  ]);
  assertEquals(await listFolder(folder.path), ["app.tar"]);
}, noLs);

test("run() save --json, --format, --platform and --quiet", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/app.tar`;
  const { code, stdout, stderr } = await runWith(
    `save ${REFERENCE} ${path} --json --quiet --format oci --platform linux/arm64`,
  );
  assertEquals([code, stderr], [0, ""]);
  const { milliseconds, ...document } = JSON.parse(stdout);
  const bytes = new Uint8Array(await folder.read("app.tar"));
  const [saved] = await archiveDigests(new Blob([bytes]));
  assert(saved !== digest && milliseconds >= 0);
  assertEquals(document, {
    reference: REFERENCE,
    digest: saved,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    format: "oci",
    tar: path,
    size: bytes.length,
  });
  assertEquals((await openArchive(new Blob([bytes]))).dialect, "oci");
});

test("run() save - writes the tar to stdout and all else to stderr", async () => {
  const { code, stdout, stderr, bytes } = await runWith(`save ${REFERENCE} -`);
  assertEquals([code, stdout], [0, ""]);
  assert(stderr.endsWith(`\n${REFERENCE}@${digest}\n`), stderr);
  const tar = await new Blob(bytes as BlobPart[]).bytes();
  assertEquals(await archiveDigests(new Blob([tar])), [digest]);
  const quiet = await runWith(`save ${REFERENCE} - -q`);
  assertEquals(quiet.stderr, `${REFERENCE}@${digest}\n`);
  const json = await runWith(`save ${REFERENCE} - -q --json`);
  assertEquals([json.stdout, JSON.parse(json.stderr).tar], ["", "-"]);
});

test("run() save - refuses a terminal", async () => {
  const { code, stderr, bytes } = await runWith(`save ${REFERENCE} -`, { isTerminal: true });
  assertEquals([code, bytes], [2, []]);
  assertStringIncludes(stderr, "Cannot write a tar to a terminal, expected a pipe or a file");
  assertStringIncludes(stderr, `tarpush save ${REFERENCE} image.tar`);
});

test("run() save draws bars on a terminal", async () => {
  await using folder = await temporaryFolder();
  const slow: FetchHandler = async (request) => {
    // One frame is drawn every tenth of a second: long enough for the first.
    if (request.url.includes("/blobs/")) await new Promise((resolve) => setTimeout(resolve, 150));
    return await registry(request);
  };
  const { code, stderr } = await runWith(
    `save ${REFERENCE} ${folder.path}/app.tar --platform linux/amd64`,
    { fetch: slow, isTerminal: true, env: { NO_COLOR: "1" } },
  );
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /total {9}[━╸─]+/);
  assertMatch(stderr, /3 blobs saved \(\d+ kB\) in /);
});

test("run() save ends quietly, with 1 and no more requests, where the reader of - goes away", async () => {
  let blobs = 0;
  const fetch: FetchHandler = (request) => {
    if (request.url.includes("/blobs/")) blobs++;
    return registry(request);
  };
  let writes = 0;
  let before = 0;
  const byteStdout: Host["byteStdout"] = {
    isTerminal: () => false,
    write: () => {
      before = blobs;
      return Promise.resolve(++writes < 2);
    },
  };
  const { code, stdout, stderr } = await runWith(`save ${REFERENCE} - -q`, {
    fetch,
    overrides: { byteStdout },
  });
  assertEquals([code, stdout, stderr, writes], [1, "", "", 2]);
  assertEquals(blobs, before);
});

// Failures leave what was there

/** Runs what must fail with a file in the place, and expects it there, alone and unchanged. */
async function failsWith(
  options: Parameters<typeof runWith>[1],
  { code, args = "" }: { code: number; args?: string },
): Promise<{ stdout: string; stderr: string }> {
  await using folder = await temporaryFolder();
  const path = await folder.write("app.tar", "before");
  const result = await runWith(`save ${REFERENCE} ${path} --retries 0${args}`, options);
  assertEquals(result.code, code, result.stderr);
  assertEquals(new TextDecoder().decode(await folder.read("app.tar")), "before");
  assertEquals(await listFolder(folder.path), ["app.tar"]);
  const nothing = await runWith(`save ${REFERENCE} ${folder.path}/new.tar --retries 0`, options);
  assertEquals(nothing.code, code, nothing.stderr);
  assertEquals(await listFolder(folder.path), ["app.tar"]);
  return result;
}

/** Breaks the connection in the middle of each blob of some size. */
const breaking: FetchHandler = async (request) => {
  const response = await registry(request);
  if (!request.url.includes("/blobs/")) return response;
  const bytes = await response.bytes();
  if (bytes.length < 100_000) return new Response(bytes, response);
  let isFirst = true;
  const body = new ReadableStream({
    pull(controller) {
      if (!isFirst) throw new TypeError("connection reset");
      isFirst = false;
      controller.enqueue(bytes.subarray(0, 50_000));
    },
  });
  return new Response(body, response);
};

test("run() save leaves the old file, and no other, where the download breaks", async () => {
  const { stdout, stderr } = await failsWith({ fetch: breaking }, { code: 1 });
  assertEquals(stdout, "");
  assertMatch(stderr, /^tarpush: Cannot read blob sha256:/m);
  const json = await failsWith({ fetch: breaking }, { code: 1, args: " --json" });
  assertEquals(JSON.parse(json.stdout).error.name, "NetworkError");
}, noLs);

test(
  "run() save leaves the old file, and no other, where a blob is not what it should be",
  async () => {
    const fetch: FetchHandler = async (request) => {
      const response = await registry(request);
      if (!request.url.includes("/blobs/")) return response;
      const bytes = await response.bytes();
      bytes[0] = (bytes[0] ?? 0) ^ 1;
      return new Response(bytes);
    };
    const { stderr } = await failsWith({ fetch }, { code: 1 });
    assertMatch(stderr, /^tarpush: Cannot trust blob of localhost:5000\/team\/app/m);
  },
  noLs,
);

test("run() save leaves the old file, and no other, where the disk is full", async () => {
  const { createFile } = fakeHost([]);
  const full = async (path: string): Promise<NewFile> => {
    const file = await createFile(path);
    let left = 300_000;
    const write = async (bytes: Uint8Array) => {
      left -= bytes.length;
      if (left < 0) throw new Error("the disk is full");
      await file.write(bytes);
    };
    return {
      write,
      end: () => file.end(),
      commit: () => file.commit(),
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  };
  const { stderr } = await failsWith({ overrides: { createFile: full } }, { code: 1 });
  assertStringIncludes(stderr, "tarpush: the disk is full\n");
}, noLs);

test("run() save ends with 130 after an interrupt, and the old file stays", async () => {
  await using folder = await temporaryFolder();
  const path = await folder.write("app.tar", "before");
  const host = fakeHost(["save", REFERENCE, path, "--insecure"], {
    overrides: {
      fetchWith: () => async (request) => {
        if (request.url.includes("/blobs/")) host.interrupt();
        return await registry(request);
      },
    },
  });
  assertEquals(await run(host), 130);
  assertEquals(host.written.stdout, "");
  assertStringIncludes(
    host.written.stderr,
    `tarpush: Interrupted\nhint: ${path} is as it was before\n`,
  );
  assertEquals(host.written.stderr.match(/Stopping/g)?.length, 1);
  assertEquals(await listFolder(folder.path), ["app.tar"]);
}, noLs);

test("run() save says that there is no such image, and makes no file", async () => {
  await using folder = await temporaryFolder();
  const { code, stderr } = await runWith(`save localhost:5000/team/none:1 ${folder.path}/a.tar`);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "the repository has no such manifest");
  assertEquals(await listFolder(folder.path), []);
}, noLs);

test("run() save takes along what cosign keeps, and tells what oci archives with it want", async () => {
  const fetch = createRegistry();
  const layout = new OciLayout();
  const image = await layout.image(await makeImage(["signed"]));
  layout.add(image, { ref: "1" });
  await pushImage(toBlob(layout.entries()), REFERENCE, { fetch });
  const { tag } = await sign(fetch, "localhost:5000/team/app", image.digest);
  for (const format of ["docker", "oci"]) {
    await using folder = await temporaryFolder();
    const { code, stderr } = await runWith(
      `save ${REFERENCE} ${folder.path}/a.tar --format ${format}`,
      { fetch },
    );
    assertEquals(code, 0);
    assertEquals(/^warning: .*oci-archive:FILE:1.0/m.test(stderr), format === "oci");
    const { beside } = await openArchive(new Blob([new Uint8Array(await folder.read("a.tar"))]));
    assertEquals(beside.map(({ subject, kind }) => kind && cosignTag(subject, kind)), [tag]);
  }
});

test("run() save --referrers takes along what names the image as its subject", async () => {
  const registry = createRegistry();
  const layout = new OciLayout();
  const image = await layout.image(await makeImage(["signed"]));
  const { mediaType, digest, size } = image;
  layout.add(image, { ref: "1" });
  layout.add(
    await layout.artifact("signature", "text/x", { subject: { mediaType, digest, size } }),
  );
  await pushImage(toBlob(layout.entries()), REFERENCE, { fetch: registry });
  await using folder = await temporaryFolder();
  const file = `${folder.path}/a.tar`;
  for (const [option, expected] of [["", 0], ["--referrers", 1]] as const) {
    const { code, stderr } = await runWith(`save ${REFERENCE} ${file} -q ${option}`.trim(), {
      fetch: registry,
    });
    assertEquals(code, 0, stderr);
    const { beside } = await openArchive(new Blob([new Uint8Array(await folder.read("a.tar"))]));
    assertEquals(beside.length, expected, option);
  }
});
