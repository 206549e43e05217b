import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { digestBytes, isDigest } from "../../src/digest.ts";
import { NetworkError, RegistryError } from "../../src/errors.ts";
import { OCI_LAYER, OCI_MANIFEST } from "../../src/media_types.ts";
import { checkImage, type CheckImageOptions } from "../../src/pull/check_image.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  encode,
  flipByte,
  makeImage,
  makeLayer,
  OciLayout,
  pathOf,
  randomBytes,
  toBlob,
  withPlatform,
} from "../helpers/archives.ts";
import { type BadDisk, badDisk } from "../helpers/bad_disk.ts";
import { sign } from "../helpers/cosign.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const TARGET = "localhost:5000/app:1";
const FAST = { retry: { attempts: 2, delay: 0 } };

const layout = new OciLayout();
const large = await makeLayer(writeTar([{ path: "large", body: randomBytes(300_000) }]));
const amd = withPlatform(await layout.image(await makeImage([large, "amd"])), "linux/amd64");
const armImage = await makeImage([large, "arm"], { platform: "linux/arm64" });
const arm = withPlatform(await layout.image(armImage), "linux/arm64");
const attestation = await layout.attestation(amd);
const index = await layout.indexOf([amd, arm, attestation]);
layout.add(index, { ref: "1" });
const signature = await layout.artifact("signed", "application/x-signature", { subject: index });
layout.add(signature);
const signed = await layout.blob(encode("signed"), "text/plain");

async function pushed(): Promise<BadDisk> {
  const disk = badDisk();
  await pushImage(toBlob(layout.entries()), TARGET, { fetch: disk.fetch });
  disk.requests.length = 0;
  return disk;
}

async function check(disk: BadDisk, options: CheckImageOptions = {}) {
  const { findings, ...rest } = await checkImage(TARGET, {
    fetch: disk.fetch,
    ...FAST,
    ...options,
  });
  const errors = findings.filter(({ severity }) => severity === "error");
  return { ...rest, findings, codes: errors.map(({ code, digest }) => [code, digest]) };
}

test("checkImage() reads all of an index, what is below it and what refers to it", async () => {
  const disk = await pushed();
  const progress: number[] = [];
  const { ok, digest, manifests, blobs, bytes, findings, reference } = await check(disk, {
    onProgress: ({ bytes }) => progress.push(bytes),
  });
  assertEquals([ok, digest, findings, reference], [true, index.digest, [], TARGET]);
  const read = (kind: string) =>
    disk.requests.filter((request) => request.startsWith(`GET /v2/app/${kind}/`));
  assertEquals(manifests, new Set(read("manifests")).size);
  assertEquals(manifests, 5);
  assertEquals(blobs, new Set(read("blobs")).size);
  for (const { digest } of [large, signed]) {
    assertEquals(read("blobs").filter((request) => request.endsWith(digest)).length, 1);
  }
  assert(bytes > 300_000 && (progress.at(-1) ?? 0) > bytes);
});

test("checkImage() with quick reads manifests, and asks for all else", async () => {
  const disk = await pushed();
  const { ok, blobs } = await check(disk, { quick: true });
  assertEquals(ok, true);
  const asked = disk.requests.filter((request) => /^HEAD .*\/blobs\//.test(request));
  assertEquals(asked.length, blobs);
  assertEquals(disk.requests.some((request) => /^GET .*\/blobs\//.test(request)), false);
});

const FAULTS: [
  what: string,
  spoil: (disk: BadDisk) => void,
  full: [code: string, digest: string][],
  quick: [code: string, digest: string][],
][] = [
  [
    "a layer that is lost",
    (disk) => disk.lose(large.digest),
    [["missing-blob", large.digest]],
    [["missing-blob", large.digest]],
  ],
  [
    "a layer that the registry merely remembers",
    (disk) => disk.lose(large.digest, { isRemembered: true }),
    [["unreadable", large.digest]],
    [],
  ],
  [
    "a layer with a wrong byte",
    (disk) => disk.damage(large.digest, flipByte(large.bytes, 1000)),
    [["wrong-digest", large.digest]],
    [],
  ],
  [
    "a layer that was cut",
    (disk) => disk.damage(large.digest, large.bytes.slice(0, 1000)),
    [["wrong-size", large.digest]],
    [["wrong-size", large.digest]],
  ],
  [
    "the content of a signature",
    (disk) => disk.lose(signed.digest),
    [["missing-blob", signed.digest]],
    [["missing-blob", signed.digest]],
  ],
  [
    "a platform that is lost",
    (disk) => disk.lose(arm.digest),
    [["missing-manifest", arm.digest]],
    [["missing-manifest", arm.digest]],
  ],
  [
    "a platform whose manifest is damaged",
    (disk) => disk.damage(arm.digest, encode("{}")),
    [["wrong-digest", arm.digest]],
    [["wrong-digest", arm.digest]],
  ],
  [
    "an attestation that is lost",
    (disk) => disk.lose(attestation.digest),
    [["missing-manifest", attestation.digest]],
    [["missing-manifest", attestation.digest]],
  ],
  [
    "a signature that is lost",
    (disk) => disk.lose(signature.digest),
    [["missing-manifest", signature.digest]],
    [["missing-manifest", signature.digest]],
  ],
  [
    "an index that is damaged",
    (disk) => disk.damage(index.digest, encode("no JSON")),
    [["wrong-digest", index.digest]],
    [["wrong-digest", index.digest]],
  ],
];

for (const [what, spoil, full, quick] of FAULTS) {
  test(`checkImage() finds ${what}`, async () => {
    const disk = await pushed();
    spoil(disk);
    const found = await check(disk);
    assertEquals([found.ok, found.codes], [false, full]);
    for (const { message } of found.findings) assertStringIncludes(message, "localhost:5000/app");
    const quickly = await check(disk, { quick: true });
    assertEquals([quickly.ok, quickly.codes], [quick.length === 0, quick]);
  });
}

test("checkImage() reads what cosign keeps under tags, and what refers to that", async () => {
  const disk = await pushed();
  const { digest } = await sign(disk.fetch, "localhost:5000/app", index.digest);
  const before = await check(disk);
  assertEquals([before.ok, before.manifests], [true, 6]);
  disk.lose(digest);
  assertEquals((await check(disk)).codes, [["missing-manifest", undefined]]);
});

test("checkImage() finds all that is wrong at once", async () => {
  const disk = await pushed();
  for (const [, spoil] of FAULTS.slice(0, -1)) spoil(disk);
  const { codes, findings } = await check(disk);
  const digests = [large, arm, attestation, signature].map(({ digest }) => digest as string);
  assertEquals(new Set(codes.map(([, digest]) => digest as string)), new Set(digests));
  assert(findings.every(({ message }) => message.length < 1000));
});

test("checkImage() with allTags checks every tag, and reads what they share once", async () => {
  const disk = await pushed();
  const other = new OciLayout();
  const image = await other.image(await makeImage([large, "other"]));
  other.add(image, { ref: "2" });
  await pushImage(toBlob(other.entries()), "localhost:5000/app:2", { fetch: disk.fetch });
  await pushImage(toBlob(layout.entries()), "localhost:5000/app:3", { fetch: disk.fetch });
  disk.requests.length = 0;
  const all = (options: CheckImageOptions = {}) =>
    checkImage("localhost:5000/app", { fetch: disk.fetch, ...FAST, allTags: true, ...options });
  const { ok, reference, manifests, digest } = await all();
  // The index has two tags, and is read by each; what is below it is read once.
  assertEquals([ok, reference, manifests, digest], [true, "localhost:5000/app", 7, undefined]);
  const path = `GET /v2/app/blobs/${large.digest}`;
  assertEquals(disk.requests.filter((request) => request === path).length, 1);
  disk.lose(image.digest);
  disk.lose(arm.digest);
  const { findings } = await all();
  assertEquals(findings.map(({ code }) => code), ["missing-manifest", "missing-manifest"]);
  await assertRejects(() => check(disk, { allTags: true }), TypeError, "expected HOST[:PORT]/REPO");
  const { fetch } = badDisk();
  await assertRejects(() => all({ fetch }), RegistryError, "no such repository");
});

test("checkImage() finds a manifest that the reference does not lead to", async () => {
  const disk = await pushed();
  const other = await checkImage("localhost:5000/app:2", { fetch: disk.fetch });
  assertEquals([other.ok, other.findings[0]?.code], [false, "missing-manifest"]);
  const pinned = await checkImage(`${TARGET}@${amd.digest}`, { fetch: disk.fetch });
  assertEquals([pinned.ok, pinned.findings[0]?.code], [false, "wrong-digest"]);
  const byDigest = await checkImage(`localhost:5000/app@${amd.digest}`, { fetch: disk.fetch });
  assertEquals([byDigest.ok, byDigest.digest, byDigest.manifests], [true, amd.digest, 1]);
});

test("checkImage() finds headers with a wrong digest", async () => {
  const registry = createRegistry();
  await pushImage(toBlob(layout.entries()), TARGET, { fetch: registry });
  const wrong = await digestBytes(encode("other"));
  for (
    const [path, digest] of [[`/blobs/${large.digest}`, large.digest], [
      `/manifests/${arm.digest}`,
      arm.digest,
    ]]
  ) {
    const { findings } = await checkImage(TARGET, {
      ...FAST,
      fetch: async (request) => {
        const response = await registry(request);
        if (!new URL(request.url).pathname.endsWith(path ?? "")) return response;
        const headers = new Headers(response.headers);
        headers.set("docker-content-digest", wrong);
        return new Response(response.body, { status: response.status, headers });
      },
    });
    assertEquals(findings.map(({ code, digest, actual }) => [code, digest, actual]), [
      ["wrong-header", digest, wrong],
    ]);
  }
});

test("checkImage() goes on where a manifest makes the registry fail, as distribution does", async () => {
  const registry = createRegistry();
  await pushImage(toBlob(layout.entries()), TARGET, { fetch: registry });
  const { findings } = await checkImage(TARGET, {
    ...FAST,
    fetch: async (request) =>
      request.url.endsWith(`/manifests/${arm.digest}`)
        ? Response.json({ errors: [{ code: "UNKNOWN", message: "unknown error" }] }, {
          status: 500,
        })
        : await registry(request),
  });
  assertEquals(findings.map(({ code, digest }) => [code, digest]), [["unreadable", arm.digest]]);
});

test("checkImage() reads no more of a blob than it should have", async () => {
  const registry = createRegistry();
  await pushImage(toBlob(layout.entries()), TARGET, { fetch: registry });
  let sent = 0;
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
    });
  const { findings } = await checkImage(TARGET, {
    fetch: async (request) =>
      request.method === "GET" && request.url.endsWith(large.digest)
        ? new Response(endless())
        : await registry(request),
  });
  assertEquals(findings.map(({ code, digest }) => [code, digest]), [["wrong-size", large.digest]]);
  assert(sent < 2 * large.bytes.length, `${sent} bytes`);
});

test("checkImage() takes no trouble on the way for a finding", async () => {
  const refuse = () => Promise.reject(new TypeError("connection refused"));
  await assertRejects(() => checkImage(TARGET, { fetch: refuse, ...FAST }), NetworkError);
  const login = () => Promise.resolve(new Response(null, { status: 401 }));
  await assertRejects(() => checkImage(TARGET, { fetch: login, ...FAST }), RegistryError);
  const page = () => Promise.resolve(new Response("<html>", { status: 404 }));
  await assertRejects(() => checkImage(TARGET, { fetch: page, ...FAST }), RegistryError);
  const busy = () => Promise.resolve(new Response(null, { status: 503 }));
  await assertRejects(() => checkImage(TARGET, { fetch: busy, ...FAST }), RegistryError);
  const denied = () => Promise.resolve(new Response(null, { status: 403 }));
  // It goes away in the middle.
  const disk = await pushed();
  for (
    const [answer, error, message] of [
      [refuse, NetworkError, "connection refused"],
      [login, RegistryError, "401"],
      [denied, RegistryError, "403"],
      [busy, RegistryError, "503"],
    ] as const
  ) {
    let left = 8;
    const fetch = (request: Request) => left-- > 0 ? disk.fetch(request) : answer();
    await assertRejects(() => checkImage(TARGET, { ...FAST, fetch }), error, message);
  }
});

test("checkImage() finds sizes that manifests have wrong, and content that is no manifest", async () => {
  const wrong = new OciLayout();
  const image = await makeImage([large]);
  const right = await wrong.image(image);
  const layers = [{ mediaType: OCI_LAYER, digest: large.digest, size: large.bytes.length + 1 }];
  const long = await wrong.image(image, { layers });
  const root = await wrong.indexOf([{ ...right, size: right.size + 1 }, long]);
  const text = await wrong.document({ schemaVersion: 2, layers: "none" }, OCI_MANIFEST);
  const found: unknown[] = [];
  for (const { digest, mediaType = "" } of [root, text]) {
    const { findings } = await checkImage(`localhost:5000/app@${digest}`, {
      ...FAST,
      // Of two sizes of one blob the first is believed.
      concurrency: 1,
      fetch(request) {
        const [, kind, name = ""] = /\/(blobs|manifests)\/([^/]+)$/.exec(request.url) ?? [];
        const bytes = isDigest(name) ? wrong.blobs.get(pathOf({ digest: name })) : undefined;
        if (!bytes) return createRegistry()(request);
        const type = kind === "blobs" ? "" : name === digest ? mediaType : OCI_MANIFEST;
        return Promise.resolve(new Response(bytes, { headers: { "content-type": type } }));
      },
    });
    found.push(...findings.map(({ code, digest }) => [code, digest]));
  }
  assertEquals(found, [
    ["wrong-size", right.digest],
    ["wrong-size", large.digest],
    ["malformed", text.digest],
  ]);
});

test("checkImage() warns of a list of what refers to an image that cannot be read", async () => {
  const disk = await pushed();
  const { ok, findings } = await checkImage(TARGET, {
    ...FAST,
    fetch: async (request) =>
      request.url.includes(`/referrers/${amd.digest}`)
        ? new Response(null, { status: 500 })
        : await disk.fetch(request),
  });
  assertEquals([ok, findings.map(({ severity, code }) => [severity, code])], [
    true,
    [["warning", "unchecked"]],
  ]);
});

test("checkImage() notes what may be absent", async () => {
  const foreign = new OciLayout();
  const type = "application/vnd.oci.image.layer.nondistributable.v1.tar";
  const layer = { mediaType: type, digest: large.digest, size: large.bytes.length };
  const image = await makeImage([]);
  foreign.add(await foreign.image(image, { layers: [layer] }), { ref: "1" });
  const disk = badDisk();
  await pushImage(toBlob(foreign.entries()), TARGET, { fetch: disk.fetch });
  for (const quick of [false, true]) {
    const { ok, findings } = await check(disk, { quick });
    assertEquals([ok, findings.map(({ severity, code }) => [severity, code])], [
      true,
      [["note", "absent-blob"]],
    ]);
  }
});

test("checkImage() ends with the signal, and wants numbers", async () => {
  const disk = await pushed();
  const signal = AbortSignal.abort(new Error("stop"));
  await assertRejects(() => check(disk, { signal }), Error, "stop");
  await assertRejects(() => check(disk, { concurrency: 0 }), RangeError, "concurrency 0");
});
