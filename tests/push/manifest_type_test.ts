import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { DigestMismatchError, PushError, RegistryError } from "../../src/errors.ts";
import {
  DOCKER_CONFIG,
  DOCKER_INDEX,
  DOCKER_LAYER,
  DOCKER_MANIFEST,
  OCI_ARTIFACT,
  OCI_CONFIG,
  OCI_LAYER,
  OCI_MANIFEST,
} from "../../src/media_types.ts";
import { checkArchive } from "../../src/archive/check_archive.ts";
import { copyImage } from "../../src/push/copy.ts";
import { pushImage } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  dockerSave,
  encode,
  layoutTar,
  makeImage,
  makeLayer,
  OciLayout,
  toBlob,
  withPlatform,
} from "../helpers/archives.ts";
import { assertClear, pushTo, readBack } from "../helpers/expected.ts";
import { faultLayer, type SeenRequest } from "../helpers/fault_layer.ts";
import { test } from "../helpers/test.ts";

const TARGET = "localhost:5000/app:1";
const HOST = "http://localhost:5000";

const image = await makeImage(["plain", await makeLayer("packed", "gzip")]);
/** An archive without a manifest of its own, as docker before 25 and podman write it. */
const DOCKER = toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));

/** What registries answer to a manifest of a type that they do not take. */
const REFUSALS: Record<string, () => Response> = {
  "415 MANIFEST_INVALID, as zot": () => invalid(415),
  "a bare 415": () => new Response(null, { status: 415 }),
  "a 415 in HTML": () =>
    new Response("<title>no</title>", { status: 415, headers: { "content-type": "text/html" } }),
  "a bare 406": () => new Response(null, { status: 406 }),
  "400 MANIFEST_INVALID": () => invalid(400),
  "a bare 400": () => new Response(null, { status: 400 }),
  "a 400 in plain text": () => new Response("unsupported manifest", { status: 400 }),
  "a bare 422": () => new Response(null, { status: 422 }),
  "405 UNSUPPORTED, as ECR": () =>
    Response.json({ errors: [{ code: "UNSUPPORTED", message: "Invalid parameter" }] }, {
      status: 405,
    }),
  "404 that names the type": () =>
    Response.json({ errors: [{ code: "UNSUPPORTED", message: "unsupported manifest type" }] }, {
      status: 404,
    }),
  "403 that names the type": () =>
    Response.json({ errors: [{ code: "DENIED", message: "media type is not allowed" }] }, {
      status: 403,
    }),
};

function invalid(status: number, detail?: string): Response {
  const entry = { code: "MANIFEST_INVALID", message: "manifest invalid", detail };
  return Response.json({ errors: [entry] }, { status });
}

/** What distribution 3 answers where a proxy has dropped the body. */
function cut(): Response {
  return invalid(400, "unexpected end of JSON input");
}

/** A registry that answers so to manifests of some types. */
function refusing(
  pattern: RegExp,
  answer: () => Response,
  registry: FetchHandler = createRegistry(),
) {
  return faultLayer(
    registry,
    ({ method, path, headers }) =>
      method === "PUT" && path.includes("/manifests/") &&
        pattern.test(headers.get("content-type") ?? "")
        ? { kind: "answer", answer, readBody: true }
        : undefined,
  );
}

const isWrite = ({ method }: SeenRequest) => method !== "HEAD" && method !== "GET";

async function manifestOf(registry: FetchHandler, reference = "1") {
  const response = await registry(new Request(`${HOST}/v2/app/manifests/${reference}`));
  return { type: response.headers.get("content-type"), json: await response.json() };
}

for (const [name, answer] of Object.entries(REFUSALS)) {
  for (const source of ["file", "pipe"] as const) {
    test(`pushImage() of a ${source} writes an OCI manifest where a registry refuses Docker's with ${name}`, async () => {
      const registry = createRegistry();
      const layer = refusing(/docker/, answer, registry);
      const warnings: string[] = [];
      const { images, bytesUploaded } = await pushImage(
        source === "file" ? DOCKER : DOCKER.stream(),
        TARGET,
        {
          fetch: layer.fetch,
          retry: { delay: 0 },
          onEvent: (event) => void (event.type === "warning" && warnings.push(event.message)),
        },
      );
      const { type, json } = await manifestOf(registry);
      assertEquals(type, OCI_MANIFEST);
      assertEquals(json.config.mediaType, OCI_CONFIG);
      assertEquals(json.layers.map((layer: { mediaType: string }) => layer.mediaType), [
        OCI_LAYER,
        `${OCI_LAYER}+gzip`,
      ]);
      const { digest } = await readBack(registry, "app", "1");
      assertEquals(images.map(({ digest, mediaType }) => [digest, mediaType]), [[
        digest,
        OCI_MANIFEST,
      ]]);
      assertEquals(
        images[0]?.blobs.map(({ mediaType }) => mediaType).toSorted(),
        [OCI_CONFIG, OCI_LAYER, `${OCI_LAYER}+gzip`],
      );
      // Every blob once, one refused manifest, then the other by digest and by tag.
      const sizes = [json.config, ...json.layers].reduce((sum, { size }) => sum + size, 0);
      assertEquals(bytesUploaded, sizes);
      const manifests = layer.seen.filter(isWrite).filter(({ path }) =>
        path.includes("/manifests/")
      );
      assertEquals(manifests.length, 3);
      assertEquals(warnings.length, 1);
      assertMatch(warnings[0] ?? "", /^localhost:5000 takes no Docker manifest .*OCI's types$/);
      assertStringIncludes(warnings[0] ?? "", digest);
    });
  }
}

test("pushImage() remembers what a registry takes for all images of a push", async () => {
  const other = await makeImage(["other"]);
  const tar = toBlob(dockerSave([{ image, repoTags: ["app:1"] }, {
    image: other,
    repoTags: ["other:1"],
  }]));
  const layer = refusing(/docker/, () => new Response(null, { status: 415 }));
  const { result, warnings } = await pushTo(tar, "localhost:5000", { fetch: layer.fetch });
  assertEquals(result.images.map(({ mediaType }) => mediaType), [OCI_MANIFEST, OCI_MANIFEST]);
  assertEquals(warnings.length, 1);
  const refused = layer.seen.filter((request) =>
    isWrite(request) && request.headers.get("content-type") === DOCKER_MANIFEST
  );
  assertEquals(refused.length, 1);
});

test("pushImage() finds an image that stands as an OCI manifest by one question for its tag", async () => {
  const registry = createRegistry({ accept: "oci" });
  const first = await pushTo(DOCKER, TARGET, { fetch: registry });
  const layer = faultLayer(registry);
  const { result, warnings } = await pushTo(DOCKER, TARGET, { fetch: layer.fetch });
  assertEquals(result.images[0]?.digest, first.result.images[0]?.digest);
  assertEquals(layer.seen.filter(isWrite), []);
  assertEquals(layer.seen.filter(({ path }) => path.includes("/manifests/")).length, 1);
  assertEquals(warnings, []);
});

test("pushImage() writes an OCI manifest where a registry has Docker's from the time when it took it", async () => {
  const registry = createRegistry();
  await pushTo(DOCKER, TARGET, { fetch: registry });
  const layer = refusing(/docker/, () => invalid(415), registry);
  const { result, warnings } = await pushTo(DOCKER, "localhost:5000/app:2", {
    fetch: layer.fetch,
  });
  assertEquals((await manifestOf(registry, "2")).type, OCI_MANIFEST);
  assertEquals(result.images[0]?.digest, (await readBack(registry, "app", "2")).digest);
  assertEquals(warnings.length, 1);
});

test("pushImage() writes the kind that it is told to", async () => {
  const registry = createRegistry();
  await pushTo(DOCKER, TARGET, { fetch: registry });
  assertEquals((await manifestOf(registry)).type, DOCKER_MANIFEST);
  await pushTo(DOCKER, TARGET, { fetch: registry, manifestType: "oci" });
  assertEquals((await manifestOf(registry)).type, OCI_MANIFEST);
  await pushTo(DOCKER, TARGET, { fetch: registry, manifestType: "docker" });
  const { type, json } = await manifestOf(registry);
  assertEquals(type, DOCKER_MANIFEST);
  assertEquals(json.config.mediaType, DOCKER_CONFIG);
  assertEquals(json.layers.map((layer: { mediaType: string }) => layer.mediaType), [
    DOCKER_LAYER,
    `${DOCKER_LAYER}.gzip`,
  ]);
});

test("pushImage() says that the kind it was told to write is refused", async () => {
  const fetch = createRegistry({ accept: "oci" });
  const error = await assertRejects(
    () => pushTo(DOCKER, TARGET, { fetch, manifestType: "docker" }),
    RegistryError,
    "the registry takes OCI manifests only, and Docker's types were asked for",
  );
  assertClear(error);
  assertEquals(error.status, 415);
  assertMatch(error.hint ?? "", /--manifest-type/);
});

test("pushImage() refuses Docker's types for zstd before anything is sent", async () => {
  const zstd = await makeImage([await makeLayer("packed", "zstd")]);
  const layer = faultLayer(createRegistry());
  const tar = toBlob(dockerSave([{ image: zstd }]));
  const error = await assertRejects(
    () => pushTo(tar, TARGET, { fetch: layer.fetch, manifestType: "docker" }),
    PushError,
    "zstd, which only OCI's types can say",
  );
  assertClear(error);
  assertEquals(layer.seen, []);
});

test("pushImage() of zstd layers to a registry that takes Docker's types alone says what they want", async () => {
  const zstd = await makeImage([await makeLayer("packed", "zstd")]);
  for (
    const [tar, options, why] of [
      [toBlob(dockerSave([{ image: zstd }])), {}, "its content or its digest wants OCI's types"],
      [DOCKER, { compression: "zstd" }, "its content or its digest wants OCI's types"],
      [DOCKER, { compression: "zstd", manifestType: "oci" }, "OCI's types were asked for"],
      [await ownDocker(true), { compression: "zstd" }, "a manifest below the index is OCI's"],
    ] as const
  ) {
    const error = await assertRejects(
      () => pushTo(tar, TARGET, { ...options, fetch: createRegistry({ accept: "docker" }) }),
      RegistryError,
      `takes Docker manifests only, and ${why}`,
    );
    assertMatch(error.hint ?? "", /compress with gzip/);
  }
});

test("pushImage() takes a digest of either kind, and writes that kind", async () => {
  const digests: string[] = [];
  for (const manifestType of ["docker", "oci"] as const) {
    const { result } = await pushTo(DOCKER, TARGET, { manifestType });
    digests.push(result.images[0]?.digest ?? "");
  }
  for (const digest of digests) {
    const registry = createRegistry();
    await pushTo(DOCKER, `${TARGET}@${digest}`, { fetch: registry });
    assertEquals((await readBack(registry, "app", "1")).digest, digest);
  }
  const layer = refusing(/docker/, () => new Response(null, { status: 415 }));
  await assertRejects(
    () => pushTo(DOCKER, `${TARGET}@${digests[0]}`, { fetch: layer.fetch }),
    RegistryError,
    "its content or its digest wants Docker's types",
  ).then(({ hint }) => assertEquals(hint, "try it without the digest"));
  await assertRejects(
    () => pushTo(DOCKER, `${TARGET}@sha256:${"0".repeat(64)}`),
    DigestMismatchError,
  );
});

/** An archive with a Docker manifest of its own, as kaniko and crane write layouts, alone or below an index. */
async function ownDocker(isIndex: boolean): Promise<Blob> {
  const layout = new OciLayout();
  const config = await layout.blob(image.config, DOCKER_CONFIG);
  const layers = [];
  for (const layer of image.layers) layers.push(await layout.blob(layer.bytes, DOCKER_LAYER));
  const json = { schemaVersion: 2, mediaType: DOCKER_MANIFEST, config, layers };
  const manifest = await layout.document(json, DOCKER_MANIFEST);
  const manifests = [withPlatform(manifest, "linux/amd64")];
  const index = { schemaVersion: 2, mediaType: DOCKER_INDEX, manifests };
  layout.add(isIndex ? await layout.document(index, DOCKER_INDEX) : manifest, { ref: "1" });
  return toBlob(layout.entries());
}

for (const isIndex of [false, true]) {
  const what = isIndex ? "an index" : "a manifest";
  const tar = await ownDocker(isIndex);
  test(`pushImage() keeps the bytes of ${what} of the archive's own, and says that the registry takes OCI only`, async () => {
    for (const manifestType of ["auto", "oci"] as const) {
      const layer = faultLayer(createRegistry({ accept: "oci" }));
      const error = await assertRejects(
        () => pushTo(tar, TARGET, { fetch: layer.fetch, manifestType }),
        RegistryError,
        "Cannot push localhost:5000/app:1: the registry takes OCI manifests only, and the archive's own manifest is Docker's and keeps its bytes",
      );
      assertClear(error);
      assertMatch(error.hint ?? "", /skopeo copy --format oci/);
      const writes = layer.seen.filter((request) =>
        isWrite(request) && request.path.includes("/manifests/")
      );
      assertEquals(writes.map(({ headers }) => headers.get("content-type")), [DOCKER_MANIFEST]);
    }
  });
}

test("pushImage() says that a manifest below an index that it writes is of the kind that is refused", async () => {
  const tar = await ownDocker(true);
  for (const manifestType of ["auto", "oci"] as const) {
    const error = await assertRejects(
      () =>
        pushTo(tar, TARGET, {
          fetch: createRegistry({ accept: "oci" }),
          manifestType,
          compression: "gzip",
        }),
      RegistryError,
      "takes OCI manifests only, and a manifest below the index is Docker's and stays so",
    );
    assertMatch(error.hint ?? "", /skopeo copy --format oci/);
  }
});

test("pushImage() tells that a manifest of the archive's own is not what was asked for", async () => {
  const tar = await ownDocker(false);
  const { result, warnings } = await pushTo(tar, TARGET, { manifestType: "oci" });
  assertEquals(result.images[0]?.mediaType, DOCKER_MANIFEST);
  assertEquals(warnings.filter((message) => message.includes("asked for")), [
    "localhost:5000/app:1: the archive's own manifest is Docker's and keeps its bytes, although OCI's types were asked for",
  ]);
  for (const manifestType of ["auto", "docker"] as const) {
    const { warnings } = await pushTo(tar, TARGET, { manifestType });
    assertEquals(warnings.filter((message) => message.includes("asked for")), []);
  }
});

test("pushImage() and copyImage() of an OCI manifest say that a registry takes Docker's only", async () => {
  const tar = await layoutTar(image);
  const fetch = createRegistry({ accept: "docker" });
  const error = await assertRejects(
    () => pushTo(tar, TARGET, { fetch }),
    RegistryError,
    "takes Docker manifests only, and the archive's own manifest is OCI's and keeps its bytes",
  );
  assertMatch(error.hint ?? "", /v2s2/);
  const source = createRegistry();
  await pushTo(tar, "localhost:6000/app:1", { fetch: source });
  await assertRejects(
    () =>
      copyImage("localhost:6000/app:1", TARGET, {
        fetch: (request) => request.url.includes(":6000") ? source(request) : fetch(request),
      }),
    RegistryError,
    "Cannot copy localhost:5000/app:1: the registry takes Docker manifests only, and the source's own manifest is OCI's",
  );
});

test("pushImage() tells what may be wrong with a manifest of the archive's own that is called invalid", async () => {
  for (const mediaType of [OCI_MANIFEST, undefined]) {
    const layout = new OciLayout();
    layout.add(await layout.image(image, { mediaType }), { ref: "1" });
    const layer = refusing(/oci/, () => invalid(400));
    const error = await assertRejects(
      () => pushTo(toBlob(layout.entries()), TARGET, { fetch: layer.fetch }),
      RegistryError,
      "answered 400 Bad Request: MANIFEST_INVALID",
    );
    assertMatch(
      error.hint ?? "",
      mediaType ? /may take Docker manifests only.*v2s2/ : /does not say its own media type/,
    );
  }
});

test("pushImage() tells that a registry knows no type of what a manifest names, and blames not its kind", async () => {
  const mediaType = "application/vnd.example.thing";
  const layout = new OciLayout();
  layout.add(await layout.artifact("text", mediaType), { ref: "1" });
  // GitLab's registry 4.32 with its database.
  const detail = `unknown media type: ${mediaType}`;
  const layer = refusing(/./, () => invalid(400, detail));
  const error = await assertRejects(
    () => pushTo(toBlob(layout.entries()), TARGET, { fetch: layer.fetch }),
    RegistryError,
    `answered 400 Bad Request: MANIFEST_INVALID: manifest invalid (${detail})`,
  );
  assertMatch(error.message, /^Cannot push manifest sha256:/);
  assertMatch(error.hint ?? "", /types that it knows: application\/vnd\.example\.thing is none/);
});

test("pushImage() blames neither the type of a manifest that did not come through, nor the tag that stands", async () => {
  const layout = new OciLayout();
  layout.add(await layout.image(image), { ref: "1" });
  const standing = toBlob(dockerSave([{ image: await makeImage(["other"]) }]));
  for (const archive of [toBlob(layout.entries()), DOCKER]) {
    for (const isTag of [false, true]) {
      const registry = createRegistry();
      if (isTag) await pushTo(standing, TARGET, { fetch: registry });
      const isLost = ({ method, path }: SeenRequest) =>
        method === "PUT" && (isTag ? /manifests\/1$/ : /manifests\//).test(path);
      const layer = faultLayer(
        registry,
        (request) => isLost(request) ? { kind: "answer", answer: cut, readBody: true } : undefined,
      );
      const error = await assertRejects(
        () => pushTo(archive, TARGET, { fetch: layer.fetch }),
        RegistryError,
        "answered 400 Bad Request: MANIFEST_INVALID: manifest invalid (unexpected end of JSON input)",
      );
      assertMatch(error.hint ?? "", /a proxy before it drops what is sent/);
    }
  }
});

test("pushImage() tells what is wrong with a manifest that every registry refuses, and blames no types", async () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ schemaVersion: undefined }, /malformed: its schemaVersion is not 2/],
    [{ config: null }, /malformed: it names no config/],
    [{ mediaType: "x/y" }, /malformed: its media type is "x\/y"/],
    [{ annotations: { a: 1 } }, /malformed: its member "annotations.a" is a number/],
  ];
  for (const [members, hint] of cases) {
    const layout = new OciLayout();
    layout.add(await layout.image(image, members), { ref: "1" });
    const archive = toBlob(layout.entries());
    // As the embedded registry answers, and distribution.
    const unknown = { errors: [{ code: "MANIFEST_BLOB_UNKNOWN", message: "blob unknown" }] };
    const answers = [undefined, () => Response.json(unknown, { status: 400 })];
    for (const answer of answers) {
      const options = answer && { fetch: refusing(/oci|x\/y/, answer).fetch };
      const error = await assertRejects(() => pushTo(archive, TARGET, options), RegistryError);
      assert(!error.message.includes("manifests only"), error.message);
      assertMatch(error.hint ?? "", /^manifest sha256:\w+ of the archive is malformed: /);
      assertMatch(error.hint ?? "", hint);
    }
    assertEquals((await checkArchive(archive)).ok, false);
  }
});

test("pushImage() tells of a size that a registry in Go takes for no number", async () => {
  const layout = new OciLayout();
  const { digest } = await layout.image(image);
  const path = `blobs/${digest.replace(":", "/")}`;
  const text = new TextDecoder().decode(layout.blobs.get(path)).replace(/"size":\d+/, "$&.0");
  layout.add(await layout.blob(encode(text), OCI_MANIFEST), { ref: "1" });
  const error = await assertRejects(() => pushTo(toBlob(layout.entries()), TARGET), RegistryError);
  assertMatch(error.hint ?? "", /malformed: its member "config\.size" is written as \d+\.0/);
});

// distribution 2.1.1.
test("pushImage() tells at once that a registry takes signed manifests alone", async () => {
  const tar = await layoutTar(image);
  const errors = ["UNKNOWN", "MANIFEST_UNVERIFIED"].map((code) => ({ code, message: "no" }));
  const layer = refusing(/./, () => Response.json({ errors }, { status: 500 }));
  const error = await assertRejects(
    () => pushTo(tar, TARGET, { fetch: layer.fetch }),
    RegistryError,
    "MANIFEST_UNVERIFIED",
  );
  assertMatch(error.hint ?? "", /signed manifests/);
  const isManifest = ({ method, path }: SeenRequest) =>
    method === "PUT" && path.includes("/manifests/");
  assertEquals(layer.seen.filter(isManifest).length, 1);
});

test("pushImage() tells that a manifest is of a type that OCI dropped", async () => {
  const layout = new OciLayout();
  const subject = await layout.image(image);
  layout.add(subject, { ref: "1" });
  const artifact = { mediaType: OCI_ARTIFACT, artifactType: "text/x", blobs: [], subject };
  layout.add(await layout.document(artifact, OCI_ARTIFACT));
  const layer = refusing(/artifact/, () => invalid(400));
  const error = await assertRejects(
    () => pushTo(toBlob(layout.entries()), TARGET, { fetch: layer.fetch }),
    RegistryError,
    "answered 400 Bad Request: MANIFEST_INVALID",
  );
  assertMatch(error.hint ?? "", /^OCI dropped this type of manifest/);
});

test("pushImage() writes a new index of platforms in the kind that the registry takes", async () => {
  const layout = new OciLayout();
  const children = [];
  for (const platform of ["linux/amd64", "linux/arm64", "linux/s390x"]) {
    children.push(
      withPlatform(await layout.image(await makeImage([platform], { platform })), platform),
    );
  }
  const list = { schemaVersion: 2, mediaType: DOCKER_INDEX, manifests: children };
  layout.add(await layout.document(list, DOCKER_INDEX), { ref: "1" });
  const registry = createRegistry({ accept: "oci" });
  const { result, warnings } = await pushTo(toBlob(layout.entries()), TARGET, {
    fetch: registry,
    platforms: ["linux/amd64", "linux/arm64"],
  });
  const { json } = await manifestOf(registry);
  assertEquals(json.mediaType, "application/vnd.oci.image.index.v1+json");
  assertEquals(json.manifests, children.slice(0, 2));
  assertEquals(result.images[0]?.digest, (await readBack(registry, "app", "1")).digest);
  assert(warnings.some((message) => message.includes("takes no Docker manifest")));
});

test("pushImage() tells the first refusal where the other kind is refused as well", async () => {
  const layer = refusing(/json/, () => invalid(400));
  const error = await assertRejects(
    () => pushTo(DOCKER, TARGET, { fetch: layer.fetch }),
    RegistryError,
  );
  assertStringIncludes(error.message, "answered 400 Bad Request: MANIFEST_INVALID");
  assert(!error.message.includes("only"), error.message);
});

const OTHER_REFUSALS: Record<string, () => Response> = {
  "a manifest of 5 MiB": () => new Response(null, { status: 413 }),
  "a login": () => new Response(null, { status: 401 }),
  "a repository that is not there": () =>
    Response.json({ errors: [{ code: "NAME_UNKNOWN", message: "" }] }, { status: 404 }),
  "another digest": () =>
    Response.json({ errors: [{ code: "DIGEST_INVALID", message: "" }] }, { status: 400 }),
};
for (const [name, answer] of Object.entries(OTHER_REFUSALS)) {
  test(`pushImage() writes no other manifest where a registry refuses ${name}`, async () => {
    const layer = refusing(/json/, answer);
    await assertRejects(() => pushTo(DOCKER, TARGET, { fetch: layer.fetch }), RegistryError);
    const types = layer.seen.filter((request) =>
      isWrite(request) && request.path.includes("/manifests/")
    );
    assertEquals(types.length, 1);
  });
}

test("pushImage() refuses words that are none", async () => {
  // deno-lint-ignore no-explicit-any
  const wrong = { manifestType: "OCI" } as any;
  await assertRejects(() => pushTo(DOCKER, TARGET, wrong), TypeError, "expected one of");
  // deno-lint-ignore no-explicit-any
  const other = { onExisting: "keep" } as any;
  await assertRejects(() => pushTo(DOCKER, TARGET, other), TypeError, "expected one of");
});
