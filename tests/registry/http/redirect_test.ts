import { assert, assertEquals, assertRejects } from "@std/assert";
import { NetworkError, RegistryError } from "../../../src/errors.ts";
import { pushImage } from "../../../src/push/push.ts";
import { RegistryClient } from "../../../src/registry/client.ts";
import type { FetchHandler } from "../../../src/registry/http/call.ts";
import { moveBetween } from "../../../src/registry/http/redirect.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import { dockerSave, makeImage, makeLayer, toBlob } from "../../helpers/archives.ts";
import { allTags } from "../../helpers/expected.ts";
import { writeTar } from "../../helpers/tar_writer.ts";
import { test } from "../../helpers/test.ts";

const TARGET = "http://registry.test/team/app:1";
const archive = async () =>
  toBlob(dockerSave([{ image: await makeImage(["a", "b"]), repoTags: ["app:1"] }]));

/** A registry at one place, and a server at `http://registry.test` that redirects to it what `when` says. */
function moved(
  base: string,
  status: number,
  when: (request: Request) => boolean = () => true,
): { fetch: FetchHandler; requests: string[] } {
  const registry = createRegistry({ allowDelete: true });
  const requests: string[] = [];
  const { origin, pathname } = new URL(base);
  const prefix = pathname.replace(/\/$/, "");
  const fetch: FetchHandler = async (request) => {
    const url = new URL(request.url);
    requests.push(`${request.method} ${url.origin}${url.pathname}`);
    if (url.origin === origin && url.pathname.startsWith(prefix)) {
      const inner = new URL(url.pathname.slice(prefix.length) + url.search, origin);
      const answer = await registry(new Request(inner, request));
      const location = answer.headers.get("location");
      // Registries behind a proxy with a path of its own need to be told of it, and tell it.
      if (location && prefix) {
        answer.headers.set("location", prefix + new URL(location, inner).pathname);
      }
      return answer;
    }
    if (!when(request)) return await registry(request);
    const location = base.replace(/\/$/, "") + url.pathname + url.search;
    return new Response("<html>", { status, headers: { location, "content-type": "text/html" } });
  };
  return { fetch, requests };
}

for (const base of ["https://registry.test", "https://moved.test", "http://registry.test/mirror"]) {
  for (const status of [301, 302, 307, 308]) {
    test(`pushImage() follows a registry that answers ${status} to ${base}`, async () => {
      const { fetch, requests } = moved(
        base,
        status,
        (request) => !new URL(request.url).pathname.startsWith("/mirror"),
      );
      const options = { fetch, concurrency: 1, retry: { attempts: 1 } };
      for (const source of [await archive(), (await archive()).stream()]) {
        const { images } = await pushImage(source, TARGET, options);
        assertEquals(images.length, 1);
      }
      const writes = requests.filter((line) =>
        /^(?:POST|PATCH|PUT) http:\/\/registry\.test\/v2/.test(line)
      );
      assert(status > 302 || writes.length <= 2, writes.join("\n"));
      await using client = new RegistryClient("http://registry.test", { fetch });
      const { manifests } = client.repository("team/app");
      assert(await manifests.head("1"));
      await manifests.delete("1");
      assertEquals(await manifests.head("1"), undefined);
    });
  }
}

test("pushImage() of a pipe follows a registry that has moved where an upload is the first request", async () => {
  const MIB = 1024 * 1024;
  const layer = await makeLayer(writeTar([{ path: "x", body: new Uint8Array(2 * MIB).fill(7) }]));
  const tar = toBlob(dockerSave([{ image: await makeImage([layer]), repoTags: ["app:1"] }]));
  for (const status of [301, 302]) {
    const { fetch, requests } = moved("https://moved.test", status);
    await pushImage(tar.stream(), TARGET, { fetch, memoryBudget: MIB });
    assert(requests[0]?.startsWith("POST "), requests[0]);
    await using client = new RegistryClient("https://moved.test", { fetch });
    assert(await client.repository("team/app").manifests.head("1"));
  }
});

test("pushImage() names where writes alone are redirected", async () => {
  const { fetch, requests } = moved("https://other.test", 301, ({ method }) => method === "POST");
  const error = await assertRejects(
    async () => await pushImage(await archive(), TARGET, { fetch }),
    RegistryError,
    "registry.test answered 301 Moved Permanently: it redirects to https://other.test",
  );
  assert(error.hint?.startsWith("write https://other.test/"), error.hint);
  assertEquals(requests.filter((line) => line.includes("other.test")), []);
});

test("pushImage() names where writes are redirected where nobody says whether reads are", async () => {
  const { fetch } = moved("https://other.test", 301, ({ method }) => method === "POST");
  const bad = { status: 301, headers: { location: "ftp://other.test/" } };
  for (
    const answer of [() => Promise.reject(new TypeError("reset")), () => new Response(null, bad)]
  ) {
    await assertRejects(
      async () =>
        await pushImage(await archive(), TARGET, {
          fetch: async (request) => request.url.endsWith("/list") ? await answer() : fetch(request),
        }),
      RegistryError,
      "registry.test answered 301 Moved Permanently: it redirects to https://other.test",
    );
  }
});

test("pushImage() does not send to a mirror that only reads are redirected to", async () => {
  const { fetch, requests } = moved("https://mirror.test", 302, ({ method }) => method === "HEAD");
  await pushImage(await archive(), TARGET, { fetch });
  const there = requests.filter((line) => line.includes("mirror.test"));
  assert(there.length > 0 && there.every((line) => line.startsWith("HEAD ")), there.join("\n"));
});

test("a client sends the caller's headers to no place that it is redirected to", async () => {
  const sent: (string | null)[] = [];
  const { fetch } = moved("https://registry.test", 301);
  await pushImage(await archive(), TARGET, {
    headers: { authorization: "secret" },
    fetch: (request) => {
      if (request.url.startsWith("https:")) sent.push(request.headers.get("authorization"));
      return fetch(request);
    },
  });
  assert(sent.length > 5);
  assertEquals(sent.filter(Boolean), []);
});

test("RegistryClient lists a registry that has moved, with links that name the new place", async () => {
  const fetch: FetchHandler = (request) => {
    const { origin, pathname, search } = new URL(request.url);
    if (origin === "http://registry.test") {
      const location = `https://registry.test${pathname}${search}`;
      return Promise.resolve(new Response(null, { status: 301, headers: { location } }));
    }
    const isFirst = !search.includes("last=");
    const headers = { link: `<https://registry.test${pathname}?n=1&last=a>; rel="next"` };
    const body = JSON.stringify({ repositories: [isFirst ? "a" : "b"] });
    return Promise.resolve(new Response(body, isFirst ? { headers } : {}));
  };
  await using client = new RegistryClient("http://registry.test", { fetch });
  const found: string[] = [];
  for await (const name of client.repositories()) found.push(name);
  assertEquals(found, ["a", "b"]);
});

test("pushImage() follows a repository that was given another name", async () => {
  const registry = createRegistry();
  const sent: string[] = [];
  const fetch: FetchHandler = async (request) => {
    const url = new URL(request.url);
    sent.push(`${request.method} ${url.pathname}`);
    if (!url.pathname.startsWith("/v2/team/app/")) return await registry(request);
    const location = url.pathname.replace("/team/app/", "/team/renamed/") + url.search;
    return new Response(null, { status: 301, headers: { location } });
  };
  await pushImage(await archive(), TARGET, { fetch });
  assertEquals(await allTags(registry), ["team/renamed:1"]);
  assert(sent.filter((line) => line.startsWith("POST /v2/team/app/")).length <= 3, sent.join("\n"));
});

test("moveBetween() tells a move from a redirect to something else", () => {
  const cases: [from: string, to: string, moved?: [from: string, to: string]][] = [
    ["http://a/v2/x/blobs/d", "https://a/v2/x/blobs/d", ["http://a", "https://a"]],
    ["http://a/v2/x/blobs/d", "https://b/r/v2/x/blobs/d", ["http://a", "https://b/r"]],
    ["http://a/v2/x/blobs/d", "http://a/v2/y/blobs/d", ["http://a/v2/x", "http://a/v2/y"]],
    ["http://a/v2/x/blobs/uploads/?m=1", "/v2/y/blobs/uploads/?m=1", [
      "http://a/v2/x",
      "http://a/v2/y",
    ]],
    ["http://a/v2/x/blobs/uploads/?m=1", "/v2/y/blobs/uploads/"],
    ["http://a/v2/x/blobs/d", "https://store/bucket/d?signature=s"],
    ["http://a/v2/x/blobs/d", "https://store/bucket/d"],
    ["http://a/v2/x/blobs/uploads/", "https://a/login/"],
  ];
  for (const [from, to, moved] of cases) {
    const url = new URL(from);
    const expected = moved ? { from: moved[0], to: moved[1] } : undefined;
    assertEquals(moveBetween(url, new URL(to, url)), expected, `${from} ${to}`);
  }
});

for (
  const [failure, state, most] of [
    ["Connection refused (os error 111)", "connection refused", 1],
    ["dns error: failed to lookup address information", "host name not found", 3],
  ] as const
) {
  test(`pushImage() does not wait for a place that never answered: ${state}`, () =>
    assertGivenUp(failure, state, most));
}

async function assertGivenUp(failure: string, state: string, most: number): Promise<void> {
  const registry = createRegistry();
  let attempts = 0;
  const fetch: FetchHandler = async (request) => {
    const url = new URL(request.url);
    // A proxy that drops the port of the header Host makes the registry name another address.
    if (url.port === "") {
      if (request.method !== "DELETE") attempts++;
      throw new TypeError(failure);
    }
    // What did not leave cannot have arrived, so nothing is asked about it.
    assert(attempts === 0 || request.method !== "HEAD");
    const response = await registry(request);
    const location = response.headers.get("location");
    if (location && request.method === "POST") {
      response.headers.set("location", `http://registry.test${new URL(location, url).pathname}`);
    }
    return response;
  };
  const options = { fetch, concurrency: 1, retry: { delay: 1 } };
  await assertRejects(
    async () => await pushImage(await archive(), "http://registry.test:8080/app:1", options),
    NetworkError,
    `http://registry.test (where registry.test:8080 leads): ${state}`,
  );
  assertEquals(attempts, most);
}

test("a registry that has moved is told of like one that was named", async () => {
  const { fetch } = moved("https://registry.test", 301);
  const options = {
    retry: { attempts: 1 },
    fetch: (request: Request) =>
      request.url.startsWith("https:") && request.method === "PUT"
        ? Promise.resolve(new Response(null, { status: 403 }))
        : fetch(request),
  };
  const error = await assertRejects(
    async () => await pushImage(await archive(), TARGET, options),
    RegistryError,
    "https://registry.test (where registry.test leads) answered 403 Forbidden",
  );
  assert(error.hint?.startsWith("writing is forbidden here"), error.hint);
});
