import { assert, assertEquals } from "@std/assert";
import { pushImage, type PushResult } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  dockerSave,
  layoutTar,
  makeImage,
  makeLayer,
  OciLayout,
  toBlob,
  withPlatform,
} from "../helpers/archives.ts";
import { allTags, readBack } from "../helpers/expected.ts";
import { type Fault, faultLayer, withHeader } from "../helpers/fault_layer.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const TARGET = "localhost:5000/app:1";
/** With this much memory the large layer of a pipe passes as a stream. */
const memoryBudget = 1024 * 1024;

const common = await makeLayer("common");
const large = await makeLayer(
  writeTar([{ path: "large", body: new Uint8Array(800 * 1024).fill(1) }]),
);

/** An archive of each dialect, each with a layer that passes as a stream and one that comes twice. */
const DIALECTS: Record<string, () => Promise<Blob>> = {
  "a legacy docker archive with links": async () => {
    const image = await makeImage([common, large, "a", common]);
    return toBlob(dockerSave([{ image, repoTags: ["app:1"] }], { repeated: "forward-symlink" }));
  },
  "an archive of docker 25": async () => {
    const layout = new OciLayout();
    const image = await makeImage([common, large, "a", common]);
    layout.add(await layout.image(image), { ref: "1", name: "docker.io/library/app:1" });
    return toBlob(layout.entries([{ image, repoTags: ["app:1"] }]));
  },
  "an OCI layout": async () => await layoutTar(await makeImage([common, large, "a", common])),
  "an index in an index": async () => {
    const layout = new OciLayout();
    const child = await layout.image(await makeImage([common, large]));
    const other = await layout.image(await makeImage([common, "b"], { platform: "linux/arm64" }));
    const inner = await layout.indexOf([
      withPlatform(child, "linux/amd64"),
      await layout.attestation(child),
    ]);
    layout.add(await layout.indexOf([inner, withPlatform(other, "linux/arm64")]), { ref: "1" });
    return toBlob(layout.entries());
  },
  "an image with a signature": async () => {
    const layout = new OciLayout();
    const image = await layout.image(await makeImage([common, large, common]));
    const { mediaType, digest, size } = image;
    layout.add(image, { ref: "1" });
    layout.add(
      await layout.artifact("signed", "application/x", { subject: { mediaType, digest, size } }),
    );
    return toBlob(layout.entries());
  },
};

/** What becomes of the last request of a run that is killed. */
const LAST: Record<string, Fault> = {
  before: { kind: "refuse" },
  during: { kind: "cut-body", after: 40 },
  after: { kind: "lose-response" },
};

/** A registry that lists no subjects, as registry:2: the client keeps a tag for them. */
function makeRegistry(): FetchHandler {
  const registry = createRegistry();
  return async (request) => withHeader(await registry(request), "oci-subject", undefined);
}

/** Every tag with the digest of what is below it; fails where a part of that is missing. */
async function readTags(registry: FetchHandler): Promise<Map<string, string>> {
  const tags = new Map<string, string>();
  for (const name of await allTags(registry)) {
    const [repository = "", tag = ""] = name.split(":");
    tags.set(name, (await readBack(registry, repository, tag)).digest);
  }
  return tags;
}

async function hasBlob(registry: FetchHandler, digest: string): Promise<boolean> {
  const url = `http://localhost:5000/v2/app/blobs/${digest}`;
  return (await registry(new Request(url, { method: "HEAD" }))).status === 200;
}

/** Checks that a run sent nothing that was there. A request of the killed run may arrive when that has ended. */
function assertOnlyMissing(
  { images, bytesUploaded }: PushResult,
  there: ReadonlySet<string>,
  isKnown: (digest: string) => boolean,
): void {
  assertEquals(images.length, 1);
  const blobs = images.flatMap(({ blobs }) => blobs);
  for (const { digest, status } of blobs) {
    if (there.has(digest) && isKnown(digest)) assertEquals(status, "exists", digest);
  }
  const sent = blobs.filter(({ status }) => status === "pushed");
  const bytes = new Map(sent.map(({ digest, size }) => [digest, size])).values();
  // The blob of a signature is not among those of the image.
  assert(bytesUploaded <= bytes.reduce((sum, size) => sum + size, "signed{}".length));
}

for (const [dialect, make] of Object.entries(DIALECTS)) {
  const tar = await make();
  for (const source of ["file", "pipe"] as const) {
    const open = () => source === "file" ? tar : tar.stream();
    // Nothing tells the digest of a layer that passes as a stream in a legacy archive, so it is sent each time.
    const isKnown = (digest: string) =>
      source === "file" || !dialect.includes("legacy") || digest !== large.digest;
    for (const concurrency of [1, 3]) {
      const once = { concurrency, memoryBudget, retry: { attempts: 1, delay: 0 } };

      test(`pushImage() of ${dialect}, a ${source}, ${concurrency} at a time, killed at any request: no tag is incomplete, a second run sends what is missing`, async () => {
        const whole = makeRegistry();
        const count = faultLayer(whole);
        const { images } = await pushImage(open(), TARGET, { ...once, fetch: count.fetch });
        const expected = await readTags(whole);
        const digests = new Set(images.flatMap(({ blobs }) => blobs.map(({ digest }) => digest)));
        for (const [when, fault] of Object.entries(LAST)) {
          for (let last = 1; last <= count.seen.length; last++) {
            const registry = makeRegistry();
            const layer = faultLayer(
              registry,
              ({ number }) =>
                number < last ? undefined : number === last ? fault : { kind: "refuse" },
            );
            await pushImage(open(), TARGET, { ...once, fetch: layer.fetch }).catch(() => {});
            const where = `killed ${when} request ${last}, ${layer.lines()[last - 1]}`;
            const standing = await readTags(registry);
            for (const [tag, digest] of standing) assertEquals(digest, expected.get(tag), where);
            const there = new Set<string>();
            for (const digest of digests) if (await hasBlob(registry, digest)) there.add(digest);
            const again = await pushImage(open(), TARGET, { ...once, fetch: registry });
            assertEquals(await readTags(registry), expected, where);
            assertOnlyMissing(again, there, isKnown);
          }
        }
      });
    }
  }
}
