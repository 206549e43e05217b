import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { NetworkError } from "../../src/errors.ts";
import { pushImage } from "../../src/push/push.ts";
import {
  dockerSave,
  layoutTar,
  type MadeImage,
  makeImage,
  makeLayer,
  toBlob,
} from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { realRegistries, startRealRegistry } from "../helpers/real_registry.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { type ProxiedRequest, startTcpProxy, type TcpFault } from "../helpers/tcp_proxy.ts";
import { test } from "../helpers/test.ts";
import { handlerOf } from "./read_registry.ts";

const MIB = 1024 * 1024;
const LARGE_BYTES = 8 * MIB;
/** Passes as a stream with the default memory budget. */
const PASSING_BYTES = 50 * MIB;
const ONE = { concurrency: 1, retry: { delay: 100 } };

async function makeLarge(length: number): Promise<MadeImage> {
  const body = new Uint8Array(length);
  for (let at = 0; at < length; at++) body[at] = (at * 7) % 251;
  return await makeImage([await makeLayer(writeTar([{ path: "large", body }]))]);
}

function makeDocker(image: MadeImage): Blob {
  return toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));
}

/** The first requests that send a part of a blob, or just the last of them. Small bodies end before a cut. */
function atBody(first: number, last: number, fault: TcpFault, method: string) {
  let seen = 0;
  return (request: ProxiedRequest) => {
    const isBody = request.method === method && request.path.includes("/blobs/uploads/");
    return isBody && ++seen >= first && seen <= last ? fault : undefined;
  };
}

function countOf(seen: readonly ProxiedRequest[], method: string): number {
  return seen.filter((request) =>
    request.method === method && request.path.includes("/blobs/uploads/")
  ).length;
}

const image = await makeLarge(LARGE_BYTES);
const passing = await makeLarge(PASSING_BYTES);

const [two, three] = realRegistries();
if (two?.kind !== "docker-registry" || three?.kind !== "registry") throw new Error("unreachable");

/** In the middle of the third chunk. */
const CUT: TcpFault = { kind: "cut-request", after: 500_000 };

test(
  "pushImage() of a file in chunks goes on with an upload that broke at distribution 3",
  async () => {
    await using server = await startRealRegistry("registry");
    await using proxy = await startTcpProxy(server.host, atBody(3, 3, CUT, "PATCH"));
    const { images } = await pushImage(await layoutTar(image), `${proxy.host}/app:1`, {
      ...ONE,
      chunkSize: 2 * MIB,
    });
    assertEquals((await readBack(handlerOf(server.host), "app", "1")).digest, images[0]?.digest);
    // Five chunks for 8 MiB and a tar's ends, one of them in two parts: nothing that had arrived was sent again.
    assertEquals(countOf(proxy.seen, "GET"), 1);
    assertEquals(countOf(proxy.seen, "PATCH"), 6);
    // Layer and config.
    assertEquals([countOf(proxy.seen, "POST"), countOf(proxy.seen, "DELETE")], [2, 0]);
  },
  { skip: three.skip },
);

test(
  "pushImage() of a file in chunks starts an upload again that broke at distribution 2",
  async () => {
    await using server = await startRealRegistry("docker-registry");
    await using proxy = await startTcpProxy(server.host, atBody(3, 3, CUT, "PATCH"));
    const { images } = await pushImage(await layoutTar(image), `${proxy.host}/app:1`, {
      ...ONE,
      chunkSize: 2 * MIB,
    });
    assertEquals((await readBack(handlerOf(server.host), "app", "1")).digest, images[0]?.digest);
    // It may be asked before it has noticed the cut, and then gets one chunk in vain.
    assert(countOf(proxy.seen, "PATCH") >= 3 + 5);
    assertEquals([countOf(proxy.seen, "POST"), countOf(proxy.seen, "DELETE")], [3, 1]);
  },
  { skip: two.skip },
);

for (const { kind, title, skip } of [two, three]) {
  test(
    `pushImage() of a file sends what is lost of an upload whose one request broke at ${title}`,
    async () => {
      await using server = await startRealRegistry(kind);
      const cut: TcpFault = { kind: "cut-request", after: 5_000_000 };
      await using proxy = await startTcpProxy(server.host, atBody(1, 2, cut, "PUT"));
      const { images } = await pushImage(await layoutTar(image), `${proxy.host}/app:1`, ONE);
      assertEquals((await readBack(handlerOf(server.host), "app", "1")).digest, images[0]?.digest);
      // Where all was handed over before the line broke, distribution 3 is asked, and goes on.
      if (kind === "docker-registry") assert(countOf(proxy.seen, "POST") >= 3);
      assert(countOf(proxy.seen, "PUT") >= 3);
    },
    { skip },
  );
}

const PIPES = { "with its digest as name": layoutTar, "without a digest": makeDocker };

for (const [what, make] of Object.entries(PIPES)) {
  test(
    `pushImage() of a pipe goes on with a large layer ${what} that broke at distribution 3`,
    async () => {
      await using server = await startRealRegistry("registry");
      const cut: TcpFault = { kind: "cut-request", after: 20_000_000 };
      await using proxy = await startTcpProxy(server.host, atBody(1, 1, cut, "PATCH"));
      const source = slowly(await make(passing));
      const { images } = await pushImage(source, `${proxy.host}/app:1`, ONE);
      assertEquals((await readBack(handlerOf(server.host), "app", "1")).digest, images[0]?.digest);
      // Layer and config: neither was begun again.
      assertEquals([countOf(proxy.seen, "POST"), countOf(proxy.seen, "DELETE")], [2, 0]);
      assert(countOf(proxy.seen, "GET") >= 1);
    },
    { skip: three.skip },
  );

  test(
    `pushImage() of a pipe says what to do where distribution 2 forgot a large layer ${what}`,
    async () => {
      await using server = await startRealRegistry("docker-registry");
      const cut: TcpFault = { kind: "cut-request", after: 20_000_000 };
      await using proxy = await startTcpProxy(server.host, atBody(1, 1, cut, "PATCH"));
      const error = await assertRejects(
        async () => await pushImage(slowly(await make(passing)), `${proxy.host}/app:1`, ONE),
        NetworkError,
        "the registry did not keep what had arrived, and the stream comes only once",
      );
      assertMatch(error.hint ?? "", /^write the archive to a file first/);
      assertEquals(await allTags(handlerOf(server.host)), []);
      // It answers 404 and purges the upload later.
      assertEquals(countOf(proxy.seen, "DELETE"), 1);
    },
    { skip: two.skip },
  );
}

/** The bytes in the pieces of a pipe. */
function slowly(tar: Blob): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (at >= tar.size) return controller.close();
      controller.enqueue(await tar.slice(at, at += 64 * 1024).bytes());
    },
  }, { highWaterMark: 0 });
}
