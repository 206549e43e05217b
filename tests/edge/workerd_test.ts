import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { concat } from "../../src/bytes.ts";
import { startEncoder } from "../../src/codec/block_encoder.ts";
import { encoderModule } from "../../src/codec/encoders.ts";
import { sniffCompression } from "../../src/codec/magic.ts";
import { type DecoderKind, readDecoder } from "../../src/edge/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  type Bytes,
  dockerSave,
  gzip,
  makeImage,
  makeLayer,
  OciLayout,
} from "../helpers/archives.ts";
import { xzStream, zstdFrame } from "../helpers/compressed.ts";
import { readBack } from "../helpers/expected.ts";
import { runWell, temporaryFolder, toPath } from "../helpers/process.ts";
import { requireProgram } from "../helpers/programs.ts";
import { startServer } from "../helpers/server_process.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { serve } from "../end_to_end/registry_server.ts";

const ROOT = toPath(new URL("../../", import.meta.url));
const MIB = 1024 * 1024;
/** What a free worker may ask of others for one request, and at once. */
const MAX_SUBREQUESTS = 50;
const MAX_CONNECTIONS = 6;
const MAX_GROWTH_KIB = 128 * 1024;
const DECODERS: readonly DecoderKind[] = ["zstd", "xz"];

const workerd = requireProgram("workerd");
const skip = "Deno" in globalThis ? workerd.skip : "the worker is the same; it is tried on Deno";

/** The worker of the examples in workerd. */
interface Worker extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly origin: string;
  /** Largest resident set so far, in KiB. */
  peak(): Promise<number>;
}

test(
  "the gateway in workerd pushes 300 MiB within 128 MiB, 50 requests and 6 connections",
  async () => {
    const counted = countRequests();
    await using registry = await serve(counted.fetch);
    await using worker = await startWorker(registry.host);
    const tar = await legacyArchive(8, 38 * MIB);
    assert(tar.length > 300 * MIB);

    await push(worker, registry.host, "warm:1", await legacyArchive(1, 512));
    const before = await worker.peak();
    counted.reset();
    const lines = await push(worker, registry.host, "big:1", tar);
    assertEquals(lines.at(-1)?.type, "result");
    const growth = await worker.peak() - before;
    assert(growth <= MAX_GROWTH_KIB, `memory grew by ${growth} KiB`);
    assert(counted.total < MAX_SUBREQUESTS, `${counted.total} requests`);
    assert(counted.most <= MAX_CONNECTIONS, `${counted.most} requests at once`);
  },
  { skip },
);

test(
  "the gateway in workerd cancels the uploads of a client that goes away, and serves the next",
  async () => {
    const counted = countRequests();
    await using registry = await serve(counted.fetch);
    await using worker = await startWorker(registry.host);
    const tar = await legacyArchive(1, 40 * MIB);
    const gone = new AbortController();
    let sent = 0;
    const body = ReadableStream.from(piecesOf(tar)).pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        async transform(piece, controller) {
          controller.enqueue(piece);
          if ((sent += piece.length) > 20 * MIB) await counted.opened.then(() => gone.abort());
        },
      }),
    );
    const cancelled = counted.deleted;
    const url = `${worker.origin}/v2push/${registry.host}/gone/app:1`;
    await fetch(url, { method: "PUT", body, signal: gone.signal }).then(
      (response) => response.body?.cancel(),
      () => {},
    );
    await cancelled;
    for (let at = 0; at < 8; at++) {
      const lines = await push(worker, registry.host, `next:${at}`, await legacyArchive(1, 512));
      assertEquals(lines.at(-1)?.type, "result", JSON.stringify(lines.at(-1)));
    }
    assertEquals(await registryStatus(counted.fetch, "gone/app/manifests/1"), 404);
  },
  { skip },
);

test("the gateway in workerd sends large blobs with their length", async () => {
  const counted = countRequests();
  await using registry = await serve(counted.fetch);
  await using worker = await startWorker(registry.host);
  const layer = await makeLayer(writeTar([{ path: "file", body: new Uint8Array(20 * MIB) }]));
  const layout = await OciLayout.of(await makeImage([layer]));
  const lines = await push(worker, registry.host, "app:1", writeTar(layout.entries()));
  assertEquals(lines.at(-1)?.type, "result", JSON.stringify(lines.at(-1)));
  assert(counted.lengths.includes(String(layer.bytes.length)), `${counted.lengths}`);
}, { skip });

test(
  "the gateway in workerd inflates gzip, and says in one line what zstd and xz take",
  async () => {
    const counted = countRequests();
    await using registry = await serve(counted.fetch);
    await using worker = await startWorker(registry.host);
    const tar = await legacyArchive(1, 512);
    const inflated = await push(worker, registry.host, "gzip:1", await gzip(tar));
    assertEquals(inflated.at(-1)?.type, "result", JSON.stringify(inflated.at(-1)));
    for (
      const [kind, archive] of [["zstd", await zstdFrame(tar)], ["xz", xzStream(tar)]] as const
    ) {
      const lines = await push(worker, registry.host, `${kind}:1`, archive);
      const expected = `Cannot inflate the archive: it is compressed with ${kind}, which takes ` +
        "WebAssembly, and this runtime compiles none";
      assertStringIncludes(JSON.stringify(lines.at(-1)), expected);
    }
  },
  { skip },
);

test("the gateway in workerd inflates zstd and xz with the decoders that it is given", async () => {
  await using registry = await serve(createRegistry());
  await using worker = await startWorker(registry.host, { decoders: DECODERS });
  const tar = await legacyArchive(3, 3 * MIB);
  const archives = [["zstd", await zstdBlocks(tar)], ["xz", xzStream(tar)]] as const;
  for (const [kind, archive] of archives) {
    const lines = await push(worker, registry.host, `${kind}:1`, archive);
    assertEquals(lines.at(-1)?.type, "result", JSON.stringify(lines.at(-1)));
  }
}, { skip });

test("pushImage() in workerd compresses with gzip, and says what zstd takes", async () => {
  const registry = createRegistry();
  await using server = await serve(registry);
  const entry = `import { pushImage } from "${ROOT}mod.ts";
export default {
  async fetch(request: Request): Promise<Response> {
    if (request.method !== "PUT" || !request.body) return new Response(null, { status: 404 });
    const compression = new URL(request.url).pathname.slice(1) as "gzip" | "zstd";
    try {
      await pushImage(request.body, "http://${server.host}/app:1", { compression });
      return new Response("pushed");
    } catch (error) {
      return new Response((error as Error).message);
    }
  },
};`;
  await using worker = await startWorker(server.host, { entry });
  const put = async (kind: string, tar: Bytes) => {
    const body = ReadableStream.from(piecesOf(tar));
    return await (await fetch(`${worker.origin}/${kind}`, { method: "PUT", body })).text();
  };
  assertEquals(await put("gzip", await legacyArchive(2, 3 * MIB)), "pushed");
  const { layers } = await readBack(registry, "app", "1");
  assertEquals(layers.map(({ bytes }) => sniffCompression(bytes)), ["gzip", "gzip"]);
  // What is refused unread is small: workerd ends the connection of a client that has more than 64 KiB left to send.
  const refused = await put("zstd", await legacyArchive(1, 512));
  assertStringIncludes(refused, "Cannot compress with zstd: this runtime has no encoder");
}, { skip });

async function startWorker(
  allow: string,
  { decoders = [], entry = entryWith(decoders) }: {
    decoders?: readonly DecoderKind[];
    /** The worker's code. */
    entry?: string;
  } = {},
): Promise<Worker> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  for (const kind of decoders) await folder.write(`${kind}.wasm`, await readDecoder(kind));
  await folder.write("worker.ts", entry);
  await bundle(folder.path);
  const config = await folder.write("config.capnp", configFor(allow, decoders));
  const server = stack.use(
    await startServer(workerd.path, ["serve", "--control-fd=1", config], {
      listening: /"event":"listen","socket":"http","port":(\d+)/,
      status: 404,
    }),
  );
  const all = stack.move();
  return {
    origin: `http://127.0.0.1:${server.port}`,
    async peak() {
      const status = await Deno.readTextFile(`/proc/${server.pid}/status`);
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]);
    },
    async [Symbol.asyncDispose]() {
      await all.disposeAsync();
      const errors = server.log().split("\n").filter((line) => /hung|Uncaught/.test(line));
      assertEquals(errors, []);
    },
  };
}

/** The worker of the examples, with decoders in files beside it. */
function entryWith(decoders: readonly DecoderKind[]): string {
  return [
    ...decoders.map((kind) => `import ${kind} from "./${kind}.wasm";`),
    `import { provideDecoder } from "${ROOT}src/edge/mod.ts";`,
    ...decoders.map((kind) => `provideDecoder("${kind}", ${kind});`),
    `export { default } from "${ROOT}examples/edge_gateway.ts";`,
  ].join("\n");
}

async function bundle(folder: string): Promise<void> {
  const files = ["-o", `${folder}/worker.js`, `${folder}/worker.ts`];
  const args = ["bundle", "-q", "--platform", "browser", "--external", "*.wasm", ...files];
  await runWell(Deno.execPath(), args, { cwd: ROOT });
}

function configFor(allow: string, decoders: readonly DecoderKind[]): string {
  const modules = [
    `(name = "worker", esModule = embed "worker.js")`,
    ...decoders.map((kind) => `(name = "${kind}.wasm", wasm = embed "${kind}.wasm")`),
  ];
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .gateway),
    (name = "internet", network = (allow = ["private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);
const gateway :Workerd.Worker = (
  modules = [${modules.join(", ")}],
  compatibilityDate = "2026-09-01",
  compatibilityFlags = ["enable_request_signal"],
  bindings = [(name = "ALLOW", text = "other.test, ${allow}")],
);
`;
}

async function push(
  { origin }: Worker,
  host: string,
  name: string,
  tar: Bytes,
): Promise<Record<string, unknown>[]> {
  const body = ReadableStream.from(piecesOf(tar));
  const response = await fetch(`${origin}/v2push/${host}/${name}`, { method: "PUT", body });
  return (await response.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** A registry that counts what it is asked. */
function countRequests() {
  const registry = createRegistry();
  let running = 0;
  let open = () => {};
  let cancel = () => {};
  const counted = {
    total: 0,
    most: 0,
    /** Settled once an upload was opened. */
    opened: new Promise<void>((resolve) => void (open = resolve)),
    /** Settled once an upload was cancelled. */
    deleted: new Promise<void>((resolve) => void (cancel = resolve)),
    /** `Content-Length` of the requests with a body. */
    lengths: [] as (string | null)[],
    reset: () => void (counted.total = counted.most = 0),
    async fetch(request: Request): Promise<Response> {
      counted.total++;
      if (request.body) counted.lengths.push(request.headers.get("content-length"));
      counted.most = Math.max(counted.most, ++running);
      try {
        const response = await registry(request);
        if (request.method === "POST") open();
        if (request.method === "DELETE") cancel();
        return response;
      } finally {
        running--;
      }
    },
  };
  return counted;
}

async function registryStatus(
  fetch: (request: Request) => Promise<Response>,
  path: string,
): Promise<number> {
  const { status, body } = await fetch(new Request(`http://registry.test/v2/${path}`));
  await body?.cancel();
  return status;
}

/** Frames of zstd whose content is compressed, a block of 1 MiB each. */
async function zstdBlocks(content: Bytes): Promise<Bytes> {
  const module = await encoderModule("zstd");
  const encode = await startEncoder({ kind: "zstd", level: 2, blockBytes: MIB, module });
  return concat(await Promise.all([...piecesOf(content)].map(encode)));
}

/** A `docker save` of before 25: layers whose digest no name tells come before what names them. */
async function legacyArchive(layers: number, layerBytes: number): Promise<Bytes> {
  const contents = Array.from({ length: layers }, (_, at) => {
    const body = new Uint8Array(layerBytes);
    // Enough that no two are alike.
    crypto.getRandomValues(body.subarray(0, 512));
    return makeLayer(writeTar([{ path: `file${at}`, body }]));
  });
  const image = await makeImage(await Promise.all(contents));
  return writeTar(dockerSave([{ image, repoTags: ["app:1"] }]));
}

function* piecesOf(bytes: Bytes): Iterable<Bytes> {
  for (let at = 0; at < bytes.length; at += MIB) yield bytes.subarray(at, at + MIB);
}
