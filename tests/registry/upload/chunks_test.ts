import { assert, assertEquals, assertRejects } from "@std/assert";
import { pushImage, type PushOptions, RegistryError } from "../../../mod.ts";
import { parseRange } from "../../../src/registry/upload/upload_session.ts";
import type { FetchHandler } from "../../../src/registry/http/call.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import { makeImage, makeLayer } from "../../helpers/archives.ts";
import { writeTar } from "../../helpers/tar_writer.ts";
import { test } from "../../helpers/test.ts";

const MIB = 1024 * 1024;
const TARGET = "localhost:5000/team/app:1";

test("parseRange reads how much has arrived, in the spellings of registries", () => {
  assertEquals(parseRange("0-99"), 100);
  assertEquals(parseRange("bytes=0-9"), 10);
  assertEquals(parseRange(" 0-1 "), 2);
});

test("parseRange takes nothing for an answer that does not tell", () => {
  for (const text of [null, "", "0-0", "0--1", "5-9", "0-", "0-1e3", "0-99999999999999999999"]) {
    assertEquals(parseRange(text), undefined);
  }
});

test("pushImage() cuts blobs above chunkSize into chunks that follow each other", async () => {
  const ranges: string[] = [];
  const registry = createRegistry();
  const result = await push(3 * MIB, {
    chunkSize: MIB,
    fetch: (request) => {
      if (request.method === "PATCH") ranges.push(request.headers.get("content-range") ?? "none");
      return registry(request);
    },
  });
  assertEquals(ranges.length, 4);
  assertEquals(ranges.slice(0, 2), [`0-${MIB - 1}`, `${MIB}-${2 * MIB - 1}`]);
  assertEquals(await read(registry, largest(result)), largest(result).size);
});

/** A registry behind what refuses larger bodies, and the lengths of those. */
function limitedTo(most: number) {
  const registry = createRegistry();
  const refused: number[] = [];
  const fetch: FetchHandler = async (request) => {
    const bytes = await request.bytes();
    if (bytes.length > most) {
      refused.push(bytes.length);
      return new Response("<h1>413</h1>", { status: 413 });
    }
    const { method, url, headers } = request;
    return await registry(
      new Request(url, { method, headers, ...(bytes.length ? { body: bytes } : {}) }),
    );
  };
  return { fetch, refused };
}

test("pushImage() turns to chunks where a body is refused as too large, and remembers it", async () => {
  const { fetch, refused } = limitedTo(5 * MIB);
  const result = await push([9 * MIB, 10 * MIB], { fetch, concurrency: 1 });
  // The first blob is refused whole, and in chunks of 8 MiB; nothing above 4 MiB is tried after that.
  assertEquals(refused.length, 2);
  assertEquals(result.images[0]?.blobs.map(({ status }) => status), ["pushed", "pushed", "pushed"]);
});

test("pushImage() sends what a firewall takes that refuses all above 128 KiB", async () => {
  const { fetch, refused } = limitedTo(128 * 1024 - 1);
  const result = await push(MIB, { fetch });
  assertEquals(refused.slice(1), [MIB, MIB / 2, MIB / 4, MIB / 8]);
  assertEquals(result.images[0]?.blobs.map(({ status }) => status), ["pushed", "pushed"]);
});

test("pushImage() keeps to the chunk size that the registry names", async () => {
  const registry = createRegistry();
  const lengths: number[] = [];
  await push(3 * MIB, {
    fetch: async (request) => {
      if (request.method === "PATCH") lengths.push(rangeLength(request));
      const response = await registry(request);
      if (request.method !== "POST") return response;
      const headers = new Headers(response.headers);
      headers.set("oci-chunk-max-length", String(2 * MIB));
      return new Response(response.body, { status: response.status, headers });
    },
  });
  assertEquals(lengths[0], 2 * MIB);
  assert(lengths.every((length) => length <= 2 * MIB));
});

test("pushImage() sends the rest of a chunk after asking how much arrived", async () => {
  const registry = createRegistry();
  const starts: string[] = [];
  let broken = false;
  const result = await push(3 * MIB, {
    chunkSize: MIB,
    retry: { delay: 0 },
    fetch: async (request) => {
      if (request.method !== "PATCH") return await registry(request);
      starts.push(request.headers.get("content-range")?.split("-")[0] ?? "");
      if (broken || starts.length !== 2) return await registry(request);
      broken = true;
      const part = (await request.bytes()).slice(0, 1000);
      const headers = { "content-range": `${MIB}-${MIB + 999}` };
      await registry(new Request(request.url, { method: "PATCH", headers, body: part }));
      throw new TypeError("connection reset by peer");
    },
  });
  assertEquals(starts.slice(0, 4), ["0", `${MIB}`, `${MIB + 1000}`, `${2 * MIB}`]);
  assertEquals(await read(registry, largest(result)), largest(result).size);
});

test("pushImage() gives up on a limit below the smallest chunk", async () => {
  const registry = createRegistry();
  const refusing = async (request: Request): Promise<Response> =>
    request.method === "PUT" || request.method === "PATCH"
      ? new Response("", { status: 413 })
      : await registry(request);
  const error = await assertRejects(() => push(9 * MIB, { fetch: refusing }), RegistryError);
  assertEquals(error.status, 413);
});

async function push(sizes: number | number[], options: PushOptions) {
  const layers = await Promise.all(
    [sizes].flat().map(async (size, index) => {
      const body = new Uint8Array(size).fill(index + 1);
      return await makeLayer(writeTar([{ path: "data", body }]));
    }),
  );
  const { config, layers: made } = await makeImage(layers);
  const tar = writeTar([
    ...made.map(({ bytes }, index) => ({ path: `${index}/layer.tar`, body: bytes })),
    { path: "config.json", body: config },
    {
      path: "manifest.json",
      body: JSON.stringify([{
        Config: "config.json",
        RepoTags: ["app:1"],
        Layers: made.map((_, index) => `${index}/layer.tar`),
      }]),
    },
  ]);
  return await pushImage(new Blob([tar]), TARGET, options);
}

function largest({ images }: Awaited<ReturnType<typeof pushImage>>) {
  const [blob] = [...images[0]?.blobs ?? []].sort((one, other) => other.size - one.size);
  if (!blob) throw new Error("nothing was pushed");
  return blob;
}

async function read(
  registry: (request: Request) => Promise<Response>,
  { digest }: { digest: string },
): Promise<number> {
  const url = `http://localhost:5000/v2/team/app/blobs/${digest}`;
  return (await (await registry(new Request(url))).arrayBuffer()).byteLength;
}

function rangeLength(request: Request): number {
  const [start = 0, end = 0] = (request.headers.get("content-range") ?? "").split("-").map(Number);
  return end - start + 1;
}
