import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { makeImage, makeLayer, OciLayout, toBlob } from "../helpers/archives.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { serve } from "./registry_server.ts";

const MIB = 1024 * 1024;
const ONCE = { retry: { attempts: 1 } };

for (const status of [411, 500]) {
  test(`pushImage() to a server that answers ${status} to bodies without a length spends no attempt on it`, async () => {
    await using server = await serve(createRegistry({ requireLength: status }));
    const layer = await makeLayer(writeTar([{ path: "data", body: new Uint8Array(9 * MIB) }]));
    const layout = new OciLayout();
    layout.add(await layout.image(await makeImage([layer, "small"])), { ref: "1" });
    const file = toBlob(layout.entries());
    await pushImage(file, `${server.host}/file:1`, ONCE);
    await pushImage(file.stream(), `${server.host}/pipe:1`, ONCE);
  });
}
