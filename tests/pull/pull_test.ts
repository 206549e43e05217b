import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Digest, digestBytes } from "../../src/digest.ts";
import { DigestMismatchError, NetworkError, OciError, RegistryError } from "../../src/errors.ts";
import { openArchive } from "../../src/image/archive.ts";
import { DOCKER_CONFIG, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from "../../src/media_types.ts";
import type { PullEvent } from "../../src/pull/events.ts";
import type { PullOptions } from "../../src/pull/options.ts";
import { MAX_HELD_BYTES } from "../../src/pull/read_ahead.ts";
import { pullImage } from "../../src/pull/pull.ts";
import { pushImage } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  encode,
  makeImage,
  makeLayer,
  OciLayout,
  toBlob,
  withPlatform,
} from "../helpers/archives.ts";
import { assertClear, readBack } from "../helpers/expected.ts";
import { type Fault, faultLayer, type SeenRequest } from "../helpers/fault_layer.ts";
import { test } from "../helpers/test.ts";
import { Shelf } from "../registry/shelf.ts";

const NAME = "localhost:5000/team/app:1";
const FAST: PullOptions = { retry: { attempts: 3, delay: 1, maxDelay: 1 } };
const LARGE = new Uint8Array(300_000).map((_, at) => at * 31 + (at >> 8));

/** A registry with an image of a small and a large layer. */
async function withImage(content = LARGE) {
  const registry = createRegistry();
  const layout = new OciLayout();
  const large = await makeLayer(content);
  const image = await makeImage(["small", large]);
  layout.add(await layout.image(image), { ref: "1" });
  const { images } = await pushImage(toBlob(layout.entries()), NAME, { fetch: registry });
  const digest = images[0]?.digest;
  assert(digest);
  return { registry, digest, image, large };
}

/** A registry with an index of platforms and an attestation for each. */
async function withIndex(...platforms: string[]) {
  const registry = createRegistry();
  const layout = new OciLayout();
  const children: Record<string, Digest> = {};
  const entries = [];
  for (const platform of platforms) {
    const child = withPlatform(
      await layout.image(await makeImage(["base", platform], { platform })),
      platform,
    );
    children[platform] = child.digest;
    entries.push(child, await layout.attestation(child));
  }
  layout.add(await layout.indexOf(entries), { ref: "1" });
  await pushImage(toBlob(layout.entries()), NAME, { fetch: registry });
  return { registry, children };
}

async function pull(fetch: FetchHandler, options: PullOptions = {}, reference = NAME) {
  const events: PullEvent[] = [];
  const stream = pullImage(reference, {
    ...FAST,
    ...options,
    fetch,
    onEvent: (event) => void events.push(event),
  });
  const tar = await new Response(stream).blob();
  const warnings = events.flatMap((event) => event.type === "warning" ? [event.message] : []);
  return { tar, events, warnings, archive: await openArchive(tar) };
}

/** Pulls what must fail; what came before the failure has no end. */
async function pullFails<E extends Error>(
  fetch: FetchHandler,
  // deno-lint-ignore no-explicit-any
  errorClass: abstract new (...args: any[]) => E,
  message: string,
  { reference = NAME, ...options }: PullOptions & { reference?: string } = {},
): Promise<{ error: E; received: number }> {
  let received = 0;
  let last: Uint8Array = new Uint8Array(0);
  const error = await assertRejects(
    async () => {
      for await (const piece of pullImage(reference, { ...FAST, ...options, fetch })) {
        received += piece.length;
        last = piece;
      }
    },
    errorClass,
    message,
  );
  assertClear(error);
  assert(!(last.length === 1024 && last.every((byte) => byte === 0)), "the tar has an end");
  return { error, received };
}

const isBlob = ({ path }: SeenRequest) => path.includes("/blobs/");
const once = (applies: (request: SeenRequest) => boolean, fault: Fault) => {
  let left = 1;
  return (request: SeenRequest) => applies(request) && left-- > 0 ? fault : undefined;
};

// What it writes

test("pullImage() gives an archive that a push takes elsewhere, with the same digest and name", async () => {
  const { registry, digest, large } = await withImage();
  for (const format of ["docker", "oci"] as const) {
    const { tar, archive, warnings } = await pull(registry, { format });
    assertEquals([archive.images.length, archive.images[0]?.names, warnings], [1, [NAME], []]);
    assertEquals(archive.dialect, format === "docker" ? "docker+oci" : "oci");
    const other = createRegistry();
    const { images } = await pushImage(tar, "localhost:6000", { fetch: other });
    assertEquals(
      images.map(({ reference, digest }) => [reference, digest]),
      [["localhost:6000/team/app:1", digest]],
    );
    const read = await readBack(other, "team/app", "1");
    assertEquals(read.layers[1]?.bytes, large.bytes);
  }
});

test("pullImage() gives the same bytes each time, and says before how many", async () => {
  const { registry, digest } = await withImage();
  const first = await pull(registry);
  assertEquals(await first.tar.bytes(), await (await pull(registry)).tar.bytes());
  const [plan] = first.events;
  assert(plan?.type === "plan");
  assertEquals([plan.images, plan.size], [
    [{ reference: NAME, digest, mediaType: OCI_MANIFEST }],
    first.tar.size,
  ]);
});

test("pullImage() tells of every blob: start, progress and end", async () => {
  const { registry, image } = await withImage();
  const { events } = await pull(registry);
  const [plan, ...rest] = events;
  assert(plan?.type === "plan");
  const digests = [image.configDigest, ...image.layers.map(({ digest }) => digest)];
  assertEquals(plan.blobs, 3);
  const starts = rest.flatMap((event) => event.type === "blob-start" ? [event] : []);
  const ends = rest.flatMap((event) => event.type === "blob-done" ? [event] : []);
  assertEquals(starts.map(({ digest }) => digest), digests);
  assertEquals(ends.map(({ digest }) => digest), digests);
  assertEquals(ends.reduce((sum, { size }) => sum + size, 0), plan.bytes);
});

test("pullImage() asks for nothing before the first read, and for each blob once", async () => {
  const { registry } = await withImage();
  const layer = faultLayer(registry);
  const stream = pullImage(NAME, { fetch: layer.fetch });
  assertEquals(layer.lines(), []);
  await new Response(stream).blob();
  assertEquals(layer.lines(), [
    "GET team/app/manifests/1",
    "GET team/app/blobs/DIGEST",
    "GET team/app/blobs/DIGEST",
    "GET team/app/blobs/DIGEST",
  ]);
});

test("pullImage() names the image latest without a tag, and by its digest where that is asked for", async () => {
  const { registry, digest } = await withImage();
  await pullFails(registry, RegistryError, "no such manifest", {
    reference: "localhost:5000/team/app",
  });
  const { images } = await pushImage(
    (await pull(registry)).tar,
    "localhost:5000/team/app",
    { fetch: registry },
  );
  assertEquals(images[0]?.reference, "localhost:5000/team/app:latest");
  const latest = await pull(registry, {}, "localhost:5000/team/app");
  assertEquals(latest.archive.images[0]?.names, ["localhost:5000/team/app:latest"]);
  const byDigest = await pull(registry, {}, `localhost:5000/team/app@${digest}`);
  assertEquals(byDigest.archive.images[0]?.pinned, ["localhost:5000/team/app"]);
  const both = await pull(registry, {}, `${NAME}@${digest}`);
  assertEquals(both.archive.images[0]?.names, [NAME]);
  const other = `sha256:${"0".repeat(64)}`;
  const { error } = await pullFails(registry, DigestMismatchError, `expected ${other}`, {
    reference: `${NAME}@${other}`,
  });
  assertEquals(error.hint, "leave out the tag to save what has this digest");
});

test("pullImage() gives a host without a dot the port that docker needs to see a host in it", async () => {
  const { registry } = await withImage();
  const namesOf = async (reference: string) => {
    const { archive, warnings } = await pull(registry, {}, reference);
    return [archive.images[0]?.names, warnings.length];
  };
  assertEquals(await namesOf("registry/team/app:1"), [["registry:443/team/app:1"], 0]);
  assertEquals(await namesOf("http://registry/team/app:1"), [["registry:80/team/app:1"], 0]);
  assertEquals(await namesOf("localhost/team/app:1"), [["localhost/team/app:1"], 0]);
  assertEquals(await namesOf("[::1]:5000/team/app:1"), [["[::1]:5000/team/app:1"], 0]);
  assertEquals(await namesOf("my_registry:5000/team/app:1"), [[], 1]);
});

// Platforms

test("pullImage() saves an index whole, one platform itself, or a new index of several", async () => {
  const { registry, children } = await withIndex("linux/amd64", "linux/arm64", "linux/s390x");
  const whole = await readBack(registry, "team/app", "1");
  const digestOf = async (platforms: string[]) => {
    const { archive, warnings } = await pull(registry, { platforms });
    const [image, ...others] = archive.images;
    assert(image && image.node.kind !== "docker");
    assertEquals(others, []);
    return { digest: image.node.digest, node: image.node, warnings };
  };
  assertEquals((await digestOf([])).digest, whole.digest);
  const one = await digestOf(["linux/arm64"]);
  assertEquals([one.digest, one.warnings], [children["linux/arm64"], []]);
  const two = await digestOf(["linux/arm64", "linux/s390x"]);
  assertEquals(two.warnings, [`a new index of linux/arm64, linux/s390x is saved: ${two.digest}`]);
  assert(two.node.kind === "index");
  assertEquals(two.node.entries.length, 4);
  await pullFails(
    registry,
    OciError,
    "Cannot save platform linux/riscv64: the image has linux/amd64, linux/arm64, linux/s390x",
    { platforms: ["linux/riscv64"] },
  );
});

test("pullImage() of a platform that several images fit saves the newest, and says so", async () => {
  const { registry, children } = await withIndex("linux/arm/v6", "linux/arm/v7", "linux/arm/v5");
  const { archive, warnings } = await pull(registry, { platforms: ["linux/arm"] });
  assert(archive.images[0]?.node.kind === "manifest");
  assertEquals(archive.images[0].node.digest, children["linux/arm/v7"]);
  assertEquals(warnings, [
    "3 images of the index fit linux/arm: linux/arm/v7 is saved, and not linux/arm/v6, linux/arm/v5",
  ]);
});

test("pullImage() checks the platform of a single image", async () => {
  const { registry, digest } = await withImage();
  const { archive } = await pull(registry, { platforms: ["linux/amd64"] });
  assert(archive.images[0]?.node.kind === "manifest");
  assertEquals(archive.images[0].node.digest, digest);
  await pullFails(registry, OciError, "the image has linux/amd64", { platforms: ["linux/arm64"] });
});

/** A registry that has a part of an index. */
async function sparse() {
  const shelf = new Shelf();
  const entries = [];
  for (const architecture of ["amd64", "arm64", "s390x"]) {
    const layer = await makeLayer(architecture);
    const content = await shelf.add(layer.bytes, "application/vnd.docker.image.rootfs.diff.tar");
    const rootfs = { type: "layers", diff_ids: [layer.diffId] };
    const config = await shelf.add({ os: "linux", architecture, rootfs }, DOCKER_CONFIG);
    const image = { schemaVersion: 2, mediaType: DOCKER_MANIFEST, config, layers: [content] };
    const child = await shelf.add(image, DOCKER_MANIFEST);
    entries.push({ ...child, platform: { os: "linux", architecture } });
  }
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries };
  const { digest } = await shelf.add(index, OCI_INDEX, "1");
  return { shelf, entries, digest };
}

test("pullImage() saves what a registry has of an index, says what it lacks, and push takes that", async () => {
  const { shelf, entries, digest } = await sparse();
  shelf.remove(entries[1]!.digest);
  const { tar, archive, warnings } = await pull(shelf.handler);
  assertEquals(warnings, [
    `the registry lacks linux/arm64 of ${NAME}: the archive has the index whole, but of its images only ` +
    "linux/amd64, linux/s390x (--platform linux/amd64 --platform linux/s390x saves those alone)",
  ]);
  assert(archive.images[0]?.node.kind === "index");
  assertEquals(archive.images[0].node.digest, digest);
  const registry = createRegistry();
  const { images } = await pushImage(tar, "localhost:5000", { fetch: registry });
  assertEquals(images[0]?.digest, entries[0]!.digest);
  await pullFails(
    shelf.handler,
    OciError,
    `the registry lacks its manifest ${entries[1]!.digest}`,
    {
      platforms: ["linux/arm64"],
    },
  );
  for (const { digest } of entries) shelf.remove(digest);
  await pullFails(
    shelf.handler,
    OciError,
    "the registry has none of the images of its index, linux/amd64, linux/arm64, linux/s390x",
  );
});

test("pullImage() saves the blobs that an index lists, as BuildKit's cache does", async () => {
  const registry = createRegistry();
  const layout = new OciLayout();
  const layer = await makeLayer("cached", "gzip");
  const index = await layout.indexOf([
    await layout.blob(layer.bytes, "application/vnd.oci.image.layer.v1.tar+gzip"),
    await layout.blob(encode('{"layers":[]}'), "application/vnd.buildkit.cacheconfig.v0"),
  ]);
  layout.add(index, { ref: "1" });
  await pushImage(toBlob(layout.entries()), NAME, { fetch: registry });
  const { tar, warnings } = await pull(registry);
  assertEquals(warnings, ["docker load will not take the archive: its index has no image"]);
  const other = createRegistry();
  const { images: [image] } = await pushImage(tar, "localhost:6000", { fetch: other });
  assertEquals([image?.digest, image?.blobs.length], [index.digest, 2]);
});

test("pullImage() saves an artifact, and says that docker has no use for it", async () => {
  const registry = createRegistry();
  const layout = new OciLayout();
  layout.add(await layout.artifact("text", "application/vnd.example"), { ref: "1" });
  await pushImage(toBlob(layout.entries()), NAME, { fetch: registry });
  const { archive, warnings } = await pull(registry);
  assertEquals([archive.dialect, archive.images[0]?.names], ["oci", [NAME]]);
  assertEquals(warnings, ["docker load will not take the archive: it is an artifact, no image"]);
  assertEquals((await pull(registry, { format: "oci" })).warnings, []);
});

// What goes wrong

for (const after of [0, 1, 1000, 299_000]) {
  test(`pullImage() goes on where the connection broke, after ${after} bytes`, async () => {
    const { registry, large } = await withImage();
    const isLarge = ({ path }: SeenRequest) => path.endsWith(large.digest);
    const layer = faultLayer(registry, once(isLarge, { kind: "cut-response", after }));
    const { tar, events } = await pull(layer.fetch);
    assertEquals(await tar.bytes(), await (await pull(registry)).tar.bytes());
    const retries = events.flatMap((event) => event.type === "retry" ? [event] : []);
    assertEquals(retries.map(({ digest, attempt }) => [digest, attempt]), [[large.digest, 2]]);
    const ranges = layer.seen.filter(isLarge).map(({ headers }) => headers.get("range"));
    assertEquals(ranges, [null, `bytes=${after}-299999`]);
  });
}

test("pullImage() gives up where the connection breaks again and again", async () => {
  const { registry } = await withImage();
  let cuts = 0;
  const layer = faultLayer(
    registry,
    (request) => isBlob(request) ? { kind: "cut-response", after: cuts++ * 0 } : undefined,
  );
  await pullFails(layer.fetch, NetworkError, "Cannot read blob sha256:");
  assertEquals(cuts, 3);
});

test("pullImage() has no end where a blob has another digest, or is absent", async () => {
  const { registry, large } = await withImage();
  const wrong = LARGE.slice();
  wrong[150_000] = (wrong[150_000] ?? 0) ^ 1;
  const isLarge = ({ path }: SeenRequest) => path.endsWith(large.digest);
  const answer = (bytes: BodyInit, status = 200) =>
    faultLayer(
      registry,
      (request) =>
        isLarge(request)
          ? { kind: "answer", answer: () => new Response(bytes, { status }) }
          : undefined,
    ).fetch;
  const mismatch = await pullFails(
    answer(wrong),
    DigestMismatchError,
    `has digest ${await digestBytes(wrong)}, expected ${large.digest}`,
  );
  assert(mismatch.received < 300_000);
  await pullFails(answer(LARGE.slice(0, 1000)), OciError, large.digest);
  await pullFails(answer(new Uint8Array(400_000)), OciError, large.digest);
  const { error } = await pullFails(answer("{}", 404), RegistryError, large.digest);
  assertEquals(error.status, 404);
});

test("pullImage() says that the image is not there, or that nobody answers", async () => {
  const { registry } = await withImage();
  const missing = await pullFails(registry, RegistryError, "the repository has no such manifest", {
    reference: "localhost:5000/team/app:none",
  });
  assertEquals(missing.received, 0);
  const refuse = () => Promise.reject(new TypeError("connection refused"));
  await pullFails(refuse, NetworkError, "Cannot read manifest 1 of localhost:5000/team/app");
});

test("pullImage() refuses wrong usage at once", () => {
  assertThrows(() => pullImage("localhost:5000/UPPER:1"), SyntaxError);
  assertThrows(() => pullImage("localhost:5000"), SyntaxError, "it has no repository");
  assertThrows(() => pullImage(NAME, { platforms: ["arm64"] }), TypeError, "OS/ARCHITECTURE");
  assertThrows(() => pullImage(NAME, { retry: { attempts: 0 } }), RangeError);
  const format = "zip" as PullOptions["format"] & string;
  assertThrows(() => pullImage(NAME, { format }), TypeError, 'expected "docker" or "oci"');
});

// Readers that stop

/** A registry whose large layer comes in pieces as they are asked for. */
async function counted() {
  // What is read as it passes, not held before.
  const { registry, large } = await withImage(new Uint8Array(MAX_HELD_BYTES + 1).fill(7));
  const state = { pieces: 0, cancelled: 0, arrived: Promise.withResolvers<void>() };
  const fetch: FetchHandler = async (request) => {
    if (!request.url.endsWith(large.digest)) return await registry(request);
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const at = state.pieces++ * 100_000;
        if (at >= large.bytes.length) return controller.close();
        controller.enqueue(large.bytes.subarray(at, at + 100_000));
        state.arrived.resolve();
      },
      cancel: () => void state.cancelled++,
    }, { highWaterMark: 0 });
    return new Response(body);
  };
  return { fetch, state, digest: large.digest };
}

async function readUntil(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  isEnough: () => boolean,
): Promise<void> {
  while (!isEnough()) assert(!(await reader.read()).done);
}

test("pullImage() stops reading when its reader does, and ends the request when it cancels", async () => {
  const { fetch, state } = await counted();
  const reader = pullImage(NAME, { fetch }).getReader();
  await readUntil(reader, () => state.pieces > 10);
  const before = state.pieces;
  // Whatever was on its way has come by then.
  await new Promise((resolve) => setTimeout(resolve));
  assert(state.pieces <= before + 2, `${state.pieces} pieces`);
  assertEquals(state.cancelled, 0);
  await reader.cancel("enough");
  assertEquals(state.cancelled, 1);
});

test("pullImage() fails with the signal's reason, before, in the middle and in a stalled read", async () => {
  const { fetch, state, digest } = await counted();
  const reason = new Error("no longer wanted");
  const aborted = AbortSignal.abort(reason);
  await pullFails(fetch, Error, "no longer wanted", { signal: aborted });
  const controller = new AbortController();
  const reader = pullImage(NAME, { fetch, signal: controller.signal }).getReader();
  await readUntil(reader, () => state.pieces > 5);
  controller.abort(reason);
  assertEquals(await assertRejects(() => reader.read()), reason);
  const stalled = new AbortController();
  const waiting = Promise.withResolvers<void>();
  const silent: FetchHandler = (request) => {
    if (!request.url.endsWith(digest)) return fetch(request);
    waiting.resolve();
    return new Promise(() => {});
  };
  const other = pullImage(NAME, { fetch: silent, signal: stalled.signal }).getReader();
  const reading = assertRejects(() => readUntil(other, () => false));
  await waiting.promise;
  stalled.abort(reason);
  assertEquals(await reading, reason);
});

test("pullImage() ends a request that is not answered when its reader cancels", async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  const fetch: FetchHandler = (request) => {
    asked.resolve(request.signal);
    return new Promise(() => {});
  };
  const reader = pullImage(NAME, { fetch }).getReader();
  const reading = reader.read();
  const signal = await asked.promise;
  await reader.cancel("enough");
  assertEquals(signal.aborted, true);
  assertEquals((await reading).done, true);
});

test("pullImage() awaits its listener, and fails where that does", async () => {
  const { registry } = await withImage();
  let running = 0;
  const stream = pullImage(NAME, {
    fetch: registry,
    onEvent: async () => {
      assertEquals(++running, 1);
      await Promise.resolve();
      running--;
    },
  });
  assert((await new Response(stream).blob()).size > LARGE.length);
  const failing = pullImage(NAME, {
    fetch: registry,
    onEvent: ({ type }) => {
      if (type === "blob-start") throw new Error("the listener failed");
    },
  });
  await assertRejects(() => new Response(failing).blob(), Error, "the listener failed");
});

test("pullImage() sends the caller's headers and no others to the registry", async () => {
  const { registry } = await withImage();
  const seen = new Set<string | null>();
  const fetch: FetchHandler = (request) => {
    seen.add(request.headers.get("x-token"));
    return registry(request);
  };
  await pull(fetch, { headers: { "x-token": "secret" } });
  assertEquals([...seen], ["secret"]);
});

for (const format of ["docker", "oci"] as const) {
  test(`pullImage() with namesFirst writes ${format} archives that a pipe pushes under their own names`, async () => {
    const { registry, digest } = await withImage();
    const options = { ...FAST, fetch: registry, format, namesFirst: true };
    const target = createRegistry();
    const { images } = await pushImage(pullImage(NAME, options), "localhost:5000/mirror/", {
      fetch: target,
    });
    assertEquals(images.map((image) => [image.reference, image.digest]), [
      ["localhost:5000/mirror/team/app:1", digest],
    ]);
    const whole = await new Response(pullImage(NAME, options)).blob();
    const last = await new Response(pullImage(NAME, { ...options, namesFirst: false })).blob();
    assertEquals(whole.size, last.size);
    assertEquals((await openArchive(whole)).images[0]?.names, ["localhost:5000/team/app:1"]);
  });
}

test("pullImage() gives the image where a registry does not tell of cosign's tags, and says so", async () => {
  const { registry, digest } = await withImage();
  const headers = { "content-type": "text/html" };
  const answers: [status: number, body: string, isTaken: boolean][] = [
    [200, "<title>My app</title>", true],
    [403, "", true],
    [500, "", true],
    [503, "", false],
  ];
  for (const [status, body, isTaken] of answers) {
    const answer = () => new Response(body, { status, headers });
    const { fetch } = faultLayer(
      registry,
      ({ path }) => /sha256-.*\.sig$/.test(path) ? { kind: "answer", answer } : undefined,
    );
    if (!isTaken) {
      await pullFails(fetch, RegistryError, "503", { signatures: true });
      continue;
    }
    const warnings: string[] = [];
    const onEvent = (event: PullEvent) =>
      void (event.type === "warning" && warnings.push(event.message));
    const tar = await new Response(pullImage(NAME, { ...FAST, fetch, onEvent, signatures: true }))
      .blob();
    const node = (await openArchive(tar)).images[0]?.node;
    assertEquals(node?.kind !== "docker" && node?.digest, digest);
    assertEquals(warnings.map((text) => text.slice(0, 36)), [
      "what cosign keeps of it is left out:",
    ]);
  }
});
