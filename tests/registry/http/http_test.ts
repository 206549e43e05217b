import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import type { Bytes } from "../../../src/bytes.ts";
import { VERSION } from "../../../src/cli/help.ts";
import { sleep } from "../../../src/concurrency.ts";
import { NetworkError, OciError, RegistryError, TimeoutError } from "../../../src/errors.ts";
import { type Alarm, Alarms } from "../../../src/registry/http/alarms.ts";
import { openAnswer } from "../../../src/registry/http/answer_body.ts";
import type { Call, FetchHandler, Http } from "../../../src/registry/http/call.ts";
import { request, waitForRetry } from "../../../src/registry/http/http.ts";
import { resolveLocation } from "../../../src/registry/http/location.ts";
import { encode, encodeJson } from "../../helpers/archives.ts";
import { withValue } from "../../helpers/globals.ts";
import {
  connectionReset,
  scriptedFetch,
  type ScriptStep,
  sentRequest,
} from "../../helpers/scripted_fetch.ts";
import { test } from "../../helpers/test.ts";
import { type HttpOptions, makeHttp } from "../make_http.ts";

const PATH = "/v2/app/blobs/x";

function callTo(http: Http, changes: Partial<Call> = {}): Call {
  return {
    action: "look for it",
    method: "GET",
    url: new URL(PATH, http.origin),
    expect: [200],
    ...changes,
  };
}

async function errorOf(
  steps: readonly ScriptStep[],
  options: HttpOptions = {},
  changes: Partial<Call> = {},
): Promise<RegistryError> {
  const script = scriptedFetch(steps);
  const http = makeHttp(script.fetch, { retry: { attempts: 1, delay: 0 }, ...options });
  const error = await assertRejects(() => request(http, callTo(http, changes)));
  script.assertDone();
  assertInstanceOf(error, RegistryError);
  return error;
}

const GET = `GET ${PATH}`;

// Errors of a registry

test("request() reports code, message and status of an OCI error list", async () => {
  const errors = [
    { code: "NAME_INVALID", message: "no such name", detail: { name: "app" } },
    { code: "DENIED", message: "", detail: null },
  ];
  const body = encodeJson({ errors });
  const error = await errorOf([[GET, { status: 400, body }]]);
  assertEquals(error.status, 400);
  assertEquals(error.errors, errors);
  assertEquals([error.method, error.url], ["GET", `http://registry.test${PATH}`]);
  assertEquals(
    error.message,
    "Cannot look for it: registry.test answered 400 Bad Request: NAME_INVALID: no such name; DENIED",
  );
  assertEquals(error.retryable, false);
});

test("request() says that an HTML page is no registry error, and shows no more than its title", async () => {
  const headers = { "content-type": "text/html; charset=utf-8" };
  const body = "<html><body>Welcome to my router</body></html>";
  const error = await errorOf([[GET, { status: 404, headers, body }]]);
  assertEquals(
    error.message,
    "Cannot look for it: registry.test answered 404 Not Found with text/html that is no registry error",
  );
  assertEquals(error.errors, []);
  assert(error.hint?.includes("http://registry.test/v2/"), error.hint);
});

for (const method of ["HEAD", "POST", "PUT"] as const) {
  test(`request() takes a web page for no answer to a ${method}, whatever its status`, async () => {
    const headers = { "content-type": "Text/HTML; charset=utf-8" };
    const body = "<html></html>";
    const error = await errorOf([[`${method} ${PATH}`, { headers, body }]], {}, { method });
    assertEquals([error.status, error.retryable], [200, false]);
    assert(error.hint?.includes("http://registry.test/v2/"), error.hint);
  });
}

test("request() takes JSON of any other shape for no error list", async () => {
  for (const json of ["null", "[]", '{"errors":{}}', '{"errors":[1,null]}', "{", "\u0000"]) {
    const error = await errorOf([[GET, { status: 400, body: json }]]);
    assertEquals(error.errors, [], json);
  }
});

test("request() reads at most 64 KiB of an error answer and cancels the rest", async () => {
  let given = 0;
  let cancelled = false;
  const body = new ReadableStream<Bytes>({
    pull(controller) {
      given += 16 * 1024;
      controller.enqueue(new Uint8Array(16 * 1024).fill(120));
    },
    cancel() {
      cancelled = true;
    },
  }, { highWaterMark: 0 });
  const error = await errorOf([[GET, { status: 400, body }]]);
  assertEquals(error.status, 400);
  assert(given <= 96 * 1024, `${given} bytes were read`);
  assert(cancelled);
});

test("request() does not wait for an error answer that never ends", async () => {
  const body = new ReadableStream<Bytes>({
    start: (controller) => controller.enqueue(encode('{"errors":[')),
  });
  const error = await errorOf([[GET, { status: 400, body }]], { timeouts: { idle: 100 } });
  assertEquals(error.status, 400);
});

test("request() makes do with the status where the error answer breaks off", async () => {
  const body = new ReadableStream<Bytes>({ pull: (controller) => controller.error("broken") });
  assertEquals((await errorOf([[GET, { status: 400, body }]])).status, 400);
});

test("request() keeps its message to one short line, whatever a registry says", async () => {
  const message = `\u001b[2J${"long\n".repeat(100)}`;
  const body = encodeJson({ errors: Array(50).fill({ code: "UNKNOWN", message }) });
  const error = await errorOf([[GET, { status: 400, body }]]);
  // deno-lint-ignore no-control-regex
  assertEquals(/[\u0000-\u001f]/.test(error.message), false);
  assert(error.message.length < 500, `${error.message.length} characters`);
  assertEquals(error.errors.length, 10);
});

for (const status of [401, 403]) {
  test(`request() says that there is no login after a ${status}, and does not try again`, async () => {
    const error = await errorOf([[GET, { status }]], { retry: { attempts: 5, delay: 0 } });
    assertEquals([error.status, error.retryable], [status, false]);
    assert(error.hint?.includes("login"), error.hint);
  });
}

test("request() leaves out a detail that nests so deep that nobody could write it again", async () => {
  const body = `{"errors":[{"code":"X","detail":${"[".repeat(20_000)}${"]".repeat(20_000)}}]}`;
  assertEquals((await errorOf([[GET, { status: 400, body }]])).errors, []);
});

test("request() shows neither a media type nor a reason with what a terminal obeys", async () => {
  const headers = { "content-type": "\u009b31m/html" };
  const answers = [
    () => new Response("x", { status: 404, headers }),
    () => new Response("x", { status: 404, statusText: "\u009b31m" }),
  ];
  for (const answer of answers) {
    const http = makeHttp(() => Promise.resolve(answer()));
    const error = await assertRejects(() => request(http, callTo(http)), RegistryError, "404");
    assertEquals(/\p{Cc}/u.test(error.message), false, JSON.stringify(error.message));
  }
});

test("request() names --chunk-size after a 413", async () => {
  const error = await errorOf([[GET, { status: 413 }]], { retry: { attempts: 5, delay: 0 } });
  assert(error.hint?.includes("--chunk-size"), error.hint);
});

for (const status of [408, 429, 499, 500, 502, 503, 504, 522]) {
  test(`request() tries again after a ${status}`, async () => {
    const script = scriptedFetch([[GET, { status }], [GET, {}]]);
    const http = makeHttp(script.fetch);
    assertEquals((await request(http, callTo(http))).status, 200);
    script.assertDone();
  });
}

for (const code of ["TOOMANYREQUESTS", "UNAVAILABLE"]) {
  test(`request() tries again after ${code} under any status`, async () => {
    const body = encodeJson({ errors: [{ code, message: "" }] });
    const script = scriptedFetch([[GET, { status: 403, body }], [GET, {}]]);
    const http = makeHttp(script.fetch);
    assertEquals((await request(http, callTo(http))).status, 200);
    script.assertDone();
  });
}

test("request() gives up with the last answer when the attempts are used up", async () => {
  const steps: ScriptStep[] = [[GET, "drop"], [GET, { status: 500 }], [GET, { status: 503 }]];
  const error = await errorOf(steps, { retry: { attempts: 3, delay: 0 } });
  assertEquals([error.status, error.retryable], [503, true]);
});

test("request() ends soon where a registry may fail at the algorithm of a digest", async () => {
  const counts: number[] = [];
  for (const [name, status] of [["sha512", 500], ["sha512", 503], ["sha256", 500]] as const) {
    let count = 0;
    const http = makeHttp(() =>
      Promise.resolve(new Response(null, { status: count++ ? status : 200 }))
    );
    await request(http, callTo(http));
    const url = new URL(`/v2/app/blobs/${name}:${"0".repeat(64)}`, http.origin);
    await assertRejects(() => request(http, callTo(http, { url })), RegistryError, `${status}`);
    counts.push(count - 1);
  }
  assertEquals(counts, [3, 5, 5]);
});

test("request() tries again where a registry that spoke HTTP answers with something else", async () => {
  // What is left over on a connection is read as the next answer; another connection has none of it.
  const garbage = () => {
    throw Object.assign(new Error("fetch failed"), { code: "Malformed_HTTP_Response" });
  };
  const script = scriptedFetch([[GET, {}], [GET, garbage], [GET, {}]]);
  const http = makeHttp(script.fetch);
  for (let count = 0; count < 2; count++) await request(http, callTo(http));
  script.assertDone();
  const stranger = scriptedFetch([[GET, garbage], ["GET /v2/", garbage]]);
  const other = makeHttp(stranger.fetch);
  await assertRejects(() => request(other, callTo(other)), NetworkError, "no HTTP");
  stranger.assertDone();
});

test("request() sends the same bytes again", async () => {
  const script = scriptedFetch([[`PUT ${PATH}`, "drop"], [`PUT ${PATH}`, {}]]);
  const http = makeHttp(script.fetch);
  await request(http, callTo(http, { method: "PUT", body: encode("content") }));
  assertEquals(script.requests.map(({ body }) => new TextDecoder().decode(body)), [
    "content",
    "content",
  ]);
});

test("request() tells about each further attempt before it waits", async () => {
  const script = scriptedFetch([[GET, "drop"], [GET, { status: 500 }], [GET, {}]]);
  const http = makeHttp(script.fetch, { retry: { delay: 2, random: () => 1 } });
  const told: unknown[] = [];
  await request(
    http,
    callTo(http, {
      onRetry: async (attempt, delay, error) => {
        await Promise.resolve();
        told.push([attempt, delay, error.message, script.requests.length]);
      },
    }),
  );
  assertEquals(
    told,
    [
      [2, 2, "Cannot look for it: registry.test: connection broken", 1],
      [3, 6, "Cannot look for it: registry.test answered 500", 2],
    ].map(([attempt, delay, message, sent]) => [
      attempt,
      delay,
      attempt === 3 ? `${message} Internal Server Error` : message,
      sent,
    ]),
  );
});

test("request() ends instead of waiting longer than its limit for a registry", async () => {
  const steps: ScriptStep[] = [[GET, { status: 429, headers: { "retry-after": "1000000000" } }]];
  const error = await errorOf(steps, { retry: { attempts: 5, delay: 0 } });
  assertEquals([error.status, error.retryAfter], [429, 1e12]);
});

test("request() falls back to its own delay where Retry-After is garbage", async () => {
  const headers = { "retry-after": "when I feel like it" };
  const script = scriptedFetch([[GET, { status: 429, headers }], [GET, {}]]);
  const http = makeHttp(script.fetch);
  assertEquals((await request(http, callTo(http))).status, 200);
});

// Headers and redirects

test("request() sends the caller's headers and a User-Agent", async () => {
  const script = scriptedFetch([[GET, {}]]);
  const http = makeHttp(script.fetch, { headers: { Authorization: "Bearer x", "X-Team": "a" } });
  await request(http, callTo(http, { headers: { accept: "text/plain" } }));
  const { headers } = sentRequest(script, 0);
  assertEquals(headers.get("authorization"), "Bearer x");
  assertEquals(headers.get("x-team"), "a");
  assertEquals(headers.get("accept"), "text/plain");
  assertEquals(headers.get("user-agent"), `tarpush/${VERSION}`);
});

test("request() follows a redirect to another host without the caller's headers", async () => {
  const location = "http://storage.test/bucket/x?signature=s";
  const script = scriptedFetch([
    [GET, { status: 307, headers: { location } }],
    ["GET /bucket/x?signature=s", {}],
  ]);
  const http = makeHttp(script.fetch, { headers: { authorization: "Bearer x" } });
  assertEquals((await request(http, callTo(http))).status, 200);
  assertEquals(
    script.requests.map(({ origin, headers }) => [origin, headers.get("authorization")]),
    [
      ["http://registry.test", "Bearer x"],
      ["http://storage.test", null],
    ],
  );
});

test("request() takes the caller's headers for another port of the host as for another host", async () => {
  const location = "http://registry.test:8080/x";
  const script = scriptedFetch([[GET, { status: 302, headers: { location } }], ["GET /x", {}]]);
  const http = makeHttp(script.fetch, { headers: { authorization: "Bearer x" } });
  await request(http, callTo(http));
  assertEquals(sentRequest(script, 1).headers.get("authorization"), null);
});

test("request() sends the body anew to where a 307 leads", async () => {
  const script = scriptedFetch([
    [`PUT ${PATH}`, { status: 307, headers: { location: "/other" } }],
    ["PUT /other", { status: 201 }],
  ]);
  const http = makeHttp(script.fetch);
  let opened = 0;
  const body = () => (opened++, streamOf(encode("con"), encode("tent")));
  await request(http, callTo(http, { method: "PUT", body, size: 7, expect: [201] }));
  assertEquals(opened, 2);
  assertEquals(new TextDecoder().decode(sentRequest(script, 1).body), "content");
});

test("request() does not follow what would turn a PUT into a GET", async () => {
  const steps: ScriptStep[] = [
    [`PUT ${PATH}`, { status: 302, headers: { location: "/login" } }],
  ];
  const error = await errorOf(steps, {}, { method: "PUT", body: encode("x") });
  assertEquals(error.status, 302);
});

test("request() ends a circle of redirects", async () => {
  let count = 0;
  const fetch: FetchHandler = () => {
    const location = count++ % 2 === 0 ? "/elsewhere" : PATH;
    return Promise.resolve(new Response(null, { status: 302, headers: { location } }));
  };
  const http = makeHttp(fetch);
  const error = await assertRejects(
    () => request(http, callTo(http)),
    NetworkError,
    "more than 10 redirects",
  );
  assertEquals([error.retryable, count], [false, 11]);
});

const BASE = "https://registry.test/v2/app/blobs/uploads/";

function locationOf(location: string, base = BASE, origin = "https://registry.test"): string {
  const http = makeHttp(() => Promise.reject(new Error("unused")), { origin });
  return resolveLocation(http, "upload", location, new URL(base)).href;
}

test("resolveLocation() takes every spelling of a Location", () => {
  const cases: [string, string][] = [
    ["/v2/app/blobs/uploads/1", "https://registry.test/v2/app/blobs/uploads/1"],
    ["1?state=a%2Fb==", `${BASE}1?state=a%2Fb==`],
    ["?state=1", `${BASE}?state=1`],
    ["https://registry.test/u/1?a=b", "https://registry.test/u/1?a=b"],
    ["https://registry.test:8443/u", "https://registry.test:8443/u"],
    ["//storage.test/u", "https://storage.test/u"],
    ["https://8.8.8.8/u", "https://8.8.8.8/u"],
    ["https://name:word@registry.test/u", "https://registry.test/u"],
  ];
  for (const [location, expected] of cases) assertEquals(locationOf(location), expected);
});

test("resolveLocation() keeps https where a proxy's registry speaks of http", () => {
  assertEquals(locationOf("http://registry.test/u/1"), "https://registry.test/u/1");
  assertEquals(locationOf("http://registry.test:80/u/1"), "https://registry.test/u/1");
});

test("resolveLocation() does not give up https for another host", () => {
  const error = assertThrows(
    () => locationOf("http://storage.test/u"),
    NetworkError,
    "https to http://storage.test",
  );
  assertEquals(error.retryable, false);
});

test("resolveLocation() allows the way from http to https", () => {
  const base = "http://registry.test/v2/";
  assertEquals(
    locationOf("https://storage.test/u", base, "http://registry.test"),
    "https://storage.test/u",
  );
});

test("resolveLocation() refuses private addresses of another host", () => {
  const hosts = [
    "127.0.0.1",
    "127.9.9.9",
    "2130706433",
    "0x7f.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "localhost",
    "localhost.",
    "db.localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[fd00::1]",
  ];
  for (const host of hosts) {
    for (const location of [`https://${host}/u`, `//${host}:5000/u`]) {
      assertThrows(() => locationOf(location), NetworkError, "private address", location);
    }
  }
});

test("resolveLocation() allows a private address that is the registry's own", () => {
  const base = "http://10.0.0.7:5000/v2/";
  assertEquals(
    locationOf("//10.0.0.7:9000/u", base, "http://10.0.0.7:5000"),
    "http://10.0.0.7:9000/u",
  );
  // The registry of this machine goes by any of its names.
  assertEquals(
    locationOf("http://127.0.0.1:5000/u", "http://localhost:5000/v2/", "http://localhost:5000"),
    "http://127.0.0.1:5000/u",
  );
});

test("resolveLocation() refuses what is no http URL", () => {
  for (const location of ["ftp://registry.test/u", "file:///etc/passwd", "data:,x"]) {
    assertThrows(() => locationOf(location), NetworkError, "not an http(s) URL");
  }
  assertThrows(() => locationOf("https://[broken"), NetworkError, "not a URL");
});

// Nobody there

/** What Deno's fetch throws where nothing listens. */
function refused(): TypeError {
  return new TypeError("error sending request", {
    cause: new Error("tcp connect error: Connection refused (os error 111)"),
  });
}

test("request() does not try again where nothing listens and nothing has answered yet", async () => {
  let count = 0;
  const http = makeHttp(() => {
    count++;
    return Promise.reject(refused());
  });
  const retries: number[] = [];
  const onRetry = (attempt: number) => void retries.push(attempt);
  const error = await assertRejects(
    () => request(http, callTo(http, { onRetry })),
    NetworkError,
    "connection refused, nothing listens there",
  );
  assertEquals([count, retries, error.retryable], [1, [], true]);
});

test("request() tries again where a registry that has answered is starting anew", async () => {
  const answers: (() => Promise<Response>)[] = [
    () => Promise.resolve(new Response()),
    () => Promise.reject(refused()),
    () => Promise.reject(refused()),
    () => Promise.resolve(new Response()),
  ];
  const http = makeHttp(() => answers.shift()?.() ?? Promise.reject(new Error("too many")));
  await request(http, callTo(http));
  assertEquals((await request(http, callTo(http))).status, 200);
  assertEquals(answers.length, 0);
});

test("waitForRetry() tries nothing again that has had its attempts, also under another name", async () => {
  const http = makeHttp(() => Promise.resolve(new Response(null, { status: 500 })));
  const error = await assertRejects(() => request(http, callTo(http)), RegistryError);
  const { message, method, url, status } = error;
  const wrapped = new RegistryError(message, {
    method,
    url,
    status,
    retryable: true,
    cause: error,
  });
  for (const spent of [error, wrapped]) {
    assertEquals(await assertRejects(() => waitForRetry(http, {}, spent, 2)), spent);
  }
});

// Time limits

test("request() ends when nothing answers in time", async () => {
  const script = scriptedFetch([[GET, "silence"]]);
  const http = makeHttp(script.fetch, { retry: { attempts: 1 }, timeouts: { connect: 10 } });
  const error = await assertRejects(() => request(http, callTo(http)), TimeoutError);
  assertEquals(error.message, "Cannot look for it: registry.test: no answer for 0.01 s");
  assertEquals([error.retryable, error.hint], [true, undefined]);
});

test("request() tries again after a time limit", async () => {
  const script = scriptedFetch([[GET, "silence"], [GET, {}]]);
  const http = makeHttp(script.fetch, { timeouts: { connect: 250 } });
  assertEquals((await request(http, callTo(http))).status, 200);
});

test("request() gives a registry that has answered the idle limit, not the connect limit", async () => {
  const script = scriptedFetch([[GET, {}], [GET, "silence"]]);
  const http = makeHttp(script.fetch, {
    retry: { attempts: 1 },
    timeouts: { connect: 60_000, idle: 250 },
  });
  await request(http, callTo(http));
  const error = await assertRejects(() => request(http, callTo(http)), TimeoutError);
  assertMatch(error.message, /no answer for 0.25 s$/);
  assertMatch(error.hint ?? "", /--timeout SECONDS/);
});

test("request() names the option where a registry is slow to answer an upload", async () => {
  const put = "PUT /v2/app/blobs/x";
  const script = scriptedFetch([[put, "silence"]]);
  const http = makeHttp(script.fetch, { retry: { attempts: 1 }, timeouts: { response: 10 } });
  const call = callTo(http, { method: "PUT", body: encode("content") });
  const error = await assertRejects(
    () => request(http, call),
    TimeoutError,
    "no answer for 0.01 s",
  );
  assertMatch(error.hint ?? "", /--timeout SECONDS, above 0.01$/);
});

test("request() ends soon where a registry that never answered breaks every connection", async () => {
  // The last one asks whether TLS is what is spoken there.
  const script = scriptedFetch([[GET, "drop"], [GET, "drop"], [GET, "drop"], ["GET /v2/", "drop"]]);
  const http = makeHttp(script.fetch);
  await assertRejects(() => request(http, callTo(http)), NetworkError, "connection broken");
  script.assertDone();
});

test("request() ends when no byte of a body moves, and cancels its source", async () => {
  let cancelled: unknown;
  const body = () =>
    new ReadableStream<Bytes>({
      pull: () => new Promise<void>(() => {}),
      cancel: (reason) => void (cancelled = reason),
    }, { highWaterMark: 0 });
  const http = makeHttp(readWhole, { retry: { attempts: 1 }, timeouts: { idle: 10 } });
  await assertRejects(
    () => request(http, callTo(http, { method: "PUT", body })),
    TimeoutError,
    "no byte moved for 0.01 s",
  );
  assert(cancelled !== undefined);
});

/** Knows which alarms are set, and rings them at the time of a test. */
class WatchedAlarms extends Alarms {
  readonly open = new Set<Alarm>();

  override set(alarm: Alarm): void {
    this.open.add(alarm);
    super.set(alarm);
  }

  override drop(alarm: Alarm): void {
    this.open.delete(alarm);
    super.drop(alarm);
  }

  ringAt(time: number): void {
    for (const alarm of this.open) if (alarm.deadline <= time) alarm.ring();
  }
}

test("request() takes a body for alive whose bytes trickle, however long that takes in all", async () => {
  const idle = 1000;
  const pieces = 12;
  const alarms = new WatchedAlarms();
  let time = performance.now();
  let sent = 0;
  const body = () =>
    new ReadableStream<Bytes>({
      pull(controller) {
        if (sent++ === pieces) return controller.close();
        alarms.ringAt(time += 0.9 * idle);
        controller.enqueue(encode("x"));
      },
    }, { highWaterMark: 0 });
  const http = { ...makeHttp(readWhole, { retry: { attempts: 1 }, timeouts: { idle } }), alarms };
  await withValue(performance, "now", () => time, async () => {
    const response = await request(http, callTo(http, { method: "PUT", body }));
    assertEquals([response.status, sent], [200, pieces + 1]);
  });
});

for (const idle of [Infinity, 2 ** 40]) {
  test(`request() sends and reads bodies of any size with an idle limit of ${idle}`, async () => {
    const large = new Uint8Array(6 * 1024 * 1024);
    const http = makeHttp(readWhole, { retry: { attempts: 1 }, timeouts: { idle } });
    const body = () => streamOf(large);
    const response = await request(http, callTo(http, { method: "PUT", body }));
    assertEquals(response.status, 200);
    const late = new ReadableStream<Bytes>({
      async pull(controller) {
        await sleep(20);
        controller.enqueue(encode("late"));
        controller.close();
      },
    }, { highWaterMark: 0 });
    const answer = openAnswer(http, new Response(late), callTo(http));
    assertEquals(await new Response(answer).text(), "late");
  });
}

test("request() gives a body of bytes time for its length: nobody sees them move", async () => {
  const fetch: FetchHandler = () => new Promise<Response>(() => {});
  const http = makeHttp(fetch, { retry: { attempts: 1 }, timeouts: { response: 10 } });
  const body = new Uint8Array(32 * 1024);
  await assertRejects(
    () => request(http, callTo(http, { method: "PATCH", body })),
    TimeoutError,
    "no answer for 1.01 s",
  );
});

test("request() leaves no alarm behind where a body cannot be opened", async () => {
  const alarms = new WatchedAlarms();
  const http = { ...makeHttp(readWhole), alarms };
  const body = () => {
    throw new TypeError("the body is gone");
  };
  await assertRejects(
    () => request(http, callTo(http, { method: "PUT", body })),
    TypeError,
    "the body is gone",
  );
  assertEquals(alarms.open.size, 0);
});

test("request() waits for a body that has limits of its own, and only for that", async () => {
  const gate = Promise.withResolvers<void>();
  const patient = () =>
    new ReadableStream<Bytes>({
      async pull(controller) {
        await gate.promise;
        controller.enqueue(encode("x"));
        controller.close();
      },
    }, { highWaterMark: 0 });
  const fetch: FetchHandler = async (request) => {
    const text = await request.text();
    return text === "x" ? new Response(text) : await new Promise<Response>(() => {});
  };
  const http = makeHttp(fetch, {
    retry: { attempts: 1 },
    timeouts: { idle: 200, response: 300 },
  });
  const put = { method: "PUT", expect: [200], isPatient: true } as const;
  const sent = request(http, callTo(http, { ...put, body: patient }));
  // The registry takes the body and does not answer: however patient, that ends, and later than the first may wait.
  await assertRejects(
    () => request(http, callTo(http, { ...put, body: () => streamOf(encode("y")) })),
    TimeoutError,
    "no answer for 0.3 s",
  );
  gate.resolve();
  assertEquals(await (await sent).text(), "x");
});

test("request() times a registry that takes a piece of a patient body in parts, and then no more", async () => {
  const body = () => streamOf(new Uint8Array(1024 * 1024));
  const fetch: FetchHandler = async (request) => {
    const reader = request.body?.getReader();
    await reader?.read();
    await reader?.read();
    return await new Promise<Response>(() => {});
  };
  const http = makeHttp(fetch, { retry: { attempts: 1 }, timeouts: { idle: 20 } });
  await assertRejects(
    () => request(http, callTo(http, { method: "PUT", body, isPatient: true })),
    TimeoutError,
    "no byte moved for 0.02 s",
  );
});

test("request() gives a registry longer to answer once it has the whole body", async () => {
  const fetch: FetchHandler = async (request) => {
    await request.arrayBuffer();
    return await new Promise<Response>(() => {});
  };
  const http = makeHttp(fetch, {
    retry: { attempts: 1 },
    timeouts: { idle: 60_000, response: 15 },
  });
  const streamed = { method: "PUT", body: () => streamOf(encode("x")) } as const;
  await assertRejects(
    () => request(http, callTo(http, streamed)),
    TimeoutError,
    "no answer for 0.015 s",
  );
  const bytes = { method: "PUT", body: encode("x") } as const;
  await assertRejects(
    () => request(http, callTo(http, bytes)),
    TimeoutError,
    "no answer for 0.015 s",
  );
});

// Aborting

test("request() sends nothing when its signal is aborted before", async () => {
  const script = scriptedFetch([]);
  const http = makeHttp(script.fetch);
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => request(http, callTo(http, { signal })), Error, "enough");
  script.assertDone();
});

test("request() ends with the signal's reason while it waits for an answer", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  // This handler heeds no signal.
  const fetch: FetchHandler = () => {
    controller.abort(reason);
    return new Promise(() => {});
  };
  const http = makeHttp(fetch);
  const error = await assertRejects(
    () => request(http, callTo(http, { signal: controller.signal })),
  );
  assertEquals(error, reason);
});

test("request() ends with the signal's reason while a body is sent, and cancels its source", async () => {
  const controller = new AbortController();
  let cancelled: unknown;
  const body = () =>
    new ReadableStream<Bytes>({
      pull(stream) {
        stream.enqueue(encode("some"));
        controller.abort("enough");
      },
      cancel: (reason) => void (cancelled = reason),
    }, { highWaterMark: 0 });
  const http = makeHttp(readWhole);
  const error = await assertRejects(async () => {
    // assertRejects wants an Error; what is thrown is the reason itself.
    await request(http, callTo(http, { method: "PUT", body, signal: controller.signal }))
      .catch((error) => Promise.reject(new Error("wrapped", { cause: error })));
  }, Error);
  assertEquals(error.cause, "enough");
  assertEquals(cancelled, "enough");
});

test("request() ends with the signal's reason between two attempts", async () => {
  const controller = new AbortController();
  const script = scriptedFetch([[GET, { status: 500 }]]);
  const http = makeHttp(script.fetch, { retry: { delay: 60_000, random: () => 1 } });
  const onRetry = () => controller.abort(new Error("enough"));
  await assertRejects(
    () => request(http, callTo(http, { signal: controller.signal, onRetry })),
    Error,
    "enough",
  );
  script.assertDone();
});

test("request() drops an answer that comes after its signal", async () => {
  const controller = new AbortController();
  const answer = Promise.withResolvers<Response>();
  const dropped = Promise.withResolvers<void>();
  const fetch: FetchHandler = () => {
    controller.abort(new Error("enough"));
    return answer.promise;
  };
  const http = makeHttp(fetch);
  await assertRejects(
    () => request(http, callTo(http, { signal: controller.signal })),
    Error,
    "enough",
  );
  answer.resolve(new Response(new ReadableStream({ cancel: () => dropped.resolve() })));
  await dropped.promise;
});

// Bodies

test("request() passes on what a body's source throws, although the handler answers", async () => {
  const broken = new Error("the disk is gone");
  const body = () => new ReadableStream<Bytes>({ pull: (controller) => controller.error(broken) });
  const answering: FetchHandler = async (request) => {
    await request.arrayBuffer().catch(() => {});
    return new Response(null, { status: 500 });
  };
  for (const fetch of [readWhole, answering]) {
    const http = makeHttp(fetch);
    const error = await assertRejects(
      () => request(http, callTo(http, { method: "PUT", body })),
    );
    assertEquals(error, broken);
  }
});

test("request() reads a streamed body only as it is asked for", async () => {
  let pulled = 0;
  const body = () =>
    new ReadableStream<Bytes>({
      pull(controller) {
        if (++pulled > 100) controller.close();
        else controller.enqueue(new Uint8Array(1024));
      },
    }, { highWaterMark: 0 });
  const http = makeHttp(async (request) => {
    const reader = request.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    return new Response(null, { status: 200 });
  });
  await request(http, callTo(http, { method: "PUT", body }));
  assert(pulled <= 3, `${pulled} pieces were read`);
});

test("request() cuts a body until the connection has shown its speed, then hands over whole pieces", async () => {
  const MIB = 1024 * 1024;
  const piece = crypto.getRandomValues(new Uint8Array(64 * 1024));
  const source = Array.from({ length: 12 }, (_, index) => {
    const bytes = new Uint8Array(MIB);
    for (let at = 0; at < MIB; at += piece.length) bytes.set(piece, at);
    bytes[0] = index;
    return bytes;
  });
  const sizes: number[] = [];
  const received = new Uint8Array(12 * MIB);
  const http = makeHttp(async (request) => {
    let at = 0;
    for await (const bytes of request.body ?? []) {
      sizes.push(bytes.length);
      received.set(bytes, at);
      at += bytes.length;
    }
    return new Response(null, { status: 200 });
  });
  await request(http, callTo(http, { method: "PUT", body: () => streamOf(...source) }));
  assertEquals(sizes.slice(0, 32), Array.from({ length: 32 }, () => 128 * 1024));
  assertEquals(Math.max(...sizes), MIB);
  for (const [index, bytes] of source.entries()) {
    assertEquals(received.subarray(index * MIB, (index + 1) * MIB), bytes);
  }
});

// TLS

test("request() says that a host speaks plain http where https fails for that reason", async () => {
  const seen: Request[] = [];
  const fetch: FetchHandler = (request) => {
    seen.push(request);
    if (request.url.startsWith("http://")) return Promise.resolve(new Response("{}"));
    const reason = "received corrupt message of type InvalidContentType";
    return Promise.reject(new TypeError("error sending request", { cause: new Error(reason) }));
  };
  const http = makeHttp(fetch, {
    origin: "https://registry.test:5000",
    headers: { authorization: "Bearer x" },
  });
  const error = await assertRejects(() => request(http, callTo(http)), NetworkError);
  assertEquals(
    error.message,
    "Cannot look for it: registry.test:5000: it speaks plain http, not https",
  );
  assert(error.hint?.includes("--plain-http"), error.hint);
  assert(error.hint?.includes("http://registry.test:5000/"), error.hint);
  assertEquals(error.retryable, false);
  const probe = seen[1];
  assertEquals(probe?.url, "http://registry.test:5000/v2/");
  assertEquals(probe?.headers.get("authorization"), null);
});

const TLS_PORTS: Record<string, () => Promise<Response>> = {
  "answers in TLS, as Deno tells it": () =>
    Promise.reject(new TypeError("x", { cause: new Error("invalid HTTP version parsed") })),
  "closes the connection": () => Promise.reject(connectionReset()),
  "is one of Go": () =>
    Promise.resolve(
      new Response("Client sent an HTTP request to an HTTPS server.\n", { status: 400 }),
    ),
  "is one of nginx": () =>
    Promise.resolve(
      new Response("<p>The plain HTTP request was sent to HTTPS port</p>", { status: 400 }),
    ),
};

for (const [name, answer] of Object.entries(TLS_PORTS)) {
  for (const method of ["GET", "HEAD"] as const) {
    test(`request() says that a host speaks https where it ${name}, ${method}`, async () => {
      const urls: string[] = [];
      const fetch: FetchHandler = async (request) => {
        urls.push(request.url);
        if (request.url.startsWith("https://")) {
          const cause = new Error("invalid peer certificate: UnknownIssuer");
          throw new TypeError("error sending request", { cause });
        }
        const response = await answer();
        return method === "HEAD" ? new Response(null, response) : response;
      };
      const http = makeHttp(fetch, { origin: "http://registry.test:5000", retry: { attempts: 2 } });
      const error = await assertRejects(() => request(http, callTo(http, { method })), OciError);
      assert(error.message.endsWith(": it speaks https, not plain http"), error.message);
      assert(error.message.startsWith("Cannot look for it: registry.test:5000"), error.message);
      assert(error.hint?.includes("https://registry.test:5000/"), error.hint);
      assertEquals(error.retryable, false);
      const probes = urls.filter((url) => url.startsWith("https:"));
      assert(probes.every((url) => url === "https://registry.test:5000/v2/"), urls.join(" "));
      assert(probes.length <= 1, urls.join(" "));
    });
  }
}

test("request() asks for TLS neither before the last attempt nor after an answer", async () => {
  for (const answered of [false, true]) {
    const urls: string[] = [];
    const http = makeHttp((request) => {
      urls.push(request.url);
      return Promise.reject(connectionReset());
    }, { origin: "http://registry.test", retry: { attempts: 3 } });
    http.seen.answered = answered;
    await assertRejects(() => request(http, callTo(http)), NetworkError, "connection broken");
    assertEquals(urls.map((url) => new URL(url).protocol), [
      "http:",
      "http:",
      "http:",
      ...(answered ? [] : ["https:"]),
    ]);
  }
});

test("request() leaves a TLS failure as it is where plain http fails as well", async () => {
  const fetch: FetchHandler = (request) => {
    if (request.url.startsWith("http://")) {
      return Promise.resolve(new Response("no TLS", { status: 400 }));
    }
    const cause = new Error("invalid peer certificate: UnknownIssuer");
    return Promise.reject(new TypeError("error sending request", { cause }));
  };
  const http = makeHttp(fetch, { origin: "https://registry.test" });
  const error = await assertRejects(() => request(http, callTo(http)), NetworkError, "certificate");
  assert(error.hint?.includes("--ca"), error.hint);
});

test("request() never falls back from https to http by itself", async () => {
  const urls: string[] = [];
  const fetch: FetchHandler = (request) => {
    urls.push(`${request.method} ${request.url}`);
    return Promise.reject(connectionReset());
  };
  const http = makeHttp(fetch, { origin: "https://registry.test", retry: { attempts: 3 } });
  await assertRejects(() => request(http, callTo(http)), NetworkError, "connection broken");
  const plain = urls.filter((url) => url.includes("http://"));
  assertEquals(plain, ["GET http://registry.test/v2/"]);
  assertEquals(urls.length, 4);
});

/** A handler that reads the body and says OK. */
async function readWhole(request: Request): Promise<Response> {
  await request.arrayBuffer();
  return new Response(null, { status: 200 });
}

function streamOf(...pieces: Bytes[]): ReadableStream<Bytes> {
  return ReadableStream.from(pieces);
}

test("request() calls fetch by itself: workerd and browsers refuse it as a method", async () => {
  const receivers: unknown[] = [];
  const makeFetch = () =>
    function (this: unknown): Promise<Response> {
      receivers.push(this);
      return Promise.resolve(new Response());
    };
  // A caller's own, which takes a Request, and one that leads to the network, which takes URL and settings.
  for (const fetch of [makeFetch(), Object.assign(makeFetch(), { proxyFor: () => undefined })]) {
    const http = makeHttp(fetch);
    await request(http, callTo(http));
  }
  assertEquals(receivers, [undefined, undefined]);
});
