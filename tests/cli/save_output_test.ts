import { assert, assertEquals } from "@std/assert";
import type { Bytes } from "../../src/bytes.ts";
import { gatherImages } from "../../src/cli/save_output.ts";
import { digestBytes } from "../../src/digest.ts";
import { pullImage } from "../../src/pull/pull.ts";
import { MAX_HELD_BYTES } from "../../src/pull/read_ahead.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, makeImage, makeLayer, randomBytes, toBlob } from "../helpers/archives.ts";
import { asNetwork } from "../helpers/as_network.ts";
import { test } from "../helpers/test.ts";

const reference = "localhost:5000/app:1";

test("gatherImages() frees what came from the network once it is written, held or passed on", async () => {
  const registry = createRegistry();
  const layers = [await makeLayer("small"), await makeLayer(randomBytes(MAX_HELD_BYTES + 512))];
  const tar = toBlob(dockerSave([{ image: await makeImage(layers) }]));
  await pushImage(tar, reference, { fetch: registry });
  const pieces: Bytes[] = [];
  const written: Bytes[] = [];
  const options = { fetch: asNetwork(registry, pieces) };
  for await (const bytes of gatherImages([{ reference }], options)) written.push(bytes.slice());
  assert(pieces.length > 2 && pieces.every(({ buffer }) => buffer.byteLength === 0));
  const digestOf = async (body: BodyInit) => await digestBytes(await new Response(body).bytes());
  const expected = await digestOf(pullImage(reference, { fetch: registry }));
  assertEquals(await digestOf(new Blob(written)), expected);
  // What a registry in this process keeps stays whole.
  for await (const _ of gatherImages([{ reference }], { fetch: registry }));
  assertEquals(await digestOf(pullImage(reference, { fetch: registry })), expected);
});
