import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { NetworkError } from "../../src/errors.ts";
import type { PushEvent } from "../../src/push/events.ts";
import { pushImage } from "../../src/push/push.ts";
import { dockerSave, layoutTar, makeImage, makeLayer, toBlob } from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { realRegistries, type RealRegistry, startRealRegistry } from "../helpers/real_registry.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { handlerOf } from "./read_registry.ts";
import { watchedArchive } from "./watched_archive.ts";

const MIB = 1024 * 1024;
const SIZE = 50 * MIB;
/** Of a pipe, so much can be sent again. */
const WINDOW = 16 * MIB;

const body = new Uint8Array(SIZE);
for (let at = 0; at < SIZE; at++) body[at] = (at * 7) % 251;
const image = await makeImage([await makeLayer(writeTar([{ path: "large", body }]))]);
const FILE = await layoutTar(image);
/** Its layer has no digest until it has passed. */
const DOCKER = toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));

/** An archive in whose middle, while a blob goes out, a registry is killed, which is started again at the second wait for it. */
function restarting(registry: RealRegistry, tar: Blob, after: number) {
  let state: "idle" | "sending" | "down" | "again" = "idle";
  let waits = 0;
  const archive = watchedArchive(tar, async (at) => {
    if (at <= after || state !== "sending") return;
    state = "down";
    await registry.kill();
  });
  return {
    ...archive,
    waits: () => waits,
    async onEvent({ type }: PushEvent): Promise<void> {
      if (type === "blob-progress" && state === "idle") state = "sending";
      if (type !== "retry" || ++waits < 2 || state !== "down") return;
      state = "again";
      await registry.startAgain();
    },
  };
}

const [two, three] = realRegistries();
if (two?.kind !== "docker-registry" || three?.kind !== "registry") throw new Error("unreachable");

const SOURCES = {
  "a file": { tar: FILE, kind: "file", after: 30 * MIB },
  "a file in chunks": { tar: FILE, kind: "file", after: 30 * MIB, chunkSize: 8 * MIB },
  "a pipe at the beginning of a layer": { tar: DOCKER, kind: "pipe", after: 5 * MIB },
  "a pipe at the beginning of a layer that has a name": { tar: FILE, kind: "pipe", after: 5 * MIB },
} as const;

for (const { kind: registryKind, title, skip } of [two, three]) {
  for (const [what, { tar, kind, after, ...options }] of Object.entries(SOURCES)) {
    test(`pushImage() of ${what} comes through where ${title} restarts in the middle`, async () => {
      await using registry = await startRealRegistry(registryKind);
      const { file, pipe, waits, onEvent } = restarting(registry, tar, after);
      const { images } = await pushImage(
        kind === "file" ? file : pipe(),
        `${registry.host}/app:1`,
        {
          concurrency: 1,
          retry: { delay: 50 },
          onEvent,
          ...options,
        },
      );
      assert(waits() >= 2);
      const { digest } = await readBack(handlerOf(registry.host), "app", "1");
      assertEquals(digest, images[0]?.digest);
    }, { skip });
  }
}

test(
  "pushImage() of a pipe goes on where distribution 3 restarts in the middle of a large layer",
  async () => {
    await using registry = await startRealRegistry("registry");
    const { pipe, onEvent } = restarting(registry, DOCKER, 2 * WINDOW);
    const options = { concurrency: 1, retry: { delay: 50 }, onEvent };
    const { images } = await pushImage(pipe(), `${registry.host}/app:1`, options);
    const { digest } = await readBack(handlerOf(registry.host), "app", "1");
    assertEquals(digest, images[0]?.digest);
  },
  { skip: three.skip },
);

test(
  "pushImage() of a pipe says what to do where distribution 2 restarts in the middle of a large layer",
  async () => {
    await using registry = await startRealRegistry("docker-registry");
    const { pipe, onEvent } = restarting(registry, DOCKER, 2 * WINDOW);
    const options = { concurrency: 1, retry: { delay: 50 }, onEvent };
    const error = await assertRejects(
      () => pushImage(pipe(), `${registry.host}/app:1`, options),
      NetworkError,
      "did not keep what had arrived, and the stream comes only once",
    );
    assertMatch(error.hint ?? "", /^write the archive to a file first/);
    assertEquals(await allTags(handlerOf(registry.host)), []);
  },
  { skip: two.skip },
);
