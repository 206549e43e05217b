import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { createGateway, type GatewayOptions } from "../../src/edge/mod.ts";
import { pullImages } from "../../src/pull/pull.ts";
import { pushImage } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  type Bytes,
  dockerSave,
  gzip,
  makeImage,
  makeLayer,
  randomBytes,
} from "../helpers/archives.ts";
import { allTags } from "../helpers/expected.ts";
import { inPieces } from "../helpers/findings.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";
import { serve } from "../end_to_end/registry_server.ts";

const MIB = 1024 * 1024;
const HOST = "registry.test";
const TARGET = `${HOST}/team/app:1.0`;
const IMAGE = await makeImage(["a", "b"]);
const OTHER = await makeImage(["c"]);
const TAR = writeTar(dockerSave([{ image: IMAGE, repoTags: ["team/app:1.0"] }]));
const TWO = writeTar(dockerSave([
  { image: IMAGE, repoTags: ["one:1"] },
  { image: OTHER, repoTags: ["two:1"] },
]));

type Init = RequestInit & { path?: string; duplex?: "half" };

interface Setting {
  registry: FetchHandler;
  send: (init: Init) => Promise<Response>;
}

function setting(options: Partial<GatewayOptions> = {}): Setting {
  const registry = createRegistry();
  const gateway = createGateway({ allow: [HOST], fetch: registry, ...options });
  return {
    registry,
    send: ({ path = `/v2push/${TARGET}`, ...init }) =>
      gateway(new Request(`https://gateway.test${path}`, { method: "PUT", ...init })),
  };
}

async function linesOf(response: Response): Promise<Record<string, unknown>[]> {
  const text = await response.text();
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

async function errorOf(response: Response): Promise<Record<string, unknown>> {
  const { error } = await response.json();
  return error;
}

test("createGateway() mounts nothing from beside the prefix that is allowed, whatever an archive names", async () => {
  for (const [allow, status] of [[`${HOST}/team/`, 422], [HOST, 200]] as const) {
    const { registry, send } = setting({ allow: [allow] });
    const options = { fetch: registry };
    await pushImage(new Blob([TAR]), `${HOST}/secret/app:1`, options);
    const saved = pullImages([`${HOST}/secret/app:1`], {
      ...options,
      without: [`${HOST}/secret/app`],
    });
    const response = await send({
      body: await new Response(saved).blob(),
      headers: { accept: "application/json" },
    });
    assertEquals(response.status, status, await response.text());
  }
});

test("createGateway() pushes a body and answers with its events and the result", async () => {
  const { registry, send } = setting();
  const response = await send({ body: TAR });
  assertEquals(response.status, 200);
  assertEquals(response.headers.get("content-type"), "application/x-ndjson");
  const lines = await linesOf(response);
  const last = lines.at(-1) ?? {};
  assertEquals([lines[0]?.type, last.type], ["blob-start", "result"]);
  for (const type of ["plan", "blob-done", "manifest", "tag"]) {
    assert(lines.some((line) => line.type === type), type);
  }
  const tag = await registry(new Request(`https://${HOST}/v2/team/app/manifests/1.0`));
  const [image] = last.images as { digest: string }[];
  assertEquals(tag.headers.get("docker-content-digest"), image?.digest);
  await tag.body?.cancel();
});

test("createGateway() answers with one document where that alone is accepted", async () => {
  const { send } = setting();
  const response = await send({ body: TAR, headers: { accept: "application/json" } });
  assertEquals(response.headers.get("content-type"), "application/json");
  const { images, bytesUploaded } = await response.json();
  assertEquals(images[0].reference, TARGET);
  assert(bytesUploaded > 0);
});

test("createGateway() takes compressed archives, and forms as browsers send them", async () => {
  const digests = new Set<string>();
  for (const body of [TAR, await gzip(TAR), formWith(TAR), formWith(await gzip(TAR))]) {
    for (const method of body instanceof FormData ? ["PUT", "POST"] : ["PUT"]) {
      const response = await setting().send({ method, body });
      const { type, images } = (await linesOf(response)).at(-1) ?? {};
      assertEquals(type, "result");
      digests.add((images as { digest: string }[])[0]?.digest ?? "");
    }
  }
  assertEquals(digests.size, 1);
});

test("createGateway() reads a form whose pieces are cut anywhere", async () => {
  const { headers, body } = new Request("https://gateway.test/", {
    method: "POST",
    body: formWith(TAR),
  });
  const form = await new Response(body).blob();
  for (const size of [1, 61, 4096]) {
    const init: Init = { body: inPieces(form, size), headers, duplex: "half" };
    assertEquals((await linesOf(await setting().send(init))).at(-1)?.type, "result", `${size}`);
  }
});

test("createGateway() refuses forms without a file, with two, and such as are cut", async () => {
  const none = new FormData();
  none.set("note", "nothing");
  const two = formWith(TAR);
  two.append("second", new Blob([TAR]), "other.tar");
  const cases: [FormData, RegExp][] = [[none, /no file|no tar|empty/i], [two, /several files/]];
  for (const [body, message] of cases) {
    const response = await setting().send({ body });
    const error = response.ok
      ? ((await linesOf(response)).at(-1)?.error as Record<string, unknown>)
      : await errorOf(response);
    assertMatch(String(error?.message), message);
  }
  const whole = new Request("https://gateway.test/", { method: "POST", body: formWith(TAR) });
  const { headers } = whole;
  const bytes = await whole.bytes();
  const { registry, send } = setting();
  const response = await send({ body: bytes.subarray(0, bytes.length - 30), headers });
  const last = (await linesOf(response)).at(-1) ?? {};
  assertEquals(last.type, "error");
  assertMatch(JSON.stringify(last.error), /ends early/);
  const tag = await registry(new Request(`https://${HOST}/v2/team/app/manifests/1.0`));
  assertEquals(tag.status, 404);
});

test("createGateway() pushes only where that is allowed", async () => {
  const { send } = setting({ allow: [HOST, "other.test/team/", "http://plain.test:5000"] });
  const cases: [string, number, string | undefined][] = [
    [`${HOST}/any/app:1`, 200, undefined],
    ["REGISTRY.test/any/app:1", 200, undefined],
    ["other.test/team/app:1", 200, undefined],
    ["plain.test:5000/app:1", 200, undefined],
    ["other.test/teams/app:1", 403, "DENIED"],
    ["other.test/app:1", 403, "DENIED"],
    ["plain.test/app:1", 403, "DENIED"],
    [`${HOST}.evil.test/app:1`, 403, "DENIED"],
    [`evil.test/${HOST}/app:1`, 403, "DENIED"],
    [`${HOST}:5000/app:1`, 403, "DENIED"],
    [`https://${HOST}/app:1`, 400, "USAGE"],
    [HOST, 400, "USAGE"],
    [`${HOST}/team/`, 400, "USAGE"],
    [`${HOST}/UPPER:1`, 400, "USAGE"],
    ["%ff", 400, "USAGE"],
  ];
  for (const [target, status, code] of cases) {
    const response = await send({ path: `/v2push/${target}`, body: TAR });
    assertEquals(response.status, status, target);
    if (code) assertEquals((await errorOf(response)).code, code, target);
    else assertEquals((await linesOf(response)).at(-1)?.type, "result", target);
  }
});

test("createGateway() takes no archive from a page of another site", async () => {
  const { registry, send } = setting();
  for (
    const [site, status] of [["cross-site", 403], ["same-origin", 200], ["none", 200]] as const
  ) {
    const response = await send({ body: TAR, headers: { "sec-fetch-site": site } });
    assertEquals(response.status, status, site);
    const tag = await registry(new Request(`https://${HOST}/v2/team/app/manifests/1.0`));
    if (status === 403) {
      assertMatch(String((await errorOf(response)).message), /a page of another site/);
      assertEquals(tag.status, 404);
    } else assertEquals((await linesOf(response)).at(-1)?.type, "result", site);
  }
});

test("createGateway() uses the scheme that was allowed", async () => {
  const seen = new Set<string>();
  const registry = createRegistry();
  const fetch: FetchHandler = (request) => {
    seen.add(new URL(request.url).origin);
    return registry(request);
  };
  const { send } = setting({ allow: ["http://plain.test:5000"], fetch });
  await linesOf(await send({ path: "/v2push/plain.test:5000/app:1", body: TAR }));
  assertEquals([...seen], ["http://plain.test:5000"]);
});

test("createGateway() has a status for what is wrong before the first event", async () => {
  const unreachable: FetchHandler = () => Promise.reject(new TypeError("connection refused"));
  const retry = { attempts: 1 };
  const cases: [Partial<GatewayOptions>, Init, number, string][] = [
    [{}, { method: "GET" }, 405, "METHOD"],
    [{}, { method: "POST", body: TAR }, 405, "METHOD"],
    [{}, { path: "/elsewhere" }, 404, "NOT_FOUND"],
    [{}, {}, 400, "USAGE"],
    [{}, { path: `/v2push/${TARGET}?plattform=linux`, body: TAR }, 400, "USAGE"],
    [{}, { path: `/v2push/${TARGET}?platform=%20`, body: TAR }, 400, "USAGE"],
    [{}, { body: new TextEncoder().encode("no tar at all".repeat(100)) }, 422, "ARCHIVE"],
    [{}, { body: "" }, 422, "ARCHIVE"],
    [{ fetch: unreachable, retry }, { body: TAR, headers: JSON_ONLY }, 502, "NETWORK"],
    [{ fetch: answer(503), retry }, { body: TAR, headers: JSON_ONLY }, 502, "REGISTRY"],
    [{}, { body: TWO, headers: JSON_ONLY }, 400, "USAGE"],
  ];
  for (const [options, init, status, code] of cases) {
    const response = await setting(options).send(init);
    const error = await errorOf(response);
    assertEquals([response.status, error.code], [status, code], JSON.stringify(error));
  }
});

test("createGateway() passes on the choice of images, platforms and tags", async () => {
  const chosen = await setting().send({ path: `/v2push/${TARGET}?image=two:1`, body: TWO });
  assertEquals((await linesOf(chosen)).at(-1)?.type, "result");
  const all = await setting().send({ path: `/v2push/${HOST}/app?all-tags`, body: TAR });
  const { images } = (await linesOf(all)).at(-1) ?? {};
  assertEquals((images as { reference: string }[]).map(({ reference }) => reference), [
    `${HOST}/app:1.0`,
  ]);
});

test("createGateway() leaves parameters alone that others add, and takes none for them that is mistyped", async () => {
  const { send } = setting();
  const target = `/v2push/${HOST}/team/app`;
  const others = "path=v2push&path=team&page=1&utm_source=a&_=1";
  const chosen = await send({ path: `${target}?image=two:1&${others}`, body: TWO });
  assertEquals((await linesOf(chosen)).at(-1)?.type, "result");
  const mistyped = { images: "image", imgae: "image", Platform: "platform", allTags: "all-tags" };
  for (const [typed, meant] of Object.entries(mistyped)) {
    const answer = await send({ path: `${target}?${typed}=two`, body: TWO });
    assertEquals(answer.status, 400);
    const { message } = await errorOf(answer);
    assertEquals(message, `Unknown parameter ${typed}: did you mean ${meant}?`);
  }
});

test("createGateway() puts one upload under all targets, where each is allowed", async () => {
  const { registry, send } = setting({ allow: [HOST, "http://plain.test/team/"] });
  const more = (target: string) => `/v2push/${TARGET}?also=${target}`;
  const paths = [`${HOST}/team/app:2.0`, `${HOST}/other/app`, "plain.test/team/app:1"];
  const response = await send({ path: more(paths.join("&also=")), body: TAR });
  const { images } = (await linesOf(response)).at(-1) ?? {};
  assertEquals((images as { reference: string }[]).map(({ reference }) => reference), [
    TARGET,
    `${HOST}/team/app:2.0`,
    `${HOST}/other/app:latest`,
    "plain.test/team/app:1",
  ]);
  const before = await allTags(registry);
  const tooMany = Array.from({ length: 100 }, (_, at) => `${HOST}/team/app:3.${at}`).join("&also=");
  for (
    const [target, status] of [["plain.test/app:1", 403], ["evil.test/app:1", 403], [HOST, 400], [
      tooMany,
      400,
    ]]
  ) {
    const refused = await send({ path: more(`${target}`), body: TWO });
    assertEquals([refused.status, await allTags(registry)], [status, before], `${target}`);
    await refused.body?.cancel();
  }
});

test("createGateway() tells of a failure after the first event in the last line", async () => {
  const broken = TAR.subarray(0, TAR.length - 2048);
  const response = await setting().send({ body: broken });
  assertEquals(response.status, 200);
  const last = (await linesOf(response)).at(-1);
  assertEquals(last?.type, "error");
  assertEquals((last?.error as Record<string, unknown>).code, "ARCHIVE");
});

test("createGateway() ends the push of a client that goes away before its first event, whatever its server calls that", async () => {
  for (
    const reason of [new DOMException("gone", "AbortError"), new Error("premature close"), "closed"]
  ) {
    for (const accept of ["application/json", "*/*"]) {
      let isCancelled = false;
      let left = TAR.subarray(0, 3072);
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          // The rest never comes.
          if (left.length === 0) return new Promise(() => {});
          controller.enqueue(left);
          left = left.subarray(left.length);
        },
        cancel: () => void (isCancelled = true),
      });
      const gone = new AbortController();
      const init: Init = { body, signal: gone.signal, duplex: "half", headers: { accept } };
      const answer = setting().send(init);
      gone.abort(reason);
      const response = await answer;
      assertEquals(response.status, 499, `${reason} ${accept}`);
      assertEquals((await errorOf(response)).code, "CANCELLED");
      assert(isCancelled);
    }
  }
});

// SvelteKit, React Router and Nitro end the connection with it on Node.js.
test("createGateway() cancels no body of a client that waits for the answer", async () => {
  for (
    const [path, status] of [[`/v2push/${TARGET}`, 422], ["/v2push/evil.test/app:1", 403]] as const
  ) {
    for (const type of [undefined, "bytes"] as const) {
      let isCancelled = false;
      const body = new ReadableStream<Uint8Array>({
        type,
        pull: (controller) => controller.enqueue(new Uint8Array(1024).fill(1)),
        cancel: () => void (isCancelled = true),
      } as UnderlyingDefaultSource<Uint8Array>);
      const response = await setting().send({ path, body, duplex: "half" } as Init);
      assertEquals(response.status, status, await response.text());
      assertEquals(isCancelled, false, `${path} ${type}`);
    }
  }
});

test("createGateway() takes requests that have no signal", async () => {
  const gateway = createGateway({ allow: [HOST], fetch: createRegistry() });
  for (const [body, status] of [[TAR, 200], [new TextEncoder().encode("no tar"), 422]] as const) {
    for (const accept of ["application/json", "*/*"]) {
      const init = { method: "PUT", body, headers: { accept, Host: "gateway.test" } };
      const request = new Request(`https://gateway.test/v2push/${TARGET}`, init);
      Object.defineProperty(request, "signal", { value: undefined });
      const response = await gateway(request);
      assertEquals(response.status, status, await response.text());
    }
  }
});

test("createGateway() leaves no upload open of a client that goes away", async () => {
  const registry = createRegistry();
  const opened = Promise.withResolvers<string | null>();
  const cancelled = Promise.withResolvers<string>();
  const fetch: FetchHandler = async (request) => {
    const response = await registry(request);
    if (request.method === "POST") opened.resolve(response.headers.get("location"));
    if (request.method === "DELETE") cancelled.resolve(new URL(request.url).pathname);
    return response;
  };
  // More than is held: it is sent while it comes.
  const layer = await makeLayer(writeTar([{ path: "file", body: randomBytes(4 * MIB) }]));
  const tar = writeTar(dockerSave([{ image: await makeImage([layer]), repoTags: ["app:1"] }]));
  const gone = new AbortController();
  const body = ReadableStream.from(async function* () {
    yield tar.subarray(0, 2 * MIB);
    await opened.promise;
    gone.abort(new DOMException("gone", "AbortError"));
    yield tar.subarray(2 * MIB);
  }());
  const { send } = setting({ fetch, memoryBudget: MIB });
  const response = await send({ body, signal: gone.signal, duplex: "half" });
  assertEquals(response.status, 200);
  assertEquals(await cancelled.promise, await opened.promise);
  await response.body?.cancel();
  assertEquals((await registry(new Request(`https://${HOST}/v2/team/app/tags/list`))).status, 404);
});

test("createGateway() ends its lines where the request is aborted, whether they are read or not", async () => {
  const aborted = async () => {
    const gone = new AbortController();
    const fetch: FetchHandler = async (request) => {
      if (request.method === "PUT") gone.abort(new Error("no time left"));
      return await createRegistry()(request);
    };
    const gateway = createGateway({ allow: [HOST], fetch });
    const url = `https://gateway.test/v2push/${TARGET}`;
    const init = { method: "PUT", body: TAR, signal: gone.signal };
    const ended = Promise.withResolvers<void>();
    const waitUntil = (work: Promise<unknown>) => void work.then(() => ended.resolve());
    return { response: await gateway(new Request(url, init), { waitUntil }), ended: ended.promise };
  };
  const { response } = await aborted();
  const last = (await linesOf(response)).at(-1);
  assertEquals([response.status, last?.type], [200, "error"]);
  assertEquals((last?.error as Record<string, unknown>).code, "CANCELLED");
  const unread = await aborted();
  const reader = unread.response.body?.getReader();
  await reader?.read();
  await unread.ended;
  await reader?.cancel();
});

test("createGateway() takes a client that goes in the middle of its archive for no failure of its own", async () => {
  const gateway = createGateway({ allow: [HOST], fetch: createRegistry() });
  const gone = new AbortController();
  const answered = Promise.withResolvers<number>();
  await using server = await serve(async (request) => {
    const answering = gateway(request);
    gone.abort();
    const answer = await answering;
    answered.resolve(answer.status);
    return answer;
  });
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(TAR.slice(0, 600)),
  });
  const init: Init = { method: "PUT", body, duplex: "half", signal: gone.signal };
  await fetch(`http://${server.host}/v2push/${TARGET}`, init).catch(() => {});
  assertEquals(await answered.promise, 499);
});

test("createGateway() answers with its page", async () => {
  const { send } = setting({ page: "<title>Push</title>" });
  const page = await send({ method: "GET", path: "/" });
  assertEquals(await page.text(), "<title>Push</title>");
  assertEquals((await send({ method: "POST", path: "/" })).status, 405);
  assertEquals((await setting().send({ method: "GET", path: "/" })).status, 404);
});

test("createGateway() keeps a worker until its push has ended, and takes what servers hand over", async () => {
  const gateway = createGateway({ allow: [HOST], fetch: createRegistry() });
  // It is a handler of Deno.serve as it is.
  const handler: Deno.ServeHandler<Deno.NetAddr> = gateway;
  assertEquals(handler.name, gateway.name);
  const request = () =>
    new Request(`https://gateway.test/v2push/${TARGET}`, { method: "PUT", body: TAR });
  const kept: Promise<unknown>[] = [];
  const context = { kept, waitUntil: (promise: Promise<unknown>) => void kept.push(promise) };
  await (await gateway(request(), context)).text();
  assertEquals(await Promise.all(kept).then(({ length }) => length), 1);
  for (const foreign of [{ remoteAddr: {} }, { waitUntil: 1 }, "127.0.0.1", null]) {
    const lines = await linesOf(await gateway(request(), foreign));
    assertEquals(lines.at(-1)?.type, "result");
  }
});

test("createGateway() serves over a socket", async () => {
  const registry = createRegistry();
  await using server = await serve(createGateway({ allow: [HOST], fetch: registry }));
  const url = `http://${server.host}/v2push/${TARGET}`;
  const pushed = await fetch(url, { method: "PUT", body: TAR });
  assertEquals((await linesOf(pushed)).at(-1)?.type, "result");
});

test("createGateway() wants to be told where pushes may go", () => {
  assertThrows(() => createGateway({ allow: [] }), TypeError, "nothing is allowed");
  assertThrows(
    () => createGateway({ allow: ["host/app:1"] }),
    TypeError,
    "a prefix that ends in /",
  );
  assertThrows(() => createGateway({ allow: ["ho st"] }), SyntaxError);
});

const JSON_ONLY = { accept: "application/json" };

const answer = (status: number): FetchHandler => () =>
  Promise.resolve(new Response(null, { status }));

function formWith(tar: Bytes): FormData {
  const form = new FormData();
  form.set("note", "a field beside it");
  form.set("archive", new Blob([tar]), "image.tar");
  return form;
}
