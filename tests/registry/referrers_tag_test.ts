import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Digest, digestBytes } from "../../src/digest.ts";
import { RegistryError } from "../../src/errors.ts";
import {
  type JsonObject,
  OCI_CONFIG,
  OCI_EMPTY,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../../src/media_types.ts";
import { referrersTag } from "../../src/reference.ts";
import { getManifest } from "../../src/registry/get_manifest.ts";
import { putManifest } from "../../src/registry/manifests.ts";
import { keepReferrersTag } from "../../src/registry/referrers_tag.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { encode, encodeJson } from "../helpers/archives.ts";
import { faultLayer } from "../helpers/fault_layer.ts";
import { test } from "../helpers/test.ts";
import { pushBlob } from "../server/registry_calls.ts";
import { makeRepository } from "./make_http.ts";

const SUBJECT = {
  mediaType: OCI_MANIFEST,
  digest: await digestBytes(encode("subject")),
  size: 7,
};
const TAG = referrersTag(SUBJECT.digest);

async function openRepository() {
  const registry = createRegistry();
  await pushBlob(registry, "{}", "team/app");
  const layer = faultLayer(registry);
  return { context: makeRepository(layer.fetch), layer };
}

type Context = Awaited<ReturnType<typeof openRepository>>["context"];

/** Pushes a manifest that refers to the subject, and lists it. */
async function refer(context: Context, members: JsonObject, mediaType = OCI_MANIFEST) {
  const bytes = encodeJson({ schemaVersion: 2, mediaType, subject: SUBJECT, ...members });
  const manifest = { digest: await digestBytes(bytes), mediaType, bytes };
  await putManifest(context, manifest.digest, manifest);
  await keepReferrersTag(context, { ...manifest, subject: SUBJECT });
  return { mediaType, digest: manifest.digest, size: bytes.length };
}

const config = (mediaType: string) => ({
  config: { mediaType, digest: EMPTY, size: 2 },
  layers: [],
});
const EMPTY: Digest = await digestBytes(encode("{}"));

test("keepReferrersTag() lists the referrers of a subject one after the other, each once", async () => {
  const { context, layer } = await openRepository();
  const first = await refer(context, { ...config(OCI_EMPTY), artifactType: "text/a" });
  const second = await refer(context, { ...config(OCI_EMPTY), artifactType: "text/b" });
  const expected = [{ ...first, artifactType: "text/a" }, { ...second, artifactType: "text/b" }];
  const { json, mediaType } = await getManifest(context, TAG);
  assertEquals([mediaType, json.schemaVersion, json.manifests], [OCI_INDEX, 2, expected]);
  const writes = () => layer.seen.filter(({ path }) => path.endsWith(TAG)).length;
  const before = writes();
  await refer(context, { ...config(OCI_EMPTY), artifactType: "text/a" });
  assertEquals((await getManifest(context, TAG)).json.manifests, expected);
  // Two reads, and nothing was written.
  assertEquals(writes() - before, 2);
});

test("keepReferrersTag() copies artifact type and annotations, and takes the config's type in place of none", async () => {
  const { context } = await openRepository();
  const annotations = { "org.example.key": "value" };
  const cases: [members: JsonObject, type: string | undefined, mediaType: string][] = [
    [{ ...config(OCI_EMPTY), artifactType: "text/x" }, "text/x", OCI_MANIFEST],
    [config(OCI_CONFIG), OCI_CONFIG, OCI_MANIFEST],
    [{ ...config("text/y"), artifactType: "" }, "text/y", OCI_MANIFEST],
    [{ manifests: [], artifactType: "text/z" }, "text/z", OCI_INDEX],
    [{ manifests: [] }, undefined, OCI_INDEX],
  ];
  const expected = [];
  for (const [members, artifactType, type] of cases) {
    const descriptor = await refer(context, { ...members, annotations }, type);
    expected.push({ ...descriptor, ...(artifactType ? { artifactType } : {}), annotations });
  }
  assertEquals((await getManifest(context, TAG)).json.manifests, expected);
});

test("keepReferrersTag() keeps what others wrote into the list", async () => {
  const { context } = await openRepository();
  const other = await refer(context, config(OCI_CONFIG));
  const entry = { ...other, artifactType: "text/other", annotations: { a: "b" }, unknown: 1 };
  const list = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [entry],
    annotations: { c: "d" },
  };
  const bytes = encodeJson(list);
  await putManifest(context, TAG, {
    digest: await digestBytes(bytes),
    mediaType: OCI_INDEX,
    bytes,
  });
  const { digest } = await refer(context, config("text/new"));
  const { json } = await getManifest(context, TAG);
  assertEquals(json.annotations, { c: "d" });
  assert(Array.isArray(json.manifests));
  assertEquals(json.manifests[0], entry);
  assertEquals(json.manifests.slice(1).map((entry) => entry.digest), [digest]);
});

test("keepReferrersTag() leaves a tag alone that names something else", async () => {
  const { context, layer } = await openRepository();
  const bytes = encodeJson({ schemaVersion: 2, mediaType: OCI_MANIFEST, ...config(OCI_CONFIG) });
  const digest = await digestBytes(bytes);
  await putManifest(context, TAG, { digest, mediaType: OCI_MANIFEST, bytes });
  const error = await assertRejects(
    () => refer(context, config("text/x")),
    RegistryError,
    `registry.test sent ${OCI_MANIFEST}, expected an index of referrers`,
  );
  assertEquals(
    error.hint,
    `remove what stands in its place: tarpush rm registry.test/team/app:${TAG}`,
  );
  assertEquals((await getManifest(context, TAG)).digest, digest);
  assertEquals(layer.seen.at(-2)?.method, "GET");
});

test("keepReferrersTag() begins no new list where the one that is there cannot be read", async () => {
  const { context } = await openRepository();
  const answers: [answer: () => Response, message: string][] = [
    [() => new Response("{", { headers: { "content-type": OCI_INDEX } }), "not JSON"],
    [() => new Response('{"manifests":{}}', { headers: { "content-type": OCI_INDEX } }), "no list"],
    [() => new Response(null, { status: 403 }), "403"],
  ];
  for (const [answer, message] of answers) {
    const layer = faultLayer(
      context.http.fetch,
      ({ method, path }) =>
        method === "GET" && path.endsWith(TAG) ? { kind: "answer", answer } : undefined,
    );
    await assertRejects(
      () => refer(makeRepository(layer.fetch), config("text/x")),
      RegistryError,
      message,
    );
    const isWrite = layer.seen.some(({ method, path }) => method === "PUT" && path.endsWith(TAG));
    assertEquals(isWrite, false);
  }
});
