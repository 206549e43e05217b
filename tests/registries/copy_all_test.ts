import { assert, assertEquals } from "@std/assert";
import { copyAll, type CopyAllOptions } from "../../src/push/copy_all.ts";
import { pushImage } from "../../src/push/push.ts";
import { layoutTar, makeImage, makeLayer } from "../helpers/archives.ts";
import { readBack } from "../helpers/expected.ts";
import { startFront } from "../helpers/front_server.ts";
import { requireProgram } from "../helpers/programs.ts";
import { startRealRegistry } from "../helpers/real_registry.ts";
import { test } from "../helpers/test.ts";
import { handlerOf } from "./read_registry.ts";

const TAGS = Array.from({ length: 12 }, (_, at) => `v${at}`);
const skip = ["docker-registry", "registry", "nginx"].map((name) => requireProgram(name).skip)
  .find((reason) => reason !== undefined);
/** A layer that all images have, large enough to be streamed. */
const large = await makeLayer(new Uint8Array(1_500_000).map((_, at) => at * 7 ^ at >> 9));

for (
  const [from, to] of [["docker-registry", "registry"], ["registry", "docker-registry"]] as const
) {
  test(
    `copyAll() brings all tags from ${from} to ${to}, both behind nginx with limit_req`,
    async () => {
      await using source = await startRealRegistry(from);
      await using target = await startRealRegistry(to);
      await using reads = await startFront("nginx", {
        upstream: source.host,
        requestsPerSecond: 60,
      });
      await using writes = await startFront("nginx", {
        upstream: target.host,
        requestsPerSecond: 60,
      });
      for (const tag of TAGS) {
        await pushImage(
          await layoutTar(await makeImage([large, tag])),
          `${source.host}/team/app:${tag}`,
        );
      }
      const statuses = async (options: CopyAllOptions) => {
        const found: string[] = [];
        const all = { allTags: true, ...options };
        for await (const result of copyAll([`${reads.host}/team/app`], writes.host, all)) {
          if (result.status === "failed") throw result.error;
          found.push(result.status);
        }
        return found;
      };
      let refused = 0;
      const counting: typeof fetch = async (input, init) => {
        const response = await fetch(input, init);
        if (response.status === 429) refused++;
        return response;
      };
      assertEquals(await statuses({ fetch: counting }), TAGS.map(() => "pushed"));
      assert(refused > 0);
      for (const tag of TAGS) {
        assertEquals(
          await readBack(handlerOf(target.host), "team/app", tag),
          await readBack(handlerOf(source.host), "team/app", tag),
        );
      }
      const again = await statuses({ maxRequestsPerSecond: 40 });
      assertEquals(again, TAGS.map(() => "exists"));
    },
    { skip },
  );
}
