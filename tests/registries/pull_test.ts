import { assert, assertEquals, assertRejects } from "@std/assert";
import type { PullEvent } from "../../src/pull/events.ts";
import { NetworkError } from "../../src/errors.ts";
import { openArchive } from "../../src/archive/open_archive.ts";
import { openArchive as readImages } from "../../src/image/archive.ts";
import { pullImage, pullImages } from "../../src/pull/pull.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { layoutTar, makeImage, makeLayer, OciLayout, toBlob } from "../helpers/archives.ts";
import { FIXTURES, readBack } from "../helpers/expected.ts";
import { pushOwnNames, repositoryOf } from "../helpers/own_names.ts";
import { temporaryFolder } from "../helpers/process.ts";
import { realRegistries, startRealRegistry } from "../helpers/real_registry.ts";
import { type ProxiedRequest, startTcpProxy } from "../helpers/tcp_proxy.ts";
import { test } from "../helpers/test.ts";
import { handlerOf } from "./read_registry.ts";
import { contentOf, readLayout, runSkopeo, skopeo } from "./skopeo.ts";

const LARGE_BYTES = 2 * 1024 * 1024;

for (const { kind, title, skip } of realRegistries()) {
  test(
    `pullImage() from ${title} has the digests and names of every fixture elsewhere`,
    async () => {
      await using server = await startRealRegistry(kind);
      for (const name of FIXTURES.keys()) {
        const { images } = await pushOwnNames(name, server.host);
        for (const { reference, digest } of images) {
          const there = createRegistry();
          const tar = await new Response(pullImage(reference)).blob();
          const pushed = await pushImage(tar, "localhost:6000", { fetch: there });
          assertEquals(
            pushed.images.map(({ reference, digest }) => [reference, digest]),
            [[reference.replace(server.host, "localhost:6000"), digest]],
            name,
          );
          const again = await pushImage(tar, server.host);
          assertEquals([again.bytesUploaded, again.images[0]?.digest], [0, digest], name);
        }
      }
    },
    { skip },
  );

  test(`pullImage() from ${title} goes on where the connection broke`, async () => {
    await using server = await startRealRegistry(kind);
    const layout = new OciLayout();
    const large = await makeLayer(new Uint8Array(LARGE_BYTES).map((_, at) => at * 7 + (at >> 9)));
    layout.add(await layout.image(await makeImage(["small", large])), { ref: "1" });
    const { images } = await pushImage(toBlob(layout.entries()), `${server.host}/app:1`);
    const isLarge = ({ path }: ProxiedRequest) => path.endsWith(large.digest);
    let cuts = 2;
    await using proxy = await startTcpProxy(
      server.host,
      (request) =>
        isLarge(request) && cuts-- > 0 ? { kind: "cut-response", after: 700_000 } : undefined,
    );
    const events: PullEvent[] = [];
    const stream = pullImage(`${proxy.host}/app:1`, {
      retry: { delay: 1 },
      onEvent: (event) => void events.push(event),
    });
    const [image] = (await readImages(await new Response(stream).blob())).images;
    assert(image?.node.kind === "manifest");
    assertEquals(image.node.digest, images[0]?.digest);
    assertEquals(events.filter(({ type }) => type === "retry").length, 2);

    let always = 0;
    await using broken = await startTcpProxy(
      server.host,
      (request) => isLarge(request) && ++always ? { kind: "cut-response", after: 100 } : undefined,
    );
    const never = pullImage(`${broken.host}/app:1`, { retry: { delay: 1, attempts: 3 } });
    await assertRejects(() => new Response(never).blob(), NetworkError);
    assertEquals(always, 3);
  }, { skip });

  test(
    `pullImages() from ${title} leaves out what another registry has, and a push mounts it there`,
    async () => {
      await using from = await startRealRegistry(kind);
      await using to = await startRealRegistry(kind);
      const [base, one, two] = await Promise.all(
        ["base", "one", "two"].map((name) => makeLayer(name, "gzip")),
      );
      assert(base && one && two);
      for (const [name, own] of [["app:1", one], ["app:2", two], ["web:1", two]] as const) {
        await pushImage(await layoutTar(await makeImage([base, own])), `${from.host}/team/${name}`);
      }
      const whole = await new Response(pullImages(`${from.host}/team/app:1`)).blob();
      await pushImage(whole, to.host);
      const other = { name: "base.tar", archive: await openArchive(whole) };
      for (const without of [to.host, `${to.host}/team/app`, other]) {
        const images = [`${from.host}/team/app:2`, `${from.host}/team/web:1`];
        const delta = await new Response(pullImages(images, { without: [without] })).blob();
        const { leftOut = [] } = await openArchive(delta);
        // The first round has brought the second layer, too.
        assert(leftOut.some(({ digest }) => digest === base.digest));
        const result = await pushImage(delta.stream(), to.host);
        assertEquals(result.images.length, 2);
        const again = await pushImage(delta, to.host);
        assertEquals([again.bytesUploaded, again.images.length], [0, 2]);
      }
      const read = await readBack(handlerOf(to.host), "team/web", "1");
      assertEquals(read.layers.map(({ digest }) => digest), [base.digest, two.digest]);
    },
    { skip },
  );

  test(`skopeo reads what was pulled from ${title}`, async () => {
    await using server = await startRealRegistry(kind);
    await using folder = await temporaryFolder();
    const registry = handlerOf(server.host);
    for (const name of FIXTURES.keys()) {
      if (FIXTURES.get(name)?.push.expect !== "accept") continue;
      const { images: [image] } = await pushOwnNames(name, server.host);
      assert(image);
      const path = image.reference.slice(server.host.length + 1);
      const colon = path.lastIndexOf(":");
      const read = await readBack(registry, path.slice(0, colon), path.slice(colon + 1));
      const contents = await contentOf(read);
      const copy = async (format: "docker" | "oci", source: string) => {
        const tar = await new Response(pullImage(image.reference, { format })).bytes();
        const file = await folder.write("saved.tar", tar);
        const place = `${repositoryOf(name)}-${format}`;
        await runSkopeo(
          "copy",
          "--quiet",
          ...(format === "oci" ? ["--all"] : []),
          source.replace("FILE", file),
          `oci:${folder.path}/${place}:copy`,
        );
        return (await readLayout(folder, place)).map(({ diffIds }) => diffIds);
      };
      const expected = contents.map(({ diffIds }) => diffIds);
      // skopeo 1.9 finds no Docker manifest in an OCI layout, and takes no index out of one.
      if (read.mediaType.includes("oci.image.manifest")) {
        assertEquals(
          await copy("oci", `oci-archive:FILE:${path.slice(colon + 1)}`),
          expected,
          name,
        );
      }
      const isImage = !read.json.artifactType && !read.config?.mediaType.includes("empty");
      if (!isImage) continue;
      const [docker] = await copy("docker", `docker-archive:FILE:${image.reference}`);
      assert(expected.some((diffIds) => `${diffIds}` === `${docker}`), name);
    }
  }, { skip: skip ?? skopeo.skip });
}
