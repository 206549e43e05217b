import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { pushImage } from "../../src/push/push.ts";
import { sleep } from "../../src/concurrency.ts";
import { dockerSave, layoutTar, makeImage, makeLayer, toBlob } from "../helpers/archives.ts";
import { runProcess } from "../helpers/process.ts";
import { realRegistries, type RealRegistry, startRealRegistry } from "../helpers/real_registry.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { watchedArchive } from "./watched_archive.ts";

const MIB = 1024 * 1024;
const SIZE = 4 * MIB;
const body = new Uint8Array(SIZE).map((_, at) => (at * 7) % 251);
const image = await makeImage([await makeLayer(writeTar([{ path: "large", body }]))]);
const FILE = await layoutTar(image);
const DOCKER = toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));

const [two, three] = realRegistries();
if (two?.kind !== "docker-registry" || three?.kind !== "registry") throw new Error("unreachable");

// A PUT that is cut leaves its bytes in distribution 2, whatever one does: it tells nobody where the upload stands.
const CASES = [
  { ...two, what: "a pipe", from: DOCKER, isPipe: true },
  { ...three, what: "a pipe", from: DOCKER, isPipe: true },
  { ...three, what: "a file", from: FILE, isPipe: false },
];

for (const { kind, title, skip, what, from, isPipe } of CASES) {
  test(
    `pushImage() of ${what} that is aborted leaves no bytes in ${title}, wherever it is`,
    async () => {
      await using registry = await startRealRegistry(kind);
      for (let at = 0; at < 20; at++) {
        const controller = new AbortController();
        const { file, pipe } = watchedArchive(from, async (position, length) => {
          // Headers are read by themselves.
          if (position <= (at + 0.5) * SIZE / 20 || length <= MIB) return;
          // What is thrown away before, distribution 3 makes anew. Of a pipe nothing may have been sent yet.
          while (!isPipe && !await leftUploads(registry)) await sleep(20);
          controller.abort(new Error("enough"));
        });
        const error = await assertRejects(() =>
          pushImage(isPipe ? pipe() : file, `${registry.host}/app${at}:1`, {
            signal: controller.signal,
            memoryBudget: MIB,
            // The config may be under way as a whole: what is cancelled while it is committed, distribution 3 may leave.
            concurrency: 1,
          })
        );
        assertStrictEquals(error, controller.signal.reason);
      }
      assertEquals(await leftUploads(registry), "");
    },
    { skip },
  );
}

/** Paths of what was uploaded and neither kept nor thrown away. */
async function leftUploads({ folder }: RealRegistry): Promise<string> {
  return (await runProcess("find", [folder, "-path", "*/_uploads/*/data"])).stdout;
}
