import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { digestBytes } from "../../../src/digest.ts";
import {
  DigestMismatchError,
  NetworkError,
  PushError,
  RegistryError,
} from "../../../src/errors.ts";
import type { PushEvent } from "../../../src/push/events.ts";
import type { PushOptions } from "../../../src/push/options.ts";
import { pushImage, type PushResult } from "../../../src/push/push.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import type { BlobSource } from "../../../src/source/blob_source.ts";
import {
  dockerSave,
  flipByte,
  layoutTar,
  type MadeImage,
  makeImage,
  makeLayer,
  OciLayout,
  pathOf,
  replaceBody,
  toBlob,
} from "../../helpers/archives.ts";
import { allTags, readBack } from "../../helpers/expected.ts";
import {
  atRequest,
  endsUpload,
  type Fault,
  type FaultLayer,
  faultLayer,
  type SeenRequest,
  toLine,
  withHeader,
} from "../../helpers/fault_layer.ts";
import { test } from "../../helpers/test.ts";

const TARGET = "localhost:5000/team/app:1";
const ONCE: PushOptions = { retry: { attempts: 1 } };
const AT_ONCE: PushOptions = { retry: { delay: 0 } };

/** An OCI archive with an index of one image. */
async function indexOf(image: MadeImage): Promise<Blob> {
  const layout = new OciLayout();
  const manifest = await layout.image(image);
  layout.add(await layout.indexOf([manifest]), { ref: "1" });
  return toBlob(layout.entries());
}

/** A tar around a layer of so many bytes: large ones are streamed. */
function bigLayer(size: number, seed = 1): Promise<Awaited<ReturnType<typeof makeLayer>>> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 97) bytes[at] = (at * seed) % 251;
  return makeLayer(bytes);
}

function isManifest({ method, path }: SeenRequest): boolean {
  return method === "PUT" && path.includes("/manifests/");
}

function uploads({ seen }: FaultLayer): number {
  return seen.filter(endsUpload).length;
}

function statuses({ images }: PushResult): string[] {
  return images.flatMap(({ blobs }) => blobs.map(({ status }) => status));
}

// What a push does

test("pushImage() looks, uploads what is missing, then writes the manifest", async () => {
  const layer = faultLayer(createRegistry());
  await pushImage(await layoutTar(await makeImage(["a"])), TARGET, {
    fetch: layer.fetch,
    concurrency: 1,
  });
  const blob = [
    "HEAD team/app/blobs/DIGEST",
    "POST team/app/blobs/uploads/",
    "PUT team/app/blobs/uploads/SESSION",
  ];
  const lines = layer.lines();
  assertEquals(lines.slice(0, 6), [...blob, ...blob]);
  assert(lines.slice(6).every((line) => line.startsWith("PUT team/app/manifests/")));
  assertEquals(lines.at(-1), "PUT team/app/manifests/1");
});

test("pushImage() begins with the largest layer, and tells of the blobs in the order of the archive", async () => {
  const layers = await Promise.all(
    [3, 1, 9, 1, 5].map((size, at) => bigLayer(size * 1000, at + 1)),
  );
  const layer = faultLayer(createRegistry());
  const { images } = await pushImage(await layoutTar(await makeImage(layers)), TARGET, {
    fetch: layer.fetch,
    concurrency: 1,
  });
  const digests = layers.map(({ digest }) => digest);
  const sent = layer.seen.filter(endsUpload).map(({ query }) =>
    digests.findIndex((digest) => digest === query.get("digest"))
  );
  // The config, which is the smallest, is last.
  assertEquals(sent, [2, 4, 0, 1, 3, -1]);
  const told = images[0]?.blobs.map(({ digest }) => digest) ?? [];
  assertEquals(told.filter((digest) => digests.includes(digest)), digests);
});

test("pushImage() tells what it did, and the second time that everything was there", async () => {
  const registry = createRegistry();
  const image = await makeImage(["a", "b"]);
  const tar = await layoutTar(image);
  const sizes = [image.config, ...image.layers.map(({ bytes }) => bytes)].map((b) => b.length);
  const first = await pushImage(tar, TARGET, { fetch: registry });
  const read = await readBack(registry, "team/app", "1");
  assertEquals(
    first.images.map(({ reference, digest, mediaType }) => [reference, digest, mediaType]),
    [
      [TARGET, read.digest, read.mediaType],
    ],
  );
  assertEquals(statuses(first), ["pushed", "pushed", "pushed"]);
  assertEquals(first.bytesUploaded, sizes.reduce((sum, size) => sum + size, 0));
  assertEquals(
    new Set(first.images[0]?.blobs.map(({ digest }) => digest)),
    new Set([image.configDigest, ...image.layers.map(({ digest }) => digest)]),
  );
  assert(first.bytesRead >= first.bytesUploaded);
  assert(first.milliseconds >= 0);

  const layer = faultLayer(registry);
  const second = await pushImage(tar, TARGET, { fetch: layer.fetch });
  assertEquals(statuses(second), ["exists", "exists", "exists"]);
  assertEquals([second.bytesUploaded, second.images[0]?.digest], [0, first.images[0]?.digest]);
  assertEquals(uploads(layer), 0);
});

test("pushImage() reads next to nothing of an archive that is there already", async () => {
  const size = 64 * 1024 * 1024;
  const image = await makeImage([await bigLayer(size)]);
  const archives = [
    await layoutTar(image),
    toBlob(dockerSave([{ image, repoTags: ["app:1"] }])),
  ];
  for (const tar of archives) {
    const registry = createRegistry();
    const first = await pushImage(tar, TARGET, { fetch: registry });
    assert(first.bytesRead >= size);
    const second = await pushImage(tar, TARGET, { fetch: registry });
    assertEquals([second.bytesUploaded, statuses(second)], [0, ["exists", "exists"]]);
    assert(second.bytesRead <= 256 * 1024, `${second.bytesRead} bytes were read`);
  }
});

test("pushImage() uploads a layer once that an image has twice", async () => {
  const twice = await makeLayer("twice");
  const layer = faultLayer(createRegistry());
  const image = await makeImage([twice, "other", twice]);
  const result = await pushImage(await layoutTar(image), TARGET, { fetch: layer.fetch });
  assertEquals(uploads(layer), 3);
  assertEquals(result.images[0]?.blobs.length, 3);
  assertEquals((await readBack(layer.fetch, "team/app", "1")).layers.length, 3);
});

test("pushImage() uploads a layer once that several images of one repository have", async () => {
  const common = await makeLayer("common");
  const images = await Promise.all(
    ["a", "b", "c"].map(async (name) => ({
      image: await makeImage([common, name]),
      repoTags: [`app:${name}`],
    })),
  );
  const layer = faultLayer(createRegistry());
  const result = await pushImage(toBlob(dockerSave(images)), "localhost:5000", {
    fetch: layer.fetch,
  });
  assertEquals(result.images.length, 3);
  assertEquals(uploads(layer), 1 + 3 + 3);
  assertEquals(await allTags(layer.fetch), ["app:a", "app:b", "app:c"]);
});

test("pushImage() has a layer mounted that it has just pushed to another repository", async () => {
  const common = await makeLayer("common");
  const images = await Promise.all(
    ["a", "b"].map(async (name) => ({
      image: await makeImage([common, name]),
      repoTags: [`${name}:1`],
    })),
  );
  const layer = faultLayer(createRegistry());
  const result = await pushImage(toBlob(dockerSave(images)), "localhost:5000", {
    fetch: layer.fetch,
  });
  assertEquals(statuses(result).filter((status) => status === "mounted").length, 1);
  assertEquals(uploads(layer), 1 + 2 + 2);
  await readBack(layer.fetch, "b", "1");
});

test("pushImage() writes one image under several references", async () => {
  const registry = createRegistry();
  const targets = ["localhost:5000/a:1", "localhost:5000/a:2", "localhost:5000/b:1"];
  const layer = faultLayer(registry);
  const tar = await layoutTar(await makeImage(["x"]));
  const { images } = await pushImage(tar, targets, { fetch: layer.fetch });
  assertEquals(images.map(({ reference }) => reference), targets);
  assertEquals(await allTags(registry), ["a:1", "a:2", "b:1"]);
  assertEquals(uploads(layer), 2);
});

test("pushImage() with a dry run asks, and writes nothing", async () => {
  const registry = createRegistry();
  const common = await makeLayer("common");
  await pushImage(await layoutTar(await makeImage([common])), TARGET, { fetch: registry });
  const layer = faultLayer(registry);
  const events: string[] = [];
  const tar = await layoutTar(await makeImage([common, "new"]));
  const result = await pushImage(tar, "localhost:5000/team/app:2", {
    fetch: layer.fetch,
    dryRun: true,
    onEvent: ({ type }) => void events.push(type),
  });
  assertEquals(result.images[0]?.status, "pushed");
  assert(layer.seen.every(({ method }) => method === "HEAD" || method === "GET"));
  assertEquals(statuses(result).toSorted(), ["exists", "pushed", "pushed"]);
  assertEquals(result.bytesUploaded, 0);
  assertEquals(events.filter((type) => type === "tag" || type === "manifest"), ["manifest"]);
  assertEquals(await allTags(registry), ["team/app:1"]);
});

test("pushImage() tells in a dry run what a push then does", async () => {
  const targets = ["a:1", "a:2", "b:1", "c:1"].map((name) => `localhost:5000/${name}`);
  const image = await makeImage(["x", "y"]);
  const tars = { "an image": await layoutTar(image), "an index": await indexOf(image) };
  for (const [name, tar] of Object.entries(tars)) {
    const registry = createRegistry();
    const fetch = registry;
    const run = async (options: PushOptions, to = targets) => {
      const told: string[] = [];
      const onEvent = (event: PushEvent) => {
        if (event.type === "manifest") told.push(event.digest);
        if (event.type === "blob-done") told.push(`${event.digest} ${event.status}`);
      };
      const { images } = await pushImage(tar, to, { fetch, concurrency: 1, ...options, onEvent });
      return { told, images };
    };
    assertEquals(await run({ dryRun: true }), await run({}), name);
    const again = await run({ dryRun: true });
    assertEquals(again, await run({}), name);
    assertEquals(new Set(again.images.map(({ status }) => status)), new Set(["exists"]));
    const mounted = { mountFrom: ["nowhere", "a"] };
    const to = ["localhost:5000/d:1"];
    const dry = await run({ ...mounted, dryRun: true }, to);
    assertEquals(new Set(dry.images[0]?.blobs.map(({ status }) => status)), new Set(["mounted"]));
    assertEquals(dry, await run(mounted, to), name);
  }
});

test("pushImage() says nothing of blobs whose question was cut short by the failure of another", async () => {
  const done: string[] = [];
  let broken: string | undefined;
  const fetch = (request: Request) => {
    broken ??= request.url;
    if (request.url === broken) return Promise.reject(new TypeError("connection refused"));
    return new Promise<Response>((_, reject) => {
      request.signal.addEventListener("abort", () => reject(request.signal.reason));
    });
  };
  const options = { fetch, dryRun: true, concurrency: 3, retry: { attempts: 1 } };
  const tar = await layoutTar(await makeImage(["a", "b", "c"]));
  await assertRejects(
    () =>
      pushImage(tar, TARGET, {
        ...options,
        onEvent: (event) => void (event.type === "blob-done" && done.push(event.status)),
      }),
    NetworkError,
    "connection refused",
  );
  assertEquals(done, []);
});

test("pushImage() sends the caller's headers with every request", async () => {
  const layer = faultLayer(createRegistry());
  await pushImage(await layoutTar(await makeImage(["a"])), TARGET, {
    fetch: layer.fetch,
    headers: { authorization: "Bearer x" },
  });
  const without = layer.seen.filter(({ headers }) => headers.get("authorization") !== "Bearer x");
  assertEquals(without.map(toLine), []);
});

// Concurrency

for (const concurrency of [1, 2, 3, 6]) {
  test(`pushImage() has ${concurrency} uploads in flight, no more and no fewer`, async () => {
    const registry = createRegistry();
    const waiting: (() => void)[] = [];
    let inFlight = 0;
    let most = 0;
    const fetch = async (request: Request) => {
      if (request.method !== "PUT" || !request.url.includes("/blobs/")) {
        return await registry(request);
      }
      most = Math.max(most, ++inFlight);
      // Nobody goes on before as many wait as may be in flight: fewer would never come to an end.
      await new Promise<void>((resolve) => {
        if (waiting.push(resolve) < concurrency) return;
        for (const go of waiting.splice(0)) go();
      });
      try {
        return await registry(request);
      } finally {
        inFlight--;
      }
    };
    // Five layers and the config: divisible by each of the limits.
    const tar = await layoutTar(await makeImage(["a", "b", "c", "d", "e"]));
    await pushImage(tar, TARGET, { fetch, concurrency });
    assertEquals(most, concurrency);
  });
}

test("pushImage() refuses a concurrency that is none", async () => {
  for (const concurrency of [0, -1, 1.5, NaN]) {
    await assertRejects(
      () => pushImage(new Blob(), TARGET, { concurrency }),
      RangeError,
      `concurrency ${concurrency}`,
    );
  }
});

// Events

test("pushImage() waits for what onEvent returns before it goes on", async () => {
  const layer = faultLayer(createRegistry());
  const tar = await layoutTar(await makeImage(["a", "b"]));
  await pushImage(tar, TARGET, {
    fetch: layer.fetch,
    concurrency: 1,
    onEvent: async ({ type }) => {
      const before = layer.seen.length;
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
      assertEquals(layer.seen.length, before, `a request went out during ${type}`);
    },
  });
});

test("pushImage() ends with what onEvent throws, and writes no tag", async () => {
  for (const type of ["plan", "blob-start", "blob-progress", "blob-done"]) {
    const registry = createRegistry();
    const thrown = new Error(`no ${type}`);
    const tar = await layoutTar(await makeImage([await bigLayer(2_000_000), "b"]));
    const onEvent = (event: PushEvent) => {
      if (event.type === type) throw thrown;
    };
    const error = await assertRejects(() => pushImage(tar, TARGET, { fetch: registry, onEvent }));
    assertEquals(error, thrown);
    assertEquals(await allTags(registry), []);
  }
});

test("pushImage() reports a plan, each blob from start to done, manifest and tag, in order", async () => {
  const events: PushEvent[] = [];
  const image = await makeImage(["a"]);
  const { images } = await pushImage(await layoutTar(image), TARGET, {
    fetch: createRegistry(),
    concurrency: 1,
    onEvent: (event) => void events.push(event),
  });
  const types = events.map(({ type }) => type).filter((type) => type !== "blob-progress");
  const blob = ["blob-start", "blob-done"];
  assertEquals(types, ["plan", ...blob, ...blob, "manifest", "tag"]);
  const [plan] = events;
  const bytes = image.config.length + (image.layers[0]?.bytes.length ?? 0);
  assertEquals(plan, { type: "plan", images: 1, blobs: 2, bytes });
  assertEquals(events.at(-1), {
    type: "tag",
    reference: TARGET,
    digest: images[0]?.digest ?? "sha256:",
  } as PushEvent);
});

test("pushImage() reports at most ten steps a second for a blob", async () => {
  const big = await bigLayer(24 * 1024 * 1024);
  let steps = 0;
  const start = performance.now();
  await pushImage(await layoutTar(await makeImage([big])), TARGET, {
    fetch: createRegistry(),
    onEvent: (event) => {
      if (event.type === "blob-progress" && event.digest === big.digest) steps++;
    },
  });
  const tenths = (performance.now() - start) / 100;
  // One at the start, and one that may come with the end.
  assert(steps >= 1 && steps <= tenths + 2, `${steps} steps in ${tenths} tenths of a second`);
});

test("pushImage() takes progress back after a failed attempt, and says why it tries again", async () => {
  const big = await bigLayer(3_000_000);
  let failures = 1;
  const layer = faultLayer(createRegistry(), (request) => {
    const isBig = endsUpload(request) && request.query.get("digest") === big.digest;
    return isBig && failures-- > 0 ? { kind: "cut-body", after: 2_000_000 } : undefined;
  });
  const sent: number[] = [];
  const retries: PushEvent[] = [];
  await pushImage(await layoutTar(await makeImage([big])), TARGET, {
    fetch: layer.fetch,
    ...AT_ONCE,
    onEvent: (event) => {
      if (event.type === "retry") retries.push(event);
      if (event.type === "blob-progress" && event.digest === big.digest) sent.push(event.sent);
    },
  });
  const back = sent.indexOf(0);
  assert(back > 0 && (sent[back - 1] ?? 0) > 0, `progress was ${sent}`);
  const [retry] = retries;
  assert(retry?.type === "retry" && retries.length === 1);
  assertEquals([retry.digest, retry.attempt], [big.digest, 2]);
  assert(retry.reason.includes("connection broken"), retry.reason);
});

// Mounting

test("pushImage() has blobs mounted from where the caller says they are", async () => {
  const registry = createRegistry();
  const tar = await layoutTar(await makeImage(["a", "b"]));
  await pushImage(tar, "localhost:5000/base/image:1", { fetch: registry });
  const result = await pushImage(tar, TARGET, {
    fetch: registry,
    mountFrom: ["nowhere", "base/image"],
  });
  assertEquals(statuses(result), ["mounted", "mounted", "mounted"]);
  assertEquals(result.bytesUploaded, 0);
  await readBack(registry, "team/app", "1");
});

const MOUNT_FAULTS: Record<string, Fault> = {
  "refuses to mount": { kind: "answer", answer: () => new Response(null, { status: 403 }) },
  "fails to mount": { kind: "answer", answer: () => new Response(null, { status: 500 }) },
  "breaks the connection": { kind: "refuse" },
};
for (const [what, fault] of Object.entries(MOUNT_FAULTS)) {
  test(`pushImage() uploads where the registry ${what}`, async () => {
    const layer = faultLayer(
      createRegistry(),
      ({ query }) => query.has("mount") ? fault : undefined,
    );
    const result = await pushImage(await layoutTar(await makeImage(["a"])), TARGET, {
      fetch: layer.fetch,
      ...AT_ONCE,
      mountFrom: ["base/image"],
    });
    assertEquals(statuses(result), ["pushed", "pushed"]);
    await readBack(layer.fetch, "team/app", "1");
  });

  test(`pushImage() opens an upload anew where the first place does not have a blob, and the registry ${what} from the next`, async () => {
    const layer = faultLayer(
      createRegistry(),
      ({ query }) => query.get("from") === "base/image" ? fault : undefined,
    );
    await pushImage(await layoutTar(await makeImage(["a"])), TARGET, {
      fetch: layer.fetch,
      ...AT_ONCE,
      mountFrom: ["none", "base/image"],
    });
    const puts = layer.seen.filter(endsUpload).map(({ path }) => path);
    assertEquals(puts.length, 2, "what was cancelled is sent nothing");
    assertEquals(layer.seen.filter(({ method }) => method === "DELETE").length, 2);
    await readBack(layer.fetch, "team/app", "1");
  });
}

test("pushImage() uses the upload that a registry opens instead of mounting", async () => {
  const layer = faultLayer(createRegistry());
  await pushImage(await layoutTar(await makeImage(["a"])), TARGET, {
    fetch: layer.fetch,
    mountFrom: ["base/image"],
  });
  const posts = layer.seen.filter(({ method }) => method === "POST");
  assertEquals(posts.map(({ query }) => query.get("from")), ["base/image", "base/image"]);
});

// Digests that do not agree

test("pushImage() writes no tag where the registry names another digest", async () => {
  const other = await digestBytes(new Uint8Array(1));
  const lie: Fault = {
    kind: "change-response",
    change: (response) => withHeader(response, "docker-content-digest", other),
  };
  const cases: Record<string, (request: SeenRequest) => boolean> = {
    "an upload": endsUpload,
    "a mount": ({ query }) => query.has("mount"),
    "a manifest": isManifest,
  };
  for (const [what, applies] of Object.entries(cases)) {
    const layer = faultLayer(createRegistry(), (request) => applies(request) ? lie : undefined);
    const tar = await layoutTar(await makeImage(["a"]));
    await pushImage(tar, "localhost:5000/base/image@" + await digestOf(tar), {
      fetch: faultLayer(layer.fetch).fetch,
    }).catch(() => {});
    const tags: string[] = [];
    const error = await assertRejects(
      () =>
        pushImage(tar, TARGET, {
          fetch: layer.fetch,
          mountFrom: what === "a mount" ? ["base/image"] : [],
          onEvent: (event) => void (event.type === "tag" && tags.push(event.reference)),
        }),
      DigestMismatchError,
      undefined,
      what,
    );
    assertEquals(error.actual, other);
    assertEquals([await allTags(layer.fetch), tags], [[], []], what);
  }
});

test("pushImage() writes no tag where the registry has another blob under a digest", async () => {
  const registry = createRegistry();
  const tar = await layoutTar(await makeImage(["a"]));
  await pushImage(tar, TARGET, { fetch: registry });
  const other = await digestBytes(new Uint8Array(1));
  const layer = faultLayer(registry, ({ method }) =>
    // What HEAD tells of may be something else than the blob: GET is asked then.
    method === "HEAD" || method === "GET"
      ? {
        kind: "change-response",
        change: (response) => withHeader(response, "docker-content-digest", other),
      }
      : undefined);
  await assertRejects(
    () => pushImage(tar, "localhost:5000/team/app:2", { fetch: layer.fetch }),
    DigestMismatchError,
  );
  assertEquals(await allTags(registry), ["team/app:1"]);
});

test("pushImage() uploads a blob again whose length at the registry is wrong", async () => {
  const layer = faultLayer(createRegistry(), ({ method }) =>
    method === "HEAD"
      ? {
        kind: "change-response",
        change: (response) => response.ok ? withHeader(response, "content-length", "7") : response,
      }
      : undefined);
  const tar = await layoutTar(await makeImage(["a"]));
  await pushImage(tar, TARGET, { fetch: layer.fetch });
  const second = await pushImage(tar, TARGET, { fetch: layer.fetch });
  assertEquals(statuses(second), ["pushed", "pushed"]);
});

test("pushImage() names the entry whose bytes are not what its name says", async () => {
  const image = await makeImage([await makeLayer("a"), await bigLayer(2_000_000)]);
  for (const layer of image.layers) {
    const path = pathOf(layer);
    const entries = replaceBody(
      (await OciLayout.of(image)).entries(),
      path,
      flipByte(layer.bytes, 9),
    );
    const registry = createRegistry();
    const error = await assertRejects(
      () => pushImage(toBlob(entries), TARGET, { fetch: registry }),
      DigestMismatchError,
      path,
    );
    assertEquals(error.expected, layer.digest);
    assertEquals(await allTags(registry), []);
  }
});

test("pushImage() with verify finds a flipped byte before anything is sent", async () => {
  const image = await makeImage([await makeLayer("a"), await makeLayer("b", "gzip")]);
  const plain = dockerSave([{ image, repoTags: ["app:1"] }]);
  const damaged = image.layers.map((layer) => {
    const entry = plain.find(({ body }) => body === layer.bytes);
    assert(entry);
    return replaceBody(plain, entry.path, flipByte(layer.bytes, layer.bytes.length - 20));
  });
  const oci = (await OciLayout.of(image)).entries();
  for (const layer of image.layers) {
    damaged.push(replaceBody(oci, pathOf(layer), flipByte(layer.bytes, 40)));
  }
  for (const entries of damaged) {
    const layer = faultLayer(createRegistry());
    await assertRejects(() =>
      pushImage(toBlob(entries), TARGET, { fetch: layer.fetch, verify: true })
    );
    assertEquals(layer.lines(), []);
  }
});

test("pushImage() with verify pushes what is right", async () => {
  const image = await makeImage([await makeLayer("a"), await makeLayer("b", "gzip")]);
  for (const entries of [dockerSave([{ image }]), (await OciLayout.of(image)).entries()]) {
    const registry = createRegistry();
    await pushImage(toBlob(entries), TARGET, { fetch: registry, verify: true });
    assertEquals((await readBack(registry, "team/app", "1")).layers.length, 2);
  }
});

test("pushImage() sends nothing where the image is not the one that the reference names", async () => {
  const layer = faultLayer(createRegistry());
  const digest = await digestBytes(new Uint8Array(1));
  await assertRejects(
    async () =>
      pushImage(await layoutTar(await makeImage(["a"])), `${TARGET}@${digest}`, {
        fetch: layer.fetch,
      }),
    DigestMismatchError,
  );
  assertEquals(layer.lines(), []);
});

// Failures that pass

test("pushImage() uploads nothing twice when only answers are lost", async () => {
  const lost = new Set<string>();
  const layer = faultLayer(createRegistry(), (request) => {
    if (request.method !== "PUT" || lost.has(request.path)) return undefined;
    lost.add(request.path);
    return { kind: "lose-response" };
  });
  const result = await pushImage(await layoutTar(await makeImage(["a", "b"])), TARGET, {
    fetch: layer.fetch,
    ...AT_ONCE,
  });
  assertEquals(uploads(layer), 3);
  assertEquals(statuses(result), ["pushed", "pushed", "pushed"]);
  await readBack(layer.fetch, "team/app", "1");
});

test("pushImage() takes requests that a runtime sends twice for one", async () => {
  const layer = faultLayer(
    createRegistry(),
    ({ method }) => method === "PUT" ? { kind: "double-send" } : undefined,
  );
  const result = await pushImage(await layoutTar(await makeImage(["a", "b"])), TARGET, {
    fetch: layer.fetch,
    ...AT_ONCE,
  });
  assertEquals(uploads(layer), 3);
  assertEquals(statuses(result), ["pushed", "pushed", "pushed"]);
});

test("pushImage() survives a registry in which every request fails once", async () => {
  const registry = createRegistry();
  const failed = new Set<string>();
  const layer = faultLayer(registry, (request) => {
    const line = `${toLine(request)} ${request.path.split(":")[1]} ${request.query}`;
    if (request.method === "DELETE" || failed.has(line)) return undefined;
    failed.add(line);
    const status = failed.size % 2 ? 503 : 429;
    return { kind: "answer", answer: () => new Response(null, { status }) };
  });
  const tar = await layoutTar(await makeImage(["a", "b", "c"]));
  const { images } = await pushImage(tar, TARGET, {
    fetch: layer.fetch,
    retry: { delay: 0, attempts: 8 },
  });
  assertEquals((await readBack(registry, "team/app", "1")).digest, images[0]?.digest);
});

test("pushImage() asks for nothing ahead any more where a registry is in trouble", async () => {
  const layers = Array.from({ length: 30 }, (_, index) => `layer ${index}`);
  const layer = faultLayer(createRegistry(), ({ method }) => {
    const answer = () => new Response(null, { status: 503 });
    return method === "HEAD" ? { kind: "answer", answer } : undefined;
  });
  const options = { fetch: layer.fetch, retry: { attempts: 3, delay: 1, random: () => 1 } };
  const tar = await layoutTar(await makeImage(layers));
  await assertRejects(() => pushImage(tar, TARGET, options), RegistryError, "answered 503");
  // Three uploads ask three times each; two questions were asked ahead.
  assert(layer.seen.length <= 3 * 3 + 2, `${layer.seen.length} requests`);
});

test("pushImage() reports the registry's refusal of a manifest, and what stood before it", async () => {
  const images = await Promise.all(
    ["a", "b"].map(async (name) => ({ image: await makeImage([name]), repoTags: [`${name}:1`] })),
  );
  const layer = faultLayer(
    createRegistry(),
    (request) =>
      isManifest(request) && request.path.startsWith("/v2/b/")
        ? { kind: "answer", answer: () => refusal(400, "MANIFEST_INVALID", "not like this") }
        : undefined,
  );
  const error = await assertRejects(
    () => pushImage(toBlob(dockerSave(images)), "localhost:5000", { fetch: layer.fetch }),
    RegistryError,
    "MANIFEST_INVALID: not like this",
  );
  assertEquals(error.pushed?.map((image) => (image as { reference: string }).reference), [
    "localhost:5000/a:1",
  ]);
  assertEquals(await allTags(layer.fetch), ["a:1"]);
});

test("pushImage() stops the other uploads when one fails", async () => {
  const [bad, slow] = [await makeLayer("bad"), await bigLayer(2_000_000)];
  const slowIsIn = Promise.withResolvers<void>();
  let cancelled: unknown;
  const registry = createRegistry();
  const fetch = async (request: Request): Promise<Response> => {
    const digest = new URL(request.url).searchParams.get("digest");
    if (digest === bad.digest) {
      await slowIsIn.promise;
      return refusal(403, "DENIED", "no");
    }
    if (digest !== slow.digest) return await registry(request);
    slowIsIn.resolve();
    return await new Promise((_, reject) => {
      request.signal.addEventListener("abort", () => {
        cancelled = request.signal.reason;
        reject(cancelled);
      });
    });
  };
  const error = await assertRejects(
    async () =>
      pushImage(await layoutTar(await makeImage([bad, slow])), TARGET, { fetch, ...ONCE }),
    RegistryError,
    "DENIED",
  );
  assert(cancelled !== undefined);
  assertEquals(error.status, 403);
  assertEquals(await allTags(registry), []);
});

// Aborting

test("pushImage() sends nothing when its signal is aborted before", async () => {
  const layer = faultLayer(createRegistry());
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(
    async () =>
      pushImage(await layoutTar(await makeImage(["a"])), TARGET, { fetch: layer.fetch, signal }),
    Error,
    "enough",
  );
  assertEquals(layer.lines(), []);
});

test("pushImage() ends with the signal's reason whichever request it comes at", async () => {
  const tar = await layoutTar(await makeImage(["a", await bigLayer(1_500_000), "c"]));
  const whole = faultLayer(createRegistry());
  await pushImage(tar, TARGET, { fetch: whole.fetch });
  for (const moment of ["before", "after"] as const) {
    for (let number = 1; number <= whole.seen.length; number++) {
      const registry = createRegistry();
      const controller = new AbortController();
      const reason = new Error(`enough at ${number}`);
      const run = () => controller.abort(reason);
      const layer = faultLayer(registry, atRequest(number, { kind: moment, run }));
      const error = await assertRejects(() =>
        pushImage(tar, TARGET, { fetch: layer.fetch, signal: controller.signal })
      );
      assertEquals(error, reason);
      const tag = layer.seen[number - 1]?.path.endsWith("/manifests/1");
      if (!tag) assertEquals(await allTags(registry), []);
    }
  }
});

test("pushImage() cancels every upload that is open when its signal is aborted", async () => {
  const registry = createRegistry();
  const controller = new AbortController();
  const reason = new Error("enough");
  let bodies = 0;
  const layer = faultLayer(registry, (request) => {
    if (!endsUpload(request)) return undefined;
    // All three are open by then.
    return { kind: "before", run: () => void (++bodies === 3 && controller.abort(reason)) };
  });
  const layers = [await bigLayer(1_500_000), await bigLayer(1_500_000, 2)];
  const error = await assertRejects(async () =>
    pushImage(await layoutTar(await makeImage(layers)), TARGET, {
      fetch: async (request) => {
        const response = await layer.fetch(request);
        // A registry that is slow to close an upload: only a cancelled one comes to an end.
        if (request.method === "PUT") await new Promise(() => {});
        return response;
      },
      signal: controller.signal,
    })
  );
  assertEquals(error, reason);
  const cancelled = layer.lines().filter((line) => line.startsWith("DELETE "));
  assertEquals(cancelled, Array(3).fill("DELETE team/app/blobs/uploads/SESSION"));
  assertEquals(await allTags(registry), []);
});

test("pushImage() lets go of the source when its signal is aborted", async () => {
  const big = await bigLayer(4_000_000);
  const tar = await layoutTar(await makeImage([big]));
  let open = 0;
  const source: BlobSource = {
    size: tar.size,
    slice: (start, end) => ({
      stream() {
        open++;
        const reader = tar.slice(start, end).stream().getReader();
        return new ReadableStream<Uint8Array>({
          async pull(controller) {
            const { done, value } = await reader.read();
            if (!done) return controller.enqueue(value);
            open--;
            controller.close();
          },
          async cancel(reason) {
            await reader.cancel(reason);
            open--;
          },
        }, { highWaterMark: 0 });
      },
    }),
  };
  const controller = new AbortController();
  await assertRejects(
    () =>
      pushImage(source, TARGET, {
        fetch: createRegistry(),
        signal: controller.signal,
        onEvent: ({ type }) => {
          if (type === "blob-progress") controller.abort(new Error("enough"));
        },
      }),
    Error,
    "enough",
  );
  assertEquals(open, 0);
});

// Content that is nowhere

test("pushImage() says which blob is in neither the archive nor the registry", async () => {
  const image = await makeImage(["a", "b"]);
  const layout = await OciLayout.of(image);
  const [, absent] = image.layers;
  assert(absent);
  layout.remove(absent);
  const registry = createRegistry();
  const error = await assertRejects(
    () => pushImage(toBlob(layout.entries()), TARGET, { fetch: registry }),
    PushError,
    absent.digest,
  );
  assertEquals([error.step, error.origin, error.digest], ["plan", "archive", absent.digest]);
  // As soon as the registry has it, the rest is enough.
  await pushImage(await layoutTar(await makeImage([absent])), TARGET, { fetch: registry });
  const { images } = await pushImage(toBlob(layout.entries()), TARGET, { fetch: registry });
  assertEquals((await readBack(registry, "team/app", "1")).digest, images[0]?.digest);
});

test("pushImage() says so of a blob that was in the registry a moment ago, and cancels what it opened for it", async () => {
  const image = await makeImage(["a", "b"]);
  const layout = await OciLayout.of(image);
  const [, absent] = image.layers;
  assert(absent);
  layout.remove(absent);
  const headers = { "content-length": `${absent.bytes.length}` };
  let isThere = true;
  const layer = faultLayer(createRegistry(), ({ method, path }) => {
    if (method !== "HEAD" || !path.endsWith(absent.digest) || !isThere) return;
    isThere = false;
    return { kind: "answer", answer: () => new Response(null, { headers }) };
  });
  const error = await assertRejects(
    () => pushImage(toBlob(layout.entries()), TARGET, { fetch: layer.fetch, mountFrom: ["base"] }),
    PushError,
    "neither the archive nor the registry",
  );
  assertEquals([error.step, error.origin, error.digest], ["blob", "archive", absent.digest]);
  const last = layer.seen.findLast(({ query }) => query.get("mount") === absent.digest);
  assert(last);
  assert(layer.seen.slice(last.number).some(({ method }) => method === "DELETE"));
  assertEquals(await allTags(layer.fetch), []);
});

test("pushImage() says where nobody listens", async () => {
  const fetch = () =>
    Promise.reject(Object.assign(new Error("Unable to connect"), { code: "ConnectionRefused" }));
  const error = await assertRejects(
    async () => pushImage(await layoutTar(await makeImage(["a"])), TARGET, { fetch, ...ONCE }),
  );
  assertInstanceOf(error, NetworkError);
  assert(error.message.includes("localhost:5000: connection refused"), error.message);
});

async function digestOf(tar: Blob): Promise<string> {
  const { images } = await pushImage(tar, TARGET, { fetch: createRegistry() });
  return images[0]?.digest ?? "";
}

function refusal(status: number, code: string, message: string): Response {
  return Response.json({ errors: [{ code, message }] }, { status });
}
