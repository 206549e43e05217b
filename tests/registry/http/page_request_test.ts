import { assert, assertEquals, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import { ArchiveError, NetworkError, TimeoutError } from "../../../src/errors.ts";
import { currentPage, type Page } from "../../../src/page.ts";
import type { Call, FetchHandler, Http } from "../../../src/registry/http/call.ts";
import { request, requestOnce } from "../../../src/registry/http/http.ts";
import { answeredAt } from "../../../src/registry/http/redirect.ts";
import { test } from "../../helpers/test.ts";
import { type HttpOptions, makeHttp } from "../make_http.ts";
import { fakePage, type FakePageOptions } from "./fake_page.ts";

const ORIGIN = "http://registry.test";
const CORS = { "access-control-allow-origin": "*" };

/** A registry that a page asks; `fetch` of the runtime stands for that of the page. */
function inPage(
  handler: FetchHandler,
  options: HttpOptions & { page?: FakePageOptions } = {},
): Http {
  return {
    ...makeHttp(globalThis.fetch, options),
    page: fakePage(handler, options.page),
  };
}

function call(options: Partial<Call> & { path?: string } = {}): Call {
  const { path = "/v2/app/blobs/x", ...rest } = options;
  return {
    action: "look for it",
    method: "GET",
    url: new URL(path, ORIGIN),
    expect: [200, 201],
    ...rest,
  };
}

const isOpaque = ({ mode }: Request) => mode === "no-cors";
const nobody: FetchHandler = () => Promise.reject(new Error("refused"));

test("currentPage() tells a page by the name of its browser, and no server", async () => {
  assertEquals(currentPage(), undefined);
  const fetch = () => Promise.resolve(new Response());
  for (const userAgent of ["Deno/2.9.6", "Bun/1.4.5", "Cloudflare-Workers", "Node.js/22"]) {
    assertEquals(currentPage({ navigator: { userAgent }, fetch }), undefined, userAgent);
  }
  assertEquals(currentPage({ fetch }), undefined);
  const query = ({ name }: { name: string }) =>
    name === "known" ? Promise.resolve({ state: "denied" }) : Promise.reject(new TypeError(name));
  const page = currentPage({
    navigator: { userAgent: "Mozilla/5.0 (X11)", permissions: { query } },
    origin: "https://a.test",
    location: { protocol: "https:" },
    fetch,
  });
  assert(page);
  assertEquals([page.origin, page.isSecure], ["https://a.test", true]);
  assertEquals(await page.permission("known"), "denied");
  assertEquals(await page.permission("unknown"), undefined);
  assertEquals((await page.fetch("https://a.test", {})).status, 200);
  assertEquals(currentPage({ navigator: { userAgent: "Mozilla/5.0" }, fetch })?.origin, "null");
});

test("a page sends no header that the browser sends by itself, and leaves redirects to it", async () => {
  const seen: Request[] = [];
  const http = inPage((request) => {
    seen.push(request);
    return Promise.resolve(new Response("ok"));
  }, { headers: { "x-key": "1" } });
  const headers = { "content-length": "0", accept: "text/plain" };
  await requestOnce(http, call({ method: "POST", headers, expect: [200] }));
  const [request] = seen;
  assert(request);
  assertEquals([...request.headers], [["accept", "text/plain"], ["x-key", "1"]]);
  assertEquals(request.redirect, "follow");
});

test("a page learns where redirects led", async () => {
  const moved = "http://other.test/v2/app/blobs/x";
  const http = inPage(() => {
    const response = new Response("ok");
    Object.defineProperty(response, "url", { value: moved });
    return Promise.resolve(response);
  });
  const asked = call();
  assertEquals(answeredAt(asked, await requestOnce(http, asked)).href, moved);
});

test("a page sends a Blob as it is and tells how much of it has gone", async () => {
  const bodies: string[] = [];
  const http = inPage(async (request) => {
    bodies.push(await request.text());
    const headers = { location: "/there", "x-answered-at": "http://other.test/here" };
    return new Response(null, { status: 204, headers });
  }, { page: { hasXhr: true } });
  const sent: number[] = [];
  const body = new Blob(["0123456789"]).slice(2, 8);
  const put = call({
    method: "PUT",
    body,
    onSent: (bytes) => void sent.push(bytes),
    expect: [204],
  });
  const response = await requestOnce(http, put);
  assertEquals([bodies, sent], [["234567"], [3, 6]]);
  assertEquals([response.status, response.headers.get("location")], [204, "/there"]);
  assertEquals(answeredAt(put, response).href, "http://other.test/here");
});

test("a page stops sending a Blob when who listens fails, with that failure", async () => {
  let asked = 0;
  const http = inPage(() => {
    asked++;
    return Promise.resolve(new Response());
  }, { page: { hasXhr: true } });
  const failure = new TypeError("the listener failed");
  const listeners: NonNullable<Call["onSent"]>[] = [
    () => {
      throw failure;
    },
    () => Promise.reject(failure),
    async (bytes) => {
      if (bytes < 4) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
      throw failure;
    },
  ];
  for (const onSent of listeners) {
    const put = call({ method: "PUT", body: new Blob(["body"]), onSent });
    assertStrictEquals(await assertRejects(() => requestOnce(http, put)), failure);
  }
  // Nobody asks what the registry has to do with it.
  assertEquals(asked, listeners.length);
});

test("a page stops sending a Blob when it is told to, or time is up", async () => {
  const never: FetchHandler = () => new Promise(() => {});
  for (const hasXhr of [true, false]) {
    const handler: FetchHandler = hasXhr
      ? never
      : ({ signal }) =>
        new Promise((_, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason), { once: true })
        );
    const http = inPage(handler, { page: { hasXhr }, timeouts: { idle: 30, response: 30 } });
    const body = new Blob(["body"]);
    await assertRejects(() => requestOnce(http, call({ method: "PUT", body })), TimeoutError);
    const stop = new AbortController();
    const slow = inPage(handler, { page: { hasXhr } });
    const sending = requestOnce(slow, call({ method: "PUT", body, signal: stop.signal }));
    stop.abort(new DOMException("enough", "AbortError"));
    await assertRejects(() => sending, DOMException, "enough");
  }
});

test("what a caller gives in place of fetch is asked in a page, too", async () => {
  const asked: string[] = [];
  const page: Page = fakePage(nobody, { hasXhr: true });
  const http: Http = {
    ...makeHttp(async (request) => {
      asked.push(`${request.method} ${await request.text()}`);
      return new Response();
    }),
    page,
  };
  await requestOnce(http, call({ method: "PUT", body: new Blob(["abc"]) }));
  assertEquals(asked, ["PUT abc"]);
});

test("a registry that does not let a page ask is named with the header lines, and not asked again", async () => {
  let asked = 0;
  const http = inPage((request) => {
    if (isOpaque(request)) return Promise.resolve(new Response());
    asked++;
    return Promise.reject(new Error("CORS"));
  }, { headers: { "x-key": "1" } });
  const error = await assertRejects(() => request(http, call()), NetworkError);
  assertMatch(error.message, /registry\.test: it is there, but does not let this page send it GET/);
  assertEquals(error.hint?.split("\n").map((line) => line.split(":")[0]), [
    "have it send these headers with every answer, also to OPTIONS",
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
    "Access-Control-Expose-Headers",
  ]);
  assertMatch(error.hint ?? "", /Origin: http:\/\/page\.test\n/);
  assertMatch(error.hint ?? "", /Content-Type, Range, x-key\n/);
  assertEquals(asked, 2);
});

test("a registry whose errors lack the headers is named as such", async () => {
  const http = inPage(({ mode, url }) =>
    mode === "no-cors" || url.endsWith("/v2/")
      ? Promise.resolve(new Response(null, { headers: CORS }))
      : Promise.reject(new Error("CORS"))
  );
  const error = await assertRejects(() => request(http, call()), NetworkError);
  assertMatch(error.message, /lets this page ask, but not see the answer/);
  assertMatch(error.hint ?? "", /with errors, too .*always/);
});

test("a page tells a connection that broke from what is forbidden", async () => {
  let left = 1;
  const http = inPage((request) => {
    const { method } = request;
    if (isOpaque(request) || method === "GET" || left-- <= 0) {
      return Promise.resolve(new Response(null, { status: 200 }));
    }
    return Promise.reject(new Error("reset"));
  });
  await request(http, call());
  // Its first attempt, what asks whether it may, the second.
  await request(http, call({ method: "PUT", body: new Uint8Array(3), expect: [200] }));
  const again = inPage(
    (request) =>
      isOpaque(request) || left++ !== 1
        ? Promise.resolve(new Response())
        : Promise.reject(new Error("reset")),
  );
  left = 0;
  await request(again, call());
  await request(again, call());
  assertEquals(left, 3);
});

test("a registry that was there and is gone is waited for in a page", async () => {
  let isUp = true;
  let asked = 0;
  const http = inPage(() => {
    if (++asked > 4) isUp = true;
    return isUp ? Promise.resolve(new Response()) : Promise.reject(new Error("refused"));
  });
  await request(http, call());
  isUp = false;
  assertEquals((await request(http, call())).status, 200);
});

test("nobody there: a page says what it may be, at once", async () => {
  const cases: [string, FakePageOptions, RegExp, RegExp][] = [
    ["http://registry.test", {}, /: no connection$/, /is running/],
    ["https://registry.test", {}, /or a TLS certificate/, /https:\/\/registry\.test\/v2\//],
    ["http://registry.test:6000", {}, /refuses this port/, /listen on another one/],
    [
      "http://registry.test",
      { permissions: { "local-network": "denied" } },
      /may not reach the local network/,
      /settings for http:\/\/page\.test/,
    ],
  ];
  for (const [origin, page, message, hint] of cases) {
    let asked = 0;
    const http = inPage(() => {
      asked++;
      return Promise.reject(new Error("refused"));
    }, { origin, page });
    const url = new URL("/v2/", origin);
    const error = await assertRejects(() => request(http, call({ url })), NetworkError);
    assertMatch(error.message, message);
    assertMatch(error.hint ?? "", hint);
    assert(!error.retryable && asked <= 3, `${asked} requests`);
  }
});

test("a page names the scheme that a registry speaks", async () => {
  const origin = "https://registry.test:5000";
  const handler: FetchHandler = ({ url }) =>
    url.startsWith("http:") ? Promise.resolve(new Response()) : nobody(new Request(url));
  const http = inPage(handler, { origin });
  const asked = call({ url: new URL("/v2/", origin) });
  const error = await assertRejects(() => request(http, asked), NetworkError);
  assertMatch(error.message, /it speaks plain http, not https$/);
  assertEquals(error.hint, "write http://registry.test:5000/...");
});

test("a page that came by https says why it asks nothing by http, this machine excepted", async () => {
  const page = { isSecure: true, origin: "https://page.test" };
  const http = inPage(nobody, { page });
  const error = await assertRejects(() => request(http, call()), NetworkError);
  assertMatch(error.message, /came by https may not ask it by plain http$/);
  const local = inPage(nobody, { page, origin: "http://localhost:5000" });
  const asked = call({ url: new URL("http://localhost:5000/v2/") });
  const other = await assertRejects(() => request(local, asked), NetworkError);
  assertMatch(other.message, /: no connection$/);
});

test("a file that has changed since it was chosen is told of", async () => {
  class Gone extends Blob {
    override slice(): Blob {
      return this;
    }
    override arrayBuffer(): Promise<ArrayBuffer> {
      return Promise.reject(new DOMException("gone", "NotReadableError"));
    }
  }
  const http = inPage((request) =>
    isOpaque(request) ? Promise.resolve(new Response()) : Promise.reject(new Error("changed"))
  );
  const put = call({ method: "PUT", body: new Gone(["abc"]) });
  const error = await assertRejects(() => request(http, put), ArchiveError);
  assertMatch(error.message, /has changed or is gone/);
});

test("a question on the side ends with the push", async () => {
  const stop = new AbortController();
  const http = inPage(() => {
    queueMicrotask(() => stop.abort(new DOMException("enough", "AbortError")));
    return Promise.reject(new Error("refused"));
  });
  const asked = call({ signal: stop.signal });
  await assertRejects(() => request(http, asked), DOMException, "enough");
});
