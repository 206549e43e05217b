import { assertEquals, assertRejects } from "@std/assert";
import { RegistryError } from "../../src/errors.ts";
import { DOCKER_INDEX, DOCKER_MANIFEST } from "../../src/media_types.ts";
import { pullImage } from "../../src/pull/pull.ts";
import { pushImage } from "../../src/push/push.ts";
import { getManifest } from "../../src/registry/get_manifest.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { headManifest } from "../../src/registry/manifests.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { encodeJson, makeImage, OciLayout, toBlob } from "../helpers/archives.ts";
import { test } from "../helpers/test.ts";
import { makeRepository } from "./make_http.ts";

const FIRST_SCHEMA = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/** What registries answer that take a list of types for one that they do not know. */
const ANSWERS: Record<string, () => Response> = {
  // distribution 2.3.1 and 2.4.1, of what it can put into the first schema, and of the rest.
  "a manifest of the first schema": answerOfFirstSchema,
  "400": () =>
    new Response(encodeJson({ errors: [{ code: "MANIFEST_INVALID", message: "no" }] }), {
      status: 400,
    }),
  // Artipie's docker-adapter 0.13.1.
  "500": () => new Response("java.lang.IllegalArgumentException", { status: 500 }),
};

function answerOfFirstSchema(): Response {
  return new Response(encodeJson({ schemaVersion: 1, signatures: [] }), {
    headers: {
      "content-type": FIRST_SCHEMA,
      "docker-content-digest": `sha256:${"0".repeat(64)}`,
    },
  });
}

/** A registry that has an index, and takes one type in the header Accept. */
async function withIndex(answer: () => Response, registry = createRegistry()) {
  const layout = new OciLayout();
  const child = await layout.image(await makeImage(["a"]));
  const nodes = [child, await layout.image(await makeImage(["b"]))];
  layout.add(await layout.indexOf(nodes), { ref: "1" });
  const { images } = await pushImage(toBlob(layout.entries()), "http://registry.test/team/app:1", {
    fetch: registry,
  });
  const asked: string[] = [];
  const fetch: FetchHandler = async (request) => {
    const isManifest = request.url.includes("/manifests/");
    const accept = request.headers.get("accept") ?? "";
    if (isManifest) asked.push(`${request.method} ${accept.includes(",") ? "any" : "one"}`);
    return isManifest && accept.includes(",") ? answer() : await registry(request);
  };
  return { fetch, asked, digest: images[0]?.digest, child: child.digest };
}

for (const [what, answer] of Object.entries(ANSWERS)) {
  test(`manifests are read where a list of types in Accept gives ${what}`, async () => {
    const { fetch, asked, digest } = await withIndex(answer);
    const repository = makeRepository(fetch);
    assertEquals((await headManifest(repository, "1"))?.digest, digest);
    assertEquals(repository.http.seen.wantsOneType, true);
    // Nor is a registry waited for that may answer at once.
    assertEquals(asked.filter((each) => each === "HEAD any").length, 1);
    asked.length = 0;
    assertEquals((await getManifest(repository, "1")).digest, digest);
    assertEquals(await headManifest(repository, "2"), undefined);
    // What it wants is remembered.
    assertEquals(asked.filter((each) => each.endsWith("any")), []);
    await Array.fromAsync(pullImage("http://registry.test/team/app:1", { fetch }));
  });
}

test("a registry that fails is asked for one type after the other no more than once", async () => {
  const asked: string[] = [];
  const repository = makeRepository((request) => {
    asked.push(request.headers.get("accept") ?? "");
    return Promise.resolve(new Response(null, { status: 500 }));
  }, { retry: { attempts: 2 } });
  for (const _ of [1, 2]) {
    await assertRejects(() => getManifest(repository, "1"), RegistryError, "500");
  }
  assertEquals(asked.filter((accept) => !accept.includes(",")).length, 4);
});

test("a registry that failed for a moment is asked for all types as before", async () => {
  let isBroken = true;
  const registry = createRegistry();
  const { digest, asked, fetch } = await withIndex(
    () => new Response(null, { status: 500 }),
    registry,
  );
  const repository = makeRepository((request) => {
    const answer = isBroken ? fetch(request) : registry(request);
    isBroken = false;
    return answer;
  });
  assertEquals((await getManifest(repository, "1")).digest, digest);
  assertEquals([asked, repository.http.seen.wantsOneType], [["GET any"], false]);
});

test("an index that is out of reach for a moment is not passed over for a manifest of it", async () => {
  const failures: (() => Promise<Response>)[] = [
    () => Promise.resolve(new Response(null, { status: 503 })),
    () => Promise.reject(new TypeError("connection reset")),
  ];
  for (const fail of failures) {
    const { fetch, digest, child } = await withIndex(answerOfFirstSchema);
    let isBroken = true;
    const repository = makeRepository((request) => {
      const accept = request.headers.get("accept");
      if (accept === DOCKER_INDEX && isBroken) {
        isBroken = false;
        return fail();
      }
      // As distribution 2.3.1 picks one.
      const url = accept === DOCKER_MANIFEST ? request.url.replace(/1$/, child) : request.url;
      return fetch(new Request(url, request));
    });
    assertEquals((await getManifest(repository, "1")).digest, digest);
  }
});
