import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Digest } from "../../src/digest.ts";
import { openArchive } from "../../src/image/archive.ts";
import { pullImage } from "../../src/pull/pull.ts";
import { copyImage, type CopyOptions } from "../../src/push/copy.ts";
import { pushImage } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { layoutTar, makeImage, OciLayout, toBlob, withPlatform } from "../helpers/archives.ts";
import { sign } from "../helpers/cosign.ts";
import { pushTo, readBack, tagsOf } from "../helpers/expected.ts";
import { faultLayer } from "../helpers/fault_layer.ts";
import { test } from "../helpers/test.ts";

const FROM = "localhost:5000/app:1";
const TO = "localhost:6000/copied:2";

/**
 * A repository with an index of two images: the index is signed, the first image has a signature and an attestation, which
 * is signed itself, the second an SBOM; and with one image that has nothing.
 */
async function signedIndex() {
  const registry = createRegistry();
  const layout = new OciLayout();
  const children = [];
  for (const platform of ["linux/amd64", "linux/arm64"]) {
    const child = await layout.image(await makeImage([platform], { platform }));
    children.push(withPlatform(child, platform));
  }
  const index = await layout.indexOf(children);
  layout.add(index, { ref: "1" });
  await pushTo(toBlob(layout.entries()), FROM, { fetch: registry });
  const repository = "localhost:5000/app";
  const [first, second] = children.map(({ digest }) => digest) as [Digest, Digest];
  const attestation = await sign(registry, repository, first, "att");
  const signatures = {
    index: await sign(registry, repository, index.digest),
    first: await sign(registry, repository, first),
    attestation,
    ofAttestation: await sign(registry, repository, attestation.digest),
    second: await sign(registry, repository, second, "sbom"),
  };
  const stranger = await makeImage(["stranger"]);
  const pushed = await pushTo(await layoutTar(stranger, "x"), `${repository}:other`, {
    fetch: registry,
  });
  const otherDigest = pushed.result.images[0]?.digest as Digest;
  return { registry, signatures, otherDigest };
}

const WORLD = await signedIndex();
const ALL = Object.values(WORLD.signatures).map(({ tag }) => tag);

/** Copies to a new registry, unless there is one. */
async function copy(
  options: CopyOptions,
  { to = createRegistry(), target = TO, from = FROM } = {},
) {
  const [reads, writes] = [faultLayer(WORLD.registry), faultLayer(to)];
  const fetch: FetchHandler = (request) =>
    new URL(request.url).port === "5000" ? reads.fetch(request) : writes.fetch(request);
  const warnings: string[] = [];
  const result = await copyImage(from, target, {
    ...options,
    fetch,
    onEvent: (event) => void (event.type === "warning" && warnings.push(event.message)),
  });
  return { to, reads, writes, warnings, result };
}

test("copyImage() with referrers takes along what cosign keeps of all that is copied, under its tags", async () => {
  const { to, warnings, result, writes } = await copy({ referrers: true });
  assertEquals((await tagsOf(to, "copied")).toSorted(), [...ALL, "2"].toSorted());
  for (const { tag, digest } of Object.values(WORLD.signatures)) {
    assertEquals((await readBack(to, "copied", tag)).digest, digest);
  }
  assertEquals(warnings, []);
  assertEquals(result.images.length, 1);
  // No tag of the image before its signatures.
  assertEquals(writes.lines().at(-1), "PUT copied/manifests/2");

  const again = await copy({ referrers: true }, { to });
  assertEquals(again.writes.seen.filter(({ method }) => method !== "HEAD"), []);
});

test("copyImage() with referrers takes along what belongs to the platform that is copied", async () => {
  const { first, attestation, ofAttestation } = WORLD.signatures;
  const { to } = await copy({ referrers: true, platforms: ["linux/amd64"] });
  const tags = [first, attestation, ofAttestation].map(({ tag }) => tag);
  assertEquals((await tagsOf(to, "copied")).toSorted(), [...tags, "2"].toSorted());
});

test("copyImage() tells what it leaves behind of cosign's, by number", async () => {
  const whole = await copy({});
  assertEquals(whole.warnings.length, 1);
  // What belongs to an attestation that stays is not counted.
  assertMatch(whole.warnings[0] ?? "", /^2 signatures, 1 attestation, 1 SBOM that .*--referrers/);
  assertEquals(await tagsOf(whole.to, "copied"), ["2"]);
  const part = await copy({ platforms: ["linux/arm64"] });
  assertMatch(
    part.warnings[0] ?? "",
    /^1 SBOM that cosign keeps under a tag of the source is left/,
  );
});

test("copyImage() tells nothing where nothing is left behind", async () => {
  const unsigned = await copy({}, { from: "localhost:5000/app:other" });
  assertEquals(unsigned.warnings, []);
  const { warnings, reads } = await copy({}, { target: "localhost:5000/app:3" });
  assertEquals(warnings, []);
  assertEquals(reads.seen.filter(({ path }) => /\.(sig|att|sbom)$|tags\/list/.test(path)), []);
});

test("copyImage() is not held up by a source that does not tell of tags", async () => {
  for (const status of [401, 403, 500, 503]) {
    const to = createRegistry();
    let asked = 0;
    const fetch: FetchHandler = (request) => {
      if (new URL(request.url).port !== "5000") return to(request);
      if (!/\.(?:sig|att|sbom)$|tags\/list/.test(request.url.split("?")[0] ?? "")) {
        return WORLD.registry(request);
      }
      asked++;
      return Promise.resolve(new Response(null, { status }));
    };
    const { images } = await copyImage(FROM, TO, { fetch });
    assertEquals(images.length, 1);
    assert(asked > 0);
  }
});

test("copyImage() does not wait long for a source that does not answer about tags", async () => {
  const to = createRegistry();
  const fetch: FetchHandler = (request) =>
    new URL(request.url).port !== "5000"
      ? to(request)
      : /\.(?:sig|att|sbom)$|tags\/list/.test(new URL(request.url).pathname)
      ? new Promise(() => {})
      : WORLD.registry(request);
  const { images, milliseconds } = await copyImage(FROM, TO, { fetch });
  assertEquals(images.length, 1);
  assert(milliseconds < 10_000);
});

for (const format of ["docker", "oci"] as const) {
  test(`pullImage() as ${format} takes along what cosign keeps, and a push puts it back under its tags`, async () => {
    const tar = await new Response(
      pullImage(FROM, { fetch: WORLD.registry, signatures: true, format }),
    ).blob();
    for (const source of [tar, tar.stream()]) {
      const to = createRegistry();
      await pushImage(source, TO, { fetch: to });
      assertEquals((await tagsOf(to, "copied")).toSorted(), [...ALL, "2"].toSorted());
      for (const { tag, digest } of Object.values(WORLD.signatures)) {
        assertEquals((await readBack(to, "copied", tag)).digest, digest);
      }
    }
  });
}

test("pullImage() writes what cosign keeps as cosign save does, each with the tag that it had", async () => {
  for (const format of ["docker", "oci"] as const) {
    const tar = await new Response(
      pullImage(FROM, { fetch: WORLD.registry, signatures: true, format }),
    ).blob();
    const { files } = await openArchive(tar);
    const bytes = await files.find("index.json")?.bytes(1024 * 1024);
    const { manifests } = JSON.parse(new TextDecoder().decode(bytes));
    const { index, first, attestation, ofAttestation, second } = WORLD.signatures;
    const entries: [string, string, string?][] = [
      ["imageIndex", "1"],
      ["sigs", first.tag, first.digest],
      ["atts", attestation.tag, attestation.digest],
      ["sboms", second.tag, second.digest],
      ["sigs", index.tag, index.digest],
      ["sigs", ofAttestation.tag, ofAttestation.digest],
    ];
    assertEquals(manifests.length, entries.length);
    for (const [at, [kind, tag, digest]] of entries.entries()) {
      assertEquals(manifests[at].annotations, {
        "io.containerd.image.name": `localhost:5000/app:${tag}`,
        "org.opencontainers.image.ref.name": tag,
        kind: `dev.cosignproject.cosign/${kind}`,
      });
      if (digest) assertEquals(manifests[at].digest, digest);
    }
    // docker load is told of the image alone.
    const docker = await files.find("manifest.json")?.bytes(1024 * 1024);
    assertEquals(docker !== undefined, format === "docker");
    if (docker) assertEquals(JSON.parse(new TextDecoder().decode(docker)).length, 1);
  }
});

test("pullImage() by digest names what cosign keeps by its tag", async () => {
  const { digest } = await readBack(WORLD.registry, "app", "1");
  const tar = pullImage(`localhost:5000/app@${digest}`, {
    fetch: WORLD.registry,
    signatures: true,
  });
  const { files } = await openArchive(await new Response(tar).blob());
  const bytes = await files.find("index.json")?.bytes(1024 * 1024);
  const { manifests } = JSON.parse(new TextDecoder().decode(bytes));
  const names = manifests.map(({ annotations }: { annotations: Record<string, string> }) =>
    annotations["org.opencontainers.image.ref.name"]
  );
  assertEquals(names.slice(0, 2), [undefined, WORLD.signatures.first.tag]);
  assertEquals(
    manifests[1].annotations["io.containerd.image.name"],
    `localhost:5000/app:${WORLD.signatures.first.tag}`,
  );
});

test("pullImage() of an image without signatures gives the same bytes whether they are wanted or not", async () => {
  const save = async (signatures: boolean) => {
    const from = "localhost:5000/app:other";
    const tar = pullImage(from, { fetch: WORLD.registry, signatures });
    return await new Response(tar).bytes();
  };
  assertEquals(await save(true), await save(false));
});
