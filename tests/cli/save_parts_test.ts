import { assert, assertEquals, assertMatch } from "@std/assert";
import { concat } from "../../src/bytes.ts";
import { run } from "../../src/cli/run.ts";
import { pushImage } from "../../src/push/push.ts";
import type { NewFile } from "../../src/runtime/host.ts";
import { currentHost } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, makeImage, makeLayer, randomBytes, toBlob } from "../helpers/archives.ts";
import { runProcess, type TemporaryFolder, temporaryFolder } from "../helpers/process.ts";
import { optionalProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";
import { fakeHost, type FakeHostOptions, runFake } from "./fake_host.ts";

const REFERENCE = "localhost:5000/team/app:1";
const sha256sum = optionalProgram("sha256sum");

/** A registry with an image of some 700 KB. */
const { registry, digest } = await (async () => {
  const registry = createRegistry();
  const layers = await Promise.all(
    [300_000, 400_000].map((size) => makeLayer(randomBytes(size))),
  );
  const archive = toBlob(dockerSave([{ image: await makeImage(layers) }]));
  const { images } = await pushImage(archive, REFERENCE, { fetch: registry });
  return { registry, digest: images[0]?.digest };
})();

async function runWith(args: readonly string[], options: FakeHostOptions = {}) {
  return await runFake(args, { registry, ...options });
}

const list = async (folder: string) => {
  const files: string[] = [];
  for await (const { path } of (await currentHost().openDirectory(folder)).files()) {
    files.push(path);
  }
  return files.sort();
};

const split = (folder: TemporaryFolder, size: number | string, ...args: string[]) => [
  ...["save", REFERENCE, `${folder.path}/app.tar`, "--split", `${size}`, "-q", ...args],
];

/** Creates files, of which one fails at a step. */
function failing(name: string, step: "write" | "end" | "commit") {
  return async (path: string): Promise<NewFile> => {
    const file = await currentHost().createFile(path);
    if (path.endsWith(name)) file[step] = () => Promise.reject(new Error("no room for it"));
    return file;
  };
}

const PARTS = ["app.tar.001", "app.tar.002", "app.tar.003"];

test("save --split writes parts of equal size that push --parts takes, and their sums", async () => {
  await using folder = await temporaryFolder();
  const { code, stdout, stderr } = await runWith(split(folder, "256KiB", "--json"));
  assertEquals([code, stderr], [0, ""]);
  assertEquals(await list(folder.path), [...PARTS, "app.tar.sha256"]);
  const document = JSON.parse(stdout);
  assertEquals(document.parts, PARTS.map((name) => `${folder.path}/${name}`));
  assertEquals(document.checksums, `${folder.path}/app.tar.sha256`);
  const sizes = [];
  for (const name of PARTS) sizes.push((await folder.read(name)).length);
  assertEquals(sizes, [256 * 1024, 256 * 1024, document.size - 512 * 1024]);
  const pushed = await runWith(["push", "--parts", ...document.parts, "localhost:6000/app:1"]);
  assertEquals(pushed.stdout, `localhost:6000/app:1@${digest}\n`, pushed.stderr);
  const whole = await runWith(["save", REFERENCE, `${folder.path}/whole.tar`, "-q"]);
  assertEquals(whole.code, 0);
  const parts = await Promise.all(PARTS.map((name) => folder.read(name)));
  assertEquals(concat(parts, document.size), new Uint8Array(await folder.read("whole.tar")));
});

test("sha256sum -c reads the sums of save --split", async () => {
  await using folder = await temporaryFolder();
  assertEquals((await runWith(split(folder, "256KiB"))).code, 0);
  const args = ["-c", "app.tar.sha256"];
  const checked = await runProcess(sha256sum.path, args, { cwd: folder.path });
  assertEquals([checked.code, checked.stdout], [0, PARTS.map((name) => `${name}: OK\n`).join("")]);
}, { skip: sha256sum.skip });

test("save --split makes no empty part where the size fits, and one where all fits", async () => {
  await using folder = await temporaryFolder();
  const { size } = JSON.parse((await runWith(split(folder, "1GB", "--json"))).stdout);
  assertEquals(await list(folder.path), ["app.tar.001", "app.tar.sha256"]);
  assertEquals(size % 512, 0);
  await using half = await temporaryFolder();
  assertEquals((await runWith(split(half, size / 2))).code, 0);
  assertEquals(await list(half.path), ["app.tar.001", "app.tar.002", "app.tar.sha256"]);
  assertEquals((await half.read("app.tar.002")).length, size / 2);
});

test("save --split leaves what was there where it fails, or is interrupted", async () => {
  await using folder = await temporaryFolder();
  for (const name of PARTS) await folder.write(name, "before");
  const lost = (request: Request) =>
    request.method === "GET" && request.url.includes("/blobs/")
      ? Promise.resolve(new Response("gone", { status: 404 }))
      : registry(request);
  const { code } = await runWith(split(folder, "256KiB"), { overrides: { fetchWith: () => lost } });
  assertEquals(code, 1);
  let left = 400_000;
  const full = async (path: string): Promise<NewFile> => {
    const file = await currentHost().createFile(path);
    return {
      write: (bytes) => {
        left -= bytes.length;
        return left < 0 ? Promise.reject(new Error("the disk is full")) : file.write(bytes);
      },
      end: () => file.end(),
      commit: () => file.commit(),
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  };
  const noRoom = await runWith(split(folder, "256KiB"), { overrides: { createFile: full } });
  assertEquals([noRoom.code, noRoom.stderr], [1, "tarpush: the disk is full\n"]);
  const failures = [
    ["app.tar.001", "end"],
    ["app.tar.003", "end"],
    ["app.tar.sha256", "write"],
    ["app.tar.sha256", "end"],
  ] as const;
  for (const [name, step] of failures) {
    const overrides = { createFile: failing(name, step) };
    const { stderr } = await runWith(split(folder, "256KiB"), { overrides });
    assertEquals(stderr, "tarpush: no room for it\n", `${name} ${step}`);
    assertEquals(await list(folder.path), PARTS);
  }
  const host: ReturnType<typeof fakeHost> = fakeHost([...split(folder, "256KiB"), "--insecure"], {
    overrides: {
      fetchWith: () => (request) => {
        if (request.url.includes("/blobs/")) host.interrupt();
        return registry(request);
      },
    },
  });
  assertEquals(await run(host), 130);
  assertEquals(await list(folder.path), PARTS);
  for (const name of PARTS) assertEquals((await folder.read(name)).length, "before".length);
});

test("save --split numbers a thousand parts so that a shell has them in order", async () => {
  await using folder = await temporaryFolder();
  const document = JSON.parse((await runWith(split(folder, "512", "--json"))).stdout);
  assert(document.parts.length > 999);
  const names = (await list(folder.path)).map((name) => `${folder.path}/${name}`);
  assertEquals(names, [...document.parts, document.checksums]);
  const pushed = await runWith(["push", "--parts", ...names, "localhost:6000/app:1"]);
  assertEquals(pushed.code, 0, pushed.stderr);
});

for (const name of ["app.tar.004", "app.tar.0001"]) {
  test(`save --split refuses to leave ${name} of another archive among its own parts`, async () => {
    await using folder = await temporaryFolder();
    await folder.write(name, "before");
    const { code, stderr } = await runWith(split(folder, "256KiB"));
    assertEquals(code, 1);
    assertMatch(
      stderr,
      /^tarpush: Cannot split ".*app\.tar": ".*app\.tar\.\d+" is there and would be/,
    );
    assertMatch(stderr, /\nhint: remove the parts of the archive/);
    assertEquals(await list(folder.path), [name]);
  });
}

test("save --split writes no sums where a part does not get its name", async () => {
  await using folder = await temporaryFolder();
  const overrides = { createFile: failing("app.tar.002", "commit") };
  const { stderr } = await runWith(split(folder, "256KiB"), { overrides });
  assertEquals(stderr, "tarpush: no room for it\n");
  assertEquals(await list(folder.path), ["app.tar.001"]);
});

test("save --split tells of a part that is a folder before it asks for a layer", async () => {
  await using folder = await temporaryFolder();
  await currentHost().makeDirectory(`${folder.path}/app.tar.003`);
  const blobs: string[] = [];
  const watched = (request: Request) => {
    if (request.url.includes("/blobs/")) blobs.push(request.url);
    return registry(request);
  };
  const result = await runWith(split(folder, "256KiB"), {
    overrides: { fetchWith: () => watched },
  });
  assertEquals(result.code, 1);
  assertMatch(result.stderr, /app\.tar\.003": it is a directory, expected a file\n/);
  // The config, which a plan needs.
  assertEquals(blobs.length, 1);
  assertEquals(await list(folder.path), []);
});

test("save --split refuses sizes and places that make no parts", async () => {
  await using folder = await temporaryFolder();
  const cases: [args: string[], code: number, message: RegExp][] = [
    [[...split(folder, "64")], 1, /it makes \d{5} parts, expected at most 9999/],
    [[...split(folder, "0")], 2, /--split is "0"/],
    [["save", REFERENCE, "-", "--split", "1M"], 2, /Cannot split what goes to a pipe/],
    [["save", REFERENCE, `${folder.path}/d/`, "--split", "1M"], 2, /what goes into a folder/],
  ];
  for (const [args, code, message] of cases) {
    const result = await runWith(args);
    assertEquals(result.code, code, result.stderr);
    assertMatch(result.stderr, message);
  }
  assertEquals(await list(folder.path), []);
});
