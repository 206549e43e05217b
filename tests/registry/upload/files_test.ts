import { assertEquals } from "@std/assert";
import { digestBytes } from "../../../src/digest.ts";
import type { NetworkFetch } from "../../../src/network_fetch.ts";
import { chunkSizeFor } from "../../../src/registry/upload/body_limits.ts";
import type { UploadBlob } from "../../../src/registry/upload/choose_body.ts";
import { uploadBlob } from "../../../src/registry/upload/upload_blob.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { test } from "../../helpers/test.ts";
import { makeRepository } from "../make_http.ts";

const MIB = 1024 * 1024;
const CONTENT = new Uint8Array(2 * MIB).fill(7);

test("uploadBlob() gives fetch a large file where that is sent as it is, and reads it where not", async () => {
  const sent: string[] = [];
  const fetch = networkFetch("registry.test", (url, init) => {
    const body = "duplex" in init ? "stream" : init.body ? "file" : "nothing";
    sent.push(`${init.method} ${url.host} ${body}`);
    if (init.method === "POST") return redirect(202, "/u/1");
    if (url.host === "registry.test") return redirect(307, `https://store.test/u/1${url.search}`);
    return taken(url);
  });
  await uploadBlob(makeRepository(fetch), await blobOf(CONTENT));
  assertEquals(sent, [
    "POST registry.test nothing",
    "PUT registry.test file",
    "PUT store.test stream",
  ]);
});

test("uploadBlob() reads a large file after a failure: what is wrong with it, that tells", async () => {
  const sent: string[] = [];
  const fetch = networkFetch("registry.test", (url, init) => {
    if (init.method !== "PUT") return redirect(init.method === "POST" ? 202 : 404, "/u/1");
    const isFile = !("duplex" in init);
    sent.push(isFile ? "file" : "stream");
    return isFile ? new Response(null, { status: 503 }) : taken(url);
  });
  await uploadBlob(makeRepository(fetch), await blobOf(CONTENT));
  assertEquals(sent, ["file", "stream"]);
});

test("uploadBlob() leaves the length of a stream out once an answer came by Squid, until it is asked for", async () => {
  const { sent, fetch } = proxiedFetch(() => new Response(null, { status: 411 }));
  const repository = makeRepository(fetch);
  await uploadBlob(repository, await streamOf(CONTENT));
  assertEquals(sent, [[null, "stream"], [`${CONTENT.length}`, "bytes"]]);
  await uploadBlob(repository, await streamOf(CONTENT));
  assertEquals(sent.slice(2), [[`${CONTENT.length}`, "bytes"]]);
});

test("uploadBlob() tells the length of each blob whose stream was passed over past Squid, also of several at once", async () => {
  const both = Promise.withResolvers<void>();
  let streams = 0;
  const { sent, fetch } = proxiedFetch(async () => {
    if (++streams === 2) both.resolve();
    await both.promise;
    return Response.json({ errors: [{ code: "DIGEST_INVALID" }] }, { status: 400 });
  });
  const repository = makeRepository(fetch, { retry: { attempts: 1 } });
  const blob = await streamOf(CONTENT);
  await Promise.all([uploadBlob(repository, blob), uploadBlob(repository, blob)]);
  assertEquals(sent.map(([, body]) => body), ["stream", "stream", "bytes", "bytes"]);
});

test("uploadBlob() tells the length of a small file that goes past Squid at a pace", async () => {
  const { sent, fetch } = proxiedFetch(() => new Response(null, { status: 400 }));
  const small = CONTENT.subarray(0, 512 * 1024);
  const limits = { maxRate: 1024 * 1024 };
  const repository = makeRepository(fetch, { limits, clock: new FakeClock() });
  await uploadBlob(repository, await blobOf(small));
  assertEquals(sent.map(([length]) => length), [`${small.length}`]);
});

test("uploadBlob() tells the length of a stream that goes past a proxy other than Squid", async () => {
  const { sent, fetch } = proxiedFetch(() => new Response(null, { status: 411 }), "1.1 tinyproxy");
  await uploadBlob(makeRepository(fetch), await streamOf(CONTENT));
  assertEquals(sent.map(([length]) => length), [`${CONTENT.length}`]);
});

test("chunkSizeFor() keeps chunks small past Squid in plain http, unless the registry wants larger ones", () => {
  const context = makeRepository(proxiedFetch(() => new Response()).fetch);
  const { http } = context;
  const sizeOf = (location: string, minChunk = 0) =>
    chunkSizeFor({ context, location: new URL(location), minChunk }, 100 * MIB);
  http.seen.chunkSize = 8 * MIB;
  assertEquals(sizeOf("http://registry.test/u"), 8 * MIB);
  http.seen.passesSquid = true;
  assertEquals(sizeOf("http://registry.test/u"), 2 * MIB);
  assertEquals(sizeOf("http://registry.test/u", 5 * MIB), 5 * MIB);
  assertEquals(sizeOf("https://registry.test/u"), 8 * MIB);
});

async function streamOf(content: Uint8Array<ArrayBuffer>): Promise<UploadBlob> {
  const { digest, size, open } = await blobOf(content);
  return { digest, size, open };
}

/** A `fetch` past a proxy of plain http, to what wants lengths; notes all bodies with the length told. */
function proxiedFetch(refuse: () => Response | Promise<Response>, via = "1.1 vm (squid/5.7)") {
  const sent: [length: string | null, body: string][] = [];
  const fetch = async (url: string | URL | Request, init: RequestInit = {}) => {
    const headers = { location: "/u/1", via };
    if (init.method === "POST") return new Response(null, { status: 202, headers });
    if (init.method !== "PUT") return new Response(null, { status: 404, headers });
    const length = new Headers(init.headers).get("content-length");
    sent.push([length, init.body instanceof ReadableStream ? "stream" : "bytes"]);
    return length === null ? await refuse() : taken(url);
  };
  return { sent, fetch: Object.assign(fetch, { proxyFor: () => "http://proxy.test" }) };
}

test("uploadBlob() sends chunks as streams, which no runtime sends twice by itself", async () => {
  const sent: [method: string | undefined, isStream: boolean][] = [];
  const fetch = networkFetch("nowhere.test", (url, init) => {
    if (init.method === "POST") return redirect(202, "/u/1");
    sent.push([init.method, "duplex" in init]);
    return init.method === "PATCH" ? redirect(202, "/u/1") : taken(url);
  });
  const repository = makeRepository(fetch);
  repository.http.seen.chunkSize = CONTENT.length / 2;
  await uploadBlob(repository, await blobOf(CONTENT));
  assertEquals(sent, [["PATCH", true], ["PATCH", true], ["PUT", false]]);
});

/** The answer to what ends an upload. */
function taken(url: string | URL | Request): Response {
  const digest = new URL(url instanceof Request ? url.url : url).searchParams.get("digest") ?? "";
  return new Response(null, { status: 201, headers: { "docker-content-digest": digest } });
}

async function blobOf(content: Uint8Array<ArrayBuffer>): Promise<UploadBlob> {
  return {
    digest: await digestBytes(content),
    size: content.length,
    open: () => new Blob([content]).stream(),
    blob: () => new Blob([content]),
    isWhole: () => Promise.resolve(true),
  };
}

/** A host's `fetch` that takes files for one server. */
function networkFetch(
  host: string,
  answer: (url: URL, init: RequestInit) => Response,
): NetworkFetch {
  const count = () => Promise.resolve(0);
  const fetch = async (input: string | URL | Request, init: RequestInit = {}) => {
    if (init.body instanceof ReadableStream) await Array.fromAsync(init.body);
    return answer(new URL(String(input)), init);
  };
  return Object.assign(fetch, {
    proxyFor: () => undefined,
    sentFromFiles: (url: URL) => Promise.resolve(url.host === host ? count : undefined),
  });
}

function redirect(status: number, location: string): Response {
  return new Response(null, { status, headers: { location } });
}
