import { assert, assertEquals } from "@std/assert";
import { pushImage } from "../../src/push/push.ts";
import { makeImage, makeLayer, OciLayout, toBlob } from "../helpers/archives.ts";
import { readBack } from "../helpers/expected.ts";
import { realRegistries, type RealRegistry, startRealRegistry } from "../helpers/real_registry.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { startTcpProxy, type TcpFault } from "../helpers/tcp_proxy.ts";
import { test } from "../helpers/test.ts";
import { serveRegistry } from "../end_to_end/registry_server.ts";
import { handlerOf } from "./read_registry.ts";

/** Pushes of one test, each with the faults at other requests. */
const ROUNDS = 3;
const EVERY = 5;
/** Above what is sent from memory, and above what sockets take at once. */
const LARGE_BYTES = [1_100_000, 2_000_000, 3_000_000, 6_000_000];

const FAULTS: readonly TcpFault[] = [
  {
    kind: "answer",
    text: "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
  },
  { kind: "refuse" },
  { kind: "cut-request", after: 1000 },
  { kind: "cut-request", after: 700_000 },
  { kind: "lose-response" },
];

/** Eight layers, half of them large. */
async function makeArchive(): Promise<Blob> {
  const large = LARGE_BYTES.map((bytes, index) =>
    makeLayer(writeTar([{ path: "large", body: new Uint8Array(bytes).fill(index + 1) }]))
  );
  const layout = new OciLayout();
  const image = await makeImage(["a", "b", "c", "d", ...await Promise.all(large)]);
  layout.add(await layout.image(image), { ref: "1" });
  return toBlob(layout.entries());
}

type Upstream = AsyncDisposable & Pick<RealRegistry, "host">;
const upstreams: { title: string; skip: string | undefined; start(): Promise<Upstream> }[] = [
  { title: "the embedded registry", skip: undefined, start: () => serveRegistry() },
  ...realRegistries().map(({ kind, title, skip }) => ({
    title,
    skip,
    start: () => startRealRegistry(kind),
  })),
];

for (const { title, skip, start } of upstreams) {
  for (const source of ["file", "pipe"]) {
    test(
      `pushImage() of a ${source} with eight layers to ${title} comes through a proxy that fails every fifth request`,
      async () => {
        await using server = await start();
        const archive = await makeArchive();
        const registry = handlerOf(server.host);
        for (let round = 0; round < ROUNDS; round++) {
          let faults = 0;
          await using proxy = await startTcpProxy(server.host, ({ number }) => {
            if ((number + round) % EVERY !== 0) return undefined;
            return FAULTS[(faults++ + round) % FAULTS.length];
          });
          const { images } = await pushImage(
            source === "file" ? archive : archive.stream(),
            `${proxy.host}/app${round}:1`,
            { retry: { delay: 1 } },
          );
          assert(faults >= FAULTS.length, `only ${faults} faults in round ${round}`);
          const { digest, layers } = await readBack(registry, `app${round}`, "1");
          assertEquals([digest, layers.length], [images[0]?.digest, 8]);
        }
      },
      { skip },
    );
  }
}
