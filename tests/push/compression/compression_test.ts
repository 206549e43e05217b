import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { sniffCompression } from "../../../src/codec/magic.ts";
import { DigestMismatchError, PushError } from "../../../src/errors.ts";
import {
  DOCKER_INDEX,
  DOCKER_LAYER,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
} from "../../../src/media_types.ts";
import { type PushOptions, resolveOptions } from "../../../src/push/options.ts";
import { type ArchiveInput, pushAll } from "../../../src/push/push_all.ts";
import { pushImage } from "../../../src/push/push.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import type { BlobSource } from "../../../src/source/blob_source.ts";
import {
  dockerSave,
  flipByte,
  halfNoise,
  layoutTar,
  makeImage,
  makeLayer,
  OciLayout,
  randomBytes,
  replaceBody,
  toBlob,
  withPlatform,
} from "../../helpers/archives.ts";
import { busyWhileTaking } from "../../helpers/busy_registry.ts";
import { assertClear, diffIdsOf, pushTo, readBack } from "../../helpers/expected.ts";
import { faultLayer, type SeenRequest } from "../../helpers/fault_layer.ts";
import { inPieces } from "../../helpers/findings.ts";
import { withValue } from "../../helpers/globals.ts";
import { keepEncoders } from "../../helpers/kept_encoders.ts";
import { writeTar } from "../../helpers/tar_writer.ts";
import { test } from "../../helpers/test.ts";

const TARGET = "localhost:5000/app:1";
const MIB = 1024 * 1024;
/** Too little to hold what the large layer becomes. */
const LITTLE: PushOptions = { memoryBudget: MIB, concurrency: 1, retry: { delay: 0 } };

const small = await makeLayer("small");
const large = await makeLayer(writeTar([{ path: "large", body: halfNoise(5 * MIB) }]));
const packed = await makeLayer("packed", "gzip");
/** It has not even a header that would become smaller, and is no file of any other kind. */
const noise = await makeLayer(randomBytes(3 * MIB).fill(0x55, 0, 4));
const image = await makeImage([small, large, packed]);
const DOCKER = toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));

for (const [what, open] of [["file", () => DOCKER], ["pipe", () => DOCKER.stream()]] as const) {
  for (const [how, memory] of [["held", {}], ["passing", LITTLE]] as const) {
    test(`pushImage() of a ${what} compresses layers with gzip, ${how}`, async () => {
      const registry = createRegistry();
      const options = { ...memory, compression: "gzip", fetch: registry } as const;
      const { images: [pushed], bytesUploaded } = await pushImage(open(), TARGET, options);
      const read = await readBack(registry, "app", "1");
      assertEquals(read.digest, pushed?.digest);
      const blobs = [...read.layers, ...read.config ? [read.config] : []];
      assertEquals(bytesUploaded, blobs.reduce((sum, { bytes }) => sum + bytes.length, 0));
      assertEquals([read.mediaType, read.config?.digest], [DOCKER_MANIFEST, image.configDigest]);
      assertEquals(
        read.layers.map(({ mediaType }) => mediaType),
        Array(3).fill(`${DOCKER_LAYER}.gzip`),
      );
      assertEquals(read.layers.map(({ bytes }) => sniffCompression(bytes)), Array(3).fill("gzip"));
      assertEquals(await diffIdsOf(read), image.layers.map(({ diffId }) => diffId));
      assertEquals(read.layers[2]?.digest, packed.digest, "what is compressed stays as it is");
      assert((read.layers[1]?.bytes.length ?? 0) < large.tar.length * 0.8);
    });
  }
}

test("pushImage() makes the same of a file and of a pipe, held or passing", async () => {
  const digests = new Set<string | undefined>();
  for (const source of [DOCKER, DOCKER.stream(), DOCKER, DOCKER.stream()]) {
    const options = { ...(digests.size > 0 ? LITTLE : {}), compression: "gzip" } as const;
    const { images } = await pushImage(source, TARGET, { ...options, fetch: createRegistry() });
    digests.add(images[0]?.digest);
  }
  assertEquals(digests.size, 1);
});

test("pushImage() compresses as well as the caller wants", async () => {
  const lengths: number[] = [];
  const text = Array.from({ length: 50_000 }, (_, at) => `${(at * at * 31) % 10_007}`).join(" ");
  const words = await makeImage([await makeLayer(writeTar([{ path: "words", body: text }]))]);
  const tar = toBlob(dockerSave([{ image: words, repoTags: ["app:1"] }]));
  for (const compressionLevel of [1, 9]) {
    const { registry } = await pushTo(tar, TARGET, { compression: "gzip", compressionLevel });
    lengths.push((await readBack(registry, "app", "1")).layers[0]?.bytes.length ?? 0);
  }
  const [low = 0, high = 0] = lengths;
  assert(high < low, `${high} bytes at level 9, ${low} at level 1`);
});

test("pushImage() with zstd writes OCI manifests", async () => {
  const { registry } = await pushTo(DOCKER, TARGET, { compression: "zstd", compressionLevel: 3 });
  const read = await readBack(registry, "app", "1");
  assertEquals(read.mediaType, OCI_MANIFEST);
  assertEquals(
    read.layers.map(({ mediaType }) => mediaType),
    [`${OCI_LAYER}+zstd`, `${OCI_LAYER}+zstd`, `${OCI_LAYER}+gzip`],
  );
  assertEquals(await diffIdsOf(read), image.layers.map(({ diffId }) => diffId));
});

test("pushImage() keeps layers that would become larger, whether they come once or not", async () => {
  const noisy = toBlob(dockerSave([{ image: await makeImage([noise, small]), repoTags: ["a:1"] }]));
  for (const source of [noisy, noisy.stream()]) {
    for (const options of [{}, LITTLE]) {
      const registry = createRegistry();
      await pushImage(source === noisy ? noisy : noisy.stream(), TARGET, {
        ...options,
        compression: "gzip",
        fetch: registry,
      });
      const read = await readBack(registry, "app", "1");
      assertEquals(read.layers[0]?.digest, noise.digest);
      assertEquals(
        read.layers.map(({ mediaType }) => mediaType),
        [DOCKER_LAYER, `${DOCKER_LAYER}.gzip`],
      );
    }
  }
});

test("pushImage() settles what becomes of a layer by the same bytes of a file and of a pipe, on any number of cores", async () => {
  const noise = randomBytes(5 * MIB).fill(0x55, 0, 4);
  const saving = (from: number, bytes: number) => noise.slice().fill(0, from, from + bytes);
  // What is saved is less than the rest may grow by, and comes early, late, or where it counts; the last is short.
  const contents = [
    ...[saving(512, 2_000), saving(4 * MIB, MIB), saving(3 * MIB, 50_000)],
    saving(512, 6_000).subarray(0, 3 * MIB),
  ];
  const layers = await Promise.all(contents.map((bytes) => makeLayer(bytes)));
  const tar = toBlob(dockerSave([{ image: await makeImage(layers), repoTags: ["app:1"] }]));
  const found = new Set<string>();
  for (const [cores, memory] of [[1, LITTLE], [6, {}]] as const) {
    await withValue(globalThis.navigator, "hardwareConcurrency", cores, async () => {
      for (const source of [tar, inPieces(tar, 65_537)]) {
        const { registry } = await pushTo(source, TARGET, { ...memory, compression: "zstd" });
        const read = await readBack(registry, "app", "1");
        found.add(read.layers.map(({ mediaType }) => mediaType).join());
      }
    });
  }
  const [plain, zstd] = [OCI_LAYER, `${OCI_LAYER}+zstd`];
  assertEquals([...found], [[plain, plain, zstd, zstd].join()]);
});

test("pushImage() of a pipe sends a layer as it is whose beginning alone would be held", async () => {
  const long = await makeLayer(randomBytes(6 * MIB).fill(0x55, 0, 4));
  const tar = toBlob(dockerSave([{ image: await makeImage([long]), repoTags: ["a:1"] }]));
  await withValue(globalThis.navigator, "hardwareConcurrency", 1, async () => {
    const pipe = inPieces(tar, 65_536);
    const { registry } = await pushTo(pipe, TARGET, { ...LITTLE, compression: "gzip" });
    assertEquals((await readBack(registry, "app", "1")).layers[0]?.digest, long.digest);
  });
});

test("pushImage() of a pipe commits no compressed layer of an image that is not wanted", async () => {
  const other = await makeImage([
    await makeLayer(writeTar([{ path: "other", body: halfNoise(5 * MIB) }])),
  ]);
  const wanted = await makeImage([large]);
  const tar = toBlob(dockerSave([
    { image: other, repoTags: ["other:1"] },
    { image: wanted, repoTags: ["app:1"] },
  ]));
  const registry = createRegistry();
  const layer = faultLayer(registry);
  const options = { ...LITTLE, compression: "gzip", images: ["app:1"] } as const;
  await pushImage(tar.stream(), TARGET, { ...options, fetch: layer.fetch });
  const read = await readBack(registry, "app", "1");
  assertEquals(await diffIdsOf(read), [large.diffId]);
  const committed = layer.seen.filter(({ method, path }) =>
    method === "PUT" && path.includes("/blobs/")
  );
  assertEquals(committed.length, 2);
});

test("pushImage() ends the workers that it started", async () => {
  let running = 0;
  class Counted extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      running++;
    }
    override terminate(): void {
      running--;
      super.terminate();
    }
  }
  for (const source of [DOCKER, DOCKER.stream()]) {
    await withValue(globalThis, "Worker", Counted, async () => {
      await pushTo(source, TARGET, { compression: "gzip", compressionLevel: 3 });
    });
    assertEquals(running, 0);
  }
});

test("pushImage() finds at a second push what the first has compressed", async () => {
  for (const compression of ["gzip", "zstd"] as const) {
    const registry = createRegistry();
    const first = await pushTo(DOCKER, TARGET, { compression, fetch: registry });
    assertEquals(first.warnings, []);
    const layer = faultLayer(registry);
    const { result, warnings } = await pushTo(DOCKER, TARGET, { compression, fetch: layer.fetch });
    assertEquals(result.bytesUploaded, 0);
    assertEquals(result.images[0]?.blobs.map(({ status }) => status), Array(4).fill("exists"));
    assertEquals(layer.lines().filter((line) => !/^(GET|HEAD) /.test(line)), []);
    assert(result.bytesRead < MIB, `${result.bytesRead} bytes were read`);
    assertEquals(warnings, []);
  }
});

test("pushImage() compresses again what a repository lost, and what only changed layers tell", async () => {
  const registry = createRegistry({ allowDelete: true });
  const first = await pushTo(DOCKER, TARGET, { compression: "gzip", fetch: registry });
  const lost = first.result.images[0]?.blobs[1]?.digest;
  await registry(new Request(`http://localhost:5000/v2/app/blobs/${lost}`, { method: "DELETE" }));
  const again = await pushTo(DOCKER, TARGET, { compression: "gzip", fetch: registry });
  assertEquals(again.result.images[0]?.digest, first.result.images[0]?.digest);
  assertMatch(
    again.warnings.join(),
    /does not tell what 1 layer becomes with gzip: compressed anew/,
  );
  const other = await makeImage([small, large, await makeLayer("another")]);
  const tar = toBlob(dockerSave([{ image: other, repoTags: ["app:1"] }]));
  const { result } = await pushTo(tar, TARGET, { compression: "gzip", fetch: registry });
  const status = result.images[0]?.blobs.map(({ status }) => status);
  assertEquals(status?.filter((each) => each === "exists").length, 2);
});

test("pushImage() makes the same again where an archive has one content plain and compressed", async () => {
  const tar = await layoutTar(await makeImage([small, await makeLayer(small.tar, "gzip")]));
  for (const open of [() => tar, () => tar.stream()]) {
    const options = { compression: "gzip", fetch: createRegistry() } as const;
    const { images: [first] } = await pushImage(open(), TARGET, options);
    const { images: [second], bytesUploaded } = await pushImage(open(), TARGET, options);
    assertEquals([second?.digest, second?.status], [first?.digest, "exists"]);
    assertEquals(bytesUploaded, 0);
  }
});

test("pushImage() of a pipe finds what layers with names became", async () => {
  const registry = createRegistry();
  const tar = await layoutTar(image);
  await pushTo(tar, TARGET, { compression: "gzip", fetch: registry });
  const options = { compression: "gzip", fetch: registry } as const;
  const { bytesUploaded } = await pushImage(tar.stream(), TARGET, options);
  assertEquals(bytesUploaded, 0);
});

test("pushImage() rewrites an archive's own manifest and keeps the rest of it", async () => {
  const layout = new OciLayout();
  const annotations = { "org.example.note": "kept" };
  layout.add(await layout.image(image, { annotations }), { ref: "1" });
  const { registry } = await pushTo(layout.entries(), TARGET, { compression: "gzip" });
  const read = await readBack(registry, "app", "1");
  assertEquals(read.json.annotations, annotations);
  assertEquals([read.mediaType, read.config?.digest], [OCI_MANIFEST, image.configDigest]);
  assertEquals(read.layers.map(({ mediaType }) => mediaType), Array(3).fill(`${OCI_LAYER}+gzip`));
  assertEquals(await diffIdsOf(read), image.layers.map(({ diffId }) => diffId));
});

test("pushImage() rewrites an index as a whole and leaves attestations out of what changes", async () => {
  const { layout, done } = await makeIndex();
  const { registry, warnings } = await pushTo(layout.entries(), TARGET, { compression: "gzip" });
  const read = await readBack(registry, "app", "1");
  assertEquals(read.mediaType, OCI_INDEX);
  assertEquals(
    read.json.manifests.map(({ platform }: { platform: { architecture: string } }) =>
      platform.architecture
    ),
    ["amd64", "arm64", "unknown"],
  );
  const [amd64, arm64, attestation] = read.json.manifests;
  assertEquals(
    arm64.digest,
    done.digest,
    "what is compressed keeps its digest and its attestation",
  );
  assertEquals(attestation.annotations["vnd.docker.reference.digest"], arm64.digest);
  assertNotEquals(amd64.digest, arm64.digest);
  assertMatch(warnings.join(), /2 attestations are left out: compressed, what they are about/);
  for (const { json } of read.children.slice(0, 1)) {
    for (const { mediaType } of json.layers) assertEquals(mediaType, `${OCI_LAYER}+gzip`);
  }
});

test("pushImage() compresses plain layers that are called compressed, also where they stand so", async () => {
  const layout = new OciLayout();
  const config = await layout.blob(image.config, OCI_CONFIG);
  const layers = [];
  for (const { bytes } of image.layers) layers.push(await layout.blob(bytes, `${OCI_LAYER}+gzip`));
  const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers };
  layout.add(await layout.document(manifest, OCI_MANIFEST), { ref: "1" });
  const tar = toBlob(layout.entries());
  for (const open of [() => tar, () => tar.stream()]) {
    const registry = createRegistry();
    await pushImage(tar, TARGET, { fetch: registry });
    await pushImage(open(), TARGET, { compression: "gzip", fetch: registry });
    const read = await readBack(registry, "app", "1");
    assertEquals(read.layers.map(({ bytes }) => sniffCompression(bytes)), Array(3).fill("gzip"));
    assertEquals(await diffIdsOf(read), image.layers.map(({ diffId }) => diffId));
  }
});

test("pushImage() compresses one content as each manifest that has it wants it", async () => {
  const layout = new OciLayout();
  const config = await layout.blob(image.config, OCI_CONFIG);
  const manifestOf = async (mediaType: string, layerTypes: string[], members = {}) => {
    const layers = [];
    for (const type of layerTypes) layers.push(await layout.blob(small.bytes, type));
    const json = { schemaVersion: 2, mediaType, config, layers, ...members };
    return await layout.document(json, mediaType);
  };
  const kept = OCI_LAYER.replace("layer", "layer.nondistributable");
  const artifactType = "application/vnd.example";
  const manifests = [
    await manifestOf(OCI_MANIFEST, [OCI_LAYER, kept]),
    await manifestOf(DOCKER_MANIFEST, [DOCKER_LAYER]),
    await manifestOf(OCI_MANIFEST, [OCI_LAYER], { artifactType }),
  ];
  layout.add(await layout.indexOf(manifests), { ref: "1" });
  const { registry } = await pushTo(layout.entries(), TARGET, { compression: "gzip" });
  const { children: [oci, docker, artifact] } = await readBack(registry, "app", "1");
  const typesOf = (read = oci) => read?.layers.map(({ mediaType }) => mediaType);
  assertEquals(typesOf(), [`${OCI_LAYER}+gzip`, kept]);
  assertEquals(oci?.layers[1]?.digest, small.digest);
  assertEquals(typesOf(docker), [`${DOCKER_LAYER}.gzip`]);
  assertEquals(artifact?.digest, manifests[2]?.digest);
});

test("pushImage() makes an OCI index of a manifest list whose layers become zstd", async () => {
  const { layout } = await makeIndex();
  const docker = new OciLayout();
  for (const [path, bytes] of layout.blobs) docker.blobs.set(path, bytes);
  const plain = await docker.image(await makeImage(["a plain one"]), {
    mediaType: DOCKER_MANIFEST,
  });
  const child = withPlatform({ ...plain, mediaType: DOCKER_MANIFEST }, "linux/amd64");
  docker.add(
    await docker.document(
      { schemaVersion: 2, mediaType: DOCKER_INDEX, manifests: [child] },
      DOCKER_INDEX,
    ),
    { ref: "1" },
  );
  const { registry } = await pushTo(docker.entries(), TARGET, { compression: "zstd" });
  const read = await readBack(registry, "app", "1");
  assertEquals([read.mediaType, read.children[0]?.mediaType], [OCI_INDEX, OCI_MANIFEST]);
});

test("pushImage() leaves artifacts and layers of other kinds as they are", async () => {
  const layout = new OciLayout();
  const config = await layout.document({}, "application/vnd.example.config+json");
  const layers = [await layout.blob(large.tar, OCI_LAYER)];
  const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers };
  const made = await layout.document(manifest, OCI_MANIFEST);
  layout.add(made, { ref: "1" });
  const { registry } = await pushTo(layout.entries(), TARGET, { compression: "gzip" });
  assertEquals((await readBack(registry, "app", "1")).digest, made.digest);
});

test("pushImage() keeps layers that are encrypted, foreign, named by annotations or none, and those of an artifact", async () => {
  await using _encoders = await keepEncoders();
  const other = new OciLayout();
  const layerOf = async (type: string) => ({ layers: [await other.blob(large.tar, type)] });
  const plain = await other.blob(large.tar, OCI_LAYER);
  const blobDigest = { "containerd.io/snapshot/overlaybd/blob-digest": plain.digest };
  const kinds: Record<string, unknown>[] = [
    { layers: [{ ...plain, annotations: blobDigest }] },
    { annotations: { "org.example.last-layer": plain.digest } },
    { artifactType: "application/vnd.example" },
    await layerOf(`${OCI_LAYER}+encrypted`),
    await layerOf("application/vnd.oci.image.layer.nondistributable.v1.tar"),
    await layerOf("application/vnd.example.layer"),
  ];
  for (const members of kinds) {
    const layout = new OciLayout();
    const made = await layout.image(await makeImage([large]), members);
    layout.add(made, { ref: "1" });
    const { result } = await pushTo(layout.entries(), TARGET, { compression: "gzip" });
    assertEquals(result.images[0]?.digest, made.digest, JSON.stringify(members));
    // What a pipe has is compressed before that is known.
    for (const more of [{}, LITTLE, { ...LITTLE, images: ["1"] }]) {
      const fetch = createRegistry();
      const options = { ...more, compression: "gzip", fetch } as const;
      const passed = await pushImage(toBlob(layout.entries()).stream(), TARGET, options);
      assertEquals(passed.images[0]?.digest, made.digest, JSON.stringify(members));
      await readBack(fetch, "app", "1");
    }
  }
});

test("pushImage() of a pipe reads back what was compressed before it sends it as it is", async () => {
  const layout = new OciLayout();
  const members = { artifactType: "application/vnd.example" };
  layout.add(await layout.image(await makeImage([large]), members), { ref: "1" });
  const registry = createRegistry();
  const { fetch, refused } = busyWhileTaking(registry);
  const options = { ...LITTLE, compression: "gzip", fetch } as const;
  await pushImage(toBlob(layout.entries()).stream(), TARGET, options);
  assertEquals(refused, []);
  await readBack(registry, "app", "1");
});

test("pushImage() of a pipe keeps a foreign layer of an image that goes elsewhere than the first", async () => {
  const layout = new OciLayout();
  for (const name of ["one", "two"]) {
    const layer = await makeLayer(writeTar([{ path: name, body: halfNoise(3 * MIB) }]));
    const { digest, size } = await layout.blob(layer.tar, OCI_LAYER);
    const mediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar";
    const members = { layers: [{ mediaType, digest, size, urls: ["https://example.org/"] }] };
    const image = await makeImage([layer]);
    layout.add(await layout.image(image, members), { name: `${name}:1` });
  }
  for (const more of [{}, LITTLE]) {
    const fetch = createRegistry();
    const options = { ...more, compression: "zstd", fetch } as const;
    const entries = layout.entries().toSorted((a, b) =>
      (a.body?.length ?? 0) - (b.body?.length ?? 0)
    );
    await pushImage(toBlob(entries).stream(), "localhost:5000", options);
    for (const name of ["one", "two"]) await readBack(fetch, name, "1");
  }
});

test("pushImage() tells that an image that is compressed goes under no digest that it had before", async () => {
  const layout = new OciLayout();
  const before = await layout.image(image);
  layout.add(before, { ref: "1" });
  const target = `localhost:5000/app@${before.digest}`;
  const error = await assertRejects(
    () => pushTo(layout.entries(), target, { compression: "gzip" }),
    DigestMismatchError,
    `expected ${before.digest}`,
  );
  assertMatch(error.hint ?? "", /the digest of the image as it is, .*name a tag instead/);
});

test("pushImage() compresses a signed image only where it is forced to", async () => {
  const { layout, signed } = await makeSigned();
  const tar = toBlob(layout.entries());
  const kept = await pushTo(tar, TARGET, { compression: "gzip" });
  const read = await readBack(kept.registry, "app", "1");
  assertEquals(read.digest, signed.digest);
  assertMatch(
    kept.warnings.join(),
    /1 signature or the like is about its digest.*--force-compress/,
  );
  const forced = await pushTo(tar, TARGET, { compression: "gzip", forceCompress: true });
  const changed = await readBack(forced.registry, "app", "1");
  assertNotEquals(changed.digest, signed.digest);
  assertStringIncludes(
    forced.warnings.join(),
    `compressed, the image is ${changed.digest} and no longer ${signed.digest}`,
  );
  assertEquals(forced.result.images[0]?.beside, undefined);
});

test("pushImage() of a pipe says that signatures came after what they are about", async () => {
  const { layout } = await makeSigned();
  const tar = toBlob(layout.entries());
  const fetch = createRegistry();
  const error = await assertRejects(
    () => pushImage(tar.stream(), TARGET, { compression: "gzip", fetch }),
    PushError,
    "its layers were compressed when they passed",
  );
  assertClear(error);
  assertMatch(error.hint ?? "", /--force-compress/);
  const options = { compression: "gzip", forceCompress: true, fetch } as const;
  await pushImage(tar.stream(), TARGET, options);
  await readBack(fetch, "app", "1");
});

test("pushImage() compresses no layer that has another digest than its name or config says", async () => {
  await using _encoders = await keepEncoders();
  const path = `01${large.digest.slice("sha256:".length + 2)}/layer.tar`;
  const entries = dockerSave([{ image, repoTags: ["app:1"] }]);
  const broken = toBlob(replaceBody(entries, path, flipByte(large.tar, 3 * MIB)));
  const layout = await OciLayout.of(image);
  layout.blobs.set(`blobs/sha256/${large.digest.slice(7)}`, flipByte(large.tar, 3 * MIB));
  for (const tar of [broken, toBlob(layout.entries())]) {
    for (const source of [() => tar, () => tar.stream()]) {
      for (const memory of [{}, LITTLE, { ...LITTLE, dryRun: true }]) {
        const registry = createRegistry();
        const layer = faultLayer(registry);
        const error = await assertRejects(
          () => pushImage(source(), TARGET, { ...memory, compression: "gzip", fetch: layer.fetch }),
          DigestMismatchError,
        );
        assertClear(error);
        assert(!layer.lines().some((line) => /^PUT .*manifests/.test(line)));
      }
    }
  }
});

for (const [what, open] of [["file", () => DOCKER], ["pipe", () => DOCKER.stream()]] as const) {
  test(`pushImage() of a ${what} sends a layer again that broke while it was compressed`, async () => {
    const registry = createRegistry();
    let failures = 1;
    const isFirst = ({ method }: SeenRequest) => method === "PATCH" && failures-- > 0;
    const after = what === "file" ? 2 * MIB : 100_000;
    const layer = faultLayer(
      registry,
      (request) => isFirst(request) ? { kind: "cut-body", after } : undefined,
    );
    const memory = { ...LITTLE, memoryBudget: what === "file" ? MIB : 2 * MIB };
    await pushImage(open(), TARGET, { ...memory, compression: "gzip", fetch: layer.fetch });
    const read = await readBack(registry, "app", "1");
    assertEquals(await diffIdsOf(read), image.layers.map(({ diffId }) => diffId));
    assert(failures < 1, "nothing was cut");
  });
}

test("pushImage() checks a layer that is compressed again, too", async () => {
  const path = `01${large.digest.slice("sha256:".length + 2)}/layer.tar`;
  const entries = dockerSave([{ image, repoTags: ["app:1"] }]);
  const broken = toBlob(replaceBody(entries, path, flipByte(large.tar, 4 * MIB)));
  let failures = 1;
  const layer = faultLayer(
    createRegistry(),
    ({ method }) =>
      method === "PATCH" && failures-- > 0 ? { kind: "cut-body", after: 2 * MIB } : undefined,
  );
  const options = { ...LITTLE, compression: "gzip", fetch: layer.fetch } as const;
  await assertRejects(() => pushImage(broken, TARGET, options), DigestMismatchError);
  assert(failures < 1, "nothing was cut");
});

test("pushImage() with chunks sends a layer while it is compressed", async () => {
  for (const source of [DOCKER, DOCKER.stream()]) {
    const registry = createRegistry();
    const layer = faultLayer(registry);
    const options = { ...LITTLE, chunkSize: 700_000, compression: "gzip" } as const;
    await pushImage(source, TARGET, { ...options, fetch: layer.fetch });
    const read = await readBack(registry, "app", "1");
    assertEquals(await diffIdsOf(read), image.layers.map(({ diffId }) => diffId));
    assert(layer.lines().filter((line) => line.startsWith("PATCH")).length > 3);
  }
});

test("pushImage() writes nothing in a dry run and tells the digest", async () => {
  const { result } = await pushTo(DOCKER, TARGET, { compression: "gzip" });
  for (const memory of [{}, LITTLE]) {
    const layer = faultLayer(createRegistry());
    const options = { ...memory, compression: "gzip", dryRun: true } as const;
    const dry = await pushImage(DOCKER, TARGET, { ...options, fetch: layer.fetch });
    assertEquals(dry.images[0]?.digest, result.images[0]?.digest);
    assertEquals(layer.lines().filter((line) => !/^(GET|HEAD) /.test(line)), []);
  }
});

test("pushImage() sends nothing where a tag is left as it is, and knows its own", async () => {
  const registry = createRegistry();
  const options = { compression: "gzip", onExisting: "skip", fetch: registry } as const;
  const { images } = await pushImage(DOCKER, TARGET, options);
  assertEquals(images.length, 1);
  assertEquals((await pushImage(DOCKER, TARGET, options)).images[0]?.digest, images[0]?.digest);
  const other = toBlob(dockerSave([{ image: await makeImage([large, "other"]), repoTags: null }]));
  const layer = faultLayer(registry);
  const left = await pushTo(other, TARGET, { ...options, fetch: layer.fetch });
  assertEquals(left.result.images, []);
  assertMatch(left.warnings.join(), /is left as it is/);
  assertEquals(layer.lines().filter((line) => !/^(GET|HEAD) /.test(line)), []);
});

test("pushImage() compresses a layer once for several places", async () => {
  const registry = createRegistry();
  const targets = [TARGET, "localhost:5000/other:1", "localhost:5000/app:2"];
  for (const target of targets) await pushImage(DOCKER, target, { fetch: registry });
  const { result: { images }, warnings } = await pushTo(DOCKER, targets, {
    compression: "gzip",
    fetch: registry,
  });
  assertEquals(warnings.length, 1, warnings.join("\n"));
  assertEquals(new Set(images.map(({ digest }) => digest)).size, 1);
  for (const name of ["app", "other"]) await readBack(registry, name, "1");
});

test("pushAll() compresses a layer once that several archives hold", async () => {
  const registry = createRegistry();
  const tars = await Promise.all(["a", "b", "c"].map(async (name) => {
    const made = await makeImage([large, name]);
    return toBlob(dockerSave([{ image: made, repoTags: [`${name}:1`] }]));
  }));
  let [sent, bytesRead] = [0, 0];
  for await (
    const result of pushAll(tars, "localhost:5000", { compression: "gzip", fetch: registry })
  ) {
    assert(result.status === "pushed");
    sent += result.bytesUploaded;
    bytesRead += result.bytesRead;
  }
  for (const name of ["a", "b", "c"]) await readBack(registry, name, "1");
  assert(sent < large.tar.length, `${sent} bytes were sent`);
  assert(bytesRead < 2 * large.tar.length, `${bytesRead} bytes were read`);
});

test("pushAll() compresses a layer from another archive where the first has it damaged", async () => {
  const registry = createRegistry();
  const tarOf = async (name: string) =>
    dockerSave([{ image: await makeImage([large, name]), repoTags: [`${name}:1`] }]);
  const path = (await tarOf("bad")).find(({ body }) => body === large.tar)?.path ?? "";
  const bad = toBlob(replaceBody(await tarOf("bad"), path, flipByte(large.tar, 3 * MIB)));
  // The others come to the layer when the first is at it, and not before.
  const begun = Promise.withResolvers<void>();
  const first: BlobSource = {
    size: bad.size,
    slice(start, end) {
      if (end - start > MIB) begun.resolve();
      return bad.slice(start, end);
    },
  };
  const good = ["a", "b"].map((name): ArchiveInput => ({
    source: () => begun.promise.then(async () => toBlob(await tarOf(name))),
  }));
  const options = { compression: "gzip", fetch: registry } as const;
  const statuses: string[] = [];
  for await (const { status } of pushAll([first, ...good], "localhost:5000", options)) {
    statuses.push(status);
  }
  assertEquals(statuses.toSorted(), ["failed", "pushed", "pushed"]);
  for (const name of ["a", "b"]) await readBack(registry, name, "1");
});

test("pushImage() with auto pushes layers as they are where the link is fast, and says so", async () => {
  // A clock on which nothing takes any time.
  const options = { compression: "auto", retry: { now: () => 0 } } as const;
  const registry = createRegistry();
  const layer = faultLayer(registry);
  const { warnings } = await pushTo(DOCKER, TARGET, { ...options, fetch: layer.fetch });
  assertMatch(warnings.join(), /^layers are pushed as they are: the link takes \d+ MB\/s/);
  assertEquals((await readBack(registry, "app", "1")).layers[1]?.digest, large.digest);
  // What the link was measured by is given up again.
  assertEquals(layer.lines().filter((line) => line.startsWith("DELETE ")).length, 4);
});

test("pushImage() with auto compresses where the link is slow, from a file and from a pipe", async () => {
  for (const source of [DOCKER, DOCKER.stream()]) {
    const registry = createRegistry();
    // A clock on which each request with a body takes a minute.
    let time = 0;
    const layer = faultLayer(registry, ({ method }) => {
      if (method === "PATCH") time += 60_000;
      return undefined;
    });
    const { warnings } = await pushTo(source, TARGET, {
      compression: "auto",
      retry: { now: () => time++ },
      fetch: layer.fetch,
    });
    assertMatch(
      warnings.join(),
      /^layers are compressed with gzip, level \d: the link takes 1 MB\/s/,
    );
    const read = await readBack(registry, "app", "1");
    assertEquals(sniffCompression(read.layers[1]?.bytes ?? new Uint8Array(0)), "gzip");
    assertEquals(await diffIdsOf(read), image.layers.map(({ diffId }) => diffId));
    assertEquals(layer.lines().filter((line) => line.startsWith("DELETE ")).length, 1);
  }
});

test("pushImage() with auto is not told by a short layer that comes first in a pipe", async () => {
  const layout = await OciLayout.of(image);
  const lengthOf = ({ body }: { body?: { length: number } }) => body?.length ?? 0;
  const tar = toBlob(layout.entries().toSorted((a, b) => lengthOf(a) - lengthOf(b)));
  let time = 0;
  const layer = faultLayer(createRegistry(), ({ method }) => {
    if (method === "PATCH") time += 60_000;
    return undefined;
  });
  const options = {
    compression: "auto",
    retry: { now: () => time++ },
    fetch: layer.fetch,
  } as const;
  const { warnings } = await pushTo(tar.stream(), TARGET, options);
  const [, percent] = /to (\d+)%/.exec(warnings.join()) ?? [];
  assert(Number(percent) > 40, warnings.join());
});

test("pushAll() with auto measures the link once for all archives", async () => {
  const registry = createRegistry();
  let time = 0;
  let measured = 0;
  const layer = faultLayer(registry, ({ method }) => {
    if (method === "PATCH") {
      time += 60_000;
      measured++;
    }
    return undefined;
  });
  const tars = await Promise.all(["a", "b", "c"].map(async (name) => {
    const tar = writeTar([{ path: name, body: new Uint8Array(100_000).fill(name.charCodeAt(0)) }]);
    const made = await makeImage([await makeLayer(tar)]);
    return toBlob(dockerSave([{ image: made, repoTags: [`${name}:1`] }]));
  }));
  const options = {
    compression: "auto",
    retry: { now: () => time++ },
    fetch: layer.fetch,
  } as const;
  for await (const { status } of pushAll(tars, "localhost:5000", options)) {
    assertEquals(status, "pushed");
  }
  assertEquals(measured, 1);
  for (const name of ["a", "b", "c"]) {
    const { layers: [made] } = await readBack(registry, name, "1");
    assertEquals(sniffCompression(made?.bytes ?? new Uint8Array(0)), "gzip");
  }
});

test("pushImage() pushes on where the link cannot be measured", async () => {
  const registry = createRegistry();
  let isFirst = true;
  const layer = faultLayer(registry, ({ method }) => {
    if (method !== "PATCH" || !isFirst) return undefined;
    isFirst = false;
    return { kind: "answer", answer: () => new Response(null, { status: 413 }) };
  });
  const { warnings } = await pushTo(DOCKER, TARGET, { compression: "auto", fetch: layer.fetch });
  assertMatch(warnings.join(), /could not be measured/);
  await readBack(registry, "app", "1");
});

test("resolveOptions() refuses options of compression that make no sense", () => {
  const refused: [PushOptions, typeof RangeError | typeof TypeError, string][] = [
    [{ compression: "gzip", compressionLevel: 10 }, RangeError, "from 1 to 9"],
    [{ compression: "zstd", compressionLevel: 13 }, RangeError, "from 1 to 12"],
    [{ compression: "gzip", compressionLevel: 1.5 }, RangeError, "from 1 to 9"],
    [{ compressionLevel: 1 }, TypeError, 'compression is "keep"'],
    [{ forceCompress: true }, TypeError, 'compression is "keep"'],
    [{ compression: "zstd", manifestType: "docker" }, TypeError, "can say zstd"],
  ];
  for (const [options, error, message] of refused) {
    assertThrows(() => resolveOptions(options), error, message);
  }
});

/** An index of a plain image and of one that is compressed, with an attestation of each. */
async function makeIndex() {
  const layout = new OciLayout();
  const plain = await layout.image(image);
  const done = await layout.image(await makeImage([packed], { platform: "linux/arm64" }));
  layout.add(
    await layout.indexOf([
      withPlatform(plain, "linux/amd64"),
      withPlatform(done, "linux/arm64"),
      await layout.attestation(plain),
      await layout.artifact("an SBOM", "application/spdx+json", { subject: plain }),
      await layout.attestation(done),
    ]),
    { ref: "1" },
  );
  return { layout, done };
}

/** A plain image and a signature that names it as its subject. */
async function makeSigned() {
  const layout = new OciLayout();
  const signed = await layout.image(image);
  layout.add(signed, { ref: "1" });
  const { mediaType = OCI_MANIFEST, digest, size } = signed;
  layout.add(
    await layout.artifact("a signature", "application/vnd.example.signature", {
      subject: { mediaType, digest, size },
    }),
  );
  return { layout, signed };
}
