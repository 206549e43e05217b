import { assertEquals } from "@std/assert";
import { measureLink } from "../../../src/push/compression/measure_link.ts";
import { resolveOptions } from "../../../src/push/options.ts";
import { Push } from "../../../src/push/push.ts";
import { parseReference } from "../../../src/reference.ts";
import { Pace } from "../../../src/registry/http/pace.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import { faultLayer } from "../../helpers/fault_layer.ts";
import { test } from "../../helpers/test.ts";

test("measureLink() takes a link for no faster than the caller lets it be, and sends no more then", async () => {
  const layer = faultLayer(createRegistry());
  // On this clock nothing takes any time, so that nobody may wait on it for a place in the pace.
  const options = resolveOptions({
    fetch: layer.fetch,
    maxRate: 1_000_000,
    retry: { now: () => 0 },
  });
  const target = new Push(options).repository(parseReference("localhost:5000/app"));
  target.http.seen.pace = new Pace({}, options.retry);
  assertEquals(await measureLink(target, {}), 1_000_000);
  assertEquals(layer.seen.map(({ method }) => method), ["POST", "PATCH", "DELETE"]);
});
