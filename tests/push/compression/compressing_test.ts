import { assertEquals } from "@std/assert";
import { Compressing, CompressionMemory } from "../../../src/push/compression/compressing.ts";
import type { PushEvent } from "../../../src/push/events.ts";
import { resolveOptions } from "../../../src/push/options.ts";
import { Push } from "../../../src/push/push.ts";
import { parseReference } from "../../../src/reference.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import { test } from "../../helpers/test.ts";

test("Compressing chooses once for a registry, also for layers that come together", async () => {
  const said: PushEvent[] = [];
  const onEvent = (event: PushEvent) => void said.push(event);
  const options = resolveOptions({ fetch: createRegistry(), dryRun: true, onEvent });
  const settings = { compression: "auto", level: undefined, force: false } as const;
  await using compressing = new Compressing(settings, new CompressionMemory(), options);
  const target = new Push(options).repository(parseReference("localhost:5000/app"));
  const choose = () =>
    compressing.encodingFor(target, () => Promise.resolve(new Uint8Array(1)), {});
  assertEquals(await Promise.all([choose(), choose()]), [undefined, undefined]);
  const message =
    "layers are taken as they are: a dry run sends nothing, so the link is not measured";
  assertEquals(said, [{ type: "warning", message }]);
});
