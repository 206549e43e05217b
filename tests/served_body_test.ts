import { assert, assertEquals } from "@std/assert";
import { createGateway } from "../src/edge/mod.ts";
import type { FetchHandler } from "../src/registry/http/call.ts";
import { dropRest, isServed } from "../src/served_body.ts";
import { createRegistry } from "../src/server/mod.ts";
import { serve } from "./end_to_end/registry_server.ts";
import { connect, readHead } from "./helpers/sockets.ts";
import { test } from "./helpers/test.ts";
import { bytesOf, open } from "./server/registry_calls.ts";

const PIECE = new Uint8Array(64 * 1024);
const PIECES = 160;

/** A body as servers of Node.js make them, of zeros, and what became of it. */
function watched(pieces: number, type?: "bytes") {
  const ended = Promise.withResolvers<"read" | "cancelled">();
  const body = new ReadableStream<Uint8Array>({
    type,
    pull(controller) {
      if (pieces-- > 0) return controller.enqueue(PIECE.slice());
      controller.close();
      ended.resolve("read");
    },
    cancel: () => ended.resolve("cancelled"),
  } as UnderlyingDefaultSource<Uint8Array>);
  return { body, ended: ended.promise };
}

function requestOf(path: string, body: ReadableStream, init: RequestInit = {}): Request {
  return new Request(`http://registry.test${path}`, {
    ...{ method: "PATCH", body, duplex: "half" },
    ...init,
    headers: { Host: "registry.test", ...init.headers },
  });
}

test("isServed() tells what came to a server from what a client in this process made", async () => {
  const seen: boolean[] = [];
  const look: FetchHandler = (request) => {
    seen.push(isServed(request));
    return Promise.resolve(new Response());
  };
  await using server = await serve(look);
  await (await fetch(`http://${server.host}/`)).body?.cancel();
  await look(new Request("http://registry.test/"));
  assertEquals(seen, [true, false]);
});

// Deno would end the connection.
test("dropRest() reads a body on, but for one of bytes on Deno", async () => {
  const bytes = navigator.userAgent.startsWith("Deno") ? "cancelled" : "read";
  for (const [type, end] of [[undefined, "read"], ["bytes", bytes]] as const) {
    for (const isBegun of [false, true]) {
      const { body, ended } = watched(3, type);
      const request = requestOf("/", body);
      const reader = isBegun ? request.body?.getReader() : undefined;
      await reader?.read();
      dropRest(request, reader);
      assertEquals(await ended, end);
    }
  }
});

test("dropRest() ends a read that waits for a sender, and asks nobody to send who asks first", async () => {
  const hanging = requestOf("/", new ReadableStream());
  const reader = hanging.body?.getReader();
  const waiting = reader?.read().then(() => "read", () => "ended");
  dropRest(hanging, reader);
  assertEquals(await waiting, "ended");
  const asking = requestOf("/", watched(3).body, { headers: { Expect: "100-continue" } });
  dropRest(asking);
  assert(asking.body && !asking.body.locked);
});

// SvelteKit, React Router and Nitro end the connection of a body that is cancelled on Node.js.
test("createRegistry() reads a body on that it refuses, where it came to a server", async () => {
  const registry = createRegistry({ maxBlobBytes: 100, maxManifestBytes: 100 });
  const unread = ["/v2/app/blobs/uploads/gone", "PATCH", 404] as const;
  const begun = [await open(registry), "PATCH", 413] as const;
  const manifest = ["/v2/app/manifests/1", "PUT", 413] as const;
  for (const [path, method, status] of [unread, begun, manifest]) {
    const { body, ended } = watched(3);
    const response = await registry(requestOf(path, body, { method }));
    assertEquals(response.status, status, await response.text());
    assertEquals(await ended, "read", path);
  }
});

test("createRegistry() answers an upload that hangs, and was taken over, at a server, too", async () => {
  const registry = createRegistry();
  const upload = await open(registry);
  const source = new TransformStream<Uint8Array, Uint8Array>();
  const writer = source.writable.getWriter();
  const hanging = registry(requestOf(upload, source.readable));
  await writer.write(bytesOf("hello"));
  const next = await registry(new Request(`http://registry.test${upload}`, { method: "DELETE" }));
  assertEquals([next.status, (await hanging).status], [204, 409]);
  await writer.write(bytesOf("dropped"));
  await writer.close();
});

test("createRegistry() and createGateway() answer who sends all before reading, and the next request", async () => {
  const registry = createRegistry({ maxBlobBytes: 100, maxManifestBytes: 100 });
  const gateway = createGateway({ allow: ["registry.test"], fetch: registry });
  await using server = await serve((request) => {
    return new URL(request.url).pathname.startsWith("/v2/") ? registry(request) : gateway(request);
  });
  for (
    const [method, path, status] of [
      ["PATCH", "/v2/app/blobs/uploads/gone", 404],
      ["PATCH", await open(registry), 413],
      ["PUT", "/v2/app/manifests/1", 413],
      ["PUT", "/v2push/registry.test/app:1", 422],
      ["PUT", "/v2push/elsewhere.test/app:1", 403],
    ] as const
  ) {
    const [hostname = "", port] = server.host.split(":");
    const socket = await connect(hostname, Number(port));
    try {
      await socket.write(bytesOf(headOf(method, path, "Transfer-Encoding: chunked")));
      for (let at = 0; at < PIECES; at++) {
        await socket.write(bytesOf(`${PIECE.length.toString(16)}\r\n`));
        await socket.write(PIECE);
        await socket.write(bytesOf("\r\n"));
      }
      await socket.write(bytesOf("0\r\n\r\n"));
      const answer = await readHead(socket);
      assertEquals(answer?.line.split(" ")[1], String(status), path);
      await socket.write(bytesOf(headOf("HEAD", "/v2/", "Connection: close")));
      const rest = new TextDecoder().decode(answer?.rest) + await allOf(socket);
      assert(rest.includes("HTTP/1.1 200"), rest);
    } finally {
      socket.close();
    }
  }
});

function headOf(method: string, path: string, field: string): string {
  return `${method} ${path} HTTP/1.1\r\nHost: registry.test\r\n${field}\r\n\r\n`;
}

async function allOf(socket: Awaited<ReturnType<typeof connect>>): Promise<string> {
  let text = "";
  for (let piece = await socket.read(); piece; piece = await socket.read()) {
    text += new TextDecoder().decode(piece);
  }
  return text;
}
