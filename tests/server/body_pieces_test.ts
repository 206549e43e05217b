import { assertEquals } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { OCI_CONFIG, OCI_MANIFEST } from "../../src/media_types.ts";
import { openPieces } from "../../src/server/body_pieces.ts";
import { createRegistry, MemoryStorage } from "../../src/server/mod.ts";
import { readRange } from "../../src/source/blob_source.ts";
import { serve } from "../end_to_end/registry_server.ts";
import { test } from "../helpers/test.ts";
import { bytesOf, streamOf } from "./registry_calls.ts";

test("openPieces() gives what comes through a socket, whatever the sizes in which it is sent", async () => {
  const storage = new MemoryStorage();
  await using server = await serve(createRegistry({ storage }));
  const content = new Uint8Array(700_001).map((_, at) => at % 251);
  const digest = await digestBytes(content);
  for (const size of [511, 64 * 1024, 700_001]) {
    let at = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at >= content.length) return controller.close();
        controller.enqueue(content.slice(at, at += size));
      },
    });
    const url = `http://${server.host}/v2/app${size}/blobs/uploads/?digest=${digest}`;
    const init = { method: "POST", body, duplex: "half" };
    const response = await fetch(url, init);
    await response.body?.cancel();
    assertEquals(response.status, 201);
    const blob = await storage.openBlob(`app${size}`, digest);
    assertEquals(blob && await digestBytes(await readRange(blob, 0, blob.size)), digest);
  }
});

test("openPieces() fills memory of its own from a stream that can, and reads any other as it is", async () => {
  let isCancelled = false;
  const bytes = new ReadableStream({
    type: "bytes",
    pull(controller) {
      controller.enqueue(bytesOf("hello"));
    },
    cancel() {
      isCancelled = true;
    },
  });
  const filled = openPieces(bytes);
  assertEquals(new TextDecoder().decode((await filled.read()).value), "hello");
  await filled.cancel();
  assertEquals([isCancelled, (await filled.read()).value], [true, undefined]);
  const whole = new ReadableStream({
    type: "bytes",
    pull(controller) {
      controller.enqueue(new Uint8Array(64 * 1024));
      controller.close();
      controller.byobRequest?.respond(0);
    },
  });
  assertEquals((await openPieces(whole).read()).value?.length, 64 * 1024);
  const other = openPieces(streamOf(bytesOf("x")));
  assertEquals((await other.read()).value, bytesOf("x"));
  assertEquals((await other.read()).value, undefined);
});

test("openPieces() gives a body no more room than Deno fills of one without a length", async () => {
  const rooms: number[] = [];
  const body = new ReadableStream({
    type: "bytes",
    pull({ byobRequest }) {
      rooms.push(byobRequest?.view?.byteLength ?? 0);
      byobRequest?.respond(1);
    },
  });
  const pieces = openPieces(body);
  assertEquals((await pieces.read()).value?.buffer.byteLength, 1);
  await pieces.cancel();
  assertEquals(rooms, [64 * 1024]);
});

test("createRegistry() takes requests of Firefox, which have no member for their body", async () => {
  const registry = createRegistry();
  const send = async (method: string, path: string, body: BodyInit, type: string) => {
    const url = `http://registry.test/v2/app/${path}`;
    const request = new Request(url, { method, body, headers: { "Content-Type": type } });
    Object.defineProperty(request, "body", { value: undefined });
    return (await registry(request)).status;
  };
  const config = bytesOf("{}");
  const digest = await digestBytes(config);
  const upload = `blobs/uploads/?digest=${digest}`;
  assertEquals(await send("POST", upload, config, "application/octet-stream"), 201);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest, size: config.length },
    layers: [],
  });
  assertEquals(await send("PUT", "manifests/1", manifest, OCI_MANIFEST), 201);
});
