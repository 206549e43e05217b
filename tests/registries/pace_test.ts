import { assert, assertEquals } from "@std/assert";
import { pushImage } from "../../src/push/push.ts";
import { makeImage, OciLayout, toBlob } from "../helpers/archives.ts";
import { readBack } from "../helpers/expected.ts";
import { startFront } from "../helpers/front_server.ts";
import { requireProgram } from "../helpers/programs.ts";
import { realRegistries, startRealRegistry } from "../helpers/real_registry.ts";
import { test } from "../helpers/test.ts";
import { handlerOf } from "./read_registry.ts";

for (const { kind, title, skip } of realRegistries()) {
  test(`pushImage() to ${title} behind nginx with limit_req ends whole`, async () => {
    await using upstream = await startRealRegistry(kind);
    const limited = { upstream: upstream.host, requestsPerSecond: 40 };
    await using front = await startFront("nginx", limited);
    const layers = Array.from({ length: 6 }, (_, at) => `layer ${at}`);
    const layout = new OciLayout();
    const image = await layout.image(await makeImage(layers));
    layout.add(image, { ref: "1" });
    const reasons: string[] = [];
    await pushImage(toBlob(layout.entries()), `${front.host}/app:1`, {
      onEvent: (event) => void (event.type === "retry" && reasons.push(event.reason)),
    });
    assert(reasons.length > 0 && reasons.every((reason) => reason.includes("answered 429")));
    const read = await readBack(handlerOf(upstream.host), "app", "1");
    assertEquals(read.digest, image.digest);
  }, { skip: skip ?? requireProgram("nginx").skip });
}
