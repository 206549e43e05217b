import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../../src/bytes.ts";
import { compressBlocks } from "../../../src/codec/compress.ts";
import { useEncoders } from "../../../src/codec/encoder_pool.ts";
import { digestBytes } from "../../../src/digest.ts";
import { ArchiveError, RegistryError } from "../../../src/errors.ts";
import { type ArchiveFile, PEEK_BYTES } from "../../../src/image/files.ts";
import { recompressedFile } from "../../../src/push/compression/recompressed_file.ts";
import type { PushOptions } from "../../../src/push/options.ts";
import { pushImage } from "../../../src/push/push.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import {
  dockerSave,
  halfNoise,
  layoutTar,
  makeImage,
  makeLayer,
  toBlob,
} from "../../helpers/archives.ts";
import { diffIdsOf, pushTo, readBack } from "../../helpers/expected.ts";
import { faultLayer } from "../../helpers/fault_layer.ts";
import { writeTar } from "../../helpers/tar_writer.ts";
import { test } from "../../helpers/test.ts";
import { WatchedStreams } from "../../helpers/watched_streams.ts";

const TARGET = "localhost:5000/app:1";
const MIB = 1024 * 1024;
/** Too little to hold what the layer becomes. */
const LITTLE: PushOptions = {
  memoryBudget: MIB,
  concurrency: 1,
  compression: "gzip",
  retry: { delay: 0 },
};

const large = await makeLayer(writeTar([{ path: "large", body: halfNoise(6 * MIB) }]));
const image = await makeImage([large]);
const DOCKER = toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));
const DIFF_IDS = image.layers.map(({ diffId }) => diffId);

for (const chunkSize of [undefined, 700_000]) {
  const how = chunkSize === undefined ? "whole" : "in chunks";
  test(`pushImage() brings a compressed layer to a second registry, ${how}`, async () => {
    const registries = new Map(["5000", "5001"].map((port) => [port, createRegistry()]));
    const fetch = (request: Request) => {
      const registry = registries.get(new URL(request.url).port);
      assert(registry, `nobody is at ${request.url}`);
      return registry(request);
    };
    const targets = [TARGET, "localhost:5001/app:1"];
    const options = { ...LITTLE, ...(chunkSize ? { chunkSize } : {}) };
    const { result } = await pushTo(DOCKER, targets, { ...options, fetch });
    for (const registry of registries.values()) {
      const read = await readBack(registry, "app", "1");
      assertEquals(read.digest, result.images[0]?.digest);
      assertEquals(await diffIdsOf(read), DIFF_IDS);
    }
  });
}

test("pushImage() sends a compressed layer again that is gone when its manifest comes", async () => {
  const registry = createRegistry({ allowDelete: true });
  let puts = 0;
  const layer = faultLayer(registry, ({ method, path }) => {
    if (method !== "PUT" || !path.includes("/manifests/") || puts++ > 0) return undefined;
    return { kind: "before", run: () => dropLayer(registry) };
  });
  const { images: [pushed] } = await pushImage(DOCKER, TARGET, { ...LITTLE, fetch: layer.fetch });
  const compressed = pushed?.blobs.find(({ digest }) => digest !== image.configDigest);
  assert(compressed && puts > 1, `${puts} manifests were sent`);
  assertEquals(await diffIdsOf(await readBack(registry, "app", "1")), DIFF_IDS);

  async function dropLayer(handler: typeof registry): Promise<void> {
    const dry = await pushImage(DOCKER, TARGET, { ...LITTLE, dryRun: true, fetch: registry });
    for (const { digest } of dry.images[0]?.blobs ?? []) {
      if (digest === image.configDigest) continue;
      const url = `http://localhost:5000/v2/app/blobs/${digest}`;
      const { status } = await handler(new Request(url, { method: "DELETE" }));
      assertEquals(status, 202);
    }
  }
});

test("pushImage() compresses a layer anew whose upload the registry forgot", async () => {
  const registry = createRegistry();
  let lost: string | undefined;
  const layer = faultLayer(registry, ({ method, path }) => {
    if (method === "PATCH" && lost === undefined) {
      lost = path;
      return { kind: "cut-body", after: 2.5 * MIB };
    }
    return path === lost ? { kind: "answer", answer: forgotten, readBody: true } : undefined;
  });
  await pushImage(DOCKER, TARGET, { ...LITTLE, fetch: layer.fetch });
  assert(lost !== undefined, "nothing was cut");
  assertEquals(await diffIdsOf(await readBack(registry, "app", "1")), DIFF_IDS);
  assertEquals(layer.lines().filter((line) => line.startsWith("POST")).length, 3);
});

test("pushImage() closes a layer that it compresses where no upload is opened for it", async () => {
  const layers = [await makeLayer(writeTar([{ path: "large", body: halfNoise(24 * MIB) }]))];
  const tar = toBlob(dockerSave([{ image: await makeImage(layers), repoTags: ["app:1"] }]));
  const layer = faultLayer(
    createRegistry(),
    ({ method }) => method === "POST" ? { kind: "answer", answer: denied } : undefined,
  );
  const streams = new WatchedStreams();
  await assertRejects(
    () => pushImage(streams.source(tar), TARGET, { ...LITTLE, fetch: layer.fetch }),
    RegistryError,
    "not for you",
  );
  assertEquals(streams.open, 0);
});

test("pushImage() gives a compressed layer up that a registry refuses midway, or at its end", async () => {
  for (const refused of ["PATCH", "PUT"]) {
    const registry = createRegistry();
    let begun = 0;
    const layer = faultLayer(registry, ({ method, path }) => {
      if (method !== refused || !path.includes("/uploads/")) return undefined;
      const isFirst = method === "PATCH" && begun++ === 0;
      return isFirst ? undefined : { kind: "answer", answer: denied };
    });
    const options = { ...LITTLE, chunkSize: 700_000, fetch: layer.fetch };
    await assertRejects(() => pushImage(DOCKER, TARGET, options), RegistryError, "not for you");
    assert(!layer.lines().some((line) => line.startsWith("PUT app/manifests")), "it has a tag");
    assert(layer.lines().some((line) => line.startsWith("DELETE")), "the upload is left behind");
  }
});

test("pushImage() with force reads a layer back that passed compressed", async () => {
  const named = await layoutTar(image);
  for (const open of [() => DOCKER, () => DOCKER.stream(), () => named.stream()]) {
    const registry = createRegistry();
    const layer = faultLayer(registry);
    const options = { ...LITTLE, force: true, fetch: layer.fetch };
    // The second time all of it is there, and may be damaged.
    for (const count of [1, 2]) {
      const { images } = await pushImage(open(), TARGET, options);
      assertEquals(images[0]?.blobs.map(({ status }) => status), ["pushed", "pushed"]);
      const { layers: [made] } = await readBack(registry, "app", "1");
      const reads = layer.seen.filter(({ method, path }) =>
        method === "GET" && path.endsWith(`/${made?.digest}`)
      );
      assertEquals(reads.length, count);
    }
  }
});

test("recompressedFile() gives any part of what a layer becomes", async () => {
  await using encoders = await useEncoders({ kind: "gzip", level: 1 });
  let opened = 0;
  const file = plainFile(() => opened++);
  const pieces = [large.tar.slice()];
  const blocks: Bytes[] = [];
  for await (const { bytes } of compressBlocks(() => Promise.resolve(pieces.pop()), encoders)) {
    blocks.push(bytes.slice());
  }
  const expected = await new Blob(blocks).bytes();
  const size = expected.length;
  const made = recompressedFile(
    file,
    { digest: await digestBytes(expected), size },
    () => Promise.resolve(encoders),
  );
  assertEquals(await made.peek(), expected.subarray(0, PEEK_BYTES));
  assertEquals(await digestBytes(await made.bytes(size)), made.digest);
  await assertRejects(() => made.bytes(size - 1), ArchiveError, "layer.tar");
  const [start, end] = [MIB + 1, MIB + 70_001];
  const part = new Response(made.body.slice(start, end).stream());
  assertEquals(await part.bytes(), expected.slice(start, end));
  assertEquals(opened, 3);
});

/** The large layer as a file that can be read again. */
function plainFile(onOpen: () => void): ArchiveFile {
  const body = {
    size: large.tar.length,
    slice: (start: number, end: number) => ({
      stream() {
        onOpen();
        let at = start;
        return new ReadableStream<Bytes>({
          pull(controller) {
            if (at >= end) return controller.close();
            const next = Math.min(end, at + 65_536);
            controller.enqueue(large.tar.slice(at, next));
            at = next;
          },
        }, { highWaterMark: 0 });
      },
    }),
  };
  const part = (length: number) => Promise.resolve(large.tar.slice(0, length));
  return { path: "layer.tar", size: body.size, body, peek: () => part(PEEK_BYTES), bytes: part };
}

function forgotten(): Response {
  return Response.json({ errors: [{ code: "BLOB_UPLOAD_UNKNOWN" }] }, { status: 404 });
}

function denied(): Response {
  return Response.json({ errors: [{ code: "DENIED", message: "not for you" }] }, { status: 403 });
}
