import { assertEquals, assertRejects } from "@std/assert";
import { DigestMismatchError } from "../../../src/errors.ts";
import { checkImage } from "../../../src/pull/check_image.ts";
import { pullImage } from "../../../src/pull/pull.ts";
import { pushImage } from "../../../src/push/push.ts";
import { type FetchHandler, headerOf } from "../../../src/registry/http/call.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import { dockerSave, makeImage, makeLayer, seededBytes, toBlob } from "../../helpers/archives.ts";
import { readBack } from "../../helpers/expected.ts";
import { test } from "../../helpers/test.ts";

const TARGET = "http://registry.test/app:1";
const HEADERS = [
  "content-length",
  "content-range",
  "content-type",
  "docker-content-digest",
  "docker-upload-uuid",
  "link",
  "location",
  "range",
];

/** nginx with `add_header NAME $upstream_http_NAME`, HAProxy with `http-response add-header`: each comes a second time. */
function repeatHeaders(
  registry: FetchHandler,
  names: readonly string[],
  repeat: (value: string) => string,
): FetchHandler {
  return async (request) => {
    const response = await registry(request);
    const headers = new Headers(response.headers);
    for (const name of names) {
      const value = headers.get(name);
      if (value !== null) headers.set(name, repeat(value));
    }
    const { status, body } = response;
    return new Response(body, { status, headers });
  };
}

const archive = toBlob(dockerSave([{
  image: await makeImage([await makeLayer(seededBytes(1, 300_000)), "small"]),
}]));

test("an image is pushed, checked and pulled where each header comes several times", async () => {
  for (
    const repeat of [(text: string) => `${text}, ${text}`, (text: string) => `${text},${text}`]
  ) {
    const registry = createRegistry();
    const fetch = repeatHeaders(registry, HEADERS, repeat);
    for (const source of [archive, archive.stream()]) {
      const { images } = await pushImage(source, TARGET, { fetch, chunkSize: 100_000 });
      assertEquals(images[0]?.digest, (await readBack(registry, "app", "1")).digest);
    }
    assertEquals((await checkImage(TARGET, { fetch })).ok, true);
    const pulled = await new Response(pullImage(TARGET, { fetch })).blob();
    const again = createRegistry();
    const { images } = await pushImage(pulled, TARGET, { fetch: again });
    assertEquals(images[0]?.digest, (await readBack(registry, "app", "1")).digest);
  }
});

test("a digest that comes with another one is not trusted", async () => {
  const fetch = repeatHeaders(
    createRegistry(),
    ["docker-content-digest"],
    (text) => `${text}, ${text}0`,
  );
  await assertRejects(() => pushImage(archive, TARGET, { fetch }), DigestMismatchError);
});

test("headerOf() takes what is said several times for said once, and nothing else", () => {
  const read = (value: string) => headerOf({ headers: new Headers({ value }) }, "value");
  assertEquals(read(" a "), "a");
  assertEquals(read(""), undefined);
  assertEquals(read("a, a, a"), "a");
  assertEquals(read("a, b"), "a, b");
  assertEquals(read("a, ab"), "a, ab");
  assertEquals(read("Tue, 24 Nov 2026 12:00:30 GMT"), "Tue, 24 Nov 2026 12:00:30 GMT");
  assertEquals(read("/a?b=c,d, /a?b=c,d"), "/a?b=c,d");
  assertEquals(headerOf({ headers: new Headers() }, "value"), undefined);
});
