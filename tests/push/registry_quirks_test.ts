import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ArchiveError, RegistryError } from "../../src/errors.ts";
import { OCI_CONFIG, OCI_MANIFEST } from "../../src/media_types.ts";
import type { PushOptions } from "../../src/push/options.ts";
import { pushImage, type PushResult } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  dockerSave,
  encode,
  encodeJson,
  makeImage,
  makeLayer,
  OciLayout,
  toBlob,
} from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import {
  type Fault,
  type FaultLayer,
  faultLayer,
  type SeenRequest,
  withHeader,
} from "../helpers/fault_layer.ts";
import { connectionReset } from "../helpers/scripted_fetch.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const MIB = 1024 * 1024;
const CHUNK = 256 * 1024;
const TARGET = "localhost:5000/app:1";
const QUICK = { retry: { delay: 0 }, concurrency: 1, memoryBudget: MIB };

function largeLayer(seed: number, bytes: number) {
  const body = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at++) body[at] = (at * seed) % 251;
  return makeLayer(writeTar([{ path: `${seed}`, body }]));
}

const SOURCES_OF_A_LAYOUT = {
  "a file": (tar: Blob) => tar,
  "a pipe": (tar: Blob) => tar.stream(),
};

const layoutOf = kept(async (bytes) => {
  const layout = new OciLayout();
  const image = await makeImage(["small", await largeLayer(3, bytes)]);
  layout.add(await layout.image(image), { ref: "1" });
  return toBlob(layout.entries());
});
const dockerOf = kept(async (bytes) => {
  const image = await makeImage(["small", await largeLayer(3, bytes)]);
  return toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));
});

/** Makes an archive of each size once. */
function kept(make: (bytes: number) => Promise<Blob>): (bytes: number) => Promise<Blob> {
  const made = new Map<number, Promise<Blob>>();
  return (bytes) => {
    const archive = made.get(bytes) ?? make(bytes);
    made.set(bytes, archive);
    return archive;
  };
}

const SOURCES: Record<string, (bytes: number) => Promise<Blob | ReadableStream<Uint8Array>>> = {
  "a file": layoutOf,
  "a pipe": async (bytes) => (await layoutOf(bytes)).stream(),
  "a pipe without digests": async (bytes) => (await dockerOf(bytes)).stream(),
};

/** The most that a proxy lets through, the length of the layer, and memory: the layer passes as a stream, or is held. */
const LIMITS = [
  [512 * 1024, 7 * MIB, 8 * MIB],
  [MIB, 4 * MIB, 64 * MIB],
  [3 * MIB, 4 * MIB, 64 * MIB],
] as const;

/** Pushes an image with a large layer through faults, and checks what stands then. */
async function push(
  source: string,
  bytes: number,
  layer: FaultLayer,
  registry: FetchHandler,
  options: PushOptions = {},
): Promise<PushResult> {
  const archive = await SOURCES[source]?.(bytes);
  assert(archive);
  const result = await pushImage(archive, TARGET, { ...QUICK, ...options, fetch: layer.fetch })
    .catch((cause) => Promise.reject(new Error(layer.lines().join("\n"), { cause })));
  assertEquals((await readBack(registry, "app", "1")).digest, result.images[0]?.digest);
  return result;
}

const isSession = ({ path }: SeenRequest) => path.includes("/blobs/uploads/");
const isChunk = (request: SeenRequest) => request.headers.has("content-range");
const isStatus = (request: SeenRequest) => request.method === "GET" && isSession(request);
const isManifest = ({ method, path }: SeenRequest) =>
  method === "PUT" && path.includes("/manifests/");
const isBody = (request: SeenRequest) => isSession(request) && /PUT|PATCH/.test(request.method);

function answer(status: number, body: BodyInit | null = null, headers: HeadersInit = {}): Fault {
  return { kind: "answer", answer: () => new Response(body, { status, headers }), readBody: true };
}

/** The n-th request of a kind, counted from 1. */
function nth(fits: (request: SeenRequest) => boolean, number: number) {
  let seen = 0;
  return (request: SeenRequest) => fits(request) && ++seen === number;
}

const changed = (change: (response: Response) => Response): Fault => ({
  kind: "change-response",
  change,
});
const withStatus = (status: number) =>
  changed(({ body, headers }) => new Response(body, { status, headers }));
const withRange = (range: string | undefined) =>
  changed((response) => withHeader(response, "range", range));

/** What a registry does with each answer to a chunk, and to the question how far an upload is. */
const QUIRKS: Record<string, (request: SeenRequest) => Fault | undefined> = {
  "answers 201 to a chunk and shows no progress, as ECR does": (request) => {
    if (isStatus(request)) return answer(404);
    if (!isChunk(request)) return undefined;
    return changed(({ body, headers }) => {
      const shown = new Headers(headers);
      shown.set("range", "0-9");
      return new Response(body, { status: 201, headers: shown });
    });
  },
  "answers 204 to a chunk": (request) => isChunk(request) ? withStatus(204) : undefined,
  "counts within the chunk, as zot and Aliyun did": (request) =>
    isChunk(request) ? withRange("0-1023") : undefined,
  "sends no Range, as Gitea did": (request) => isChunk(request) ? withRange(undefined) : undefined,
  "sends the Range 0--1, as Gitea did": (request) =>
    isChunk(request) ? withRange("0--1") : undefined,
  "sends a Range with unit": (request) => isChunk(request) ? withRange("bytes=0-9") : undefined,
  "sends a Range beyond all": (request) =>
    isChunk(request) ? withRange("0-99999999999999999999") : undefined,
  "names no Location after the first": (request) =>
    isChunk(request)
      ? changed((response) => withHeader(response, "location", undefined))
      : undefined,
};

for (
  const [source, memoryBudget, methods] of [
    ["a file", MIB, ["PUT"]],
    ["a pipe", 64 * MIB, ["PUT"]],
    // What could not be sent again in one piece goes in chunks, which can.
    ["a pipe", MIB, ["PATCH", "PATCH"]],
  ] as const
) {
  test(`pushImage() of ${source} within ${memoryBudget} bytes of memory sends what a registry says that one request may carry`, async () => {
    const registry = createRegistry({ chunkLimits: { min: 5 * MIB, max: 20 * MIB } });
    const layer = faultLayer(registry, () => undefined);
    await push(source, 9 * MIB, layer, registry, { memoryBudget });
    const large = layer.seen.filter(({ headers }) => Number(headers.get("content-length")) >= MIB);
    assertEquals(large.map(({ method }) => method), [...methods]);
  });
}

// Artipie's docker-adapter 0.13.1.
test("pushImage() of a pipe sends a large layer to a registry that passes over what comes in a PUT", async () => {
  const registry = createRegistry();
  const invalid = encodeJson({ errors: [{ code: "DIGEST_INVALID", message: "no" }] });
  const layer = faultLayer(
    registry,
    ({ method, path, headers }) =>
      method === "PUT" && path.includes("/uploads/") && headers.get("content-length") !== "0"
        ? answer(400, invalid)
        : undefined,
  );
  await push("a pipe", 9 * MIB, layer, registry);
});

for (const source of Object.keys(SOURCES)) {
  for (const [what, plan] of Object.entries(QUIRKS)) {
    test(`pushImage() of ${source} in chunks: the registry ${what}`, async () => {
      const registry = createRegistry();
      const layer = faultLayer(registry, plan);
      await push(source, 3.5 * CHUNK, layer, registry, { chunkSize: CHUNK });
      const ranges = layer.seen.filter(isChunk).map(({ headers }) => headers.get("content-range"));
      // As ACR wants it: no unit, no total.
      assertEquals(ranges.slice(0, 2), [`0-${CHUNK - 1}`, `${CHUNK}-${2 * CHUNK - 1}`]);
      assertEquals(layer.seen.filter(({ method }) => method === "DELETE").length, 0);
    });

    test(`pushImage() of ${source} in chunks, one of them broken: the registry ${what}`, async () => {
      const registry = createRegistry();
      const isBroken = nth(isChunk, 2);
      const layer = faultLayer(
        registry,
        (request) => isBroken(request) ? { kind: "cut-body", after: 1000 } : plan(request),
      );
      // A pipe may have given away what a registry that cannot tell would have to get again.
      await push(source, 3.5 * CHUNK, layer, registry, {
        chunkSize: CHUNK,
        memoryBudget: 64 * MIB,
      });
    });
  }

  for (const range of ["0-1023", "0-99999999", "0-99999999999999999999", "0--1", undefined]) {
    test(`pushImage() of ${source} restarts or goes on where a broken upload stands at ${range}`, async () => {
      const registry = createRegistry();
      const isBroken = nth(isChunk, 2);
      const layer = faultLayer(registry, (request) => {
        if (isBroken(request)) return { kind: "refuse" };
        return isStatus(request) ? withRange(range) : undefined;
      });
      await push(source, 3.5 * CHUNK, layer, registry, {
        chunkSize: CHUNK,
        memoryBudget: 64 * MIB,
      });
      // Each blob was closed once: what went there was right.
      assertEquals(layer.seen.filter((request) => request.query.has("digest")).length, 3);
    });
  }

  test(`pushImage() of ${source} follows a Location that changes with every answer`, async () => {
    const registry = createRegistry();
    const states = new Map<string, number>();
    const layer = faultLayer(async (request) => {
      const { pathname, searchParams } = new URL(request.url);
      const state = states.get(pathname);
      if (state !== undefined && searchParams.get("state") !== `${state}`) {
        return new Response(null, { status: 404 });
      }
      const response = await registry(request);
      const location = response.headers.get("location");
      if (response.status !== 202 || !location) return response;
      const next = (state ?? 0) + 1;
      states.set(new URL(location, request.url).pathname, next);
      return withHeader(response, "location", `${location}?state=${next}`);
    });
    await push(source, 3.5 * CHUNK, layer, registry, { chunkSize: CHUNK });
    assert(Math.max(...states.values()) >= 4);
  });

  // Limits on the size of one request

  for (const status of [413, 411]) {
    for (const [limit, bytes, memoryBudget] of LIMITS) {
      test(`pushImage() of ${source} with ${memoryBudget} bytes of memory through a proxy that answers ${status} to bodies above ${limit} bytes`, async () => {
        const registry = createRegistry();
        const layer = faultLayer(limited(registry, limit, status));
        await push(source, bytes, layer, registry, { memoryBudget });
      });
    }
  }

  for (
    const [what, body] of Object.entries({
      "that says so in JSON": encodeJson({
        errors: [{ code: "BLOB_UPLOAD_INVALID", message: "body too large" }],
      }),
      "in plain text": "chunk exceeds maximum",
      "without a word": null,
    })
  ) {
    test(`pushImage() of ${source} where a chunk is too large and gets a 416 ${what}, as GHCR does`, async () => {
      const registry = createRegistry();
      const layer = faultLayer(registry, (request) => {
        const [start = 0, end = 0] = (request.headers.get("content-range") ?? "").split("-").map(
          Number,
        );
        return end - start + 1 > MIB ? answer(416, body) : undefined;
      });
      await push(source, 5 * MIB, layer, registry, { chunkSize: 4 * MIB });
      const starts = layer.seen.filter(isChunk).map(({ headers }) => headers.get("content-range"));
      assert(starts.includes(`${MIB}-${2 * MIB - 1}`), starts.join());
    });
  }

  test(`pushImage() of ${source} goes on where a 416 says that a chunk has arrived already`, async () => {
    const registry = createRegistry();
    const isTwice = nth(isChunk, 2);
    const layer = faultLayer(
      registry,
      (request) => isTwice(request) ? { kind: "double-send" } : undefined,
    );
    await push(source, 3.5 * CHUNK, layer, registry, { chunkSize: CHUNK });
    assertEquals(layer.seen.filter(isStatus).length, 1);
    assertEquals(layer.seen.filter(({ method }) => method === "DELETE").length, 0);
  });

  test(`pushImage() of ${source} follows the redirect of an upload`, async () => {
    const registry = createRegistry();
    const layer = faultLayer(registry, (request) => {
      if (!isBody(request) || request.query.has("moved")) return undefined;
      const query = new URLSearchParams(request.query);
      query.set("moved", "1");
      const location = `${request.path}?${query}`;
      // At once, as storage in front of a registry does: nothing of the body has been read.
      return {
        kind: "answer",
        answer: () => new Response(null, { status: 307, headers: { location } }),
      };
    });
    await push(source, 3.5 * CHUNK, layer, registry, { memoryBudget: 64 * MIB });
  });

  // Attempts

  for (
    const [what, fits, fault, most] of [
      ["every chunk", isChunk, answer(500), 5],
      ["every chunk with a 416", isChunk, answer(416), 10],
      ["every chunk with a lost connection", isChunk, { kind: "refuse" }, 5],
      ["every chunk as of a lost upload", isChunk, answer(404), 5],
      ["every body", isBody, answer(503), 5],
      ["every start of an upload", ({ method }: SeenRequest) => method === "POST", answer(500), 5],
      ["every manifest", isManifest, answer(502), 5],
      ["every question", ({ method }: SeenRequest) => method === "HEAD", answer(500), 5],
    ] as [string, (request: SeenRequest) => boolean, Fault, number][]
  ) {
    test(`pushImage() of ${source} to a registry that fails ${what} ends after the attempts of one request`, async () => {
      const registry = createRegistry();
      const layer = faultLayer(registry, (request) => fits(request) ? fault : undefined);
      const options = {
        ...QUICK,
        fetch: layer.fetch,
        chunkSize: fits === isBody ? 8 * MIB : CHUNK,
      };
      const archive = await SOURCES[source]?.(3.5 * CHUNK);
      assert(archive);
      await assertRejects(() => pushImage(archive, TARGET, options));
      const tried = layer.seen.filter(fits).map(({ path }) => path.replace(/uploads\/.*/, ""));
      const largest = Math.max(
        ...Map.groupBy(tried, (path) => path).values().map((of) => of.length),
      );
      assert(largest <= most, `${largest} requests:\n${layer.lines().join("\n")}`);
      assertEquals(await allTags(registry), []);
    });
  }

  // Digests

  test(`pushImage() of ${source} sends a blob that was damaged on the way once more, and no oftener`, async () => {
    const invalid = encodeJson({ errors: [{ code: "DIGEST_INVALID", message: "wrong digest" }] });
    for (const times of [1, Infinity]) {
      const registry = createRegistry();
      const closes = (request: SeenRequest) => isBody(request) && request.query.has("digest");
      let failures = times;
      const layer = faultLayer(
        registry,
        (request) => closes(request) && failures-- > 0 ? answer(400, invalid) : undefined,
      );
      const archive = source === "a file" ? await layoutOf(1000) : (await layoutOf(1000)).stream();
      const pushed = pushImage(archive, TARGET, { ...QUICK, fetch: layer.fetch });
      if (times === 1) await pushed;
      else {
        const error = await assertRejects(() => pushed, RegistryError, "DIGEST_INVALID");
        assertEquals(error.status, 400);
        assertEquals(layer.seen.filter(closes).length, 2, layer.lines().join("\n"));
      }
      assertEquals((await allTags(registry)).length, times === 1 ? 1 : 0);
    }
  });

  // Manifests

  test(`pushImage() of ${source} waits as long as a registry asks that gets too many manifests`, async () => {
    const registry = createRegistry();
    const isFirst = nth(isManifest, 1);
    const waits: number[] = [];
    const layer = faultLayer(
      registry,
      (request) => isFirst(request) ? answer(429, null, { "retry-after": "0" }) : undefined,
    );
    await push(source, 1000, layer, registry, {
      retry: { delay: 60_000 },
      onEvent: (event) => void (event.type === "retry" && waits.push(event.delay)),
    });
    assertEquals(waits, [0]);
  });

  for (const status of [411, 413]) {
    test(`pushImage() of ${source} reports a ${status} on a manifest at once`, async () => {
      const registry = createRegistry();
      const layer = faultLayer(
        registry,
        (request) => isManifest(request) ? answer(status) : undefined,
      );
      const archive = await SOURCES[source]?.(1000);
      assert(archive);
      const error = await assertRejects(
        () => pushImage(archive, TARGET, { ...QUICK, fetch: layer.fetch }),
        RegistryError,
        "Cannot push manifest",
      );
      assertEquals(error.status, status);
      const manifests = layer.seen.filter(isManifest);
      assertEquals(manifests.length, 1);
      assertEquals(await allTags(registry), []);
    });
  }
}

const HTML = { "content-type": "text/html" };

/** A proxy with a limit on the size of one request; like nginx it answers as soon as it has read too much. */
function limited(registry: FetchHandler, limit: number, status: number): FetchHandler {
  return async (request) => {
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    for await (const piece of request.body ?? []) {
      pieces.push(piece);
      length += piece.length;
      if (length > limit) return new Response("<h1>no</h1>", { status, headers: HTML });
    }
    const { method, url, headers } = request;
    const body = length > 0 ? { body: new Blob(pieces) } : {};
    return await registry(new Request(url, { method, headers, ...body }));
  };
}

for (const source of ["a file", "a pipe"]) {
  test(`pushImage() of ${source} sends in chunks what a firewall forbids for its size, as ModSecurity 3 does`, async () => {
    const registry = createRegistry();
    const layer = faultLayer(limited(registry, MIB, 403));
    await push(source, 4 * MIB, layer, registry, { memoryBudget: 64 * MIB });
  });
}

test("pushImage() finds a limit that three blobs meet at once without going below it", async () => {
  const registry = createRegistry();
  const layout = new OciLayout();
  const layers = await Promise.all([3, 5, 7].map((seed) => largeLayer(seed, 3 * MIB)));
  layout.add(await layout.image(await makeImage(layers)), { ref: "1" });
  const layer = faultLayer(limited(registry, 2 * MIB, 413));
  await pushImage(toBlob(layout.entries()), TARGET, { retry: { delay: 0 }, fetch: layer.fetch });
  await readBack(registry, "app", "1");
  const lengths = layer.seen.filter(isChunk).map(({ headers }) => {
    const [start = 0, end = 0] = (headers.get("content-range") ?? "").split("-").map(Number);
    return end - start + 1;
  });
  assertEquals(Math.max(...lengths), 2 * MIB);
});

for (const bytes of [2 * MIB, 9 * MIB]) {
  test(`pushImage() meets a limit that a runtime sees only as a broken connection, with ${bytes} bytes`, async () => {
    const registry = createRegistry();
    let lost = 0;
    const layer = faultLayer(async (request) => {
      const isStream = !request.headers.has("content-range") && lost < 1;
      if (request.method !== "PUT" || !request.url.includes("digest=")) {
        return await limited(registry, MIB, 413)(request);
      }
      const length = Number(request.headers.get("content-length"));
      if (length <= MIB || !isStream) return await limited(registry, MIB, 413)(request);
      lost++;
      throw connectionReset();
    });
    await push("a file", bytes, layer, registry);
    assertEquals(lost, 1);
  });
}

test("pushImage() of a pipe follows the redirect of a body that passes, while it has all of it", async () => {
  for (const readBody of [false, true]) {
    const registry = createRegistry();
    const isFirst = nth((request) => isBody(request) && request.method === "PATCH", 1);
    const layer = faultLayer(registry, (request) => {
      if (!isFirst(request)) return undefined;
      const headers = { location: `${request.path}?${request.query}` };
      return {
        kind: "answer",
        answer: () => new Response(null, { status: 307, headers }),
        readBody,
      };
    });
    const archive = await SOURCES["a pipe without digests"]?.(3 * MIB);
    assert(archive);
    const pushed = pushImage(archive, TARGET, { ...QUICK, fetch: layer.fetch });
    if (!readBody) await pushed;
    else await assertRejects(() => pushed, ArchiveError, "Cannot follow a redirect of an upload");
    assertEquals((await allTags(registry)).length, readBody ? 0 : 1);
  }
});

// What another registry gives

test("pushImage() of a pipe to two registries goes on with a layer whose reading from the first broke", async () => {
  const registries = [createRegistry(), createRegistry()];
  let cuts = 0;
  const layer = faultLayer((request) => {
    const registry = registries[new URL(request.url).port === "5000" ? 0 : 1];
    assert(registry);
    return registry(request);
  }, ({ method, path }) => {
    if (method !== "GET" || !path.includes("/blobs/sha256:") || cuts >= 2) return undefined;
    cuts++;
    return { kind: "cut-response", after: 1000 };
  });
  const archive = await SOURCES["a pipe"]?.(3 * MIB);
  assert(archive);
  const targets = [TARGET, "localhost:5001/app:1"];
  const { images } = await pushImage(archive, targets, { ...QUICK, fetch: layer.fetch });
  assertEquals(cuts, 2);
  for (const registry of registries) {
    assertEquals((await readBack(registry, "app", "1")).digest, images[0]?.digest);
  }
});

// What a registry lacks after all

const ABSENT = encodeJson({
  errors: [{ code: "MANIFEST_BLOB_UNKNOWN", message: "blob unknown to registry" }],
});

for (const source of ["a file", "a pipe"]) {
  test(`pushImage() of ${source} writes a manifest again that a registry did not see complete at first`, async () => {
    const registry = createRegistry();
    const isFirst = nth(isManifest, 1);
    const layer = faultLayer(
      registry,
      (request) => isFirst(request) ? answer(404, ABSENT) : undefined,
    );
    const { images } = await push(source, 1000, layer, registry);
    assertEquals(images[0]?.blobs.map(({ status }) => status), ["pushed", "pushed", "pushed"]);
    assertEquals(layer.seen.filter(({ method }) => method === "POST").length, 3);
  });

  test(`pushImage() of ${source} gives up on a registry that lacks what it says it has`, async () => {
    const registry = createRegistry();
    const layer = faultLayer(
      registry,
      (request) => isManifest(request) ? answer(400, ABSENT) : undefined,
    );
    const archive = await SOURCES[source]?.(1000);
    assert(archive);
    await assertRejects(
      () => pushImage(archive, TARGET, { ...QUICK, fetch: layer.fetch }),
      RegistryError,
      "MANIFEST_BLOB_UNKNOWN",
    );
    assertEquals(layer.seen.filter(isManifest).length, 2);
  });
}

/** A registry that loses a blob just before the first manifest comes. */
async function forgetful(): Promise<{ registry: FetchHandler; layer: FaultLayer }> {
  const registry = createRegistry({ allowDelete: true });
  const { digest } = await makeLayer("small");
  const run = async () => {
    const url = `http://localhost:5000/v2/app/blobs/${digest}`;
    assertEquals((await registry(new Request(url, { method: "DELETE" }))).status, 202);
  };
  const isFirst = nth(isManifest, 1);
  const plan = (request: SeenRequest): Fault | undefined =>
    isFirst(request) ? { kind: "before", run } : undefined;
  return { registry, layer: faultLayer(registry, plan) };
}

test("pushImage() sends a blob again that a registry took and then does not have", async () => {
  const { registry, layer } = await forgetful();
  const result = await push("a file", 1000, layer, registry);
  assertEquals(result.images[0]?.blobs.map(({ status }) => status), ["pushed", "pushed", "pushed"]);
  assertEquals(layer.seen.filter(({ method }) => method === "POST").length, 4);
});

test("pushImage() of a pipe says what the registry said where it lacks a layer that has passed", async () => {
  const { registry, layer } = await forgetful();
  const archive = await SOURCES["a pipe"]?.(1000);
  assert(archive);
  await assertRejects(
    () => pushImage(archive, TARGET, { ...QUICK, fetch: layer.fetch }),
    RegistryError,
    "MANIFEST_BLOB_UNKNOWN",
  );
  assertEquals(await allTags(registry), []);
});

/** Answers a manifest with an absent foreign layer as distribution 2.8 and 3 do, unless their URLs are let pass. */
const refusesForeign = ({ method, path }: SeenRequest) =>
  method === "PUT" && path.includes("/manifests/")
    ? answer(
      500,
      encodeJson({
        errors: [
          { code: "UNKNOWN", message: "unknown error" },
          { code: "MANIFEST_BLOB_UNKNOWN", message: "blob unknown to registry" },
        ],
      }),
      { "content-type": "application/json" },
    )
    : undefined;

test("pushImage() tells why a manifest with a foreign layer is refused, and soon", async () => {
  const refusalOf = async (mediaType: string) => {
    const layout = new OciLayout();
    const config = await layout.blob((await makeImage(["one"])).config, OCI_CONFIG);
    const { digest, size } = await layout.blob(encode("a layer"), mediaType);
    const layer = { mediaType, digest, size, urls: ["https://elsewhere.example/blob"] };
    const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] };
    layout.add(await layout.document(manifest, OCI_MANIFEST));
    if (mediaType.includes("foreign")) layout.remove(layer);
    const { fetch, lines } = faultLayer(createRegistry(), refusesForeign);
    const { hint } = await assertRejects(
      () => pushImage(toBlob(layout.entries()), TARGET, { fetch, retry: { delay: 0 } }),
      RegistryError,
      "MANIFEST_BLOB_UNKNOWN",
    );
    // Once more, in case the registry shows late what it has.
    assertEquals(lines().filter((line) => line.startsWith("PUT app/manifests")).length, 2);
    return hint;
  };
  const hint = await refusalOf("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
  assertMatch(`${hint}`, /sha256:[0-9a-f]{64} .*validation\.manifests\.urls\.allow/);
  assertEquals(await refusalOf("application/vnd.oci.image.layer.v1.tar"), undefined);
});

/** pulp_container 2.30: what comes of a PUT whose connection breaks is kept under the digest of the whole. */
function keepingBeginnings(kept: number) {
  const registry = createRegistry();
  const tags: string[] = [];
  let cut: string | undefined;
  const fetch: FetchHandler = async (request) => {
    const { method, url } = request;
    const { pathname, searchParams } = new URL(url);
    const digest = searchParams.get("digest") ?? undefined;
    if (method === "PUT" && pathname.includes("/manifests/")) tags.push(pathname);
    if (method === "PUT" && digest && cut === undefined) {
      cut = digest;
      throw connectionReset();
    }
    const isCut = method === "HEAD" && cut !== undefined && pathname.endsWith(`/blobs/${cut}`);
    if (!isCut) return await registry(request);
    const headers = { "content-length": `${kept}`, "docker-content-digest": `${cut}` };
    return new Response(null, { headers });
  };
  return { fetch, tags };
}

for (const [what, open] of Object.entries(SOURCES_OF_A_LAYOUT)) {
  test(`pushImage() of ${what} tells that a registry keeps the beginning of a body that broke off`, async () => {
    const { fetch, tags } = keepingBeginnings(1000);
    const error = await assertRejects(
      async () => await pushImage(open(await layoutOf(2 * MIB)), TARGET, { ...QUICK, fetch }),
    );
    assert(error instanceof Error);
    assertMatch(error.message, /: the registry took it, and has 1000 bytes of it, expected \d+$/);
    assertEquals(tags, []);
  });
}

/** Trow 0.10: a blob of any repository is told of in each, and a manifest takes those that were sent to its own. */
function tellingOfOthers({ reads = ["HEAD", "GET"] } = {}) {
  const registry = createRegistry();
  const refused: string[] = [];
  const fetch: FetchHandler = async (request) => {
    const { method, url } = request;
    if (reads.includes(method) && url.includes("/blobs/sha256:")) {
      return await registry(new Request(url.replace("/v2/app/", "/v2/first/"), { method }));
    }
    const response = await registry(request);
    if (method !== "PUT" || !url.includes("/manifests/") || response.ok) return response;
    refused.push(url);
    const detail = { detail: "Blob asset not found: sha256:0" };
    const errors = [{ code: "MANIFEST_INVALID", message: "Manifest invalid", detail }];
    return new Response(encodeJson({ errors }), { status: 400 });
  };
  return { fetch, registry, refused };
}

for (const [what, open] of Object.entries(SOURCES_OF_A_LAYOUT)) {
  test(`pushImage() of ${what} sends what a registry tells of and does not have in this repository`, async () => {
    const { fetch, registry, refused } = tellingOfOthers();
    const archive = await layoutOf(2 * MIB);
    const options = { ...QUICK, fetch };
    await pushImage(archive, "localhost:5000/first:1", options);
    assertEquals(refused.length, 0);
    await pushImage(open(archive), TARGET, options);
    await readBack(registry, "app", "1");
  });

  test(`pushImage() of ${what} sends what it leaves out and a registry tells of in every repository`, async () => {
    const { fetch, registry } = tellingOfOthers();
    const layout = new OciLayout();
    const image = await makeImage(["small"]);
    layout.add(await layout.image(image), { ref: "1" });
    const options = { ...QUICK, fetch };
    await pushImage(toBlob(layout.entries()), "localhost:5000/first:1", options);
    const layer = image.layers[0]?.digest.slice("sha256:".length);
    assert(layer);
    const entries = layout.entries().filter(({ path }) => !path.endsWith(layer));
    await pushImage(open(toBlob(entries)), TARGET, options);
    await readBack(registry, "app", "1");
  });
}

test("pushImage() of a pipe says that a file may be pushed where the registry tells of what nobody can read there", async () => {
  const { fetch } = tellingOfOthers({ reads: ["HEAD"] });
  const options = { ...QUICK, fetch };
  const archive = await layoutOf(1000);
  await pushImage(archive, "localhost:5000/first:1", options);
  const error = await assertRejects(
    () => pushImage(archive.stream(), TARGET, options),
    RegistryError,
    "MANIFEST_INVALID: Manifest invalid (Blob asset not found: ",
  );
  assertMatch(error.hint ?? "", /write the archive to a file/);
});
