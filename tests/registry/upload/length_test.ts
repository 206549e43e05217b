import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../../src/bytes.ts";
import { digestBytes } from "../../../src/digest.ts";
import { RegistryError } from "../../../src/errors.ts";
import { headBlob } from "../../../src/registry/blobs.ts";
import { RegistryClient } from "../../../src/registry/client.ts";
import type { FetchHandler } from "../../../src/registry/http/call.ts";
import { chunkSizeFor } from "../../../src/registry/upload/body_limits.ts";
import type { UploadBlob } from "../../../src/registry/upload/choose_body.ts";
import { uploadBlob } from "../../../src/registry/upload/upload_blob.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import { bytesSource } from "../../../src/source/blob_source.ts";
import { encodeJson } from "../../helpers/archives.ts";
import { scriptedFetch } from "../../helpers/scripted_fetch.ts";
import { test } from "../../helpers/test.ts";
import { makeRepository, makeSession } from "../make_http.ts";

const MIB = 1024 * 1024;
const ONCE = { retry: { attempts: 1 } };

async function blobOf(size: number): Promise<UploadBlob> {
  const bytes = new Uint8Array(size).map((_, at) => at % 251);
  const open = () => bytesSource(bytes).slice(0, size).stream() as ReadableStream<Bytes>;
  return { digest: await digestBytes(bytes), size, open };
}

const TINY = await blobOf(1000);
const SMALL = await blobOf(2 * MIB);
const LARGE = await blobOf(9 * MIB);

/** A body as it came. */
interface SentBody {
  method: string;
  bytes: number;
}

/** A registry that answers the first bodies of an upload with a status, and tells of all. */
function refusing(status: number, body?: unknown, times = 1) {
  const registry = createRegistry();
  const bodies: SentBody[] = [];
  const fetch: FetchHandler = async (request) => {
    const { method, url, headers } = request;
    const bytes = await request.bytes();
    const isBody = bytes.length > 0 && url.includes("/uploads/");
    if (isBody && bodies.push({ method, bytes: bytes.length }) <= times) {
      return new Response(body === undefined ? null : encodeJson(body), { status });
    }
    const init = bytes.length > 0 ? { method, headers, body: bytes } : { method, headers };
    return await registry(new Request(url, init));
  };
  return { fetch, bodies };
}

/** What a registry says that passed over a body, and found the digest of nothing. */
const DIGEST_INVALID = { errors: [{ code: "DIGEST_INVALID", message: "no" }] };

test("uploadBlob() takes an error of the content for what it is", async () => {
  const { fetch, bodies } = refusing(400, DIGEST_INVALID);
  await assertRejects(
    () => uploadBlob(makeRepository(fetch, ONCE), SMALL),
    RegistryError,
    "DIGEST_INVALID",
  );
  assertEquals(bodies, [{ method: "PUT", bytes: SMALL.size }]);
});

test("uploadBlob() sends smaller bodies after a 411, and remembers it", async () => {
  const { fetch, bodies } = refusing(411);
  const repository = makeRepository(fetch, ONCE);
  await uploadBlob(repository, LARGE);
  await uploadBlob(repository, SMALL);
  assertEquals(bodies, [
    { method: "PUT", bytes: LARGE.size },
    { method: "PATCH", bytes: 8 * MIB },
    { method: "PATCH", bytes: MIB },
    { method: "PUT", bytes: SMALL.size },
  ]);
});

/**
 * A registry that has no use for a body in the PUT that ends an upload, and tells of all that had one.
 *
 * @param options What such a PUT gets; whether it takes more than one PATCH for an upload; what happens before it refuses a
 *   large one.
 */
function patchesOnly(
  status: number,
  { answer, takesChunks = true, meanwhile }: {
    answer?: unknown;
    takesChunks?: boolean;
    meanwhile?: () => Promise<void>;
  } = {},
) {
  const registry = createRegistry();
  const bodies: string[] = [];
  const patched = new Set<string>();
  const fetch: FetchHandler = async (request) => {
    const { method, url, headers } = request;
    const bytes = await request.bytes();
    if (bytes.length > 0) bodies.push(method);
    if (method === "PUT" && bytes.length > 0 && url.includes("/uploads/")) {
      if (bytes.length > MIB) await meanwhile?.();
      return new Response(answer === undefined ? null : encodeJson(answer), { status });
    }
    if (!takesChunks && method === "PATCH") {
      const path = new URL(url).pathname;
      if (patched.has(path)) return new Response(null, { status: 405 });
      patched.add(path);
    }
    const init = bytes.length > 0 ? { method, headers, body: bytes } : { method, headers };
    return await registry(new Request(url, init));
  };
  return { fetch, bodies };
}

// Artipie's docker-adapter 0.13.1 (2021).
test("uploadBlob() sends what was refused although it is right in one PATCH, where a second is refused, and remembers it", async () => {
  const { fetch, bodies } = patchesOnly(400, { answer: DIGEST_INVALID, takesChunks: false });
  const repository = makeRepository(fetch, ONCE);
  await assertRejects(() => uploadBlob(repository, LARGE), RegistryError, "DIGEST_INVALID");
  await uploadBlob(repository, { ...LARGE, wasRefused: true });
  assertEquals(bodies, ["PUT", "PATCH", "PATCH", "PATCH"]);
  assertEquals([repository.http.seen.takesPut, repository.http.seen.takesChunks], [false, false]);
  bodies.length = 0;
  for (const blob of [TINY, LARGE]) await uploadBlob(repository, blob);
  assertEquals(bodies, ["PATCH", "PATCH"]);
});

test("uploadBlob() sends what was damaged on the way in a PUT again where one brought another blob", async () => {
  const { fetch, bodies } = refusing(400, DIGEST_INVALID, 0);
  const repository = makeRepository(fetch, ONCE);
  await uploadBlob(repository, TINY);
  await uploadBlob(repository, { ...SMALL, wasRefused: true });
  assertEquals(bodies.map(({ method }) => method), ["PUT", "PUT"]);
});

test("uploadBlob() says what a PATCH of all was answered where that is refused as well", async () => {
  const script = scriptedFetch([
    [/^POST /, { status: 202, headers: { location: "/u/1" } }],
    ["PATCH /u/1", { status: 202, headers: { location: "/u/1" } }],
    ["PATCH /u/1", { status: 405 }],
    ["DELETE /u/1", { status: 204 }],
    [/^POST /, { status: 202, headers: { location: "/u/2" } }],
    ["PATCH /u/2", { status: 501 }],
    ["DELETE /u/2", { status: 204 }],
  ]);
  const repository = makeRepository(script.fetch, ONCE);
  repository.http.seen.takesPut = false;
  const error = await assertRejects(() => uploadBlob(repository, LARGE), RegistryError);
  assertEquals([error.status, repository.http.seen.takesChunks], [501, undefined]);
  script.assertDone();
});

for (const status of [400, 405, 500, 501]) {
  test(`uploadBlob() sends bodies in PATCH requests after a ${status} to any PUT with one, and remembers it`, async () => {
    const { fetch, bodies } = patchesOnly(status);
    const repository = makeRepository(fetch, { retry: { attempts: 2 } });
    await uploadBlob(repository, TINY);
    assertEquals([bodies.at(-1), repository.http.seen.takesPut], ["PATCH", false]);
    bodies.length = 0;
    for (const blob of [TINY, SMALL, LARGE]) await uploadBlob(repository, blob);
    assertEquals(bodies, ["PATCH", "PATCH", "PATCH", "PATCH"]);
  });
}

test("uploadBlob() sends in a PATCH what was on its way in a PUT when another blob was refused so", async () => {
  const { fetch, bodies } = patchesOnly(405, { meanwhile: () => uploadBlob(repository, TINY) });
  const repository = makeRepository(fetch, ONCE);
  await uploadBlob(repository, SMALL);
  assertEquals(bodies, ["PUT", "PUT", "PATCH", "PATCH"]);
});

/** A registry that names no digest of what it took, and drops the bodies of PUT where `drops` says so. */
function mute(drops: (method: string) => boolean) {
  const registry = createRegistry();
  const dropped = new Set<string | null>();
  const bodies: string[] = [];
  const questions: string[] = [];
  const fetch: FetchHandler = async (request) => {
    const { method, url, headers } = request;
    const { pathname, searchParams } = new URL(url);
    const bytes = await request.bytes();
    if (bytes.length > 0) bodies.push(method);
    if (method === "PUT" && drops(bodies.at(-1) ?? "")) {
      dropped.add(searchParams.get("digest"));
      return new Response(null, { status: 201 });
    }
    if (method === "PUT") dropped.delete(searchParams.get("digest"));
    if (method === "HEAD") questions.push(pathname);
    if (/^(?:HEAD|GET)$/.test(method) && dropped.has(pathname.split("/").at(-1) ?? null)) {
      return new Response(null, { headers: { "content-length": "0" } });
    }
    const init = bytes.length > 0 ? { method, headers, body: bytes } : { method, headers };
    const response = await registry(new Request(url, init));
    if (method === "PUT") response.headers.delete("docker-content-digest");
    return response;
  };
  return { fetch, bodies, questions };
}

// martencassel's oci-registry, 032082e of 2026-05.
test("uploadBlob() sends in a PATCH what was taken in a PUT without a word and dropped, and remembers it", async () => {
  const { fetch, bodies, questions } = mute((last) => last === "PUT");
  const repository = makeRepository(fetch, ONCE);
  await uploadBlob(repository, TINY);
  assertEquals(await headBlob(repository, TINY.digest), TINY.size);
  questions.length = 0;
  await uploadBlob(repository, SMALL);
  assertEquals(await headBlob(repository, SMALL.digest), SMALL.size);
  assertEquals([bodies, questions.length], [["PUT", "PATCH", "PATCH"], 1]);
});

test("uploadBlob() asks once what a registry has that names no digest", async () => {
  const { fetch, bodies, questions } = mute(() => false);
  const repository = makeRepository(fetch, ONCE);
  for (const blob of [TINY, SMALL]) await uploadBlob(repository, blob);
  assertEquals([bodies, questions.length], [["PUT", "PUT"], 1]);
});

test("uploadBlob() fails where what was sent is dropped however it is sent", async () => {
  const { fetch, bodies } = mute(() => true);
  await assertRejects(
    () => uploadBlob(makeRepository(fetch, ONCE), TINY),
    RegistryError,
    "the registry took it, and has 0 bytes of it, expected 1000",
  );
  assertEquals(bodies, ["PUT", "PATCH"]);
});

test("uploadBlob() learns nothing of bodies in a PUT from one without a byte", async () => {
  const { fetch, bodies } = patchesOnly(405);
  const repository = makeRepository(fetch, ONCE);
  for (const blob of [await blobOf(0), TINY]) await uploadBlob(repository, blob);
  assertEquals(bodies, ["PUT", "PATCH"]);
});

test("uploadBlob() takes the first answer to a PUT for the reason where a PATCH is refused as well", async () => {
  const script = scriptedFetch([
    [/^POST /, { status: 202, headers: { location: "/u/1" } }],
    [/^PUT \/u\/1/, { status: 405 }],
    ["DELETE /u/1", { status: 204 }],
    [/^POST /, { status: 202, headers: { location: "/u/2" } }],
    ["PATCH /u/2", { status: 501 }],
    ["DELETE /u/2", { status: 204 }],
  ]);
  const repository = makeRepository(script.fetch, ONCE);
  const error = await assertRejects(() => uploadBlob(repository, TINY), RegistryError);
  assertEquals([error.status, repository.http.seen.takesPut], [405, undefined]);
  script.assertDone();
});

test("chunkSizeFor() keeps to the limits of a registry that takes bytes in PATCH requests alone", () => {
  const session = { ...makeSession(createRegistry()), minChunk: 10 * MIB };
  session.context.http.seen.takesPut = false;
  const chunks = [0, 1000, 10 * MIB, 25 * MIB].map((size) => chunkSizeFor(session, size));
  assertEquals(chunks, [undefined, 1000, 10 * MIB, 10 * MIB]);
});

test("uploadBlob() sends no PATCH where another blob came in a PUT", async () => {
  const { fetch, bodies } = refusing(405, undefined, Infinity);
  let isBroken = false;
  const registry = createRegistry();
  const repository = makeRepository((request) => (isBroken ? fetch : registry)(request), ONCE);
  await uploadBlob(repository, SMALL);
  isBroken = true;
  await assertRejects(() => uploadBlob(repository, TINY), RegistryError, "405");
  assertEquals(bodies.map(({ method }) => method), ["PUT"]);
});

for (const [min, max] of [[5, 100], [1, 2], [undefined, 4], [16, undefined]]) {
  test(`uploadBlob() keeps to what one request may carry, chunks from ${min} to ${max} MiB, from the first byte on`, async () => {
    const chunkLimits = {
      ...(min ? { min: min * MIB } : undefined),
      ...(max ? { max: max * MIB } : undefined),
    };
    const registry = createRegistry({ chunkLimits });
    const bodies: SentBody[] = [];
    const fetch: FetchHandler = async (request) => {
      const { method, url, headers } = request;
      const body = await request.bytes();
      if (body.length === 0) return await registry(new Request(url, { method }));
      assertEquals(headers.get("content-length"), `${body.length}`);
      bodies.push({ method, bytes: body.length });
      return await registry(new Request(url, { method, headers, body }));
    };
    const repository = makeRepository(fetch, ONCE);
    const most = (max ?? Infinity) * MIB;
    for (const blob of [SMALL, LARGE]) {
      bodies.length = 0;
      await uploadBlob(repository, blob);
      if (blob.size <= most) assertEquals(bodies, [{ method: "PUT", bytes: blob.size }]);
      else assert(bodies.length > 1 && bodies.every(({ bytes }) => bytes <= most));
    }
  });
}

test("RegistryClient sends a stream in chunks where the registry names their length", async () => {
  const chunkLimits = { min: MIB, max: 4 * MIB };
  const registry = createRegistry({ chunkLimits });
  const lengths: (string | null)[] = [];
  await using client = new RegistryClient("localhost:5000", {
    fetch: async (request) => {
      if (request.method === "PATCH") lengths.push(request.headers.get("content-length"));
      return await registry(request);
    },
  });
  const { blobs } = client.repository("app");
  const { digest, size } = await blobs.push(LARGE.open());
  assertEquals([digest, size], [LARGE.digest, LARGE.size]);
  assertEquals(lengths, [4, 4, 1].map((mib) => `${mib * MIB}`));
});
