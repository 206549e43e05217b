import { assert, assertEquals, assertRejects } from "@std/assert";
import { openArchives, type OpenedArchives } from "../../../src/archive/served/open_archives.ts";
import { digestBytes } from "../../../src/digest.ts";
import { ArchiveError } from "../../../src/errors.ts";
import { DOCKER_MANIFEST, OCI_MANIFEST } from "../../../src/media_types.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import type { BlobSource } from "../../../src/source/blob_source.ts";
import {
  dockerSave,
  encode,
  gzip,
  makeImage,
  makeLayer,
  OciLayout,
  storeAsZstd,
  toBlob,
  withPlatform,
} from "../../helpers/archives.ts";
import {
  allTags,
  assertClear,
  FIXTURES,
  pushTo,
  readBack,
  readFixtureTar,
  type Registry,
  signaturesOf,
  tagsOf,
} from "../../helpers/expected.ts";
import { pushOwnNames, repositoryOf } from "../../helpers/own_names.ts";
import { test } from "../../helpers/test.ts";
import { call, codes } from "../../server/registry_calls.ts";

const MIB = 1024 * 1024;

/** A registry over one archive. */
async function serveOne(
  source: BlobSource,
  options: { name?: string; as?: string } = {},
): Promise<OpenedArchives & { registry: Registry }> {
  const opened = await openArchives([{ source, ...options }]);
  return { ...opened, registry: createRegistry({ storage: opened.storage }) };
}

for (const [name, fixture] of FIXTURES) {
  test(`openArchives() shows of ${name} what a push of it leaves`, async () => {
    const tar = new Blob([await readFixtureTar(name)]);
    const { registry } = await serveOne(tar, { name: `some/where/${repositoryOf(name)}.tar` });
    const pushed = createRegistry();
    // A push of it leaves the one image that is whole; here the index is shown, as others of it may be elsewhere.
    const isSparse = name === "ctr-export-platform.tar";
    const { images } = await pushOwnNames(name, "localhost:5000", pushed);
    for (const { reference, digest } of images) {
      const path = reference.slice("localhost:5000/".length);
      const own = path.startsWith(`${repositoryOf(name)}/`)
        ? path.slice(path.indexOf("/") + 1)
        : path;
      const [repository = "", tag] = own.split(/[:@]/);
      // Where nothing says how it is called, the push was told.
      const wanted = own.includes("@") || isSparse
        ? digest
        : tag === "1" && own === path
        ? "latest"
        : tag ?? "";
      const read = await readBack(registry, repository, wanted);
      assertEquals(read.digest, digest, own);
      for (const signature of signaturesOf(fixture)) {
        assertEquals(
          (await readBack(registry, repository, signature.tag)).digest,
          signature.digest,
        );
        assert((await tagsOf(registry, repository)).includes(signature.tag));
      }
    }
  });
}

test("openArchives() keeps path and tag of names and drops the host, library/ or not", async () => {
  const image = await makeImage(["one"]);
  const repoTags = ["registry.lan:5000/team/app:1", "docker.io/library/tool:2", "other"];
  const { registry, images } = await serveOne(toBlob(dockerSave([{ image, repoTags }])));
  const names = ["team/app:1", "tool:2", "other:latest"];
  assertEquals(await allTags(registry), [...names].sort());
  assertEquals(images, names.map((name) => ({ name, archive: "image" })));
  for (
    const [repository, tag] of [["team/app", "1"], ["tool", "2"], ["library/tool", "2"]] as const
  ) {
    assertEquals((await readBack(registry, repository, tag)).config?.digest, image.configDigest);
  }
});

test("openArchives() puts bare tags, and what has no name, into a repository called after the file", async () => {
  const layout = await OciLayout.of(await makeImage(["one"]), { ref: "v1" });
  layout.add(await layout.image(await makeImage(["two"])));
  const tar = toBlob(layout.entries());
  const { registry, images } = await serveOne(tar, { name: "/tmp/Nightly Build_1.0.TAR" });
  assertEquals(images.map(({ name }) => name), ["nightly-build_1.0:v1", "nightly-build_1.0"]);
  assertEquals(await allTags(registry), ["nightly-build_1.0:v1"]);
  const unnamed = layout.index[1]?.digest;
  assert(unnamed);
  assertEquals((await readBack(registry, "nightly-build_1.0", unnamed)).digest, unnamed);
  for (
    const [name = "", repository] of [
      ["x/.tar", "image"],
      ["../layout/", "layout"],
      ["äö.tar", "image"],
      ["a__b--1..0.tar", "a-b-1-0"],
    ]
  ) {
    const only = await serveOne(toBlob(dockerSave([{ image: await makeImage(["a"]) }])), { name });
    assertEquals(await allTags(only.registry), [`${repository}:latest`]);
  }
});

test("openArchives() has an image that is called after its digest in its repository, without a tag", async () => {
  const layout = new OciLayout();
  const made = await layout.image(await makeImage(["one"]));
  layout.add(made, { name: `registry.lan/team/app@${made.digest}` });
  const { registry, images } = await serveOne(toBlob(layout.entries()));
  assertEquals(images.map(({ name }) => name), ["team/app"]);
  assertEquals((await readBack(registry, "team/app", made.digest)).digest, made.digest);
});

test("openArchives() leaves out caches of builds, unless there is nothing else", async () => {
  const layout = new OciLayout();
  const config = await layout.document({}, "application/vnd.buildkit.cacheconfig.v0");
  const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [] };
  layout.add(await layout.document(manifest, OCI_MANIFEST), { ref: "cache" });
  const alone = await serveOne(toBlob(layout.entries()));
  assertEquals(await allTags(alone.registry), ["image:cache"]);
  layout.add(await layout.image(await makeImage(["one"])), { ref: "1" });
  const { registry } = await serveOne(toBlob(layout.entries()));
  assertEquals(await allTags(registry), ["image:1"]);
});

test("openArchives({ as }) puts the images of an archive where the caller wants them", async () => {
  const [one, two] = [await makeImage(["one"]), await makeImage(["two"])];
  const both = toBlob(dockerSave([
    { image: one, repoTags: ["a:1", "b:2"] },
    { image: two, repoTags: ["c:3"] },
  ]));
  const served = await serveOne(both, { as: "registry.lan/team/x" });
  assertEquals(await allTags(served.registry), ["team/x:1", "team/x:2", "team/x:3"]);
  const single = toBlob(dockerSave([{ image: one, repoTags: ["a:1"] }]));
  assertEquals(await allTags((await serveOne(single, { as: "x:9" })).registry), ["x:9"]);
  const error = await assertRejects(() => serveOne(both, { as: "x:9" }), TypeError);
  assertEquals(
    error.message,
    'Cannot serve "image" as x:9: it has 2 images, expected one; without a tag all of them keep theirs',
  );
  await assertRejects(() => serveOne(single, { as: "Not a name" }), TypeError, "it is no name");
});

test("openArchives(): of several archives with one name the last is served, and that is told", async () => {
  const [old, young] = [await makeImage(["old"]), await makeImage(["young"])];
  const archive = (image: typeof old, tag: string, name: string) => ({
    source: toBlob(dockerSave([{ image, repoTags: [tag] }])),
    name,
  });
  const { storage, notices } = await openArchives([
    archive(old, "ghcr.io/app:1", "old.tar"),
    archive(young, "app:1", "young.tar"),
    archive(young, "quay.io/app:1", "same.tar"),
  ]);
  assertEquals(notices, ['app:1 is in "old.tar" and in "young.tar": that of the last is served']);
  const registry = createRegistry({ storage });
  const read = await readBack(registry, "app", "1");
  assertEquals(read.config?.digest, young.configDigest);
  const hidden = await storage.inNamespace?.("ghcr.io").getTag("app", "1");
  assert(hidden && hidden !== read.digest);
  assertEquals((await readBack(registry, "app", hidden)).config?.digest, old.configDigest);
  const both = [young, old].map((image) => ({ image, repoTags: ["app:1"] }));
  const one = await serveOne(toBlob(dockerSave(both)), { name: "both.tar" });
  assertEquals(one.notices, ['app:1 is in two images of "both.tar": the first is served']);
  assertEquals((await readBack(one.registry, "app", "1")).config?.digest, young.configDigest);
});

test("openArchives(): a mirror (?ns=HOST) gets the images of that host, and no other's", async () => {
  const [hub, lan] = [await makeImage(["hub"]), await makeImage(["lan"])];
  const { registry } = await serveOne(toBlob(dockerSave([
    { image: hub, repoTags: ["app:1", "team/x:1"] },
    { image: lan, repoTags: ["registry.lan:5000/app:1", "registry.lan:5000/app:2"] },
  ])));
  const ask = async (path: string) => {
    const response = await call(registry, "GET", `/v2/${path}`);
    const { status } = response;
    return status === 200 ? (await response.json()).config?.digest ?? 200 : status;
  };
  assertEquals(await ask("library/app/manifests/1?ns=docker.io"), hub.configDigest);
  assertEquals(await ask("app/manifests/1?ns=registry.lan:5000"), lan.configDigest);
  assertEquals(await ask("app/manifests/2?ns=docker.io"), 404);
  assertEquals(await ask("team/x/manifests/1?ns=ghcr.io"), 404);
  assertEquals(await ask("app/manifests/2"), lan.configDigest);
  const tags = await call(registry, "GET", "/v2/app/tags/list?ns=docker.io");
  assertEquals((await tags.json()).tags, ["1"]);
  const [layer] = lan.layers;
  const blob = await call(registry, "GET", `/v2/app/blobs/${layer?.digest}?ns=registry.lan:5000`);
  assertEquals(await digestBytes(await blob.bytes()), layer?.digest);
});

test("openArchives() computes digests that no name tells when they are needed, once", async () => {
  const layer = await makeLayer("packed", "gzip");
  const image = await makeImage(["plain", layer]);
  const told = await makeImage(["told"]);
  const tar = toBlob(dockerSave([
    { image, repoTags: ["app:1"] },
    { image: await makeImage([layer, "other"]), repoTags: ["other:1"] },
    { image: told, repoTags: ["app:2"] },
  ]));
  const counting = countReads(tar);
  const { registry } = await serveOne(counting.source);
  const opening = counting.reads();
  assertEquals(await allTags(registry), ["app:1", "app:2", "other:1"]);
  const config = `/v2/app/blobs/${told.configDigest}`;
  assertEquals((await call(registry, "HEAD", config)).status, 200);
  assertEquals(counting.reads(), opening);
  const manifests = ["app", "app", "other"].map((name) => `/v2/${name}/manifests/1`);
  await Promise.all(manifests.map((path) => call(registry, "HEAD", path)));
  assertEquals(counting.reads(), opening + 1);
  const asked = await Promise.all([1, 2].map(() => readBack(registry, "app", "1")));
  assertEquals(asked.map(({ layers }) => layers.map(({ digest }) => digest)), [
    image.layers.map(({ digest }) => digest),
    image.layers.map(({ digest }) => digest),
  ]);
  assertEquals(asked[0]?.mediaType, DOCKER_MANIFEST);
  const { result } = await pushTo(tar, "localhost:5000/app:1", { images: ["app:1"] });
  assertEquals(asked[0]?.digest, result.images[0]?.digest);
  const settled = counting.reads();
  assertEquals((await call(registry, "HEAD", "/v2/app/manifests/1")).status, 200);
  assertEquals(counting.reads(), settled);
});

test("openArchives() finds by digest alone what was not computed yet, as after a restart", async () => {
  const layer = await makeLayer("packed", "gzip");
  const tar = toBlob(dockerSave([{ image: await makeImage([layer]), repoTags: ["app:1"] }]));
  const { digest } = await readBack((await serveOne(tar)).registry, "app", "1");
  assertEquals((await readBack((await serveOne(tar)).registry, "app", digest)).digest, digest);
  const { registry } = await serveOne(tar);
  assertEquals((await call(registry, "HEAD", `/v2/app/blobs/${layer.digest}`)).status, 200);
  const none = `sha256:${"0".repeat(64)}`;
  assertEquals((await call(registry, "HEAD", `/v2/app/blobs/${none}`)).status, 404);
});

test("openArchives() says that a layer cannot be read, or has changed, and computes its digest later", async () => {
  const layer = await makeLayer("packed", "gzip");
  const tar = toBlob(dockerSave([{ image: await makeImage([layer]), repoTags: ["app:1"] }]));
  let state: "sound" | "gone" | "changed" = "sound";
  const source: BlobSource = {
    size: tar.size,
    slice: (start, end) => ({
      stream() {
        if (state === "gone") throw new ArchiveError("it is gone");
        return tar.slice(start, end).stream();
      },
      checkUnchanged: () =>
        state === "changed"
          ? Promise.reject(new ArchiveError("it has changed"))
          : Promise.resolve(),
    }),
  };
  const { registry } = await serveOne(source);
  const ask = async (path: string) => (await call(registry, "GET", `/v2/app/${path}`)).status;
  for (state of ["gone", "changed"] as const) {
    assertEquals([await ask("manifests/1"), await ask(`blobs/${layer.digest}`)], [500, 500]);
  }
  state = "sound";
  assertEquals((await readBack(registry, "app", "1")).layers[0]?.digest, layer.digest);
});

test("openArchives() does not believe what a layer's file is merely called", async () => {
  const layer = await makeLayer("packed", "gzip");
  const image = await makeImage([layer]);
  const layerPath = () => `${"0".repeat(64)}.tar.gz`;
  const tar = toBlob(dockerSave([{ image, repoTags: ["app:1"] }], { layerPath }));
  const read = await readBack((await serveOne(tar)).registry, "app", "1");
  assertEquals(read.layers[0]?.digest, layer.digest);
});

test("openArchives() writes an OCI manifest where a layer is zstd", async () => {
  const image = await makeImage(["x"]);
  const [layer] = image.layers;
  const packed = storeAsZstd(layer?.bytes ?? encode(""));
  const entries = dockerSave([{ image, repoTags: ["app:1"] }])
    .map((entry) => entry.path.endsWith("/layer.tar") ? { ...entry, body: packed } : entry);
  const read = await readBack((await serveOne(toBlob(entries))).registry, "app", "1");
  assertEquals([read.mediaType, read.layers[0]?.digest], [OCI_MANIFEST, await digestBytes(packed)]);
});

test("openArchives() shows referrers, signatures' tags, and attestations below an index", async () => {
  const layout = new OciLayout();
  const child = withPlatform(await layout.image(await makeImage(["one"])), "linux/amd64");
  const index = await layout.indexOf([child, await layout.attestation(child)]);
  layout.add(index, { name: "docker.io/team/app:1" });
  const { artifactType, ...subject } = { ...index, artifactType: "" };
  assertEquals(artifactType, "");
  const sbom = await layout.artifact("sbom", "application/spdx", { subject });
  layout.add(sbom);
  const { registry } = await serveOne(toBlob(layout.entries()));
  const read = await readBack(registry, "team/app", "1");
  assertEquals([read.digest, read.children.length], [index.digest, 2]);
  const referrers = await call(registry, "GET", `/v2/team/app/referrers/${index.digest}`);
  const { manifests } = await referrers.json();
  assertEquals(
    manifests.map(({ digest, artifactType }: Record<string, string>) => [digest, artifactType]),
    [
      [sbom.digest, "application/spdx"],
    ],
  );
  assertEquals((await readBack(registry, "team/app", sbom.digest)).digest, sbom.digest);
});

test("openArchives() takes what an archive leaves out from another that it serves", async () => {
  const layers = ["below", "above"];
  const [base, whole, sparse] = [new OciLayout(), new OciLayout(), new OciLayout()];
  base.add(await base.image(await makeImage(["below"])), { name: "docker.io/base:1" });
  const image = await makeImage(layers);
  whole.add(await whole.image(image), { name: "docker.io/app:1" });
  sparse.add(await sparse.image(image), { name: "docker.io/app:1" });
  const [below] = image.layers;
  assert(below);
  sparse.remove(below);
  const [tar, other] = [toBlob(sparse.entries()), toBlob(base.entries())];
  const expected = await readBack((await serveOne(toBlob(whole.entries()))).registry, "app", "1");
  for (const sources of [[tar, other], [other, tar]]) {
    const { storage, notices } = await openArchives(sources.map((source) => ({ source })));
    assertEquals(notices, []);
    assertEquals(await readBack(createRegistry({ storage }), "app", "1"), expected);
  }
});

test("openArchives() serves a sparse index as it is, and tells what is not there", async () => {
  const layout = new OciLayout();
  const here = withPlatform(await layout.image(await makeImage(["here"])), "linux/amd64");
  const away = withPlatform(await layout.image(await makeImage(["away"])), "linux/arm64");
  layout.add(await layout.indexOf([here, away]), { name: "docker.io/app:1" });
  layout.remove(away);
  const { registry, notices } = await serveOne(toBlob(layout.entries()), { name: "x.tar" });
  assertEquals(notices, [
    `app:1 cannot be pulled as a whole: "x.tar" lacks manifest ${away.digest}`,
  ]);
  assertEquals((await readBack(registry, "app", here.digest)).digest, here.digest);
  assertEquals((await call(registry, "GET", "/v2/app/manifests/1")).status, 200);
  assertEquals((await call(registry, "GET", `/v2/app/manifests/${away.digest}`)).status, 404);
});

test("openArchives() shows a blob in every repository that names it, and in no other", async () => {
  const shared = await makeLayer("shared");
  const [one, two] = [await makeImage([shared]), await makeImage([shared, "more"])];
  const { registry } = await serveOne(toBlob(dockerSave([
    { image: one, repoTags: ["a:1", "b:1"] },
    { image: two, repoTags: ["c:1"] },
    { image: await makeImage(["other"]), repoTags: ["d:1"] },
  ])));
  const status = async (repository: string) =>
    (await call(registry, "HEAD", `/v2/${repository}/blobs/${shared.digest}`)).status;
  assertEquals(await Promise.all(["a", "b", "c", "d"].map(status)), [200, 200, 200, 404]);
});

test("openArchives(): ranges and validators of blobs and manifests", async () => {
  const layer = await makeLayer(new Uint8Array(3_000_000).map((_, at) => at % 251));
  const tar = toBlob(dockerSave([{ image: await makeImage([layer]), repoTags: ["app:1"] }]));
  // What is no Blob goes as a stream.
  const { registry } = await serveOne(countReads(tar).source);
  const path = `/v2/app/blobs/${layer.digest}`;
  const part = await call(registry, "GET", path, null, { Range: "bytes=1000-2500000" });
  assertEquals([part.status, part.headers.get("Content-Range")], [
    206,
    `bytes 1000-2500000/${layer.bytes.length}`,
  ]);
  assertEquals(await part.bytes(), layer.bytes.slice(1000, 2_500_001));
  const whole = await call(registry, "GET", path);
  assertEquals(whole.headers.get("ETag"), `"${layer.digest}"`);
  assertEquals(await digestBytes(await whole.bytes()), layer.digest);
  const same = { "If-None-Match": `"${layer.digest}"` };
  assertEquals((await call(registry, "GET", path, null, same)).status, 304);
});

test("openArchives() gives what refuses to be written to, and so does its registry", async () => {
  const image = await makeImage(["a"]);
  const tar = toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));
  const { registry, storage } = await serveOne(tar);
  for (
    const [method, path] of [["POST", "blobs/uploads/"], ["PUT", "manifests/1"], [
      "DELETE",
      "manifests/1",
    ]]
  ) {
    assertEquals(await codes(await call(registry, `${method}`, `/v2/app/${path}`), 405), [
      "UNSUPPORTED",
    ]);
  }
  const digest = image.configDigest;
  const manifest = { digest, mediaType: OCI_MANIFEST, bytes: encode("{}") };
  const writes = [
    () => storage.createBlob(),
    () => storage.mountBlob("other", "app", digest),
    () => storage.deleteBlob("app", digest),
    () => storage.putManifest("app", manifest),
    () => storage.deleteManifest("app", digest),
    () => storage.deleteTag("app", "1"),
  ];
  for (const write of writes) {
    await assertRejects(write, TypeError, "they are read only");
  }
});

test("openArchives() refuses a compressed archive in one line that says what to do", async () => {
  const tar = toBlob(dockerSave([{ image: await makeImage(["a"]) }]));
  const packed = new Blob([await gzip(await tar.bytes())]);
  const error = await assertRejects(() => serveOne(packed, { name: "a.tar.gz" }), TypeError);
  assertEquals(
    error.message,
    'Cannot serve "a.tar.gz": it is compressed with gzip and can only be read from its start, ' +
      "expected a plain tar, as gzip -dk makes it",
  );
  assertClear(error);
});

test("openArchives() names the archive that cannot be used", async () => {
  const good = {
    source: toBlob(dockerSave([{ image: await makeImage(["a"]) }])),
    name: "good.tar",
  };
  const bad = { source: toBlob([{ path: "x", body: "y" }]), name: "bad.tar" };
  const error = await assertRejects(() => openArchives([good, bad]), ArchiveError);
  assert(error.message.startsWith('Cannot serve "bad.tar": '), error.message);
  assertClear(error);
});

test("openArchives() reads nothing of layers when it opens them, nor when a manifest is asked for", async () => {
  const layout = new OciLayout();
  const large = await makeLayer(new Uint8Array(4 * MIB).fill(7));
  const image = await makeImage([large]);
  layout.add(await layout.image(image), { name: "docker.io/app:1" });
  const plain = dockerSave([{ image, repoTags: ["app:1"] }]);
  for (const entries of [layout.entries(), plain]) {
    const counting = countReads(toBlob(entries));
    const { registry } = await serveOne(counting.source);
    assertEquals(await allTags(registry), ["app:1"]);
    const { status } = await call(registry, "GET", "/v2/app/manifests/1");
    assertEquals(status, 200);
    assert(counting.bytes() < MIB, `${counting.bytes()} bytes`);
  }
});

/** A source that is no Blob and counts what is read of it. */
function countReads(blob: Blob) {
  let reads = 0;
  let bytes = 0;
  const source: BlobSource = {
    size: blob.size,
    slice: (start, end) => ({
      stream: () => {
        reads++;
        bytes += end - start;
        return blob.slice(start, end).stream();
      },
    }),
  };
  return { source, reads: () => reads, bytes: () => bytes };
}

test("openArchives(): a source that ends early, or has changed, breaks the answer off and is told of", async () => {
  const layer = await makeLayer(new Uint8Array(3_000_000).fill(7));
  const tar = toBlob(dockerSave([{ image: await makeImage([layer]), repoTags: ["app:1"] }]));
  let change: "none" | "before" | "during" | "afterwards" | "shorter" = "none";
  let checks = 0;
  const source: BlobSource = {
    size: tar.size,
    slice: (start, end) => ({
      stream: () => tar.slice(start, change === "shorter" ? Math.min(end, 100_000) : end).stream(),
      checkUnchanged: () => {
        checks++;
        const isChanged = change === "before" || (change === "during" && checks > 1) ||
          (change === "afterwards" && checks > 2);
        return isChanged ? Promise.reject(new Error("it has changed")) : Promise.resolve();
      },
    }),
  };
  const { storage } = await openArchives([{ source }]);
  const errors: string[] = [];
  const onError = (error: unknown) => void errors.push((error as Error).message);
  const registry = createRegistry({ storage, onError });
  const get = async () => {
    checks = 0;
    const response = await call(registry, "GET", `/v2/app/blobs/${layer.digest}`);
    return { status: response.status, bytes: await response.bytes().catch(() => "broken off") };
  };
  for (change of ["none", "afterwards"] as const) {
    assertEquals(await digestBytes((await get()).bytes as Uint8Array<ArrayBuffer>), layer.digest);
  }
  change = "before";
  assertEquals((await get()).status, 500);
  change = "during";
  assertEquals(await get(), { status: 200, bytes: "broken off" });
  change = "shorter";
  assertEquals(await get(), { status: 200, bytes: "broken off" });
  assertEquals(errors.length, 3);
  assertEquals(errors.slice(0, 2), ["it has changed", "it has changed"]);
  assert(errors[2]?.includes("bytes early"), errors[2]);
});

test("openArchives() lets go of its source when a layer was read, and when nobody reads on", async () => {
  const layer = await makeLayer(new Uint8Array(3_000_000).fill(7));
  const tar = toBlob(dockerSave([{ image: await makeImage([layer]), repoTags: ["app:1"] }]));
  let open = 0;
  const source: BlobSource = {
    size: tar.size,
    slice: (start, end) => ({ stream: () => ReadableStream.from(pieces(start, end)) }),
  };
  async function* pieces(start: number, end: number) {
    open++;
    try {
      for (let at = start; at < end; at += MIB) {
        yield await tar.slice(at, Math.min(at + MIB, end)).bytes();
      }
    } finally {
      open--;
    }
  }
  const { storage } = await openArchives([{ source }]);
  const errors: unknown[] = [];
  const registry = createRegistry({ storage, onError: (error) => void errors.push(error) });
  const get = () => call(registry, "GET", `/v2/app/blobs/${layer.digest}`);
  assertEquals(await digestBytes(await (await get()).bytes()), layer.digest);
  assertEquals(open, 0);
  const reader = (await get()).body?.getReader();
  await reader?.read();
  const late = reader?.read();
  await reader?.cancel();
  await late;
  assertEquals([open, errors], [0, []]);
});
