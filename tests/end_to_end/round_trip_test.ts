import { assert, assertEquals } from "@std/assert";
import { pullImage } from "../../src/pull/pull.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { FIXTURES, readBack, type ReadManifest } from "../helpers/expected.ts";
import { pushOwnNames } from "../helpers/own_names.ts";
import { test } from "../helpers/test.ts";

/** Everything of an image that has a digest. */
function digestsOf({ digest, config, layers, children }: ReadManifest): unknown[] {
  return [
    digest,
    config?.digest,
    layers.map(({ digest }) => digest),
    children.map(digestsOf),
  ];
}

for (const name of FIXTURES.keys()) {
  for (const format of ["docker", "oci"] as const) {
    test(`what was pushed of ${name} and pulled as ${format} has its digests and names elsewhere`, async () => {
      const [here, there] = [createRegistry(), createRegistry()];
      const { images } = await pushOwnNames(name, "localhost:5000", here);
      assert(images.length > 0);
      for (const { reference, digest } of images) {
        const tar = await new Response(pullImage(reference, { fetch: here, format })).blob();
        const pushed = await pushImage(tar, "localhost:6000", { fetch: there });
        const elsewhere = reference.replace("localhost:5000", "localhost:6000");
        assertEquals(
          pushed.images.map(({ reference, digest }) => [reference, digest]),
          [[elsewhere, digest]],
        );
        const [, repository = "", tag = ""] = /^[^/]+\/(.+):([^:]+)$/.exec(reference) ?? [];
        assertEquals(
          digestsOf(await readBack(there, repository, tag)),
          digestsOf(await readBack(here, repository, tag)),
        );
      }
    });
  }

  test(`what was pushed of ${name} goes from registry to registry as a stream`, async () => {
    const [here, there] = [createRegistry(), createRegistry()];
    const { images: [image] } = await pushOwnNames(name, "localhost:5000", here);
    assert(image);
    const tar = pullImage(image.reference, { fetch: here });
    const pushed = await pushImage(tar, "localhost:6000/app:1", { fetch: there });
    assertEquals(pushed.images[0]?.digest, image.digest);
    assertEquals((await readBack(there, "app", "1")).digest, image.digest);
  });
}
