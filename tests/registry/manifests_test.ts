import { assertEquals, assertRejects } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { DigestMismatchError, RegistryError } from "../../src/errors.ts";
import { MANIFEST_TYPES, OCI_MANIFEST } from "../../src/media_types.ts";
import { getManifest } from "../../src/registry/get_manifest.ts";
import { headManifest, putManifest } from "../../src/registry/manifests.ts";
import { encode, encodeJson } from "../helpers/archives.ts";
import { scriptedFetch, sentRequest } from "../helpers/scripted_fetch.ts";
import { test } from "../helpers/test.ts";
import { makeRepository } from "./make_http.ts";

const BYTES = encode('{ "schemaVersion": 2 }\n');
const DIGEST = await digestBytes(BYTES);
const MANIFEST = { digest: DIGEST, mediaType: OCI_MANIFEST, bytes: BYTES };
const PUT = "PUT /v2/team/app/manifests/1.0";
const HEAD = "HEAD /v2/team/app/manifests/1.0";
const GET = HEAD.replace("HEAD", "GET");

test("getManifest() says that JSON may be written anew on the way, where wrong bytes are JSON", async () => {
  const path = `GET /v2/team/app/manifests/${DIGEST}`;
  const named = { "docker-content-digest": DIGEST };
  for (const [body, reason] of [['{"schemaVersion":2}', "may write JSON anew"], ["{"]] as const) {
    for (const [step, reference] of [[path, DIGEST], [GET, "1.0"]] as const) {
      const script = scriptedFetch([[step, { headers: reference === "1.0" ? named : {}, body }]]);
      const error = await assertRejects(
        () => getManifest(makeRepository(script.fetch), reference),
        DigestMismatchError,
      );
      assertEquals(error.hint?.includes(reason ?? ""), reason && true, reference);
    }
  }
});

test("headManifest() asks for every type that there is", async () => {
  const script = scriptedFetch([[HEAD, {}], [HEAD, { status: 404 }]]);
  const repository = makeRepository(script.fetch);
  assertEquals(await headManifest(repository, "1.0") !== undefined, true);
  assertEquals(await headManifest(repository, "1.0"), undefined);
  assertEquals(sentRequest(script, 0).headers.get("accept"), MANIFEST_TYPES.join(", "));
});

test("headManifest() asks with GET where a proxy lets no HEAD through", async () => {
  const headers = { "docker-content-digest": DIGEST };
  const script = scriptedFetch([
    [HEAD, { status: 405 }],
    [GET, { headers, body: BYTES }],
    [HEAD, { status: 405 }],
    [GET, { status: 404 }],
  ]);
  const repository = makeRepository(script.fetch);
  assertEquals((await headManifest(repository, "1.0"))?.digest, DIGEST);
  assertEquals(await headManifest(repository, "1.0"), undefined);
  script.assertDone();
});

test("headManifest() does not take a refusal for an absent manifest", async () => {
  const script = scriptedFetch([[HEAD, { status: 401 }], [GET, { status: 401 }]]);
  await assertRejects(
    () => headManifest(makeRepository(script.fetch), "1.0"),
    RegistryError,
    "401",
  );
});

test("putManifest() sends the exact bytes under their type", async () => {
  const headers = { "docker-content-digest": DIGEST, "oci-subject": "sha256:x" };
  const script = scriptedFetch([[PUT, { status: 201, headers }]]);
  const answer = await putManifest(makeRepository(script.fetch), "1.0", MANIFEST);
  const { body, headers: sent } = sentRequest(script, 0);
  assertEquals([body, sent.get("content-type")], [BYTES, OCI_MANIFEST]);
  assertEquals(answer.get("oci-subject"), "sha256:x");
});

test("putManifest() tries again, as often as it takes", async () => {
  const script = scriptedFetch([
    [PUT, { status: 429, headers: { "retry-after": "0" } }],
    [PUT, "drop"],
    [PUT, { status: 500 }],
    [PUT, { status: 201, headers: { location: "/v2/team/app/manifests/1.0" } }],
  ]);
  await putManifest(makeRepository(script.fetch), "1.0", MANIFEST);
  script.assertDone();
});

test("putManifest() fails where the registry stored another digest", async () => {
  const other = await digestBytes(encode("other"));
  const headers = { "docker-content-digest": other };
  const script = scriptedFetch([[PUT, { status: 201, headers }]]);
  const error = await assertRejects(
    () => putManifest(makeRepository(script.fetch), "1.0", MANIFEST),
    DigestMismatchError,
  );
  assertEquals([error.expected, error.actual], [DIGEST, other]);
  script.assertDone();
});

for (
  const [status, code] of [
    [400, "MANIFEST_INVALID"],
    [400, "MANIFEST_BLOB_UNKNOWN"],
    [
      413,
      "SIZE_INVALID",
    ],
    [415, "UNSUPPORTED"],
    [403, "DENIED"],
  ] as const
) {
  test(`putManifest() reports ${status} ${code} without another attempt`, async () => {
    const body = encodeJson({ errors: [{ code, message: "no", detail: DIGEST }] });
    const script = scriptedFetch([[PUT, { status, body }]]);
    const error = await assertRejects(
      () => putManifest(makeRepository(script.fetch), "1.0", MANIFEST),
      RegistryError,
      `${code}: no`,
    );
    assertEquals([error.status, error.errors[0]?.detail], [status, DIGEST]);
    script.assertDone();
  });
}

test("putManifest() takes an answer that any server gives for none", async () => {
  for (const status of [200, 201, 202]) {
    const script = scriptedFetch([
      [PUT, { status, headers: { "content-type": "text/plain" }, body: "Welcome" }],
      [GET, { status: 404 }],
    ]);
    await assertRejects(
      () => putManifest(makeRepository(script.fetch), "1.0", MANIFEST),
      RegistryError,
      `answered ${status} and did not store it`,
    );
    script.assertDone();
  }
});

test("putManifest() reads back what may have been stored", async () => {
  const bytes = encodeJson({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: {}, layers: [] });
  const manifest = { digest: await digestBytes(bytes), mediaType: OCI_MANIFEST, bytes };
  for (const status of [201, 202]) {
    const stored = scriptedFetch([[PUT, { status }], [GET, { body: bytes }]]);
    await putManifest(makeRepository(stored.fetch), "1.0", manifest);
    stored.assertDone();
  }
  const other = encodeJson({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: {} });
  const standing = scriptedFetch([[PUT, { status: 202 }], [GET, { body: other }]]);
  await assertRejects(
    () => putManifest(makeRepository(standing.fetch), "1.0", manifest),
    RegistryError,
    `1.0 has digest ${await digestBytes(other)}`,
  );
});
