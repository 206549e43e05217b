import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { PushError, RegistryError } from "../../src/errors.ts";
import { copyImage } from "../../src/push/copy.ts";
import type { OnExisting, PushOptions } from "../../src/push/options.ts";
import { pushImage } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  dockerSave,
  makeImage,
  makeLayer,
  OciLayout,
  toBlob,
  withPlatform,
} from "../helpers/archives.ts";
import { assertClear, pushTo, readBack, readFixture } from "../helpers/expected.ts";
import { type Fault, faultLayer, type SeenRequest, withHeader } from "../helpers/fault_layer.ts";
import { test } from "../helpers/test.ts";

const TARGET = "localhost:5000/app:1";

const docker = async (text: string) =>
  toBlob(dockerSave([{ image: await makeImage(["common", text]), repoTags: ["app:1"] }]));

/** An index of two platforms, one below another index, with an attestation. */
async function index(text: string): Promise<Blob> {
  const layout = new OciLayout();
  const child = await layout.image(await makeImage(["common", text]));
  const inner = await layout.indexOf([
    withPlatform(child, "linux/amd64"),
    await layout.attestation(child),
  ]);
  const other = await layout.image(await makeImage(["arm"], { platform: "linux/arm64" }));
  layout.add(await layout.indexOf([inner, withPlatform(other, "linux/arm64")]), { ref: "1" });
  return toBlob(layout.entries());
}

async function signed(text: string): Promise<Blob> {
  const layout = new OciLayout();
  const image = await layout.image(await makeImage(["common", text]));
  const { mediaType, digest, size } = image;
  layout.add(image, { ref: "1" });
  const subject = { mediaType, digest, size };
  layout.add(await layout.artifact("signed", "application/x", { subject }));
  return toBlob(layout.entries());
}

const ARCHIVES: Record<string, Blob> = {
  "a docker archive": await docker("one"),
  "an index": await index("one"),
  "an image with a signature": await signed("one"),
  "an index of docker 29, its attestations with subjects": await readFixture(
    "docker29-attested.tar",
  ),
};
const OTHER = await docker("two");

const isPut = ({ method, path }: SeenRequest) => method === "PUT" && path.includes("/manifests/");

/** A registry in which a manifest or tag is written once: nothing that is there is written again, not even the same. */
function writeOnce(registry: FetchHandler, answer = () => refuse(409)): FetchHandler {
  return async (request) => {
    if (request.method === "PUT" && request.url.includes("/manifests/")) {
      const found = await registry(new Request(request.url, { method: "HEAD" }));
      if (found.status === 200) return answer();
    }
    return await registry(request);
  };
}

function refuse(status: number, message = "", code = "DENIED"): Response {
  return message
    ? Response.json({ errors: [{ code, message }] }, { status })
    : new Response(null, { status });
}

/** As registry:2: no list of referrers, and no word of them. */
function withoutReferrers(registry: FetchHandler): FetchHandler {
  return async (request) =>
    request.url.includes("/referrers/")
      ? new Response("404 page not found", { status: 404 })
      : withHeader(await registry(request), "oci-subject", undefined);
}

const REGISTRIES: Record<string, () => FetchHandler> = {
  "a registry": () => createRegistry(),
  "a registry with immutable tags": () => createRegistry({ immutableTags: true }),
  "a registry with immutable tags and no referrers": () =>
    withoutReferrers(createRegistry({ immutableTags: true })),
};

for (const [what, make] of Object.entries(REGISTRIES)) {
  for (const [name, tar] of Object.entries(ARCHIVES)) {
    for (const source of ["file", "pipe"] as const) {
      test(`pushImage() of a ${source} with ${name} writes nothing to ${what} that has it`, async () => {
        const registry = make();
        const open = () => source === "file" ? tar : tar.stream();
        const first = await pushImage(open(), TARGET, { fetch: registry });
        const layer = faultLayer(registry);
        const again = await pushImage(open(), TARGET, { fetch: layer.fetch });
        assertEquals(layer.seen.filter(isPut), []);
        assertEquals(again.images[0]?.digest, first.images[0]?.digest);
        assertEquals(again.bytesUploaded, 0);
      });
    }

    test(`copyImage() of ${name} onto its own tag writes nothing to ${what}`, async () => {
      const registry = make();
      await pushImage(tar, TARGET, { fetch: registry });
      const layer = faultLayer(registry);
      await copyImage(TARGET, TARGET, { fetch: layer.fetch, referrers: true });
      assertEquals(layer.seen.filter(isPut), []);
    });
  }
}

test("pushImage() asks one question for the tag of a manifest that stands, and none for one that cannot", async () => {
  const registry = createRegistry();
  const count = async () => {
    const layer = faultLayer(registry);
    await pushTo(OTHER, TARGET, { fetch: layer.fetch });
    return layer.seen.filter(({ path }) => path.includes("/manifests/")).map(({ method }) =>
      method
    );
  };
  assertEquals(await count(), ["PUT", "PUT"]);
  assertEquals(await count(), ["HEAD"]);
});

test("pushImage() writes a manifest that is there under another tag by that tag alone", async () => {
  for (const tar of Object.values(ARCHIVES).slice(0, 2)) {
    const registry = createRegistry();
    await pushTo(tar, TARGET, { fetch: registry });
    const layer = faultLayer(registry);
    await pushTo(tar, "localhost:5000/app:2", { fetch: layer.fetch });
    assertEquals(layer.seen.filter(isPut).map(({ path }) => path), ["/v2/app/manifests/2"]);
  }
});

for (const status of [400, 405]) {
  test(`pushImage() goes on where a manifest is kept that was answered ${status} without a word`, async () => {
    const registry = createRegistry();
    const written: string[] = [];
    const fetch: FetchHandler = async (request) => {
      const [, reference] = /\/manifests\/(.*)$/.exec(request.url) ?? [];
      const isPut = request.method === "PUT" && reference !== undefined;
      const answer = await registry(request);
      if (isPut) written.push(reference.replace(/^sha256:.*/, "a digest"));
      return isPut && reference.includes(":") ? new Response(null, { status }) : answer;
    };
    await pushImage(await index("kept"), TARGET, { fetch });
    assertEquals(written, [...Array(5).fill("a digest"), "1"]);
    assertEquals((await readBack(registry, "app", "1")).children.length, 2);
  });
}

test("pushImage() with force reads back what is said to be there though it was refused", async () => {
  const registry = createRegistry();
  const archive = ARCHIVES["a docker archive"];
  assert(archive);
  await pushImage(archive, TARGET, { fetch: registry });
  const fetch: FetchHandler = async (request) => {
    const isManifest = /\/manifests\/sha256:/.test(request.url);
    if (isManifest && request.method === "PUT") return new Response(null, { status: 400 });
    const answer = await registry(request);
    if (!isManifest || request.method !== "GET") return answer;
    return new Response(`${await answer.text()} `, { headers: answer.headers });
  };
  const options = { fetch, force: true, manifestType: "docker", retry: { attempts: 1 } } as const;
  const error = await assertRejects(() => pushImage(archive, TARGET, options), PushError);
  assertStringIncludes(error.message, "manifest");
});

test("pushImage() puts back a child of an index whose tag stands", async () => {
  const registry = createRegistry({ allowDelete: true });
  const tar = await index("one");
  await pushTo(tar, TARGET, { fetch: registry });
  const { children } = await readBack(registry, "app", "1");
  const lost = children.at(-1)?.digest ?? "";
  const url = `http://localhost:5000/v2/app/manifests/${lost}`;
  assertEquals((await registry(new Request(url, { method: "DELETE" }))).status, 202);
  const layer = faultLayer(registry);
  await pushTo(tar, TARGET, { fetch: layer.fetch });
  assertEquals(layer.seen.filter(isPut).map(({ path }) => path), [`/v2/app/manifests/${lost}`]);
  await readBack(registry, "app", "1");
});

for (const [name, tar] of Object.entries(ARCHIVES)) {
  test(`pushImage() of ${name} ends well in a registry where all is written once, whatever is lost on the way`, async () => {
    const count = faultLayer(writeOnce(createRegistry()));
    await pushTo(tar, TARGET, { fetch: count.fetch });
    for (let lost = 1; lost <= count.seen.length; lost++) {
      const registry = createRegistry();
      const fault: Fault = { kind: "lose-response" };
      const layer = faultLayer(
        writeOnce(registry),
        (request) => request.number === lost && request.method === "PUT" ? fault : undefined,
      );
      const { result } = await pushTo(tar, TARGET, { fetch: layer.fetch, retry: { delay: 0 } });
      const { digest } = await readBack(registry, "app", "1");
      assertEquals(result.images[0]?.digest, digest);
    }
  });
}

/** How registries say that a tag may not be changed. */
const REFUSALS: Record<string, () => Response> = {
  "412, as Harbor": () =>
    refuse(412, "Failed to process request due to 'app:1' configured as immutable."),
  "a bare 412": () => refuse(412),
  "a bare 409": () => refuse(409),
  "409, as Quay": () => refuse(409, "tag is immutable", "TAG_IMMUTABLE"),
  "a bare 403": () => refuse(403),
  "403 in plain text": () => new Response("immutable", { status: 403 }),
  "400 immutable": () => refuse(400, "the tag is immutable", "MANIFEST_INVALID"),
  "400, as ECR": () =>
    refuse(
      400,
      "The image tag '1' already exists and cannot be overwritten because the repository is immutable",
      "TAG_INVALID",
    ),
  "400, as Nexus": () =>
    refuse(400, "Repository does not allow updating assets: hosted", "UNKNOWN"),
  "a bare 400": () => refuse(400),
};

for (const [name, answer] of Object.entries(REFUSALS)) {
  test(`pushImage() says what a tag names that a registry does not let change, with ${name}`, async () => {
    const registry = createRegistry();
    const before = await pushTo(ARCHIVES["a docker archive"] ?? OTHER, TARGET, { fetch: registry });
    const isTag = ({ method, path }: SeenRequest) =>
      method === "PUT" && path.endsWith("/manifests/1");
    const layer = faultLayer(
      registry,
      (request) => isTag(request) ? { kind: "answer", answer, readBody: true } : undefined,
    );
    const error = await assertRejects(
      () => pushTo(OTHER, TARGET, { fetch: layer.fetch }),
      RegistryError,
    );
    assertClear(error);
    const there = before.result.images[0]?.digest ?? "";
    const { result } = await pushTo(OTHER, TARGET, { dryRun: true });
    const would = result.images[0]?.digest ?? "";
    assertStringIncludes(
      error.message,
      `Cannot push localhost:5000/app:1: it stands and names ${there}, the archive would put ${would} there`,
    );
    assertMatch(error.message, /the registry refuses: localhost:5000 answered 4\d\d/);
    assertEquals(error.status, answer().status);
    assertMatch(error.hint ?? "", /another tag/);
    // With the tag left as it is wanted, that is no failure.
    const { warnings } = await pushTo(OTHER, TARGET, { fetch: layer.fetch, onExisting: "skip" });
    assertEquals(warnings.length, 1);
  });
}

test("pushImage() leaves the refusal of a tag that is not there as it is", async () => {
  const layer = faultLayer(
    createRegistry(),
    ({ method, path }) =>
      method === "PUT" && path.endsWith("/manifests/1")
        ? { kind: "answer", answer: () => refuse(409, "no"), readBody: true }
        : undefined,
  );
  const error = await assertRejects(
    () => pushTo(OTHER, TARGET, { fetch: layer.fetch }),
    RegistryError,
  );
  assertStringIncludes(error.message, "Cannot push manifest 1 to localhost:5000/app: ");
});

/** Runs a push or copy over a tag that names something else. */
async function overExisting(
  way: "file" | "pipe" | "copy",
  tar: Blob,
  onExisting: OnExisting,
  change: (registry: FetchHandler) => FetchHandler = (registry) => registry,
) {
  const registry = createRegistry();
  await pushTo(await docker("before"), TARGET, { fetch: registry });
  await pushTo(tar, "localhost:5000/source:1", { fetch: registry });
  const { digest: before } = await readBack(registry, "app", "1");
  const layer = faultLayer(change(registry));
  const warnings: string[] = [];
  const options: PushOptions = {
    fetch: layer.fetch,
    onExisting,
    onEvent: (event) => void (event.type === "warning" && warnings.push(event.message)),
  };
  const run = () =>
    way === "copy"
      ? copyImage("localhost:5000/source:1", TARGET, options)
      : pushImage(way === "file" ? tar : tar.stream(), TARGET, options);
  const isNamed = async () => (await readBack(registry, "app", "1")).digest;
  return { run, layer, warnings, before, isNamed };
}

for (const way of ["file", "pipe", "copy"] as const) {
  for (const [name, tar] of Object.entries(ARCHIVES)) {
    test(`A tag that names something else, and ${name} by ${way}: overwritten, skipped, or an error`, async () => {
      const skipped = await overExisting(way, tar, "skip");
      const { images } = await skipped.run();
      assertEquals(images, []);
      assertEquals(await skipped.isNamed(), skipped.before);
      assertEquals(skipped.warnings.length, 1);
      assertMatch(
        skipped.warnings[0] ?? "",
        new RegExp(
          `^localhost:5000/app:1 is left as it is: it stands and names ${skipped.before}, the (archive|source) would put sha256:`,
        ),
      );
      if (way !== "pipe") {
        assertEquals(skipped.layer.seen.filter(({ method }) => method.startsWith("P")), []);
      }

      const failed = await overExisting(way, tar, "error");
      const error = await assertRejects(
        failed.run,
        PushError,
        `it stands and names ${failed.before}`,
      );
      assertClear(error);
      assertMatch(error.hint ?? "", /--on-existing overwrite/);
      assertEquals([error.step, error.origin], ["tag", "registry"]);
      assertEquals(await failed.isNamed(), failed.before);

      const written = await overExisting(way, tar, "overwrite");
      const [image] = (await written.run()).images;
      assertEquals(await written.isNamed(), image?.digest);
      assert(written.before !== image?.digest);
      assertEquals(written.warnings, []);
    });
  }
}

test("pushImage() with onExisting writes a tag that is not there, and leaves one that names the same", async () => {
  for (const onExisting of ["skip", "error"] as const) {
    for (const tar of Object.values(ARCHIVES)) {
      const registry = createRegistry();
      for (let run = 1; run <= 2; run++) {
        const { result, warnings } = await pushTo(tar, TARGET, { fetch: registry, onExisting });
        assertEquals(result.images.length, 1);
        assertEquals(warnings.filter((message) => message.includes("left as it is")), []);
      }
    }
  }
});

test("pushImage() with onExisting goes on with the other images where one is skipped", async () => {
  const registry = createRegistry();
  await pushTo(OTHER, "localhost:5000/one:1", { fetch: registry });
  const tar = toBlob(dockerSave([
    { image: await makeImage(["a"]), repoTags: ["one:1"] },
    { image: await makeImage(["b"]), repoTags: ["two:1"] },
  ]));
  const { result } = await pushTo(tar, "localhost:5000", { fetch: registry, onExisting: "skip" });
  assertEquals(result.images.map(({ reference }) => reference), ["localhost:5000/two:1"]);
});

test("pushImage() with onExisting heeds a tag that appears while it uploads", async () => {
  const registry = createRegistry();
  let done = false;
  const layer = faultLayer(registry, ({ method, path }) => {
    if (done || method !== "PUT" || !path.includes("/manifests/sha256:")) return undefined;
    done = true;
    return {
      kind: "before",
      run: async () => void await pushTo(OTHER, TARGET, { fetch: registry }),
    };
  });
  const { result } = await pushTo(await docker("late"), TARGET, {
    fetch: layer.fetch,
    onExisting: "skip",
  });
  assertEquals(result.images, []);
});

test("pushImage() with onExisting reads the tag where a registry does not say its digest in a header", async () => {
  const change = (registry: FetchHandler): FetchHandler => async (request) =>
    withHeader(await registry(request), "docker-content-digest", undefined);
  const skipped = await overExisting("file", OTHER, "skip", change);
  assertEquals((await skipped.run()).images, []);
  assertStringIncludes(skipped.warnings.join(), skipped.before);
});

test("pushImage() with onExisting knows an image whose layer is called after a digest that it does not have", async () => {
  const layer = await makeLayer("packed", "gzip");
  const image = await makeImage([layer]);
  const tar = toBlob(dockerSave([{ image }], { layerPath: () => `${"ab".repeat(32)}.tar.gz` }));
  const registry = createRegistry();
  await pushTo(tar, TARGET, { fetch: registry });
  const { result } = await pushTo(tar, TARGET, { fetch: registry, onExisting: "error" });
  assertEquals(result.images.length, 1);
});

test("pushImage() says that a list of referrers may not be changed", async () => {
  const registry = withoutReferrers(createRegistry({ immutableTags: true }));
  const layout = new OciLayout();
  const image = await layout.image(await makeImage(["a"]));
  const { mediaType, digest, size } = image;
  const subject = { mediaType, digest, size };
  layout.add(image, { ref: "1" });
  layout.add(await layout.artifact("first", "application/x", { subject }));
  await pushTo(toBlob(layout.entries()), TARGET, { fetch: registry });
  layout.add(await layout.artifact("second", "application/x", { subject }));
  const error = await assertRejects(
    () => pushTo(toBlob(layout.entries()), TARGET, { fetch: registry }),
    RegistryError,
    `with what refers to ${digest}: the list stands under the tag ${digest.replace(":", "-")}`,
  );
  assertClear(error);
});
