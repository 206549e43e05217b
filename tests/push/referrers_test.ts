import { assertEquals } from "@std/assert";
import { type FetchHandler, pushImage } from "../../mod.ts";
import { OCI_INDEX } from "../../src/media_types.ts";
import { openFile } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { test } from "../helpers/test.ts";

const ATTESTED = new URL("../fixtures/docker29-attested.tar", import.meta.url);
const TARGET = "localhost:5000/held/attested:1";

test("pushImage() keeps the referrers tag up for a registry that does not list subjects itself", async () => {
  const registry = createRegistry();
  await push(withoutSubjects(registry));
  const [list, ...others] = (await tags(registry)).filter((tag) => tag !== "1");
  assertEquals(others, []);
  const { manifests } = await read(registry, list ?? "");
  const [attestation] = manifests;
  assertEquals(manifests.length, 1);
  const { subject, artifactType } = await read(registry, attestation.digest);
  assertEquals(list, subject.digest.replace(":", "-"));
  assertEquals(attestation.artifactType, artifactType);

  await push(withoutSubjects(registry));
  assertEquals((await read(registry, list ?? "")).manifests.length, 1);
});

test("pushImage() leaves the list of referrers to a registry that keeps it", async () => {
  const registry = createRegistry();
  await push(registry);
  assertEquals(await tags(registry), ["1"]);
});

async function push(fetch: FetchHandler): Promise<void> {
  await using file = await openFile(ATTESTED);
  await pushImage(file, TARGET, { fetch });
}

test("pushImage() asks once for a list that a registry promises, and keeps the tag where there is none", async () => {
  const registry = createRegistry();
  let asked = 0;
  await push(async (request) => {
    if (!request.url.includes("/referrers/")) return await registry(request);
    asked++;
    // What containerd-registry answers, after an OCI-Subject.
    const errors = [{ code: "UNSUPPORTED", message: "Referrers: unsupported" }];
    return Response.json({ errors }, { status: 400 });
  });
  const [list = "", ...others] = (await tags(registry)).filter((tag) => tag !== "1");
  assertEquals([asked, others], [1, []]);
  const { manifests: [attestation] } = await read(registry, list);
  const { subject } = await read(registry, attestation.digest);
  assertEquals(list, subject.digest.replace(":", "-"));
});

test("pushImage() believes a registry that promises a list of referrers and cannot be asked for it", async () => {
  const registry = createRegistry();
  await push(async (request) =>
    request.url.includes("/referrers/")
      ? new Response(null, { status: 503 })
      : await registry(request)
  );
  assertEquals(await tags(registry), ["1"]);
});

/** Answers as registry:2 does. */
function withoutSubjects(registry: FetchHandler): FetchHandler {
  return async (request) => {
    const response = await registry(request);
    const headers = new Headers(response.headers);
    headers.delete("oci-subject");
    return new Response(response.body, { status: response.status, headers });
  };
}

async function tags(registry: FetchHandler): Promise<string[]> {
  const url = "http://localhost:5000/v2/held/attested/tags/list";
  return (await (await registry(new Request(url))).json()).tags;
}

async function read(registry: FetchHandler, reference: string) {
  const url = `http://localhost:5000/v2/held/attested/manifests/${reference}`;
  const accept = `${OCI_INDEX}, application/vnd.oci.image.manifest.v1+json`;
  return await (await registry(new Request(url, { headers: { accept } }))).json();
}
