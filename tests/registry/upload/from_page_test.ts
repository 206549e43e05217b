import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { digestBytes } from "../../../src/digest.ts";
import { RegistryError } from "../../../src/errors.ts";
import type { RepositoryContext } from "../../../src/registry/blobs.ts";
import type { FetchHandler } from "../../../src/registry/http/call.ts";
import { uploadBlob } from "../../../src/registry/upload/upload_blob.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import { test } from "../../helpers/test.ts";
import { fakePage } from "../http/fake_page.ts";
import { makeRepository } from "../make_http.ts";

const MIB = 1024 * 1024;

/** A repository as a page sees it, and the requests with a body that went to it. */
function seenFromPage(handler: FetchHandler): { target: RepositoryContext; sent: string[] } {
  const sent: string[] = [];
  const page = fakePage(async (request) => {
    const { method, url, headers } = request;
    const body = await request.bytes();
    if (body.length > 0) sent.push(`${method} ${body.length}`);
    return await handler(new Request(url, { method, headers, ...(body.length ? { body } : {}) }));
  }, { hasXhr: true });
  const target = makeRepository(globalThis.fetch);
  return { target: { ...target, http: { ...target.http, page } }, sent };
}

test("uploadBlob() sends a Blob whole from a page, with progress", async () => {
  const { target, sent } = seenFromPage(createRegistry());
  const content = new Blob([new Uint8Array(20 * MIB)]);
  const digest = await digestBytes(await content.bytes(), "sha256");
  const progress: number[] = [];
  await uploadBlob(target, {
    digest,
    size: content.size,
    open: () => {
      throw new Error("unreachable: it is not read");
    },
    blob: () => content,
  }, { onProgress: (bytes) => void progress.push(bytes) });
  assertEquals(sent, [`PUT ${20 * MIB}`]);
  assertEquals(progress, [10 * MIB, 20 * MIB, 20 * MIB]);
});

test("uploadBlob() sends what is no Blob in chunks from a page, which sends no streams", async () => {
  for (const [size, expected] of [[3, ["PUT 3"]], [9, ["PATCH 8", "PATCH 1"]]] as const) {
    const { target, sent } = seenFromPage(createRegistry());
    const bytes = new Uint8Array(size * MIB);
    const digest = await digestBytes(bytes, "sha256");
    const open = () => new Response(bytes).body ?? new ReadableStream();
    await uploadBlob(target, { digest, size: bytes.length, open });
    assertEquals(sent, expected.map((line) => line.replace(/\d+/, (mib) => `${+mib * MIB}`)));
  }
});

test("uploadBlob() turns to chunks of a Blob where a page may not send it whole", async () => {
  const registry = createRegistry();
  const { target, sent } = seenFromPage(async (request) => {
    const body = await request.clone().bytes();
    if (body.length > 10 * MIB) return new Response(null, { status: 413 });
    return await registry(request);
  });
  const bytes = new Uint8Array(12 * MIB);
  const content = new Blob([bytes]);
  const digest = await digestBytes(bytes, "sha256");
  const blob = { digest, size: content.size, open: () => content.stream(), blob: () => content };
  await uploadBlob(target, blob);
  assertEquals(sent, [`PUT ${12 * MIB}`, `PATCH ${8 * MIB}`, `PATCH ${4 * MIB}`]);
});

test("uploadBlob() names the header lines where a page may not read where an upload goes on", async () => {
  const { target } = seenFromPage(() => Promise.resolve(new Response(null, { status: 202 })));
  const bytes = new Uint8Array(3);
  const blob = {
    digest: await digestBytes(bytes, "sha256"),
    size: 3,
    open: () => new Blob([bytes]).stream(),
  };
  const error = await assertRejects(() => uploadBlob(target, blob), RegistryError);
  assertMatch(error.message, /answered 202, and does not let this page read its header Location/);
  assertMatch(error.hint ?? "", /Expose-Headers: .*Location/);
});

test("uploadBlob() gets below a limit whose refusal a page may not see", async () => {
  for (const size of [20 * MIB, 3 * MIB]) {
    const registry = createRegistry();
    const { target, sent } = seenFromPage(async (request) => {
      const body = await request.clone().bytes();
      if (body.length > MIB) throw new Error("413, without CORS");
      return await registry(request);
    });
    const bytes = new Uint8Array(size);
    const content = new Blob([bytes]);
    const digest = await digestBytes(bytes, "sha256");
    const blob = { digest, size, open: () => content.stream(), blob: () => content };
    await uploadBlob(target, blob);
    const small = sent.filter((line) => line === `PATCH ${MIB}`);
    assertEquals(small.length, size / MIB);
    assert(sent.length <= small.length + 6, sent.join(", "));
  }
});
