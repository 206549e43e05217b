import { assert, assertEquals, assertRejects } from "@std/assert";
import { digestBytes } from "../../../src/digest.ts";
import { NetworkError, RegistryError } from "../../../src/errors.ts";
import type { RepositoryContext } from "../../../src/registry/blobs.ts";
import type { FetchHandler } from "../../../src/registry/http/call.ts";
import { uploadBlob } from "../../../src/registry/upload/upload_blob.ts";
import { connectionReset } from "../../helpers/scripted_fetch.ts";
import { test } from "../../helpers/test.ts";
import { makeRepository } from "../make_http.ts";

const CONTENT = new Uint8Array(3 * 1024 * 1024).fill(7);
const DIGEST = await digestBytes(CONTENT);
const BLOB = {
  digest: DIGEST,
  size: CONTENT.length,
  open: () => ReadableStream.from([CONTENT]) as ReadableStream<Uint8Array<ArrayBuffer>>,
};
const GONE = () =>
  new Response(JSON.stringify({ errors: [{ code: "BLOB_UPLOAD_UNKNOWN" }] }), { status: 404 });
const PAGE = () =>
  new Response("<title>Request filtered</title>", {
    status: 404,
    headers: { "content-type": "text/html" },
  });

/** A repository that opens every upload, has no blob, and answers the rest by its method. */
function repositoryWith(answers: Record<string, () => Response>): RepositoryContext {
  const location = { location: "/u/1" };
  const all: Record<string, () => Response> = {
    POST: () => new Response(null, { status: 202, headers: location }),
    HEAD: () => new Response(null, { status: 404 }),
    DELETE: () => new Response(null, { status: 204 }),
    ...answers,
  };
  const fetch: FetchHandler = async (request) => {
    await request.arrayBuffer();
    const answer = all[request.method];
    if (!answer) throw connectionReset();
    return answer();
  };
  return makeRepository(fetch, { retry: { attempts: 2 } });
}

test("uploadBlob() in chunks says that the connection was cut, where the registry then knows no upload", async () => {
  const repository = repositoryWith({ GET: GONE });
  repository.http.seen.chunkSize = 1024 * 1024;
  const error = await assertRejects(
    () => uploadBlob(repository, BLOB),
    NetworkError,
    "registry.test: connection broken",
  );
  assertEquals(error.method, "PATCH");
  assert(error.hint?.includes("--chunk-size"), error.hint);
});

test("uploadBlob() does not blame the size of what is small where the connection was cut", async () => {
  const content = new Uint8Array(300);
  const error = await assertRejects(
    async () =>
      await uploadBlob(repositoryWith({}), {
        digest: await digestBytes(content),
        size: content.length,
        open: () => ReadableStream.from([content]) as ReadableStream<Uint8Array<ArrayBuffer>>,
      }),
    NetworkError,
    "registry.test: connection broken",
  );
  assertEquals(error.method, "PUT");
  assert(error.hint?.startsWith("what broke is small"), error.hint);
});

test("uploadBlob() in chunks says how much arrived, where the registry got a cut request twice", async () => {
  const stands = () => new Response(null, { status: 204, headers: { range: "0-299999" } });
  const repository = repositoryWith({
    PATCH: () => new Response(null, { status: 416 }),
    GET: stands,
  });
  repository.http.seen.chunkSize = 1024 * 1024;
  const error = await assertRejects(
    () => uploadBlob(repository, BLOB),
    NetworkError,
    "Cannot push a part of a blob to registry.test: 300000 of its 1048576 bytes arrived",
  );
  assert(error.hint?.includes("--chunk-size"), error.hint);
});

test("uploadBlob() shows the page that something before the registry answers with", async () => {
  const error = await assertRejects(
    () => uploadBlob(repositoryWith({ PUT: PAGE, GET: GONE }), BLOB),
    RegistryError,
    'registry.test answered 404 Not Found with text/html ("Request filtered") that is no registry error',
  );
  assert(error.hint?.includes("--chunk-size"), error.hint);
});

test("uploadBlob() says that the registry lost an upload where the registry says so", async () => {
  const error = await assertRejects(
    () => uploadBlob(repositoryWith({ PUT: GONE, GET: GONE }), BLOB),
    RegistryError,
  );
  assertEquals(
    error.message,
    `Cannot push blob ${DIGEST} to registry.test/team/app: the registry lost the upload`,
  );
});
