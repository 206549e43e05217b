import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { ArchiveError, NetworkError } from "../../src/errors.ts";
import { checkImage } from "../../src/pull/check_image.ts";
import { pushImage } from "../../src/push/push.ts";
import { repairImage, type RepairImageOptions } from "../../src/push/repair_image.ts";
import { createRegistry } from "../../src/server/mod.ts";
import type { PushSource } from "../../src/source/open_source.ts";
import {
  dockerSave,
  encode,
  flipByte,
  gzip,
  layoutTar,
  makeImage,
  makeLayer,
  OciLayout,
  toBlob,
  withPlatform,
} from "../helpers/archives.ts";
import { type BadDisk, badDisk } from "../helpers/bad_disk.ts";
import { readBack } from "../helpers/expected.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const TARGET = "localhost:5000/app:1";
const FAST = { retry: { attempts: 2, delay: 0 } };

const layout = new OciLayout();
const amd = await makeImage(["common", "amd"]);
const arm = await makeImage(["common", "arm"], { platform: "linux/arm64" });
const children = [
  withPlatform(await layout.image(amd), "linux/amd64"),
  withPlatform(await layout.image(arm), "linux/arm64"),
];
const index = await layout.indexOf(children);
layout.add(index, { ref: "1" });
const tar = toBlob(layout.entries());
const [common, own] = amd.layers;
const [, child] = children;
assert(common && own && child);

async function pushed(source: PushSource = tar): Promise<BadDisk> {
  const disk = badDisk();
  await pushImage(source, TARGET, { fetch: disk.fetch });
  disk.requests.length = 0;
  return disk;
}

async function repair(disk: BadDisk, source: PushSource = tar, options: RepairImageOptions = {}) {
  return await repairImage(TARGET, source, { fetch: disk.fetch, ...FAST, ...options });
}

function writes({ requests }: BadDisk): string[] {
  return requests.filter((request) => request.startsWith("PUT")).map((request) =>
    request.replace(/uploads\/.*/, "uploads/")
  );
}

test("repairImage() sends nothing where all is well", async () => {
  const disk = await pushed();
  const { before, after, sent } = await repair(disk, new Blob(["no archive"]));
  assertEquals([before.ok, after === before, sent, writes(disk)], [true, true, [], []]);
});

test("repairImage() sends what is lost, and nothing else", async () => {
  const disk = await pushed();
  disk.lose(common.digest, { isRemembered: true });
  disk.lose(child.digest);
  const { before, after, sent, absent, failed } = await repair(disk);
  assertEquals([before.ok, after.ok, absent, failed], [false, true, [], []]);
  assertEquals(new Set<string>(sent), new Set([common.digest, child.digest]));
  assertEquals(writes(disk), [
    "PUT /v2/app/blobs/uploads/",
    `PUT /v2/app/manifests/${child.digest}`,
  ]);
  assertEquals((await readBack(disk.fetch, "app", "1")).digest, index.digest);
});

test("repairImage() finds what is broken below what was", async () => {
  const disk = await pushed();
  disk.lose(child.digest);
  const [, deep] = arm.layers;
  disk.lose(deep?.digest ?? "", { isRemembered: true });
  const { before, after, sent } = await repair(disk);
  assertEquals(before.findings.map(({ digest }) => digest), [child.digest]);
  assertEquals([after.ok, sent], [true, [child.digest, deep?.digest ?? child.digest]]);
});

test("repairImage() sends what a lost manifest names before that, where it is lost, too", async () => {
  const disk = await pushed();
  const [, deep] = arm.layers;
  const lost = [deep?.digest ?? "", child.digest];
  for (const digest of lost) disk.lose(digest);
  const { after, sent, failed } = await repair(disk);
  assertEquals([after.ok, sent, failed], [true, lost, []]);
});

test("repairImage() gives a tag that leads nowhere its image again", async () => {
  for (const source of [tar, toBlob(layout.entries())]) {
    const disk = await pushed();
    disk.lose(index.digest);
    const { after, sent } = await repair(disk, source);
    assertEquals([after.ok, sent], [true, [index.digest]]);
    assertEquals((await readBack(disk.fetch, "app", "1")).digest, index.digest);
  }
  // Nothing at all is there: a repair is a push of all.
  const { fetch } = badDisk();
  const { after } = await repairImage("localhost:5000/new:1", tar, { fetch, ...FAST });
  assertEquals([after.ok, (await readBack(fetch, "new", "1")).digest], [true, index.digest]);
});

test("repairImage() ends where a registry takes an image and has none", async () => {
  const registry = createRegistry();
  const fetch = async (request: Request) => {
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (!isRead || !request.url.includes("/manifests/")) return await registry(request);
    const text = JSON.stringify({ errors: [{ code: "MANIFEST_UNKNOWN", message: "unknown" }] });
    return new Response(request.method === "HEAD" ? null : text, { status: 404 });
  };
  const { after, failed } = await repairImage(TARGET, tar, { fetch, ...FAST });
  assertEquals([after.ok, failed.map(({ digest }) => digest)], [false, [index.digest]]);
});

test("repairImage() makes up no image of a repository whose tag leads nowhere", async () => {
  const disk = await pushed();
  disk.lose(index.digest);
  const options = { fetch: disk.fetch, allTags: true, ...FAST };
  const { after, sent } = await repairImage("localhost:5000/app", tar, options);
  assertEquals([after.ok, sent, writes(disk)], [false, [], []]);
});

test("repairImage() of an archive of several images sends the one that is meant, or none", async () => {
  const bare = new OciLayout();
  const [first, second] = [
    await bare.image(await makeImage(["first"])),
    await bare.image(await makeImage(["second"])),
  ];
  bare.add(first, { ref: "1" });
  bare.add(second, { ref: "2" });
  const named = new OciLayout();
  for (const content of ["first", "second"]) await named.image(await makeImage([content]));
  named.add(first, { name: "docker.io/library/other:2" });
  named.add(second, { name: "docker.io/library/app:2" });
  const cases: [archive: OciLayout, reference: string, sent: string | undefined][] = [
    [bare, "app:2", second.digest],
    [bare, `app@${first.digest}`, first.digest],
    [bare, "app:3", undefined],
    [named, "app:2", second.digest],
    [named, "third:2", undefined],
  ];
  for (const [archive, reference, digest] of cases) {
    const { fetch } = badDisk();
    const target = `localhost:5000/${reference}`;
    const { after } = await repairImage(target, toBlob(archive.entries()), { fetch, ...FAST });
    assertEquals([after.ok, after.digest], [digest !== undefined, digest], reference);
  }
});

test("repairImage() takes signatures from an archive", async () => {
  const signed = new OciLayout();
  const root = await signed.image(await makeImage(["signed"]));
  signed.add(root, { ref: "1" });
  const { digest, size, mediaType } = root;
  const subject = { digest, size, mediaType };
  const signature = await signed.artifact("signed", "application/x-signature", { subject });
  signed.add(signature);
  const archive = toBlob(signed.entries());
  const disk = await pushed(archive);
  disk.lose(signature.digest);
  const { after, sent } = await repair(disk, archive);
  assertEquals([after.ok, sent], [true, [signature.digest]]);
});

test("repairImage() takes content from a docker save, named or not", async () => {
  const layers = [
    await makeLayer("plain"),
    await makeLayer(writeTar([{ path: "packed", body: "packed" }]), "gzip"),
  ];
  const image = await makeImage(layers);
  const archive = toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));
  const disk = await pushed(archive);
  const { digest } = await checkImage(TARGET, { fetch: disk.fetch });
  for (const layer of layers) disk.lose(layer.digest, { isRemembered: true });
  disk.lose(image.configDigest);
  disk.lose(digest ?? "");
  const { after, sent } = await repair(disk, archive);
  assertEquals([after.ok, after.digest, sent.length], [true, digest, 4]);
  // A manifest of the other kind is known as well.
  const oci = badDisk();
  const { images } = await pushImage(archive, TARGET, { fetch: oci.fetch, manifestType: "oci" });
  const written = images[0]?.digest ?? "";
  assertNotEquals(written, digest);
  oci.damage(written, encode("{}"));
  const { absent, failed } = await repair(oci, archive);
  assertEquals([absent, failed.map((each) => each.digest as string)], [[], [written]]);
});

test("repairImage() lists what the archive does not have, and repairs the rest", async () => {
  const disk = await pushed();
  disk.lose(common.digest);
  disk.lose(own.digest);
  const { after, sent, absent } = await repair(disk, await layoutTar(await makeImage([own]), "2"));
  assertEquals([after.ok, sent, absent], [false, [own.digest], [common.digest]]);
  assertEquals(after.findings.map(({ digest }) => digest), [common.digest]);
});

test("repairImage() tells what the registry keeps damaged, and repairs the rest", async () => {
  const disk = await pushed();
  disk.damage(common.digest, flipByte(common.bytes, 600));
  disk.damage(child.digest, encode("{}"));
  disk.lose(own.digest);
  const { after, sent, absent, failed } = await repair(disk);
  assertEquals([after.ok, sent, absent], [false, [own.digest], []]);
  assertEquals(failed.map(({ digest }) => digest as string), [common.digest, child.digest]);
  for (const { error } of failed) {
    assertStringIncludes(error.message, "the registry took it, and does not send it back");
  }
});

test("repairImage() takes content from a compressed archive", async () => {
  const packed = new Blob([await gzip(await tar.bytes())]);
  const disk = await pushed();
  for (const lost of [[common.digest, own.digest], [child.digest], [index.digest]]) {
    for (const digest of lost) disk.lose(digest);
    const { after, sent } = await repair(disk, packed, { quick: true });
    assertEquals([after.ok, new Set<string>(sent)], [true, new Set<string>(lost)]);
  }
  const layers = [await makeLayer("plain"), await makeLayer("packed", "gzip")];
  const image = await makeImage(layers);
  const archive = toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));
  const docker = await pushed(archive);
  for (const { digest } of layers) docker.lose(digest);
  const { after } = await repair(docker, new Blob([await gzip(await archive.bytes())]));
  assertEquals(after.ok, true);
});

test("repairImage() wants an archive that can be read again, and a registry", async () => {
  const disk = await pushed();
  disk.lose(common.digest);
  await assertRejects(() => repair(disk, tar.stream()), ArchiveError, "it comes only once");
  await assertRejects(() => repair(disk, new Blob(["no tar"])), Error, "is not a tar archive");
  const fetch = () => Promise.reject(new TypeError("refused"));
  await assertRejects(() => repair(disk, tar, { fetch }), NetworkError);
  assertEquals(writes(disk), []);
});

test("repairImage() does not push over what cannot be read, nor makes up a tag", async () => {
  const registry = createRegistry();
  await pushImage(tar, TARGET, { fetch: registry });
  const writes: string[] = [];
  const fetch = async (request: Request) => {
    if (request.method !== "GET" && request.method !== "HEAD") writes.push(request.method);
    if (!request.url.endsWith("/manifests/1")) return await registry(request);
    return Response.json({ errors: [{ code: "UNKNOWN", message: "unknown" }] }, { status: 500 });
  };
  for (const [reference, allTags] of [[TARGET, false], ["localhost:5000/app", true]] as const) {
    const { after, sent } = await repairImage(reference, tar, { fetch, allTags, ...FAST });
    assertEquals([after.ok, sent, writes], [false, [], []]);
    assertEquals(after.findings.map(({ code }) => code), ["unreadable"]);
  }
});

test("repairImage() leaves a tag that names something else", async () => {
  const registry = createRegistry();
  await pushImage(tar, TARGET, { fetch: registry });
  const other = new OciLayout();
  const image = await other.image(await makeImage(["other"]));
  other.add(image, { ref: "1" });
  const result = await repairImage(TARGET, toBlob(other.entries()), { fetch: registry });
  assertEquals([result.after.ok, result.sent], [true, []]);
  assertEquals((await readBack(registry, "app", "1")).digest, index.digest);
});
