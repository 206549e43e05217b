import { assert, assertEquals, assertRejects } from "@std/assert";
import { createStream } from "../../src/bytes.ts";
import { createPromise } from "../../src/concurrency.ts";
import { NetworkError } from "../../src/errors.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { type BlobSource, isBlobSource, readRange } from "../../src/source/blob_source.ts";
import { findUrlVersion, openUrl } from "../../src/source/http_source.ts";
import {
  type Bytes,
  gzip,
  layoutTar,
  makeImage,
  makeLayer,
  OciLayout,
  seededBytes,
  toBlob,
} from "../helpers/archives.ts";
import { closedPort } from "../end_to_end/registry_server.ts";
import { allTags, assertClear, readBack } from "../helpers/expected.ts";
import { withValue } from "../helpers/globals.ts";
import { startTcpProxy } from "../helpers/tcp_proxy.ts";
import { test } from "../helpers/test.ts";

const TARGET = "localhost:5000/app:1";

type Handler = (request: Request) => Response | Promise<Response>;

interface Server extends AsyncDisposable {
  url: URL;
  requests: Request[];
}

/** A server of the runtime, on a port that is free. */
function serve(handler: Handler): Server {
  const requests: Request[] = [];
  const answer: Handler = (request) => {
    requests.push(request);
    return handler(request);
  };
  if ("Deno" in globalThis) {
    const options = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
    const server = Deno.serve(options, answer);
    const url = new URL(`http://127.0.0.1:${server.addr.port}/image.tar?token=secret`);
    return { url, requests, [Symbol.asyncDispose]: () => server.shutdown() };
  }
  // deno-lint-ignore no-explicit-any
  const server = (globalThis as any).Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
  const url = new URL(`http://127.0.0.1:${server.port}/image.tar?token=secret`);
  return { url, requests, [Symbol.asyncDispose]: () => server.stop(true) };
}

/** What a web server does with a file: ranges where asked for. */
function fileServer(bytes: Bytes, headers: Record<string, string> = { etag: '"1"' }): Handler {
  return (request) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "") ?? [];
    if (first === undefined) return new Response(bytes, { headers });
    const start = Number(first);
    if (start >= bytes.length) return new Response(null, { status: 416 });
    const end = Math.min(Number(last) + 1, bytes.length);
    const range = `bytes ${start}-${end - 1}/${bytes.length}`;
    const slice = bytes.slice(start, end);
    return new Response(slice, { status: 206, headers: { ...headers, "content-range": range } });
  };
}

const layer = await makeLayer("x".repeat(90));
const layout = await OciLayout.of(await makeImage([layer, "b"]));
const tar = await toBlob(layout.entries()).bytes();
const zipped = await gzip(tar);

test("pushImage() of a URL reads by ranges where the server can", async () => {
  await using server = serve(fileServer(tar));
  const registry = createRegistry();
  const expected = await pushImage(new Blob([tar]), TARGET, { fetch: registry });
  const again = await pushImage(server.url, TARGET, { fetch: registry });
  assertEquals(again.images[0]?.digest, expected.images[0]?.digest);
  const other = createRegistry();
  await pushImage(server.url, "localhost:5000/app:1", { fetch: other });
  await readBack(other, "app", "1");
  assert(server.requests.every(({ headers }) => headers.has("range")));
  assert(server.requests.every(({ headers }) => headers.get("accept-encoding") === "identity"));
});

test("findUrlVersion() tells length and version, and nothing where one of them is not told", async () => {
  const url = new URL("http://localhost/image.tar");
  const { signal } = new AbortController();
  const find = (handler: Handler, until = signal) =>
    findUrlVersion(url, until, { fetch: (request) => Promise.resolve(handler(request)) });
  const etag = '"1"';
  const known = { size: tar.length, modified: etag };
  assertEquals(await find(fileServer(tar)), known);
  const length = `${tar.length}`;
  const whole = () => new Response(tar, { headers: { etag, "content-length": length } });
  assertEquals(await find(whole), known);
  const part = (range: Record<string, string>): Handler => () =>
    new Response("x", { status: 206, headers: { etag, "content-length": "1", ...range } });
  const silent: Handler[] = [
    part({ "content-range": "bytes 0-0/*" }),
    part({}),
    fileServer(tar, {}),
    () => new Response(tar, { headers: { etag } }),
    () => new Response(null, { status: 404, headers: { etag, "content-length": "0" } }),
  ];
  for (const handler of silent) assertEquals(await find(handler), undefined);
  const broken = () => Promise.reject(new TypeError("connection reset"));
  assertEquals(await find(broken), undefined);
  const reason = new Error("enough");
  const given = await assertRejects(() => find(broken, AbortSignal.abort(reason)));
  assertEquals(given, reason);
});

const ONCE: Record<string, Handler> = {
  "knows no ranges": () => new Response(tar),
  "does not say how long the whole is": (request) =>
    request.headers.has("range")
      ? new Response(tar.slice(0, 1), { status: 206, headers: { "content-range": "bytes 0-0/*" } })
      : new Response(tar),
  "answers a range without Content-Range": (request) =>
    request.headers.has("range")
      ? new Response(tar.slice(0, 1), { status: 206 })
      : new Response(tar),
};

for (const [what, handler] of Object.entries(ONCE)) {
  test(`pushImage() of a URL reads once where the server ${what}`, async () => {
    await using server = serve(handler);
    const registry = createRegistry();
    const { bytesRead } = await pushImage(server.url, TARGET, { fetch: registry });
    assertEquals(bytesRead, tar.length);
    await readBack(registry, "app", "1");
    assert(server.requests.length <= 2);
  });
}

test("pushImage() of a URL undoes compression, by ranges and in one pass", async () => {
  for (const handler of [fileServer(zipped), () => new Response(zipped)]) {
    await using server = serve(handler);
    const registry = createRegistry();
    await pushImage(server.url, TARGET, { fetch: registry });
    await readBack(registry, "app", "1");
  }
});

for (const coding of ["gzip", "x-gzip", "br", "zstd"]) {
  test(`pushImage() of a URL takes what is labelled ${coding} as it is`, async () => {
    for (const bytes of [tar, zipped]) {
      const headers = { "content-encoding": coding };
      for (const handler of [fileServer(bytes, headers), () => new Response(bytes, { headers })]) {
        await using server = serve(handler);
        const registry = createRegistry();
        await pushImage(server.url, TARGET, { fetch: registry });
        await readBack(registry, "app", "1");
      }
    }
  });
}

for (const status of [404, 403, 500]) {
  test(`pushImage() of a URL that answers ${status} says so, without the query`, async () => {
    await using server = serve(() => new Response("no", { status }));
    const error = await assertRejects(
      () => pushImage(server.url, TARGET, { fetch: createRegistry(), retry: { delay: 0 } }),
      NetworkError,
      `answered ${status}`,
    );
    assertClear(error);
    assertEquals(error.retryable, status === 500);
    assert(!`${error.message} ${error.url}`.includes("secret"));
  });
}

test("pushImage() of a URL that nobody answers says so", async () => {
  const url = new URL(`http://${await closedPort()}/image.tar?token=secret`);
  const error = await assertRejects(
    () => pushImage(url, TARGET, { fetch: createRegistry(), retry: { delay: 0 } }),
    NetworkError,
    "no answer",
  );
  assertClear(error);
});

test("pushImage() of a URL of another scheme is wrong usage", async () => {
  for (const url of ["file:///image.tar", "ftp://localhost/image.tar"]) {
    await assertRejects(
      () => pushImage(new URL(url), TARGET, { fetch: createRegistry() }),
      TypeError,
      "expected an http",
    );
  }
});

for (const header of ["etag", "last-modified"]) {
  test(`pushImage() of a URL notices by ${header} that the file has changed`, async () => {
    let version = 0;
    const value = () =>
      header === "etag" ? `"${version++}"` : new Date(version++ * 1000).toUTCString();
    await using server = serve((request) => fileServer(tar, { [header]: value() })(request));
    const registry = createRegistry();
    const error = await assertRejects(
      () => pushImage(server.url, TARGET, { fetch: registry }),
      NetworkError,
      "changed while it was read",
    );
    assertClear(error);
    assertEquals(await allTags(registry), []);
  });
}

test("openUrl() gives up a server that is silent, before its answer and within", async () => {
  const { signal } = new AbortController();
  const url = new URL("http://archives.test/image.tar?secret");
  const silent = () => new Promise<Response>(() => {});
  const error = await assertRejects(() =>
    openUrl(url, signal, { fetch: silent, timeouts: { idle: 20 } })
  );
  assert(error instanceof NetworkError);
  assertEquals(
    [error.message, error.hint],
    [
      "Cannot read http://archives.test/image.tar: no answer for 0.02 s",
      "allow more time with --timeout SECONDS, above 0.02",
    ],
  );
  assertEquals(
    await findUrlVersion(url, signal, { fetch: silent, timeouts: { idle: 20 } }),
    undefined,
  );

  const cancelled = Promise.withResolvers<void>();
  const stalling = () => {
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(tar.subarray(0, 1000)),
      cancel: () => cancelled.resolve(),
    });
    return Promise.resolve(new Response(body));
  };
  const stream = await openUrl(url, signal, { fetch: stalling, timeouts: { idle: 20 } });
  assert(stream instanceof ReadableStream);
  await assertRejects(() => new Response(stream).bytes(), NetworkError, "no byte moved for 0.02 s");
  await cancelled.promise;
});

test("openUrl() refuses a range that was not asked for", async () => {
  let isFirst = true;
  await using server = serve((request) => {
    const inner = isFirst ? request : new Request(request.url, { headers: { range: "bytes=0-9" } });
    isFirst = false;
    return fileServer(tar)(inner);
  });
  const source = await openUrl(server.url, new AbortController().signal);
  assert(isBlobSource(source));
  await assertRejects(() => readRange(source, 100, 120), NetworkError, "another range");
});

test("openUrl() refuses an answer with more bytes than its range", async () => {
  const long = new Uint8Array(200_000);
  await using server = serve(async (request) => {
    const { status, headers } = await fileServer(long)(request);
    return new Response(ReadableStream.from([long]), { status, headers });
  });
  const source = await openUrl(server.url, new AbortController().signal);
  assert(isBlobSource(source));
  const range = source.slice(0, 100_000).stream() as ReadableStream<Bytes>;
  const error = await assertRejects(
    () => new Response(range).bytes(),
    NetworkError,
    "more bytes than asked for",
  );
  assertClear(error);
});

test("pushImage() of a URL whose server overstates its length leaves no tag", async () => {
  await using server = serve(async (request) => {
    const response = await fileServer(tar)(request);
    const range = response.headers.get("content-range")?.replace(/\d+$/, `${tar.length + 512}`);
    if (range) response.headers.set("content-range", range);
    return response;
  });
  const registry = createRegistry();
  const error = await assertRejects(
    () => pushImage(server.url, TARGET, { fetch: registry }),
    NetworkError,
    "answered 416 to a range",
  );
  assertClear(error);
  assertEquals(await allTags(registry), []);
});

test("pushImage() of a URL asks for the rest where a server sends less than was asked for", async () => {
  const bytes = await (await layoutTar(await makeImage([await makeLayer(seededBytes(1, 200_192))])))
    .bytes();
  let isFirst = true;
  await using server = serve(async (request) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "") ?? [];
    const most = Number(first) + 10_000;
    const range = `bytes=${first}-${Math.min(Number(last), most)}`;
    const response = await fileServer(bytes)(new Request(request.url, { headers: { range } }));
    // How long the whole is, it tells once.
    const told = response.headers.get("content-range") ?? "";
    if (!isFirst) response.headers.set("content-range", told.replace(/\d+$/, "*"));
    isFirst = false;
    return response;
  });
  const registry = createRegistry();
  const { images } = await pushImage(server.url, TARGET, { fetch: registry });
  assertEquals((await readBack(registry, "app", "1")).digest, images[0]?.digest);
});

test("pushImage() of a URL asks again for headers and documents that a server was too busy for", async () => {
  for (const status of [408, 429, 503]) {
    let count = 0;
    await using server = serve((request) =>
      ++count % 2 === 0 ? new Response("busy", { status }) : fileServer(tar)(request)
    );
    const registry = createRegistry();
    await pushImage(server.url, TARGET, { fetch: registry, retry: { delay: 0 } });
    await readBack(registry, "app", "1");
    assert(count > 2);
  }
});

test("openUrl() asks again for the first answer of a server that is busy, or whose connection broke", async () => {
  const answer = fileServer(tar);
  const url = new URL("http://localhost/image.tar");
  const { signal } = new AbortController();
  const retry = { attempts: 4, delay: 0, maxDelay: 0 };
  const asked = async (failures: (() => Response | Promise<Response>)[]) => {
    let count = 0;
    const fetch = (request: Request) => Promise.resolve(failures[count++]?.() ?? answer(request));
    const idle = 20;
    const opened = await openUrl(url, signal, { fetch, retry, timeouts: { idle } }).catch((e) => e);
    return [count, isBlobSource(opened) || opened];
  };
  const answers = (status: number) => () => new Response("busy", { status });
  const breaks = () => Promise.reject(new TypeError("connection reset"));
  const silent = () => new Promise<Response>(() => {});
  assertEquals(await asked([answers(408), answers(429), answers(503)]), [4, true]);
  assertEquals(await asked([breaks]), [2, true]);
  // It is there, so it is waited for.
  assertEquals(await asked([answers(503), breaks, breaks]), [4, true]);
  // It is most likely not there.
  const [attempts, broken] = await asked([breaks, breaks, breaks]);
  assertEquals([attempts, broken.message], [
    2,
    "Cannot read http://localhost/image.tar: no answer",
  ]);
  const [silences, late] = await asked([silent]);
  assertEquals([silences, late.name], [1, "TimeoutError"]);
  assertEquals((await asked([answers(404)]))[0], 1);
  assertEquals((await asked(Array(5).fill(answers(500))))[0], 4);
});

test("pushImage() of a URL follows redirects, by ranges and in one pass", async () => {
  for (const handler of [fileServer(tar), () => new Response(tar)]) {
    await using server = serve(handler);
    await using redirecting = serve(() => Response.redirect(server.url, 302));
    const registry = createRegistry();
    await pushImage(redirecting.url, TARGET, { fetch: registry });
    await readBack(registry, "app", "1");
  }
});

test("openUrl() gives the bytes of the file at any offset", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(65536));
  const long = new Uint8Array(300_000).map((_, at) => bytes[at % 65521] ?? 0);
  await using server = serve(fileServer(long));
  const source = await openUrl(server.url, new AbortController().signal) as BlobSource;
  assertEquals(source.size, long.length);
  for (
    const [start, end] of [[0, 1], [65_000, 66_000], [10, 200_000], [299_990, 400_000], [
      5,
      5,
    ]] as const
  ) {
    const expected = long.slice(start, end);
    assertEquals(await readRange(source, start, end), expected, `${start}-${end}`);
    const stream = source.slice(start, end).stream();
    assertEquals(await new Response(stream).bytes(), expected, `${start}-${end}, to the end`);
  }
});

test("openUrl() asks once for what lies close together", async () => {
  await using server = serve(fileServer(new Uint8Array(300_000)));
  const source = await openUrl(server.url, new AbortController().signal) as BlobSource;
  for (const start of [1000, 1512, 40_000, 66_024, 66_025]) {
    await readRange(source, start, start + 512);
  }
  assertEquals(server.requests.map(({ headers }) => headers.get("range")), [
    "bytes=0-0",
    "bytes=1000-66535",
    "bytes=66025-131560",
  ]);
});

test("openUrl() asks again for what could not be read", async () => {
  const answer = fileServer(tar);
  let failures = 3;
  const fetch = (request: Request) => {
    const isProbe = request.headers.get("range") === "bytes=0-0";
    if (!isProbe && failures-- > 0) return Promise.reject(new TypeError("connection reset"));
    return Promise.resolve(answer(request));
  };
  const url = new URL("http://localhost/image.tar");
  const controller = new AbortController();
  const options = { fetch, retry: { attempts: 2, delay: 0, maxDelay: 0 } };
  const source = await openUrl(url, controller.signal, options);
  assert(isBlobSource(source));
  await assertRejects(() => readRange(source, 0, 10), NetworkError, "no answer");
  assertEquals(await readRange(source, 0, 10), tar.slice(0, 10));
  // Who gives up does not wait for the next attempt.
  failures = 1;
  const patient = { fetch, retry: { attempts: 2, delay: 2 ** 30, maxDelay: 2 ** 30 } };
  const slow = await openUrl(url, controller.signal, patient);
  assert(isBlobSource(slow));
  const reading = readRange(slow, 0, 10);
  const reason = new Error("enough");
  queueMicrotask(() => controller.abort(reason));
  assertEquals(await assertRejects(() => reading), reason);
});

test("openUrl() waits longer before each further attempt, as long as is allowed", async () => {
  const answer = fileServer(tar);
  let failures = 4;
  const fetch = (request: Request) => {
    const isProbe = request.headers.get("range") === "bytes=0-0";
    return Promise.resolve(
      !isProbe && failures-- > 0 ? new Response(null, { status: 503 }) : answer(request),
    );
  };
  const options = { fetch, retry: { attempts: 5, delay: 1000, maxDelay: 4000 } };
  const url = new URL("http://localhost/image.tar");
  const source = await openUrl(url, new AbortController().signal, options);
  assert(isBlobSource(source));
  const waits: number[] = [];
  const { setTimeout } = globalThis;
  const atOnce = (done: () => void, milliseconds: number) => {
    if (milliseconds === 60_000) return setTimeout(done, milliseconds);
    waits.push(milliseconds);
    return setTimeout(done);
  };
  await withValue(globalThis, "setTimeout", atOnce, () => readRange(source, 0, 10));
  assertEquals(waits, [1000, 3000, 4000, 4000]);
});

test("openUrl() closes an answer that nobody waits for any more", async () => {
  const long = new Uint8Array(200_000);
  const answer = fileServer(long);
  const [asked, wanted, closed] = [createPromise(), createPromise(), createPromise()];
  const fetch = async (request: Request) => {
    const response = await answer(request);
    if (request.headers.get("range") === "bytes=0-0") return response;
    asked.resolve();
    await wanted.promise;
    return new Response(createStream(() => long.subarray(0, 9), closed.resolve), response);
  };
  const url = new URL("http://localhost/image.tar");
  const source = await openUrl(url, new AbortController().signal, { fetch });
  assert(isBlobSource(source));
  const reader = source.slice(0, long.length).stream().getReader();
  const read = reader.read();
  await asked.promise;
  await reader.cancel();
  wanted.resolve();
  assertEquals((await read).done, true);
  await closed.promise;
});

test("openUrl() and findUrlVersion() leave no answer open that they do not read", async () => {
  const url = new URL("http://localhost/image.tar");
  const { signal } = new AbortController();
  let open = 0;
  const answering = (...answers: ResponseInit[]) => ({
    retry: { attempts: 1, delay: 0, maxDelay: 0 },
    fetch: () => {
      open++;
      const body = createStream(() => new Uint8Array(1), () => void open--);
      return Promise.resolve(new Response(body, answers.shift()));
    },
  });
  const part = { status: 206, headers: { "content-range": "bytes 0-0/10" } };
  const source = await openUrl(url, signal, answering(part, { status: 404 }));
  assert(isBlobSource(source));
  assertEquals(open, 0);
  await assertRejects(() => readRange(source, 0, 5), NetworkError, "answered 404 to a range");
  assertEquals(open, 0);
  const half = { status: 206, headers: { "content-range": "bytes 0-4/10" } };
  const longer = await openUrl(url, signal, answering(part, half));
  assert(isBlobSource(longer));
  await assertRejects(() => readRange(longer, 0, 10), NetworkError, "more bytes than asked for");
  assertEquals(open, 0);
  await assertRejects(() => openUrl(url, signal, answering({ status: 404 })), NetworkError, "404");
  assertEquals(open, 0);
  const whole = { headers: { "content-length": "10", etag: "1" } };
  const version = await findUrlVersion(url, signal, answering(whole));
  assertEquals([version, open], [{ size: 10, modified: "1" }, 0]);
});

test("openUrl() takes an empty file for what it is", async () => {
  await using server = serve(fileServer(new Uint8Array(0)));
  const source = await openUrl(server.url, new AbortController().signal);
  assert(isBlobSource(source));
  assertEquals(source.size, 0);
});

test("pushImage() of a URL leaves no tag where the answer ends early", async () => {
  await using server = serve(() => new Response(tar.slice(0, 3000)));
  const registry = createRegistry();
  const error = await assertRejects(
    () => pushImage(server.url, TARGET, { fetch: registry }),
    Error,
  );
  assertClear(error as Error);
  assertEquals(await allTags(registry), []);
});

test("pushImage() of a URL that comes once names it where the connection breaks", async () => {
  await using server = serve(() => new Response(tar));
  for (const after of [1000, 3000, tar.length - 600]) {
    await using proxy = await startTcpProxy(
      server.url.host,
      () => ({ kind: "cut-response", after }),
    );
    const url = new URL(server.url.href.replace(server.url.host, proxy.host));
    const registry = createRegistry();
    const error = await assertRejects(
      () => pushImage(url, TARGET, { fetch: registry }),
      NetworkError,
      `Cannot read http://${proxy.host}/image.tar: the answer broke off`,
    );
    assertClear(error);
    assertEquals(await allTags(registry), []);
  }
});

test("pushImage() of a URL reads a range again whose connection broke", async () => {
  const layout = new OciLayout();
  const big = await makeLayer(new Uint8Array(400 * 512));
  layout.add(await layout.image(await makeImage([big])), { ref: "1" });
  await using server = serve(
    fileServer(await toBlob(layout.entries()).bytes()),
  );
  const whole = await startTcpProxy(server.url.host);
  const at = (host: string) => new URL(server.url.href.replace(server.url.host, host));
  const options = { concurrency: 1, retry: { delay: 0, attempts: 9 } };
  await pushImage(at(whole.host), TARGET, { ...options, fetch: createRegistry() });
  const last = whole.seen.length;
  await whole[Symbol.asyncDispose]();
  await using proxy = await startTcpProxy(
    server.url.host,
    ({ number }) => number <= last ? { kind: "cut-response", after: 100_000 } : undefined,
  );
  const registry = createRegistry();
  await pushImage(at(proxy.host), TARGET, { ...options, fetch: registry });
  await readBack(registry, "app", "1");
  assert(proxy.seen.length > last);
});

test("pushImage() of a URL uploads a blob again whose range ended early", async () => {
  const large = await makeLayer(crypto.getRandomValues(new Uint8Array(65536)).slice());
  const big = new Uint8Array(512 * 400);
  big.set(large.tar, 4096);
  const tar = await (await layoutTar(await makeImage([await makeLayer(big)]))).bytes();
  let cut = false;
  await using server = serve(async (request) => {
    const response = await fileServer(tar)(request);
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "") ?? [];
    if (cut || Number(last) - Number(first) < 100_000) return response;
    cut = true;
    const { status, headers } = response;
    return new Response((await response.arrayBuffer()).slice(0, 1000), { status, headers });
  });
  const registry = createRegistry();
  await pushImage(server.url, TARGET, { fetch: registry, retry: { delay: 0 } });
  await readBack(registry, "app", "1");
  assertEquals(cut, true);
});

test("pushImage() of a URL ends with the signal's reason", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  await using server = serve((request) => {
    controller.abort(reason);
    return fileServer(tar)(request);
  });
  const options = { fetch: createRegistry(), signal: controller.signal };
  assertEquals(await assertRejects(() => pushImage(server.url, TARGET, options)), reason);
});

test("pushImage() of a URL that comes once fails at once where its own names would be needed", async () => {
  await using server = serve(() => new Response(tar));
  const options = { fetch: createRegistry() };
  await assertRejects(
    () => pushImage(server.url, "localhost:5000", options),
    TypeError,
    "too late",
  );
});
