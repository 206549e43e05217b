import { assert, assertEquals, assertRejects } from "@std/assert";
import { runAll } from "../../../src/concurrency.ts";
import { RegistryError } from "../../../src/errors.ts";
import { withoutRetry } from "../../../src/registry/blobs.ts";
import { openAnswer } from "../../../src/registry/http/answer_body.ts";
import type { Call, Http } from "../../../src/registry/http/call.ts";
import { request } from "../../../src/registry/http/http.ts";
import { encode } from "../../helpers/archives.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { scriptedFetch, type ScriptStep } from "../../helpers/scripted_fetch.ts";
import { test } from "../../helpers/test.ts";
import { makeHttp } from "../make_http.ts";

const PATH = "/v2/app/blobs/x";
const GET = `GET ${PATH}`;

function callTo(http: Http, changes: Partial<Call> = {}): Call {
  const url = new URL(PATH, http.origin);
  return { action: "look for it", method: "GET", url, expect: [200], ...changes };
}

function piecesOf(length: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new Blob([new Uint8Array(length)]).stream();
}

test("request() has every request wait where a registry refuses one, and asks for a pause", async () => {
  const clock = new FakeClock();
  const script = scriptedFetch([
    [GET, { status: 429, headers: { "retry-after": "7" } }],
    [GET, {}],
    [GET, {}],
  ]);
  const http = makeHttp(script.fetch, { clock });
  const waits: number[] = [];
  const first = request(http, callTo(http, { onRetry: (_, delay) => void waits.push(delay) }));
  await first;
  assertEquals([clock.now(), waits], [7000, [7000]]);
  http.seen.pace?.pause(1000);
  await request(http, callTo(http));
  assertEquals(clock.now(), 8000);
});

test("request() makes a pace of the first refusal, for all that share what is known of the registry", async () => {
  const script = scriptedFetch([
    [GET, { status: 429, headers: { "retry-after": "3600" } }],
    [GET, { status: 429, headers: { "retry-after": "0" } }],
    [GET, {}],
  ]);
  const http = makeHttp(script.fetch);
  await assertRejects(() => request(http, callTo(http)), RegistryError, "429");
  const { pace } = http.seen;
  assertEquals(pace?.pauseLeft, 0);
  await request(withoutRetry(http), callTo(http)).catch(() => {});
  await request(http, callTo(http));
  assert(pace !== undefined && http.seen.pace === pace);
  script.assertDone();
});

test("request() counts refusals for less than attempts, and gives up all the same", async () => {
  let count = 0;
  const http = makeHttp(() => {
    count++;
    return Promise.resolve(new Response(null, { status: 429 }));
  });
  await assertRejects(() => request(http, callTo(http)), RegistryError, "429");
  assertEquals(count, 33);
  await assertRejects(() => request(withoutRetry(http), callTo(http)), RegistryError, "429");
  assertEquals(count, 34);
});

test("request() counts a refusal for more where the registry was left alone for long before", async () => {
  const clock = new FakeClock();
  let count = 0;
  const http = makeHttp(() => {
    count++;
    return Promise.resolve(new Response(null, { status: 429, headers: { "retry-after": "60" } }));
  }, { clock });
  await assertRejects(() => request(http, callTo(http)), RegistryError, "429");
  // The first is a matter of pace.
  assertEquals([count, clock.now()], [5, 4 * 60_000]);
});

for (const concurrency of [1, 2, 3, 7]) {
  test(`request() survives a registry that refuses every other one of ${concurrency} at a time`, async () => {
    let count = 0;
    const http = makeHttp(() => {
      const status = ++count % 2 ? 429 : 200;
      return Promise.resolve(new Response(null, { status }));
    });
    const work = Array.from({ length: 200 }, (_, at) => at);
    await runAll(work, concurrency, async () => {
      await request(http, callTo(http));
    });
    assertEquals(count, 400);
  });
}

test("request() survives a registry that refuses half of all requests", async () => {
  let [count, seed] = [0, 1];
  const http = makeHttp(() => {
    count++;
    seed = seed * 16_807 % 2_147_483_647;
    return Promise.resolve(new Response(null, { status: seed % 2 ? 429 : 200 }));
  });
  for (let at = 0; at < 1000; at++) await request(http, callTo(http));
  assert(count > 1800 && count < 2200, `${count} requests`);
});

/** The page of nginx's limit_req and limit_conn, as they come. */
const CROWD = "<html>\r\n<body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>";

test("request() slows down where nginx lets so many requests pass and answers 503 to others", async () => {
  for (const body of [CROWD, null]) {
    let count = 0;
    const headers = { server: "nginx/1.22.1", "content-type": "text/html" };
    const http = makeHttp(() => {
      const isServed = ++count % 2 === 1;
      return Promise.resolve(
        isServed ? new Response() : new Response(body, { status: 503, headers }),
      );
    });
    for (let at = 0; at < 50; at++) await request(http, callTo(http));
    assertEquals([count, http.seen.pace !== undefined], [99, true]);
  }
});

test("request() takes a 503 for what it is where nothing was served, or nginx does not limit it", async () => {
  const nginx = { server: "nginx/1.22.1", "content-type": "text/html" };
  const answers: [first: number, headers: HeadersInit, body: string][] = [
    [503, nginx, CROWD],
    [200, { ...nginx, server: "HAProxy" }, CROWD],
    [200, nginx, "<h1>No server is available</h1>"],
    [200, nginx, '{"errors":[{"code":"UNAVAILABLE"}]}'],
  ];
  for (const [first, headers, body] of answers) {
    let count = 0;
    const http = makeHttp(() =>
      Promise.resolve(
        first === 200 && ++count === 1
          ? new Response()
          : new Response(body, { status: 503, headers }),
      )
    );
    if (first === 200) await request(http, callTo(http));
    const error = await assertRejects(() => request(http, callTo(http)), RegistryError, "503");
    assertEquals([error.retryable, http.seen.pace], [true, undefined]);
  }
});

const FORBIDDEN = { status: 403, headers: { "content-type": "text/html; charset=iso-8859-1" } };

test("request() leaves a web server alone that shuts out who sends too many requests", async () => {
  const clock = new FakeClock();
  let [recent, blockedUntil, count] = [[] as number[], 0, 0];
  const http = makeHttp(() => {
    const now = clock.now();
    recent = [...recent.filter((at) => now - at < 1000), now];
    // As mod_evasive does: who comes meanwhile waits from the beginning.
    if (recent.length > 10 || now < blockedUntil) blockedUntil = now + 10_000;
    if (now < blockedUntil) return Promise.resolve(new Response("<h1>Forbidden</h1>", FORBIDDEN));
    count++;
    return Promise.resolve(new Response());
  }, { clock });
  const work = Array.from({ length: 60 }, (_, at) => at);
  await runAll(work, 3, async () => {
    await request(http, callTo(http));
  });
  assertEquals(count, 60);
});

test("request() takes a 403 for what it is where a registry says it, or nothing alike was let through", async () => {
  const answers: [changes: Partial<Call>, body: string, headers: Record<string, string>][] = [
    [{}, '{"errors":[{"code":"DENIED"}]}', FORBIDDEN.headers],
    [{}, "no", { "content-type": "text/plain" }],
    [{}, "<h1>Login</h1>", { ...FORBIDDEN.headers, "www-authenticate": "Basic" }],
    [{ method: "PUT" }, "<h1>Forbidden</h1>", FORBIDDEN.headers],
    [{ headers: { "content-range": "0-1" } }, "<h1>Forbidden</h1>", FORBIDDEN.headers],
    [{ url: new URL("http://x/v2/b/blobs/x") }, "<h1>Forbidden</h1>", FORBIDDEN.headers],
  ];
  for (const [changes, body, headers] of answers) {
    let count = 0;
    const http = makeHttp(() => {
      const answer = ++count === 1 ? new Response() : new Response(body, { status: 403, headers });
      return Promise.resolve(answer);
    });
    await request(http, callTo(http));
    const { pathname } = changes.url ?? callTo(http).url;
    const call = callTo(http, { ...changes, url: new URL(pathname, http.origin) });
    const error = await assertRejects(() => request(http, call), RegistryError, "403");
    assertEquals([count, error.retryable, http.seen.pace], [2, false, undefined]);
  }
});

test("request() does not wait where one thing is forbidden and the front page is not", async () => {
  const clock = new FakeClock();
  const asked: string[] = [];
  const http = makeHttp(({ url }) => {
    asked.push(new URL(url).pathname);
    const isForbidden = url.endsWith(".sig");
    return Promise.resolve(isForbidden ? new Response("<p>No", FORBIDDEN) : new Response());
  }, { clock });
  const tag = (name: string) =>
    callTo(http, { url: new URL(`/v2/app/manifests/${name}`, http.origin) });
  await request(http, tag("1"));
  await assertRejects(() => request(http, tag("sha256-1.sig")), RegistryError, "403");
  assertEquals(asked, ["/v2/app/manifests/1", "/v2/app/manifests/sha256-1.sig", "/v2/"]);
  assertEquals(clock.now(), 0);
});

test("request() asks whether it is a large body that is forbidden, or everything", async () => {
  for (const isAll of [true, false]) {
    let count = 0;
    const http = makeHttp(({ url }) => {
      count++;
      const isForbidden = url.endsWith("/v2/") ? isAll : count > 1 && count < 4;
      return Promise.resolve(isForbidden ? new Response("<p>No", FORBIDDEN) : new Response());
    }, { clock: new FakeClock() });
    const put = { method: "PUT", url: new URL("/v2/app/blobs/uploads/1", http.origin) } as const;
    await request(http, callTo(http, { ...put, body: encode("small") }));
    const large = callTo(http, { ...put, body: new Uint8Array(100_000) });
    if (isAll) await request(http, large);
    else await assertRejects(() => request(http, large), RegistryError, "403");
    assertEquals(count, isAll ? 4 : 3);
  }
});

test("request() remembers so many kinds of requests that were let through, and no more", async () => {
  const http = makeHttp(() => Promise.resolve(new Response()));
  for (let at = 0; at < 1500; at++) {
    await request(http, callTo(http, { url: new URL(`/v2/${at}/blobs/x`, http.origin) }));
  }
  assertEquals(http.seen.served?.size, 500);
});

test("request() says what may be the reason where it is shut out for good", async () => {
  let count = 0;
  const clock = new FakeClock();
  const http = makeHttp(
    () => Promise.resolve(++count === 1 ? new Response() : new Response("<p>No", FORBIDDEN)),
    { clock },
  );
  await request(http, callTo(http));
  const error = await assertRejects(() => request(http, callTo(http)), RegistryError, "403");
  assert(error.hint?.includes("shuts this machine out for longer"), error.hint);
  // Limits count what came in a minute.
  assertEquals(clock.now(), 66_000);
  // What comes after that waits no more.
  await assertRejects(() => request(http, callTo(http)), RegistryError, "403");
  assertEquals(clock.now() < 90_000, true, `${clock.now()}`);
});

test("request() waits for a firewall that counts what came in a minute", async () => {
  const clock = new FakeClock();
  let shutUntil = 0;
  const http = makeHttp(() => {
    const isShut = clock.now() < shutUntil;
    return Promise.resolve(isShut ? new Response("<p>No", FORBIDDEN) : new Response());
  }, { clock });
  await request(http, callTo(http));
  shutUntil = 60_000;
  const hints: (string | undefined)[] = [];
  const onRetry = (_attempt: number, _delay: number, error: Error) =>
    void hints.push(error instanceof RegistryError ? error.hint : undefined);
  await request(http, callTo(http, { onRetry }));
  assertEquals(clock.now(), 66_000);
  const isLong = hints.map((hint) => hint?.includes("shuts this machine out for longer"));
  assertEquals(isLong, [false, true, true, true]);
});

test("request() heeds what a registry that refuses one says of its limits", async () => {
  const waits: number[] = [];
  const steps: ScriptStep[] = [
    [GET, { status: 429, headers: { "ratelimit-remaining": "0", "ratelimit-reset": "0" } }],
    // Longer than anybody waits: not all of that time need be waited.
    [GET, { status: 429, headers: { "ratelimit-reset": "21600" } }],
    [GET, {}],
  ];
  const script = scriptedFetch(steps);
  const clock = new FakeClock();
  const http = makeHttp(script.fetch, { retry: { delay: 6, random: () => 1 }, clock });
  await request(http, callTo(http, { onRetry: (_, delay) => void waits.push(delay) }));
  assertEquals([waits, clock.now() < 10], [[0, 2], true]);
});

test("request() keeps to the pace that is wanted, for requests and for bodies", async () => {
  const clock = new FakeClock();
  const sent: number[] = [];
  const http = makeHttp(async (request) => {
    const { length } = await request.bytes();
    sent.push(clock.now());
    return new Response(`${length}`);
  }, { clock, limits: { maxRequestsPerSecond: 10, maxRate: 1000 } });
  const bodies = [new Uint8Array(2000), new Blob([new Uint8Array(5000)]), () => piecesOf(3000)];
  for (const body of bodies) {
    const response = await request(http, callTo(http, { method: "PUT", body }));
    await response.body?.cancel();
  }
  // A body of bytes goes at once, and what follows waits for it; others go in pieces.
  assertEquals(sent, [0, 2000 + 4096, 2000 + 5000 + 2048]);
});

test("openAnswer() keeps to the pace that is wanted", async () => {
  const clock = new FakeClock();
  const http = makeHttp(() => Promise.resolve(new Response(piecesOf(3000))), {
    timeouts: { idle: 500 },
    limits: { maxRate: 1000 },
    clock,
  });
  for (let at = 0; at < 2; at++) {
    const call = callTo(http);
    const body = openAnswer(http, await request(http, call), call);
    assertEquals((await new Response(body).arrayBuffer()).byteLength, 3000);
  }
  assertEquals(clock.now(), 3000);
});

test("request() does not take the wait for its pace for a silent connection", async () => {
  const http = makeHttp(async (request) => new Response(await request.arrayBuffer()), {
    limits: { maxRate: 2500 },
    // Less than each of its pieces waits.
    timeouts: { idle: 250, connect: 250, response: 10_000 },
  });
  const call = callTo(http, { method: "POST", body: () => piecesOf(3000) });
  assertEquals((await (await request(http, call)).arrayBuffer()).byteLength, 3000);
});

test("request() that waits for its pace ends as soon as it is aborted", async () => {
  const http = makeHttp(() => Promise.resolve(new Response()), {
    limits: { maxRequestsPerSecond: 0.001, maxRate: 1 },
  });
  await request(http, callTo(http, { method: "PUT", body: encode("some") }));
  const abort = new AbortController();
  const waiting = [1, 2].map(() => request(http, callTo(http, { signal: abort.signal })));
  abort.abort(new Error("enough"));
  for (const each of waiting) await assertRejects(() => each, Error, "enough");
});
