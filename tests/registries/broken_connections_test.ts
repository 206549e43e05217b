import { assert, assertEquals } from "@std/assert";
import { pushImage } from "../../src/push/push.ts";
import { openFile } from "../../src/runtime/mod.ts";
import type { BlobSource } from "../../src/source/blob_source.ts";
import { serveRegistry } from "../end_to_end/registry_server.ts";
import { layoutTar, makeImage, makeLayer } from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { temporaryFolder } from "../helpers/process.ts";
import {
  realRegistries,
  type RealRegistry,
  type RealRegistryKind,
  startRealRegistry,
} from "../helpers/real_registry.ts";
import { type ProxiedRequest, startTcpProxy, type TcpFault } from "../helpers/tcp_proxy.ts";
import { test } from "../helpers/test.ts";
import { handlerOf } from "./read_registry.ts";

/** Streamed: smaller blobs are sent as bytes. */
const LARGE_BYTES = 3 * 1024 * 1024;

const large = await makeLayer(new Uint8Array(LARGE_BYTES).fill(7));
/** Of a file it goes in one piece, on Bun straight from the disk. */
const medium = await makeLayer(new Uint8Array(300_000).fill(8));
const archive = await (async () => {
  return await layoutTar(await makeImage(["small", medium, large]));
})();

/** The archive in a file of its own. */
async function archiveFile(): Promise<BlobSource & AsyncDisposable> {
  const folder = await temporaryFolder();
  const file = await openFile(await folder.write("image.tar", await archive.bytes()));
  return {
    size: file.size,
    slice: (start, end) => file.slice(start, end),
    async [Symbol.asyncDispose]() {
      await file[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const isPut = ({ method }: ProxiedRequest) => method === "PUT";
const isUpload = (request: ProxiedRequest) => isPut(request) && request.path.includes("/blobs/");
const isManifest = (request: ProxiedRequest) => isPut(request) && !isUpload(request);

const FAULTS: Record<string, [applies: (request: ProxiedRequest) => boolean, fault: TcpFault]> = {
  "before an upload": [isUpload, { kind: "refuse" }],
  "at the first byte of a body": [isUpload, { kind: "cut-request", after: 1 }],
  "in the middle of a body": [isUpload, { kind: "cut-request", after: 1000 }],
  "after a body, its answer lost": [isUpload, { kind: "lose-response" }],
  "in the answer to an upload": [isUpload, { kind: "cut-response", after: 20 }],
  "before the start of an upload": [({ method }) => method === "POST", { kind: "refuse" }],
  "after the start of an upload": [({ method }) => method === "POST", { kind: "lose-response" }],
  "before a question": [({ method }) => method === "HEAD", { kind: "refuse" }],
  "in the answer to a question": [({ method }) => method === "HEAD", {
    kind: "cut-response",
    after: 5,
  }],
  "before a manifest": [isManifest, { kind: "refuse" }],
  "in a manifest": [isManifest, { kind: "cut-request", after: 10 }],
  "after a manifest, its answer lost": [isManifest, { kind: "lose-response" }],
  "after a 503": [isUpload, {
    kind: "answer",
    text: "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
  }],
};

type Upstream = AsyncDisposable & Pick<RealRegistry, "host">;
const upstreams: { title: string; skip: string | undefined; start(): Promise<Upstream> }[] = [
  { title: "the embedded registry", skip: undefined, start: () => serveRegistry() },
  ...realRegistries().map(({ kind, title, skip }: RealRegistryKind) => ({
    title,
    skip,
    start: () => startRealRegistry(kind),
  })),
];

for (const { title, skip, start } of upstreams) {
  test(
    `pushImage() to ${title} survives connections that break once, wherever they do`,
    async () => {
      await using server = await start();
      await using file = await archiveFile();
      const registry = handlerOf(server.host);
      for (const [from, source] of [["memory", archive], ["file", file]] as const) {
        for (const [index, [where, [applies, fault]]] of Object.entries(FAULTS).entries()) {
          const name = `${from}${index}`;
          let failures = 2;
          await using proxy = await startTcpProxy(
            server.host,
            (request) => applies(request) && failures-- > 0 ? fault : undefined,
          );
          const { images } = await pushImage(source, `${proxy.host}/${name}:1`, {
            retry: { delay: 1, attempts: 6 },
          }).catch((cause) => Promise.reject(new Error(`${from}, broken ${where}`, { cause })));
          assert(failures <= 0, `nothing was broken ${where}`);
          const { digest } = await readBack(registry, name, "1");
          assertEquals(digest, images[0]?.digest, `${from}, ${where}`);
        }
      }
    },
    { skip },
  );

  test(
    `pushImage() to ${title} without further attempts leaves no tag, and what a second run completes`,
    async () => {
      await using server = await start();
      const registry = handlerOf(server.host);
      for (const [index, [where, [applies, fault]]] of Object.entries(FAULTS).entries()) {
        let failures = 1;
        await using proxy = await startTcpProxy(
          server.host,
          (request) => applies(request) && failures-- > 0 ? fault : undefined,
        );
        const once = { concurrency: 1, retry: { attempts: 1 } };
        const target = `${proxy.host}/app${index}:1`;
        const first = await pushImage(archive, target, once).catch(() => undefined);
        assert(failures <= 0, `nothing was broken ${where}`);
        const tags = (await allTags(registry)).filter((tag) => tag === `app${index}:1`);
        // Either the push has noticed that its request went through, or there is no tag.
        assertEquals(tags.length, first ? 1 : 0, where);
        const again = await pushImage(archive, target, once);
        const { digest } = await readBack(registry, `app${index}`, "1");
        assertEquals(digest, again.images[0]?.digest, where);
      }
    },
    { skip },
  );
}
