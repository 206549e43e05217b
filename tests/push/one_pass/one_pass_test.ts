import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type Digest, digestBytes, digestHex } from "../../../src/digest.ts";
import { ArchiveError, DigestMismatchError, NetworkError, OciError } from "../../../src/errors.ts";
import { createHash, type Hasher } from "../../../src/incremental_hash.ts";
import type { PushEvent } from "../../../src/push/events.ts";
import type { PushOptions } from "../../../src/push/options.ts";
import { pushImage, type PushResult } from "../../../src/push/push.ts";
import type { FetchHandler } from "../../../src/registry/http/call.ts";
import { createRegistry, MemoryStorage } from "../../../src/server/mod.ts";
import {
  type Bytes,
  dockerSave,
  encode,
  encodeJson,
  gzip,
  type MadeLayer,
  makeImage,
  makeLayer,
  OciLayout,
  pathOf,
  platformLayout,
  storeAsZstd,
  toBlob,
} from "../../helpers/archives.ts";
import {
  allTags,
  assertClear,
  FIXTURES,
  readBack,
  readFixture,
  type Registry,
} from "../../helpers/expected.ts";
import { type Fault, faultLayer, type SeenRequest, withHeader } from "../../helpers/fault_layer.ts";
import { join, type TarWriterEntry, writeTar } from "../../helpers/tar_writer.ts";
import { withPrivate } from "../../helpers/private_repository.ts";
import { test } from "../../helpers/test.ts";

const TARGET = "localhost:5000/app:1";
/** With this budget, a layer of 1 MiB passes as a stream. */
const SMALL = { memoryBudget: 1024 * 1024 };
const LARGE_BYTES = 1024 * 1024 + 512;

/** A tar that no compression makes smaller. */
function noise(seed: number, length = LARGE_BYTES): Bytes {
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer);
  for (let at = 0, state = seed; at < words.length; at++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9 | 0;
    words[at] = state;
  }
  return bytes;
}

function largeLayer(seed: number, compression?: "gzip" | "zstd"): Promise<MadeLayer> {
  return makeLayer(writeTar([{ path: `${seed}`, body: noise(seed) }]), compression);
}

interface Source {
  stream: ReadableStream<Uint8Array>;
  /** Bytes that were asked for. */
  read(): number;
  /** What the stream was cancelled with. */
  cancelled(): { reason: unknown } | undefined;
}

/** Sizes of pieces that every archive of the fixtures is read in. */
const CHUNKS = [1, 511, 512, 513, 64 * 1024];

/** Hundreds of single bytes, then a large piece, and again: what is too long to be read byte by byte. */
const mixedSizes = (at: number) => at % 70_001 < 600 ? 1 : 70_001 - at % 70_001;

/** The bytes in pieces, each made when it is asked for; `end` says what happens after `length` bytes. */
function sourceOf(
  bytes: Uint8Array,
  size: number | ((at: number) => number) = 64 * 1024,
  { length = bytes.length, end }: {
    length?: number;
    end?: (controller: ReadableStreamDefaultController<Uint8Array>) => void | Promise<void>;
  } = {},
): Source {
  let at = 0;
  let cancelled: { reason: unknown } | undefined;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= length) return end ? end(controller) : controller.close();
      const step = typeof size === "number" ? size : size(at);
      const piece = bytes.slice(at, Math.min(at + step, length));
      at += piece.length;
      controller.enqueue(piece);
    },
    cancel: (reason) => void (cancelled = { reason }),
  }, { highWaterMark: 0 });
  return { stream, read: () => at, cancelled: () => cancelled };
}

/** What images a push left, without what differs between the two ways of reading. */
function outcome({ images }: PushResult) {
  return images.map(({ reference, digest, mediaType, blobs }) => ({
    reference,
    digest,
    mediaType,
    blobs: blobs.map(({ digest, size, mediaType }) => ({ digest, size, mediaType })),
  }));
}

async function bytesOf(tar: Blob): Promise<Bytes> {
  return await tar.bytes();
}

/** An embedded registry that tells how many uploads are open. */
function countingRegistry() {
  const storage = new MemoryStorage();
  let open = 0;
  const create = storage.createBlob.bind(storage);
  storage.createBlob = async () => {
    const writer = await create();
    open++;
    let isOpen = true;
    const end = () => {
      if (isOpen) open--;
      isOpen = false;
    };
    return {
      get size() {
        return writer.size;
      },
      write: (bytes) => writer.write(bytes),
      commit: (repository, digest) => writer.commit(repository, digest).finally(end),
      discard: () => writer.discard().finally(end),
    };
  };
  const registry = createRegistry({ storage });
  return { registry, storage, open: () => open };
}

/** Pushes the file and the stream, and compares what both leave. */
async function assertSame(
  tar: Blob,
  target: string | readonly string[],
  options: PushOptions & { chunk?: number | ((at: number) => number) } = {},
): Promise<{ registry: Registry; result: PushResult }> {
  const { chunk, ...rest } = options;
  const [file, pipe] = [createRegistry(), countingRegistry()];
  const expected = await pushImage(tar, target, { ...rest, fetch: file });
  const source = sourceOf(await bytesOf(tar), chunk);
  const result = await pushImage(source.stream, target, { ...rest, fetch: pipe.registry });
  assertEquals(outcome(result), outcome(expected));
  assertEquals(result.bytesRead, tar.size);
  assertEquals(pipe.open(), 0, "uploads that were left open");
  assertEquals(await allTags(pipe.registry), await allTags(file));
  for (const { reference } of result.images) {
    const [, repository = "", tag = ""] = /^[^/]+\/(.+)[:](.+)$/.exec(reference) ?? [];
    const read = await readBack(pipe.registry, repository, tag);
    assertEquals(read, await readBack(file, repository, tag));
  }
  return { registry: pipe.registry, result };
}

async function layoutWith(...layers: (MadeLayer | string)[]): Promise<OciLayout> {
  return await OciLayout.of(await makeImage(layers));
}

async function layoutOf(...layers: (MadeLayer | string)[]): Promise<Blob> {
  return toBlob((await layoutWith(...layers)).entries());
}

async function dockerOf(...layers: (MadeLayer | string)[]): Promise<Blob> {
  return toBlob(dockerSave([{ image: await makeImage(layers), repoTags: ["app:1"] }]));
}

const named = await largeLayer(1);
const zipped = await largeLayer(2, "gzip");
const framed = await largeLayer(3, "zstd");

for (const [name, { push }] of FIXTURES) {
  test(`pushImage() of ${name} through a pipe leaves what the file does`, async () => {
    const tar = await readFixture(name);
    const file = createRegistry();
    const expected = await pushImage(tar, TARGET, { fetch: file }).catch((error) => error);
    if (!(expected instanceof Error)) {
      for (const chunk of CHUNKS) await assertSame(tar, TARGET, { ...SMALL, chunk });
      return;
    }
    // Several images: all their tags to one repository, or the same refusal.
    const all = await pushImage(tar, "localhost:5000/app", { fetch: file, allTags: true })
      .catch((error) => error);
    if (!(all instanceof Error)) {
      for (const chunk of CHUNKS) {
        await assertSame(tar, "localhost:5000/app", { ...SMALL, allTags: true, chunk });
      }
      return;
    }
    const { stream } = sourceOf(await bytesOf(tar));
    const error = await assertRejects(() => pushImage(stream, TARGET, { fetch: createRegistry() }));
    assert(error instanceof Error, push.expect);
    assertEquals([error.name, error.message], [expected.name, expected.message]);
  });
}

const BUILT: Record<string, () => Promise<Blob>> = {
  "an OCI layout with large layers": () => layoutOf(named, "small", zipped, framed),
  "a docker archive with large layers": () => dockerOf(named, "small", zipped, framed),
  "a docker archive with a large layer twice": () => dockerOf(named, "a", named),
  "a docker archive with large layers after manifest.json": async () => {
    const entries = dockerSave([{ image: await makeImage([named, zipped]), repoTags: null }]);
    return toBlob(entries.reverse());
  },
  "an OCI layout with its documents first": async () => {
    return toBlob((await layoutWith(named, zipped, "a")).entries().reverse());
  },
  "a crane archive with large layers": async () => {
    const image = await makeImage([zipped, "a"]);
    const layerPath = ({ digest }: MadeLayer) => `${digestHex(digest)}.tar.gz`;
    return toBlob(dockerSave([{ image }], { layerPath }));
  },
  "a crane archive whose names lie": async () => {
    const image = await makeImage([zipped, "a"]);
    const layerPath = ({ digest }: MadeLayer) =>
      `${digestHex(digest).replace(/^./, (hex) => hex === "0" ? "1" : "0")}.tar.gz`;
    return toBlob(dockerSave([{ image }], { layerPath }));
  },
  "a podman archive with large layers": async () => {
    const image = await makeImage([named, "a"]);
    return toBlob(dockerSave([{ image }], {
      layerPath: ({ digest }) => `${digestHex(digest)}.tar`,
    }));
  },
};

for (const repeated of ["symlink", "hardlink", "forward-symlink", "forward-hardlink"] as const) {
  BUILT[`a docker archive with a large layer twice as ${repeated}`] = async () => {
    const image = await makeImage([named, "a", named]);
    return toBlob(dockerSave([{ image, repoTags: ["app:1"] }], { repeated }));
  };
}

for (const [name, build] of Object.entries(BUILT)) {
  test(`pushImage() of ${name} through a pipe leaves what the file does`, async () => {
    const tar = await build();
    for (const chunk of [mixedSizes, 511, 512, 513, 64 * 1024]) {
      await assertSame(tar, TARGET, { ...SMALL, chunk });
    }
    await assertSame(tar, TARGET, { ...SMALL, verify: true });
    await assertSame(tar, TARGET, { concurrency: 1 });
  });
}

test("pushImage() of a pipe takes single bytes", async () => {
  await assertSame(await layoutOf("a", "b"), TARGET, { chunk: 1 });
  await assertSame(await dockerOf("a", await makeLayer("b", "gzip")), TARGET, { chunk: 1 });
});

test("pushImage() of a pipe takes entries in every order", async () => {
  const layout = (await layoutWith(named, "b")).entries();
  const docker = dockerSave([{ image: await makeImage([zipped, "b"]), repoTags: ["app:1"] }]);
  for (const entries of [layout, docker]) {
    for (let first = 0; first < entries.length; first++) {
      const turned = [...entries.slice(first), ...entries.slice(0, first)];
      await assertSame(toBlob(turned), TARGET, SMALL);
    }
  }
});

test("pushImage() of a pipe takes an archive that was packed with its folder", async () => {
  const layout = (await layoutWith(named, "b")).entries();
  const docker = dockerSave([{ image: await makeImage([zipped, "b"]), repoTags: ["app:1"] }]);
  for (const entries of [layout, docker]) {
    const below = entries.map((entry) => ({ ...entry, path: `out/${entry.path}` }));
    await assertSame(toBlob(below), TARGET, SMALL);
    await assertSame(toBlob(below.reverse()), TARGET, SMALL);
  }
});

test("pushImage() of a pipe pushes several images with all their tags", async () => {
  const common = await makeLayer("common");
  const tar = toBlob(dockerSave([
    { image: await makeImage([common, named]), repoTags: ["a:1", "a:2"] },
    { image: await makeImage([common, "b"]), repoTags: ["b:3"] },
  ]));
  const { registry } = await assertSame(tar, "localhost:5000/app", { ...SMALL, allTags: true });
  assertEquals(await allTags(registry), ["app:1", "app:2", "app:3"]);
});

for (const target of ["localhost:5000", "localhost:5000/prefix/"]) {
  test(`pushImage() of a pipe to ${target} whose names come last fails before anything is sent`, async () => {
    const source = sourceOf(await bytesOf(await dockerOf("a")));
    const layer = faultLayer(createRegistry());
    const error = await assertRejects(
      () => pushImage(source.stream, target, { fetch: layer.fetch }),
      TypeError,
      "names come too late",
    );
    assertClear(error);
    assertEquals(layer.seen.length, 0);
    assert(source.cancelled(), "the source was left open");
  });
}

test("pushImage() of a pipe chooses images and platforms, and leaves nothing of the others", async () => {
  const { layout, children } = await platformLayout(async (platform) => {
    const compression = platform === "linux/amd64" ? "gzip" : undefined;
    return [await largeLayer(platform.length, compression), platform];
  });
  const tar = toBlob(layout.entries());
  const wanted = { ...SMALL, platforms: ["linux/arm64"] };
  const { registry, result } = await assertSame(tar, TARGET, wanted);
  const needed = result.images.flatMap(({ blobs }) => blobs.map(({ digest }) => digest));
  for (const path of layout.blobs.keys()) {
    const digest = path.replace("blobs/sha256/", "sha256:") as Digest;
    if (children.some((child) => child.digest === digest)) continue;
    assertEquals(await hasBlob(registry, "app", digest), needed.includes(digest), path);
  }
  const images = toBlob(dockerSave([
    { image: await makeImage([named]), repoTags: ["a:1"] },
    { image: await makeImage([zipped, "b"]), repoTags: ["b:1"] },
  ]));
  const chosen = await assertSame(images, TARGET, { ...SMALL, images: ["b:1"] });
  assertEquals(await hasBlob(chosen.registry, "app", named.digest), false);
  assertEquals(await hasBlob(chosen.registry, "app", zipped.digest), true);
});

test("pushImage() of a pipe commits nothing where the reference names another digest", async () => {
  const { registry, open } = countingRegistry();
  const { stream } = sourceOf(await bytesOf(await layoutOf(named, "b")));
  const other = await digestBytes(encode("other"));
  await assertRejects(
    () => pushImage(stream, `localhost:5000/app:1@${other}`, { ...SMALL, fetch: registry }),
    OciError,
  );
  assertEquals([await hasBlob(registry, "app", named.digest), open()], [false, 0]);
  assertEquals(await allTags(registry), []);
});

async function hasBlob(registry: FetchHandler, repository: string, digest: Digest) {
  const url = `http://localhost:5000/v2/${repository}/blobs/${digest}`;
  return (await registry(new Request(url, { method: "HEAD" }))).status === 200;
}

test("pushImage() of a pipe to two repositories and to two registries", async () => {
  const tar = await dockerOf(named, zipped, "c");
  await assertSame(tar, ["localhost:5000/one:1", "localhost:5000/two/x:2"], SMALL);
  const hosts = new Map([["localhost:5000", createRegistry()], ["127.0.0.1:1", createRegistry()]]);
  const fetch: FetchHandler = (request) => {
    const registry = hosts.get(new URL(request.url).host);
    if (!registry) throw new Error(`unexpected ${request.url}`);
    return registry(request);
  };
  const { stream } = sourceOf(await bytesOf(tar));
  const targets = ["localhost:5000/app:1", "127.0.0.1:1/app:1"];
  const { images } = await pushImage(stream, targets, { ...SMALL, fetch });
  const read = await Promise.all(
    [...hosts.values()].map((registry) => readBack(registry, "app", "1")),
  );
  assertEquals(read.map(({ digest }) => digest), images.map(({ digest }) => digest));
});

test("pushImage() of a pipe sends nothing before it says what the options do not allow", async () => {
  const tar = await dockerOf(named, zipped, "c");
  for (const options of [{ allTags: true }, { rename: ["team"] }, { platforms: ["linux"] }]) {
    const layer = faultLayer(createRegistry());
    const push = () => pushImage(tar.stream(), TARGET, { ...options, fetch: layer.fetch });
    await assertRejects(push, TypeError);
    assertEquals(layer.lines(), []);
  }
});

test("pushImage() of a pipe reads on but sends nothing where everything is there", async () => {
  for (
    const tar of [
      await layoutOf(named, "b", zipped),
      await BUILT["a podman archive with large layers"]?.(),
    ]
  ) {
    assert(tar);
    const registry = createRegistry();
    await pushImage(tar, TARGET, { fetch: registry });
    const layer = faultLayer(registry);
    const { stream } = sourceOf(await bytesOf(tar));
    const { images, bytesUploaded } = await pushImage(stream, TARGET, {
      ...SMALL,
      fetch: layer.fetch,
    });
    assertEquals(bytesUploaded, 0);
    const statuses = images.flatMap(({ blobs }) => blobs.map(({ status }) => status));
    assertEquals(new Set(statuses), new Set(["exists"]));
    assertEquals(layer.seen.filter(({ method }) => method === "PATCH" || method === "POST"), []);
  }
});

test("pushImage() of a pipe with a dry run asks, and writes nothing", async () => {
  for (const tar of [await layoutOf(named, "b"), await dockerOf(named, zipped, "c")]) {
    const registry = createRegistry();
    const layer = faultLayer(registry);
    const source = sourceOf(await bytesOf(tar));
    const options = { ...SMALL, dryRun: true, fetch: layer.fetch };
    const { images, bytesUploaded } = await pushImage(source.stream, TARGET, options);
    assertEquals(new Set(layer.seen.map(({ method }) => method)), new Set(["HEAD"]));
    assertEquals([bytesUploaded, await allTags(registry)], [0, []]);
    const expected = await pushImage(tar, TARGET, { fetch: registry });
    assertEquals(outcome({ ...expected, images }), outcome(expected));
  }
});

test("pushImage() of a pipe tells in a dry run what a push then does", async () => {
  const targets = ["app:1", "app:2", "other:1"].map((name) => `localhost:5000/${name}`);
  for (const tar of [await layoutOf(named, "b"), await dockerOf(named, zipped, "c")]) {
    const registry = createRegistry();
    const run = async (options: PushOptions, to = targets) => {
      const { stream } = sourceOf(await bytesOf(tar));
      return (await pushImage(stream, to, { ...SMALL, ...options, fetch: registry })).images;
    };
    for (let times = 0; times < 2; times++) {
      assertEquals(await run({ dryRun: true }), await run({}));
    }
    const to = ["localhost:5000/third:1"];
    const mountFrom = ["none", "app"];
    assertEquals(await run({ mountFrom, dryRun: true }, to), await run({ mountFrom }, to));
  }
});

test("pushImage() of a pipe has blobs mounted from where the caller says they are", async () => {
  for (
    const tar of [
      await layoutOf(named, "b", zipped),
      await BUILT["a crane archive with large layers"]?.(),
    ]
  ) {
    assert(tar);
    const registry = createRegistry();
    await pushImage(tar, "localhost:5000/base:1", { fetch: registry });
    const { stream } = sourceOf(await bytesOf(tar));
    const options = { ...SMALL, mountFrom: ["none", "base"], fetch: registry };
    const { images, bytesUploaded } = await pushImage(stream, TARGET, options);
    const statuses = images.flatMap(({ blobs }) => blobs.map(({ status }) => status));
    assertEquals([new Set(statuses), bytesUploaded], [new Set(["mounted"]), 0]);
    await readBack(registry, "app", "1");
  }
});

test("pushImage() of a pipe looks for blobs beside a repository that may not be asked", async () => {
  const tar = await BUILT["a crane archive with large layers"]?.();
  assert(tar);
  const registry = createRegistry();
  await pushImage(tar, "localhost:5000/base:1", { fetch: registry });
  const { stream } = sourceOf(await bytesOf(tar));
  const options = { ...SMALL, mountFrom: ["private", "base"], fetch: withPrivate(registry) };
  const { bytesUploaded } = await pushImage(stream, TARGET, options);
  assertEquals(bytesUploaded, 0);
});

test("pushImage() of a pipe uploads what cannot be mounted", async () => {
  const tar = await layoutOf(named, "b", zipped);
  const { result } = await assertSame(tar, TARGET, { ...SMALL, mountFrom: ["none"] });
  const statuses = result.images.flatMap(({ blobs }) => blobs.map(({ status }) => status));
  assertEquals(new Set(statuses), new Set(["pushed"]));
});

for (const [size, layer] of [["large", named], ["small", await makeLayer("small")]] as const) {
  for (const verify of [false, true]) {
    test(`pushImage() of a pipe names the ${size} blob whose bytes are not what its name says (verify ${verify})`, async () => {
      const layout = await layoutWith(layer, "b");
      const entries = layout.entries().map((entry) =>
        entry.path === pathOf(layer) ? { ...entry, body: noise(9, layer.bytes.length) } : entry
      );
      const { registry, open } = countingRegistry();
      const { stream } = sourceOf(await bytesOf(toBlob(entries)));
      const error = await assertRejects(
        () => pushImage(stream, TARGET, { ...SMALL, verify, fetch: registry }),
        DigestMismatchError,
        digestHex(layer.digest),
      );
      assertClear(error);
      assertEquals([await allTags(registry), open()], [[], 0]);
    });
  }
}

for (const layer of [named, zipped, await makeLayer("small"), await makeLayer("small", "gzip")]) {
  const what = `${layer.bytes.length > 1_000_000 ? "large" : "small"} ${
    layer.compression ?? "plain"
  }`;
  test(`pushImage() of a pipe refuses a ${what} layer that is not the one of the config`, async () => {
    const image = await makeImage([layer]);
    const other = await makeLayer(
      writeTar([{ path: "x", body: noise(8, layer.tar.length - 1536) }]),
      layer.compression,
    );
    const entries = dockerSave([{ image: { ...image, layers: [other] } }]);
    const { registry, open } = countingRegistry();
    const { stream } = sourceOf(await bytesOf(toBlob(entries)));
    const error = await assertRejects(
      () => pushImage(stream, TARGET, { ...SMALL, fetch: registry }),
      DigestMismatchError,
    );
    assertClear(error);
    assertEquals([await allTags(registry), open()], [[], 0]);
  });
}

for (const layer of [zipped, framed, await makeLayer("small", "gzip")]) {
  const size = layer.bytes.length > 1_000_000 ? "large" : "small";
  const broken = layer.bytes.slice(0, layer.bytes.length - 20);

  test(`pushImage() of a pipe refuses a ${size} ${layer.compression} layer that is broken`, async () => {
    const image = await makeImage([layer]);
    const entries = dockerSave([{ image: { ...image, layers: [{ ...layer, bytes: broken }] } }]);
    const { registry, open } = countingRegistry();
    const { stream } = sourceOf(await bytesOf(toBlob(entries)));
    const error = await assertRejects(
      () => pushImage(stream, TARGET, { ...SMALL, fetch: registry }),
      ArchiveError,
      "layer.tar",
    );
    assertClear(error);
    assertEquals([await allTags(registry), open()], [[], 0]);
  });

  test(`pushImage() of a pipe minds no ${size} ${layer.compression} file that is broken and no layer`, async () => {
    const entries = dockerSave([{ image: await makeImage(["a"]), repoTags: ["app:1"] }]);
    const tar = toBlob([{ path: "backup.tar", body: broken }, ...entries]);
    await assertSame(tar, TARGET, SMALL);
  });
}

test("pushImage() of a pipe says what is wrong with a document", async () => {
  const layout = await layoutWith("a");
  const root = layout.index[0];
  assert(root);
  const text = encode('"no object"');
  const digest = await digestBytes(text);
  layout.index[0] = { ...root, digest, size: text.length };
  layout.blobs.set(pathOf({ digest }), text);
  const { stream } = sourceOf(await bytesOf(toBlob(layout.entries())));
  await assertRejects(
    () => pushImage(stream, TARGET, { fetch: createRegistry() }),
    ArchiveError,
    "it is no JSON document",
  );
  const many = Array.from({ length: 9 }, (_, index): TarWriterEntry => ({
    path: `${index}.json`,
    body: "{" + " ".repeat(4 * 1024 * 1024 - 2) + "}",
  }));
  const entries = [...many, ...dockerSave([{ image: await makeImage(["a"]) }])];
  const config = entries.map((entry) =>
    entry.path === "manifest.json"
      ? { ...entry, body: encodeJson([{ Config: "8.json", Layers: [] }]) }
      : entry
  );
  const full = sourceOf(await bytesOf(toBlob(config)));
  const error = await assertRejects(
    () => pushImage(full.stream, TARGET, { ...SMALL, fetch: createRegistry() }),
    ArchiveError,
    "32 MiB",
  );
  assertClear(error);
});

for (
  const [name, compress] of Object.entries({
    gzip,
    "gzip of several members": async (tar: Bytes) =>
      join([await gzip(tar.slice(0, 1000)), await gzip(tar.slice(1000))]),
    zstd: (tar: Bytes) => Promise.resolve(storeAsZstd(tar)),
    "zstd of several frames": (tar: Bytes) =>
      Promise.resolve(join([storeAsZstd(tar.slice(0, 1000)), storeAsZstd(tar.slice(1000))])),
  })
) {
  test(`pushImage() undoes ${name}, of a file and of a pipe`, async () => {
    const tar = await layoutOf(named, "b");
    const expected = await pushImage(tar, TARGET, { fetch: createRegistry() });
    const bytes = await compress(await bytesOf(tar));
    for (
      const source of [new Blob([bytes]), sourceOf(bytes, 513).stream, sourceOf(bytes, 1000).stream]
    ) {
      const registry = createRegistry();
      const result = await pushImage(source, TARGET, { ...SMALL, fetch: registry });
      assertEquals(outcome(result), outcome(expected));
      assertEquals(result.bytesRead >= bytes.length, true);
      await readBack(registry, "app", "1");
    }
  });
}

test("pushImage() of a compressed file reads it twice for its own names", async () => {
  const registry = createRegistry();
  const tar = new Blob([await gzip(await bytesOf(await dockerOf(named, "b")))]);
  await pushImage(tar, "localhost:5000", { ...SMALL, fetch: registry });
  assertEquals(await allTags(registry), ["app:1"]);
});

test("pushImage() of a compressed file to its own names puts each blob where it is needed, and no other", async () => {
  const common = await makeLayer("common");
  const tar = toBlob([
    { path: "unused/layer.tar", body: (await makeLayer("unused")).bytes },
    { path: `blobs/sha256/${digestHex(framed.digest)}`, body: framed.bytes },
    ...dockerSave([
      { image: await makeImage([common, named]), repoTags: ["one:1"] },
      { image: await makeImage(["b", common, zipped]), repoTags: ["two:1", "two:2", "three:1"] },
    ]),
  ]);
  const packed = new Blob([await gzip(await bytesOf(tar))]);
  const { registry, storage, open } = countingRegistry();
  const expected = await pushImage(tar, "localhost:5000", { fetch: createRegistry() });
  const result = await pushImage(packed, "localhost:5000", { ...SMALL, fetch: registry });
  assertEquals(outcome(result), outcome(expected));
  assertEquals(open(), 0);
  for (const [at, name] of ["one", "two", "three"].entries()) {
    const read = await readBack(registry, name, "1");
    const image = expected.images.find(({ reference }) => reference === `localhost:5000/${name}:1`);
    assertEquals(read.digest, image?.digest, `${at}`);
  }
  assertEquals(await hasBlob(registry, "two", named.digest), false);
  assertEquals(await hasBlob(registry, "one", zipped.digest), false);
  assertEquals(await storage.openBlob("one", framed.digest), undefined);
  const needed = expected.images.flatMap(({ blobs }) => blobs);
  const sizes = new Map(needed.map(({ digest, size }) => [digest, size]));
  assertEquals(result.bytesUploaded, [...sizes.values()].reduce((sum, size) => sum + size, 0));
  const again = faultLayer(registry);
  const second = await pushImage(packed, "localhost:5000", { ...SMALL, fetch: again.fetch });
  assertEquals([second.bytesUploaded, outcome(second)], [0, outcome(expected)]);
  assertEquals(again.seen.filter(({ method }) => method === "POST" || method === "PATCH"), []);
});

test("pushImage() of a compressed file to its own names brings signatures along", async () => {
  const layout = new OciLayout();
  const image = await layout.image(await makeImage(["a", named]));
  layout.add(image, { ref: "team/app:1" });
  layout.add(await layout.artifact("signature", "text/x-signature", { subject: image }));
  const packed = new Blob([await gzip(await bytesOf(toBlob(layout.entries())))]);
  const registry = createRegistry();
  await pushImage(packed, "localhost:5000", { ...SMALL, fetch: registry });
  await readBack(registry, "team/app", "1");
  const signature = await digestBytes(encode("signature"));
  assertEquals(await hasBlob(registry, "team/app", signature), true);
});

/** A registry that takes anything and keeps nothing; told of each piece of a body as it takes it. */
function discardingRegistry(onPiece: (length: number) => void): FetchHandler {
  return async ({ method, url, body }) => {
    for await (const piece of body ?? []) onPiece(piece.length);
    if (method === "HEAD") return new Response(null, { status: 404 });
    const headers = { location: new URL("upload", url).href };
    return new Response(null, { status: method === "PUT" ? 201 : 202, headers });
  };
}

test("pushImage() of a gzip bomb reads and inflates no more than the registry takes", async () => {
  const zeros = await makeLayer(new Uint8Array(128 * 1024 * 1024));
  const bomb = await gzip(await bytesOf(await dockerOf(zeros)));
  assert(bomb.length < zeros.bytes.length / 900);
  const source = sourceOf(bomb, 1000);
  let [inflated, taken, mostAhead, firstRead] = [0, 0, 0, 0];
  const fetch = discardingRegistry((length) => {
    firstRead ||= source.read();
    mostAhead = Math.max(mostAhead, inflated - taken);
    taken += length;
  });
  // Every large layer passes through a hash here, so that is where inflated bytes are counted.
  const hasher: Hasher = async (algorithm) => {
    const hash = await createHash(algorithm);
    const update = (bytes: Uint8Array) => {
      inflated += bytes.length;
      return hash.update(bytes);
    };
    return { update, digest: () => hash.digest() };
  };
  await pushImage(source.stream, TARGET, { ...SMALL, verify: true, hasher, fetch });
  assert(inflated >= zeros.bytes.length && taken >= inflated);
  // One slice of what is inflated at once, and what the decoder owed from the one before.
  assert(mostAhead <= 8 * 1024 * 1024, `${mostAhead} bytes were inflated ahead`);
  // What is looked ahead at, and two slices.
  assert(firstRead <= 100 * 1024, `${firstRead} bytes were read before the first went out`);
});

test("pushImage() of a pipe that is compressed with bzip2 names the command", async () => {
  const source = sourceOf(Uint8Array.from("BZh91AY", (text) => text.charCodeAt(0)));
  const error = await assertRejects(
    () => pushImage(source.stream, TARGET, { fetch: createRegistry() }),
    ArchiveError,
  );
  assertMatch(error.hint ?? "", /bunzip2 -c/);
  assert(source.cancelled(), "the source was left open");
});

/** The k-th request of a kind goes wrong. */
function atNth(fits: (request: SeenRequest) => boolean, number: number, fault: Fault) {
  let seen = 0;
  return (request: SeenRequest) => fits(request) && ++seen === number ? fault : undefined;
}

const isBody = ({ method, path }: SeenRequest) =>
  (method === "PATCH" || method === "PUT") && path.includes("/blobs/uploads/");

const LARGE: Record<string, () => Promise<Blob>> = {
  "with its digest as name": () => layoutOf(named),
  "without a digest": () => dockerOf(named),
  "that is compressed": () => dockerOf(zipped),
};

for (const [what, build] of Object.entries(LARGE)) {
  for (const after of [0, 1, 100_000, 600_000, 1_048_576]) {
    test(`pushImage() of a pipe goes on with a large layer ${what} whose connection broke at byte ${after}`, async () => {
      const tar = await build();
      const { registry, open } = countingRegistry();
      const expected = await pushImage(tar, TARGET, { fetch: createRegistry() });
      const layer = faultLayer(registry, atNth(isBody, 1, { kind: "cut-body", after }));
      const source = sourceOf(await bytesOf(tar));
      const options = { ...SMALL, fetch: layer.fetch, retry: { delay: 0 }, concurrency: 1 };
      const result = await pushImage(source.stream, TARGET, options);
      assertEquals(outcome(result), outcome(expected));
      await readBack(registry, "app", "1");
      assertEquals(open(), 0);
      assertEquals(source.read(), tar.size);
    });
  }

  test(`pushImage() of a pipe goes on with a large layer ${what} whose connection breaks again and again`, async () => {
    const tar = await build();
    const { registry, open } = countingRegistry();
    const expected = await pushImage(tar, TARGET, { fetch: createRegistry() });
    let cuts = 0;
    const layer = faultLayer(registry, (request) => {
      if (!isBody(request) || cuts >= 4) return;
      cuts++;
      return { kind: "cut-body", after: 200_000 };
    });
    const { stream } = sourceOf(await bytesOf(tar));
    const options = { ...SMALL, fetch: layer.fetch, retry: { delay: 0 }, concurrency: 1 };
    assertEquals(outcome(await pushImage(stream, TARGET, options)), outcome(expected));
    await readBack(registry, "app", "1");
    assertEquals([cuts, open()], [4, 0]);
  });

  test(`pushImage() of a pipe says so where a registry forgets a large layer ${what} that broke`, async () => {
    const tar = await build();
    const { registry } = countingRegistry();
    let broken = false;
    const layer = faultLayer(registry, (request) => {
      if (broken && request.method === "GET") {
        return { kind: "answer", answer: () => new Response(null, { status: 404 }) };
      }
      if (broken || !isBody(request)) return;
      broken = true;
      return { kind: "cut-body", after: 900_000 };
    });
    const source = sourceOf(await bytesOf(tar));
    const options = { ...SMALL, fetch: layer.fetch, retry: { delay: 0 }, concurrency: 1 };
    const error = await assertRejects(
      () => pushImage(source.stream, TARGET, options),
      NetworkError,
      "comes only once",
    );
    assertClear(error);
    assertMatch(error.hint ?? "", /file first/);
    assertEquals(await allTags(registry), []);
    assert(source.cancelled(), "the source was left open");
  });

  test(`pushImage() of a pipe waits for a registry that is still writing what arrived of a large layer ${what}`, async () => {
    const tar = await build();
    const { registry, open } = countingRegistry();
    const isFirst = atNth(isBody, 1, { kind: "cut-body", after: 900_000 });
    let questions = 0;
    const layer = faultLayer(registry, (request) => {
      const isStatus = request.method === "GET" && request.path.includes("/blobs/uploads/");
      if (!isStatus || ++questions > 3) return isFirst(request);
      const change = (response: Response) =>
        withHeader(response, "range", questions === 1 ? undefined : `0-${questions * 1000}`);
      return { kind: "change-response", change };
    });
    const { stream } = sourceOf(await bytesOf(tar));
    const options = { ...SMALL, fetch: layer.fetch, retry: { delay: 0 }, concurrency: 1 };
    await pushImage(stream, TARGET, options);
    await readBack(registry, "app", "1");
    assertEquals([questions, open()], [4, 0]);
  });

  test(`pushImage() of a pipe begins a large layer ${what} again where a registry forgot it and nothing is gone`, async () => {
    const tar = await build();
    const { registry, open } = countingRegistry();
    let broken = false;
    const layer = faultLayer(registry, (request) => {
      if (broken && request.method === "GET") {
        return { kind: "answer", answer: () => new Response(null, { status: 404 }) };
      }
      if (broken || !isBody(request)) return;
      broken = true;
      return { kind: "cut-body", after: 30_000 };
    });
    const { stream } = sourceOf(await bytesOf(tar));
    const options = { ...SMALL, fetch: layer.fetch, retry: { delay: 0 }, concurrency: 1 };
    const result = await pushImage(stream, TARGET, options);
    assertEquals(broken, true);
    assertEquals(
      outcome(result),
      outcome(await pushImage(tar, TARGET, { fetch: createRegistry() })),
    );
    await readBack(registry, "app", "1");
    assertEquals(open(), 0);
  });
}

test("pushImage() of a pipe sends a blob within the budget again, whatever breaks", async () => {
  const tar = await dockerOf("a", await makeLayer("b", "gzip"));
  const whole = faultLayer(createRegistry());
  const bytes = await bytesOf(tar);
  const expected = await pushImage(sourceOf(bytes).stream, TARGET, {
    fetch: whole.fetch,
    concurrency: 1,
  });
  for (let number = 1; number <= whole.seen.length; number++) {
    for (const fault of [{ kind: "refuse" }, { kind: "lose-response" }] as const) {
      const { registry, open } = countingRegistry();
      const layer = faultLayer(registry, atNth(() => true, number, fault));
      const options = { fetch: layer.fetch, retry: { delay: 0 }, concurrency: 1 };
      const result = await pushImage(sourceOf(bytes).stream, TARGET, options);
      assertEquals(outcome(result), outcome(expected));
      await readBack(registry, "app", "1");
      // A session whose opening was not heard of cannot be cancelled.
      const lost = whole.seen[number - 1]?.method === "POST" && fault.kind === "lose-response";
      assertEquals(open(), lost ? 1 : 0, `${number} ${fault.kind}`);
    }
  }
});

test("pushImage() of a pipe takes a lost answer to a large blob for what it is", async () => {
  for (const build of Object.values(LARGE)) {
    const tar = await build();
    const { registry, open } = countingRegistry();
    const layer = faultLayer(registry, atNth(isBody, 1, { kind: "lose-response" }));
    const options = { ...SMALL, fetch: layer.fetch, retry: { delay: 0 }, concurrency: 1 };
    await pushImage(sourceOf(await bytesOf(tar)).stream, TARGET, options);
    await readBack(registry, "app", "1");
    assertEquals(open(), 0);
  }
});

const TOO_LARGE = [
  ["refused", 413, { attempts: 1 }],
  ["answered for by a gateway, as Go's reverse proxies do", 502, { attempts: 2, delay: 0 }],
] as const;

for (const [what, status, retry] of TOO_LARGE) {
  test(`pushImage() of a pipe turns to chunks where a large body is ${what}`, async () => {
    const large = await makeLayer(writeTar([{ path: "x", body: noise(5, 9 * 1024 * 1024) }]));
    for (const tar of [await layoutOf(large), await dockerOf(large)]) {
      const { registry, open } = countingRegistry();
      let chunks = false;
      const layer = faultLayer(registry, (request) => {
        const length = Number(request.headers.get("content-length") ?? Infinity);
        if (!isBody(request) || length <= 8 * 1024 * 1024) return;
        if (request.headers.has("content-range") || (request.method === "PUT" && chunks)) return;
        chunks = true;
        return { kind: "answer", answer: () => new Response(null, { status }) };
      });
      const { stream } = sourceOf(await bytesOf(tar));
      const options = { ...SMALL, fetch: layer.fetch, retry, concurrency: 1 };
      await pushImage(stream, TARGET, options).catch((error) => {
        throw new Error(layer.lines().join("\n"), { cause: error });
      });
      await readBack(registry, "app", "1");
      assertEquals([chunks, open()], [true, 0]);
      const ranges = layer.seen.map(({ headers }) => headers.get("content-range"));
      assertEquals(ranges.filter((range) => range !== null), [
        "0-8388607",
        `8388608-${large.bytes.length - 1}`,
      ]);
    }
  });
}

/** Where a push is when something happens to it: at which bytes of the tar, or at which request. */
const STAGES: Record<
  string,
  { tar: () => Promise<Blob>; isAt: (request: SeenRequest) => boolean }
> = {
  "at the first question": {
    tar: () => layoutOf("a", named),
    isAt: ({ method }) => method === "HEAD",
  },
  "in a held upload": { tar: () => dockerOf("a", named), isAt: isBody },
  "in a streamed PUT": { tar: () => layoutOf(named), isAt: isBody },
  "in a streamed PATCH": { tar: () => dockerOf(named), isAt: isBody },
  "in a compressed PATCH": { tar: () => dockerOf(zipped), isAt: isBody },
  "at the commit": {
    tar: () => dockerOf(named),
    isAt: ({ method, query }) => method === "PUT" && query.has("digest"),
  },
  "at the manifest": {
    tar: () => dockerOf(named),
    isAt: ({ method, path }) => method === "PUT" && path.includes("/manifests/"),
  },
};

for (const [stage, { tar, isAt }] of Object.entries(STAGES)) {
  for (const when of ["before", "after"] as const) {
    test(`pushImage() of a pipe ends with the signal's reason, aborted ${stage}, ${when} the request`, async () => {
      const { registry, open } = countingRegistry();
      const controller = new AbortController();
      const reason = new Error("enough");
      const run = () => controller.abort(reason);
      const layer = faultLayer(registry, atNth(isAt, 1, { kind: when, run }));
      const bytes = await bytesOf(await tar());
      const source = sourceOf(bytes);
      const error = await assertRejects(() =>
        pushImage(source.stream, TARGET, {
          ...SMALL,
          fetch: layer.fetch,
          signal: controller.signal,
          concurrency: 1,
        })
      );
      assertEquals(error, reason);
      assertEquals([await allTags(registry), open()], [[], 0]);
      if (source.read() < bytes.length) assert(source.cancelled(), "the source was left open");
    });
  }

  test(`pushImage() of a pipe cancels its source when the registry refuses ${stage}`, async () => {
    const { registry, open } = countingRegistry();
    const answer = () =>
      new Response(null, { status: 403, headers: { "www-authenticate": "Basic" } });
    const layer = faultLayer(
      registry,
      (request) => isAt(request) ? { kind: "answer", answer } : undefined,
    );
    const bytes = await bytesOf(await tar());
    const source = sourceOf(bytes);
    const options = { ...SMALL, fetch: layer.fetch, concurrency: 1 };
    const error = await assertRejects(
      () => pushImage(source.stream, TARGET, options),
      OciError,
      "403",
    );
    assertClear(error);
    assertEquals([await allTags(registry), open()], [[], 0]);
    if (source.read() < bytes.length) assert(source.cancelled(), "the source was left open");
  });
}

test("pushImage() of a pipe that nobody writes to ends when its signal is aborted", async () => {
  for (const length of [0, 3, 100, 20_000]) {
    const { registry, open } = countingRegistry();
    const controller = new AbortController();
    const reason = new Error("enough");
    const bytes = await bytesOf(await dockerOf(named));
    // The source has nothing more to give when it is asked, and the signal comes then.
    const source = sourceOf(bytes, 512, {
      length,
      end: () => {
        queueMicrotask(() => controller.abort(reason));
        return new Promise<void>(() => {});
      },
    });
    const options = { ...SMALL, fetch: registry, signal: controller.signal };
    const error = await assertRejects(() => pushImage(source.stream, TARGET, options));
    assertEquals([error, source.cancelled()?.reason], [reason, reason], `${length}`);
    assertEquals([await allTags(registry), open()], [[], 0]);
  }
});

test("pushImage() of a pipe cancels it where the signal was aborted before", async () => {
  const source = sourceOf(new Uint8Array(10));
  const reason = new Error("enough");
  const options = { fetch: createRegistry(), signal: AbortSignal.abort(reason) };
  assertEquals(await assertRejects(() => pushImage(source.stream, TARGET, options)), reason);
  assert(source.cancelled(), "the source was left open");
  assertEquals(source.read(), 0);
});

for (
  const [what, tar] of Object.entries({
    "an OCI layout": await layoutOf("a", named, zipped),
    "a docker archive": await dockerOf("a", named, zipped),
  })
) {
  const bytes = await bytesOf(tar);
  const cuts = Array.from({ length: 12 }, (_, at) => Math.floor(bytes.length * at / 12 + 300));

  test(`pushImage() of a pipe with ${what} ends with the source's own error, wherever it comes`, async () => {
    for (const length of cuts) {
      const { registry, open } = countingRegistry();
      const failure = new Error("the disk is gone");
      const end = (controller: ReadableStreamDefaultController) => controller.error(failure);
      const { stream } = sourceOf(bytes, 10_000, { length, end });
      const options = { ...SMALL, fetch: registry };
      assertEquals(await assertRejects(() => pushImage(stream, TARGET, options)), failure);
      assertEquals([await allTags(registry), open()], [[], 0], `${length}`);
    }
  });

  test(`pushImage() of a pipe with ${what} says where it ended early`, async () => {
    for (const length of cuts) {
      const { registry, open } = countingRegistry();
      const { stream } = sourceOf(bytes, 10_000, { length });
      const options = { ...SMALL, fetch: registry };
      const error = await assertRejects(() => pushImage(stream, TARGET, options), OciError);
      assertClear(error);
      assertEquals([await allTags(registry), open()], [[], 0], `${length}`);
    }
  });
}

/** Waits until turns of the event loop move nothing any more. */
async function settle(position: () => number): Promise<void> {
  for (let turns = 0, before = -1; turns < 6; turns++) {
    if (position() !== before) turns = 0;
    before = position();
    await new Promise((resolve) => setTimeout(resolve));
  }
}

test("pushImage() of a pipe reads no more than its budget ahead of a registry that takes nothing", async () => {
  const layers = await Promise.all(
    Array.from(
      { length: 12 },
      (_, seed) => makeLayer(writeTar([{ path: `${seed}`, body: noise(seed + 20, 300_000) }])),
    ),
  );
  for (const tar of [await layoutOf(...layers), await dockerOf(...layers)]) {
    const registry = createRegistry();
    const source = sourceOf(await bytesOf(tar), 10_000);
    let ahead = 0;
    let first: Promise<void> | undefined;
    const fetch: FetchHandler = async (request) => {
      first ??= settle(source.read).then(() => void (ahead = source.read()));
      await first;
      return await registry(request);
    };
    await pushImage(source.stream, TARGET, { ...SMALL, concurrency: 9, fetch });
    assert(ahead > SMALL.memoryBudget / 2, `${ahead} bytes ahead`);
    // A piece of the source and the head of the blob that waits for memory come on top.
    assert(ahead <= SMALL.memoryBudget + 50_000, `${ahead} bytes ahead`);
    await readBack(registry, "app", "1");
  }
});

test("pushImage() of a pipe holds the source back while a large blob is sent", async () => {
  const large = await makeLayer(writeTar([{ path: "x", body: noise(6, 2 * 1024 * 1024) }]));
  for (
    const tar of [
      await layoutOf(large),
      await dockerOf(large),
      await dockerOf(await makeLayer(large.tar, "gzip")),
    ]
  ) {
    const { registry } = countingRegistry();
    const source = sourceOf(await bytesOf(tar), 10_000);
    let ahead = 0;
    let isFirst = true;
    const fetch: FetchHandler = async (request) => {
      if (!request.body || !isFirst) return await registry(request);
      isFirst = false;
      let taken = 0;
      const body = request.body.pipeThrough(
        new TransformStream<Uint8Array, Uint8Array>({
          async transform(piece, controller) {
            await settle(source.read);
            ahead = Math.max(ahead, source.read() - taken);
            taken += piece.length;
            controller.enqueue(piece);
          },
        }),
      );
      return await registry(new Request(request, { body, duplex: "half" } as RequestInit));
    };
    await pushImage(source.stream, TARGET, { ...SMALL, fetch });
    assert(ahead > 0 && ahead <= 512 * 1024, `${ahead} bytes ahead`);
    await readBack(registry, "app", "1");
  }
});

test("pushImage() of a pipe reports each blob from start to done, with its path where the digest is not known", async () => {
  const events: PushEvent[] = [];
  const { stream } = sourceOf(await bytesOf(await dockerOf(named, "b")));
  await pushImage(stream, TARGET, {
    ...SMALL,
    fetch: createRegistry(),
    concurrency: 1,
    onEvent: (event) => void events.push(event),
  });
  const starts = events.filter((event) => event.type === "blob-start");
  const done = events.filter((event) => event.type === "blob-done");
  const large = starts.find((event) => event.size === named.bytes.length);
  assertEquals([large?.digest, typeof large?.path], [undefined, "string"]);
  assertEquals(done.map(({ digest }) => digest).includes(named.digest), true);
  assertEquals(events.at(-1)?.type, "tag");
});

test("pushImage() of a pipe begins a named blob again that fits the budget, though nearly all of it had gone", async () => {
  const layer = await makeLayer(writeTar([{ path: "a", body: noise(1, 600_000) }]));
  const layout = await OciLayout.of(await makeImage([layer]));
  const registry = createRegistry();
  let broken = 0;
  const fetch: FetchHandler = async (request) => {
    const isLayer = request.method === "PUT" &&
      request.url.includes(encodeURIComponent(layer.digest));
    if (!isLayer || broken++ > 0) return await registry(request);
    let read = 0;
    for await (const piece of request.body ?? []) {
      if ((read += piece.length) > 550_000) break;
    }
    throw new TypeError("connection reset");
  };
  const pipe = new Blob([writeTar(layout.entries())]).stream();
  await pushImage(pipe, TARGET, { ...SMALL, fetch, retry: { delay: 1 } });
  assertEquals(broken, 2);
  const { layers } = await readBack(registry, "app", "1");
  assertEquals(layers.map(({ digest }) => digest), [layer.digest]);
});
