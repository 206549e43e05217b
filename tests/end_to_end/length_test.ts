import { assert, assertEquals } from "@std/assert";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, layoutTar, makeImage, makeLayer, toBlob } from "../helpers/archives.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { serve } from "./registry_server.ts";

const MIB = 1024 * 1024;
const ONCE = { retry: { attempts: 1 } };

for (const status of [411, 500]) {
  test(`pushImage() to a server that answers ${status} to bodies without a length spends no attempt on it`, async () => {
    await using server = await serve(createRegistry({ requireLength: status }));
    const layer = await makeLayer(writeTar([{ path: "data", body: new Uint8Array(9 * MIB) }]));
    const file = await layoutTar(await makeImage([layer, "small"]));
    await pushImage(file, `${server.host}/file:1`, ONCE);
    await pushImage(file.stream(), `${server.host}/pipe:1`, ONCE);
  });
}

for (const [whose, fetch] of [["the runtime's", undefined], ["a caller's", passOn]] as const) {
  test(`pushImage() by ${whose} fetch tells the length of every body, from a file and from a pipe`, async () => {
    const registry = createRegistry();
    const bodies: { length: string | null; bytes: number }[] = [];
    await using server = await serve(async (request) => {
      if (request.body === null) return await registry(request);
      const length = request.headers.get("content-length");
      const body = await request.bytes();
      bodies.push({ length, bytes: body.length });
      const { method, url, headers } = request;
      return await registry(
        new Request(url, body.length > 0 ? { method, headers, body } : { method, headers }),
      );
    });
    const layers = [1000, MIB / 2, 3 * MIB].map((bytes) => {
      return makeLayer(writeTar([{ path: "data", body: new Uint8Array(bytes) }]));
    });
    const image = await makeImage(await Promise.all(layers));
    const file = toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));
    const options = fetch ? { ...ONCE, fetch } : ONCE;
    await pushImage(file, `${server.host}/file:1`, options);
    await pushImage(file.stream(), `${server.host}/pipe:1`, options);
    assert(bodies.filter(({ bytes }) => bytes > 3 * MIB).length === 2, JSON.stringify(bodies));
    for (const { length, bytes } of bodies) assertEquals(length ?? "0", `${bytes}`);
  });
}

function passOn(request: Request): Promise<Response> {
  return fetch(request);
}
