import { assert, assertEquals, assertRejects } from "@std/assert";
import { collect } from "../../src/bytes.ts";
import { DigestMismatchError, RegistryError } from "../../src/errors.ts";
import { pullImage } from "../../src/pull/pull.ts";
import { copyImage } from "../../src/push/copy.ts";
import { pushImage } from "../../src/push/push.ts";
import { RegistryClient } from "../../src/registry/client.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { type Bytes, encode, gzip, layoutTar, makeImage, makeLayer } from "../helpers/archives.ts";
import { readBack } from "../helpers/expected.ts";
import { test } from "../helpers/test.ts";
import { serve } from "./registry_server.ts";

const CODINGS = ["gzip", "x-gzip", "GZIP", "zstd", "br", "deflate", "identity", "aws-chunked,gzip"];

const archive = async () => {
  const layers = [await makeLayer("plain"), await makeLayer("packed", "gzip")];
  return await layoutTar(await makeImage(layers));
};

interface Filled extends AsyncDisposable {
  host: string;
  registry: FetchHandler;
  digest: string;
}

/** A registry with an image, behind a socket, whose answers are changed on the way out. */
async function filled(
  change: (response: Response) => Promise<Response> | Response,
): Promise<Filled> {
  const registry = createRegistry();
  const { images } = await pushImage(await archive(), "localhost:5000/app:1", { fetch: registry });
  const server = await serve(async (request) => {
    const response = await registry(request);
    return request.method === "GET" || request.method === "HEAD"
      ? await change(response)
      : response;
  });
  return {
    host: server.host,
    registry,
    digest: images[0]?.digest ?? "",
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Reads the image in every way there is. */
async function readAll({ host, digest }: Filled): Promise<void> {
  const reference = `${host}/app:1`;
  const target = createRegistry();
  const tar = await new Response(pullImage(reference, { retry: { attempts: 1 } })).blob();
  const pushed = await pushImage(tar, "localhost:5000/app:1", { fetch: target });
  assertEquals(pushed.images[0]?.digest, digest);
  await readBack(target, "app", "1");

  const copied = await copyImage(reference, `${host}/other:1`);
  assertEquals(copied.images[0]?.digest, digest);

  await using client = new RegistryClient(host, { retry: { attempts: 1 } });
  const image = await client.repository("app").image("1");
  assertEquals([image.digest, image.platform?.architecture], [digest, "amd64"]);
  const names: string[] = [];
  for await (const name of client.repositories()) names.push(name);
  for await (const tag of client.repository("app").tags()) names.push(tag);
  assertEquals(names, ["app", "other", "1"]);
  for (const layer of image.layers) {
    const { body } = await client.repository("app").blobs.get(layer.digest, { start: 3, end: 20 });
    assertEquals((await collect(body, 100, () => new Error("too much"))).length, 17);
  }
}

for (const coding of CODINGS) {
  test(`what is labelled ${coding} is read as the bytes that it is`, async () => {
    await using server = await filled((response) => {
      response.headers.set("content-encoding", coding);
      return response;
    });
    await readAll(server);
  });
}

for (
  const [coding, format] of [
    ["gzip", "gzip"],
    ["deflate", "deflate"],
    ["deflate", "deflate-raw"],
    ["br", "brotli"],
  ] as const
) {
  test(
    `what a proxy compresses with ${format} although it is asked not to is read as what it was`,
    async () => {
      await using server = await filled(async (response) => {
        // Nothing compresses a part, or what has no body.
        if (response.status !== 200 || !response.body) return response;
        return await packed(response, coding, format);
      });
      await readAll(server);
    },
    { skip: canInflate(format) ? undefined : `this runtime has no ${format}` },
  );
}

test("what is compressed in a way that the runtime cannot undo is told by its name", async () => {
  const headers = { "content-encoding": "zstd", "content-type": "application/json" };
  const body = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x00]);
  await using server = await serve(() => Promise.resolve(new Response(body, { headers })));
  await using client = new RegistryClient(server.host, { retry: { attempts: 1 } });
  const error = await assertRejects(
    () => client.repository("app").manifests.get("1"),
    RegistryError,
    "sent what is compressed with zstd, and was asked not to",
  );
  assert(error.hint?.includes("compresses what it passes on"), error.hint);
}, { skip: canInflate("zstd") ? "this runtime can undo them all" : undefined });

test("a blob that is labelled and is not the right one is still refused", async () => {
  await using server = await filled((response) => {
    if (response.headers.get("content-type") !== "application/octet-stream") return response;
    const headers = { "content-encoding": "gzip" };
    return new Response(encode("something else"), { headers });
  });
  await using client = new RegistryClient(server.host, { retry: { attempts: 1 } });
  await assertRejects(() => client.repository("app").image("1"), DigestMismatchError);
});

test("a blob that something inflated on its way is told of with what may have done so", async () => {
  await using server = await filled((response) => response);
  const { layers } = await new RegistryClient(server.host).repository("app").image("1");
  const packed = layers.find(({ mediaType }) => mediaType.endsWith("gzip"));
  const fetch: FetchHandler = async (request) => {
    const response = await server.registry(request);
    if (!request.url.endsWith(String(packed?.digest))) return response;
    const plain = response.body?.pipeThrough(new DecompressionStream("gzip"));
    return new Response(plain, { headers: { "content-encoding": "gzip" } });
  };
  const error = await assertRejects(
    () => new Response(pullImage(`${server.host}/app:1`, { fetch })).blob(),
    DigestMismatchError,
  );
  assert(error.hint?.includes("decompress: false"), error.hint);
});

test("a document that inflates without end is refused", async () => {
  const bomb = await gzip(new Uint8Array(64 * 1024 * 1024));
  const headers = { "content-encoding": "gzip", "content-type": "application/json" };
  await using server = await serve(() => Promise.resolve(new Response(bomb, { headers })));
  await using client = new RegistryClient(server.host, { retry: { attempts: 1 } });
  await assertRejects(
    () => client.repository("app").manifests.get("1"),
    RegistryError,
    "more than 8388608 bytes",
  );
});

test("an error page that is compressed is shown by its title", async () => {
  const body = await gzip(encode("<html><title>Blocked by policy</title>"));
  const headers = { "content-encoding": "gzip", "content-type": "text/html" };
  await using server = await serve(() =>
    Promise.resolve(new Response(body, { status: 403, headers }))
  );
  await using client = new RegistryClient(server.host, { retry: { attempts: 1 } });
  await assertRejects(
    () => client.repository("app").manifests.get("1"),
    RegistryError,
    '("Blocked by policy"',
  );
});

test("every request asks for what is there as it is", async () => {
  const asked = new Set<string | null>();
  const registry = createRegistry();
  const fetch: FetchHandler = (request) => {
    asked.add(request.headers.get("accept-encoding"));
    return registry(request);
  };
  await pushImage(await archive(), "localhost:5000/app:1", { fetch });
  await copyImage("localhost:5000/app:1", "localhost:5000/other:1", { fetch });
  assertEquals([...asked], ["identity"]);
});

async function packed(response: Response, coding: string, format: string): Promise<Response> {
  const encoder: ReadableWritablePair<Bytes, Bytes> = Reflect.construct(CompressionStream, [
    format,
  ]);
  const body = await new Response(response.body?.pipeThrough(encoder)).bytes();
  const headers = new Headers(response.headers);
  headers.set("content-encoding", coding);
  headers.set("content-length", `${body.length}`);
  assert(body[0] !== 0x7b);
  return new Response(body, { headers });
}

function canInflate(format: string): boolean {
  try {
    Reflect.construct(DecompressionStream, [format]);
    return true;
  } catch {
    return false;
  }
}
