import { assert, assertEquals, assertRejects } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { NetworkError, RegistryError, TimeoutError } from "../../src/errors.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../src/media_types.ts";
import { referrersTag } from "../../src/reference.ts";
import { readJsonList } from "../../src/registry/json_list.ts";
import { listReferrers, listRepositories, listTags } from "../../src/registry/listing.ts";
import { parseNextLink } from "../../src/registry/pages.ts";
import { encode, encodeJson } from "../helpers/archives.ts";
import { scriptedFetch, type ScriptStep } from "../helpers/scripted_fetch.ts";
import { test } from "../helpers/test.ts";
import { makeHttp, makeRepository } from "./make_http.ts";

const TAGS = "GET /v2/team/app/tags/list?n=1000";
const CATALOG = "GET /v2/_catalog?n=1000";

const page = (tags: unknown, link?: string) => ({
  body: encodeJson({ name: "team/app", tags }),
  headers: { "content-type": "application/json", ...(link ? { link } : {}) },
});

test("parseNextLink() finds the next page among links", () => {
  const cases: [header: string | null, expected: string | undefined][] = [
    [null, undefined],
    ["", undefined],
    ['</v2/_catalog?n=2&last=b>; rel="next"', "/v2/_catalog?n=2&last=b"],
    ["</a>; rel=next", "/a"],
    ['</a>; title="x"; REL="last Next"', "/a"],
    ['</a>; rel="prev", </b,c;d>; rel="next"', "/b,c;d"],
    ['</a>; rel="prev"', undefined],
    ["/a; rel=next", undefined],
    ["</a>", undefined],
  ];
  for (const [header, expected] of cases) assertEquals(parseNextLink(header), expected);
});

test("readJsonList() gives the same strings however the text is cut", async () => {
  const tags = ["1.0", 'a"b', "\\", "ü", "}]", ""];
  const text = encodeJson({ other: [["x"], { tags: ["no"] }], n: 12, tags, end: null });
  for (const size of [1, 2, 3, 7, 1000]) {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < text.length; at += size) pieces.push(text.subarray(at, at + size));
    const found = await Array.fromAsync(readJsonList(ReadableStream.from(pieces), "tags"));
    assertEquals(found.flat(), tags, `pieces of ${size}`);
  }
});

test("readJsonList() takes null and nothing for an empty list", async () => {
  for (const text of ['{"tags":null}', "{}", '{"tags":[]}', ' {"name":"tags"} ']) {
    for (const size of [1, 100]) {
      const pieces = (text.match(new RegExp(`.{1,${size}}`, "gs")) ?? []).map(encode);
      assertEquals(
        await Array.fromAsync(readJsonList(ReadableStream.from(pieces), "tags")),
        [],
        text,
      );
    }
  }
});

test("readJsonList() refuses what is no list of strings, and text that ends early", async () => {
  const cases: [text: string, message: string][] = [
    ["", "ends early"],
    ['{"tags":["a"', "ends early"],
    ['{"tags":["a"]', "ends early"],
    ['["a"]', "no JSON object"],
    ["<html>", "no JSON object"],
    ['{"tags":"a"}', "tags that is no list"],
    ['{"tags":{"a":1}}', "tags that is no list"],
    ['{"tags":[1]}', "tags with something else"],
    ['{"tags":[["a"]]}', "tags with something else"],
    ['{"tags":["a"}}', "crossed brackets"],
    ['{"tags":["a"]} {', "behind it"],
    [`{"tags":["${"x".repeat(20_000)}`, "long string"],
    ['{"tags":["\\x"]}', "broken string"],
    [`{"name":${"[".repeat(100_000)}`, "nested without end"],
  ];
  for (const [text, message] of cases) {
    const body = ReadableStream.from([encode(text)]);
    await assertRejects(
      () => Array.fromAsync(readJsonList(body, "tags")),
      SyntaxError,
      message,
      text,
    );
  }
  const body = ReadableStream.from([new Uint8Array([0x7b, 0xff])]);
  await assertRejects(() => Array.fromAsync(readJsonList(body, "tags")), SyntaxError, "UTF-8");
});

test("listTags() follows links, relative and absolute, to the last page", async () => {
  const script = scriptedFetch([
    [TAGS, page(["a", "b"], '</v2/team/app/tags/list?n=2&last=b>; rel="next"')],
    [
      "GET /v2/team/app/tags/list?n=2&last=b",
      page(["c"], '<http://registry.test/v2/team/app/tags/list?n=2&last=c>; rel="next"'),
    ],
    // A page may be empty and not the last.
    ["GET /v2/team/app/tags/list?n=2&last=c", page([], "<list?n=2&last=d>; rel=next")],
    ["GET /v2/team/app/tags/list?n=2&last=d", page(["e"])],
  ]);
  assertEquals(await Array.fromAsync(listTags(makeRepository(script.fetch))), ["a", "b", "c", "e"]);
  script.assertDone();
});

test("listTags() takes an unsorted list and one that is null", async () => {
  const script = scriptedFetch([
    [TAGS, page(["z", "a", "m"], "<list?last=a>; rel=next")],
    ["GET /v2/team/app/tags/list?last=a", page(null)],
  ]);
  assertEquals(await Array.fromAsync(listTags(makeRepository(script.fetch))), ["z", "a", "m"]);
  script.assertDone();
});

const BAD_LINKS: Record<string, [steps: ScriptStep[], message: string]> = {
  "to another host": [
    [[TAGS, page(["a"], "<http://other.test/v2/team/app/tags/list?last=a>; rel=next")]],
    "leads to another host, other.test",
  ],
  "to another port": [
    [[TAGS, page(["a"], "<http://registry.test:81/v2/team/app/tags/list?last=a>; rel=next")]],
    "leads to another host",
  ],
  "to a private address": [
    [[TAGS, page(["a"], "<http://169.254.169.254/latest>; rel=next")]],
    "private address",
  ],
  "that is no URL": [
    [[TAGS, page(["a"], "<http://[>; rel=next")]],
    "not a URL",
  ],
  "to itself": [
    [[TAGS, page(["a"], "<list?n=1000>; rel=next")]],
    "read already",
  ],
  "to the first page in other words": [
    [[TAGS, page(["a"], "<list?n=1000&last=>; rel=next")]],
    "read already",
  ],
  "in a circle": [
    [
      [TAGS, page(["b", "a"], "<list?last=a>; rel=next")],
      [/last=a$/, page(["d"], "<list?last=b>; rel=next")],
      [/last=b$/, page(["e"], "<list?last=a>; rel=next")],
    ],
    "read already",
  ],
  "backwards": [
    [
      [TAGS, page(["a", "c"], "<list?last=c>; rel=next")],
      [/last=c$/, page(["d"], "<list?last=b>; rel=next")],
    ],
    'leads back, from "c" to "b"',
  ],
};

for (const [where, [steps, message]] of Object.entries(BAD_LINKS)) {
  test(`listTags() refuses a link ${where}`, async () => {
    const script = scriptedFetch(steps);
    const list = () => Array.fromAsync(listTags(makeRepository(script.fetch)));
    const error = await assertRejects(list, NetworkError, message);
    assertEquals(error.retryable, false);
    script.assertDone();
  });
}

test("listTags() keeps https where a link of the same host says http", async () => {
  const script = scriptedFetch([
    [TAGS, page(["a"], "<http://registry.test/v2/team/app/tags/list?last=a>; rel=next")],
    [/last=a$/, page(["b"])],
  ]);
  const repository = makeRepository(script.fetch, { origin: "https://registry.test" });
  assertEquals(await Array.fromAsync(listTags(repository)), ["a", "b"]);
  assertEquals(script.requests.map(({ origin }) => origin), [
    "https://registry.test",
    "https://registry.test",
  ]);
});

test("listTags() passes 100,000 tags of one answer on as they come", async () => {
  const count = 100_000;
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent === count) {
        controller.enqueue(encode("]}"));
        return controller.close();
      }
      const names = Array.from({ length: 1000 }, (_, index) => `"v${sent + index}"`);
      controller.enqueue(encode(`${sent === 0 ? '{"tags":[' : ","}${names.join(",")}`));
      sent += names.length;
    },
  }, { highWaterMark: 0 });
  let seen = 0;
  let most = 0;
  for await (const tag of listTags(makeRepository(() => Promise.resolve(new Response(body))))) {
    assertEquals(tag, `v${seen++}`);
    most = Math.max(most, sent - seen);
  }
  assertEquals(seen, count);
  assert(most < 5000, `${most} tags were ahead of the reader`);
});

test("listTags() that is left ends the request", async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(encode(cancelled ? "" : '{"tags":["a","b",')),
    cancel: () => void (cancelled = true),
  }, { highWaterMark: 0 });
  for await (const tag of listTags(makeRepository(() => Promise.resolve(new Response(body))))) {
    assertEquals(tag, "a");
    break;
  }
  assert(cancelled);
});

test("listTags() fails when a list breaks off, stalls, or is something else", async () => {
  const broken = new ReadableStream({
    pull: (controller) => controller.error(new Error("connection reset")),
  });
  const cases: [body: BodyInit, kind: typeof NetworkError | typeof RegistryError, text: string][] =
    [
      [
        broken,
        NetworkError,
        "Cannot list the tags of registry.test/team/app: registry.test: connection broken",
      ],
      [new ReadableStream(), TimeoutError, "no byte moved for 0.2 s"],
      ['{"tags":["a"', RegistryError, "sent JSON that ends early"],
      ["<html>", RegistryError, "sent something that is no JSON object"],
    ];
  for (const [body, kind, text] of cases) {
    const fetch = () => Promise.resolve(new Response(body));
    const repository = makeRepository(fetch, { timeouts: { idle: 200 }, retry: { attempts: 1 } });
    await assertRejects(() => Array.fromAsync(listTags(repository)), kind, text);
  }
});

test("listTags() stops at once when it is aborted", async () => {
  const controller = new AbortController();
  const body = new ReadableStream({ start: () => setTimeout(() => controller.abort("enough")) });
  const repository = makeRepository(() => Promise.resolve(new Response(body)));
  const { signal } = controller;
  const reason = await Array.fromAsync(listTags(repository, { signal })).catch((error) => error);
  assertEquals(reason, "enough");
});

test("listRepositories() never asks for more than 1000 at once", async () => {
  const link = '</v2/_catalog?last=b&n=1000>; rel="next"';
  const script = scriptedFetch([
    [CATALOG, { body: encodeJson({ repositories: ["a", "b"] }), headers: { link } }],
    ["GET /v2/_catalog?last=b&n=1000", { body: encodeJson({ repositories: ["c"] }) }],
  ]);
  assertEquals(await Array.fromAsync(listRepositories(makeHttp(script.fetch))), ["a", "b", "c"]);
  script.assertDone();
});

const SUBJECT = await digestBytes(encode("subject"));
const SIGNATURE = {
  mediaType: OCI_MANIFEST,
  digest: await digestBytes(encode("signature")),
  size: 9,
  artifactType: "application/x-signature",
};
const SBOM = { ...SIGNATURE, artifactType: "application/x-sbom" };
const indexOf = (manifests: unknown) =>
  encodeJson({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
const REFERRERS = `GET /v2/team/app/referrers/${SUBJECT}`;
const FILTERED = `${REFERRERS}?artifactType=${encodeURIComponent(SBOM.artifactType)}`;

test("listReferrers() trusts a filter that the registry says it applied, and filters else", async () => {
  const body = indexOf([SIGNATURE, SBOM]);
  const script = scriptedFetch([
    [REFERRERS, { body }],
    [FILTERED, { body }],
    [FILTERED, { body: indexOf([SBOM]), headers: { "OCI-Filters-Applied": "artifactType" } }],
  ]);
  const repository = makeRepository(script.fetch);
  const list = (type?: string) => Array.fromAsync(listReferrers(repository, SUBJECT, {}, type));
  assertEquals(await list(), [SIGNATURE, SBOM]);
  assertEquals(await list(SBOM.artifactType), [SBOM]);
  assertEquals(await list(SBOM.artifactType), [SBOM]);
  script.assertDone();
});

test("listReferrers() follows links", async () => {
  const link = `</v2/team/app/referrers/${SUBJECT}?page=2>; rel="next"`;
  const script = scriptedFetch([
    [REFERRERS, { body: indexOf([SIGNATURE]), headers: { link } }],
    [`${REFERRERS}?page=2`, { body: indexOf(null) }],
  ]);
  const repository = makeRepository(script.fetch);
  assertEquals(await Array.fromAsync(listReferrers(repository, SUBJECT)), [SIGNATURE]);
  script.assertDone();
});

test("listReferrers() reads the referrers tag where there is no API, or nothing", async () => {
  const tag = `GET /v2/team/app/manifests/${SUBJECT.replace(":", "-")}`;
  assertEquals(`GET /v2/team/app/manifests/${referrersTag(SUBJECT)}`, tag);
  const absent = {
    status: 404,
    body: "404 page not found",
    headers: { "content-type": "text/plain" },
  };
  const headers = { "content-type": OCI_INDEX };
  const script = scriptedFetch([
    [FILTERED, absent],
    [tag, { body: indexOf([SIGNATURE, SBOM]), headers }],
    [REFERRERS, absent],
    [tag, { status: 404 }],
    [REFERRERS, absent],
    [tag, {
      body: encodeJson({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: {}, layers: [] }),
      headers: { "content-type": OCI_MANIFEST },
    }],
  ]);
  const repository = makeRepository(script.fetch);
  const list = (type?: string) => Array.fromAsync(listReferrers(repository, SUBJECT, {}, type));
  assertEquals(await list(SBOM.artifactType), [SBOM]);
  assertEquals(await list(), []);
  await assertRejects(() => list(), RegistryError, "expected an index");
  script.assertDone();
});

test("listReferrers() reads the referrers tag where the registry says that it has no API", async () => {
  const errors = [{ code: "UNSUPPORTED", message: "Referrers: unsupported" }];
  const script = scriptedFetch([
    [REFERRERS, { status: 400, body: encodeJson({ errors }) }],
    [`GET /v2/team/app/manifests/${referrersTag(SUBJECT)}`, {
      body: indexOf([SBOM]),
      headers: { "content-type": OCI_INDEX },
    }],
  ]);
  assertEquals(await Array.fromAsync(listReferrers(makeRepository(script.fetch), SUBJECT)), [SBOM]);
  script.assertDone();
});

test("listReferrers() refuses an answer that is no index", async () => {
  const cases: [body: Uint8Array<ArrayBuffer>, message: string][] = [
    [encode("<html>"), "that is not JSON"],
    [encodeJson({}), "an index without manifests"],
    [indexOf([{ digest: "../../etc" }]), "an index with a broken entry"],
  ];
  for (const [body, message] of cases) {
    const script = scriptedFetch([[REFERRERS, { body }]]);
    const list = () => Array.fromAsync(listReferrers(makeRepository(script.fetch), SUBJECT));
    await assertRejects(list, RegistryError, message);
  }
});

/** A registry of so many tags that answers a question for a page; the pages that it was asked for. */
function tagsOf(
  count: number,
  answer: (all: string[], query: URLSearchParams) => string[] | Response,
) {
  const all = Array.from({ length: count }, (_, index) => `v${String(index).padStart(5, "0")}`);
  const queries: string[] = [];
  const warnings: string[] = [];
  const repository = makeRepository((request) => {
    const { search, searchParams } = new URL(request.url);
    queries.push(search);
    const names = answer(all, searchParams);
    return Promise.resolve(
      names instanceof Response ? names : new Response(JSON.stringify({ tags: names })),
    );
  });
  const list = (options: { pageSize?: number; last?: string } = {}) =>
    Array.fromAsync(listTags(repository, { ...options, onWarning: (text) => warnings.push(text) }));
  return { all, queries, warnings, list };
}

const numberOf = (query: URLSearchParams, most: number) =>
  Math.min(Number(query.get("n") ?? most), most);
const after = (all: string[], query: URLSearchParams) =>
  all.filter((n) => n > (query.get("last") ?? ""));

const LISTS: Record<
  string,
  [
    cut: (all: string[], query: URLSearchParams) => string[] | Response,
    most: number,
  ]
> = {
  "cuts at what was asked for and begins anew after the last name": [
    (all, query) => {
      const at = all.indexOf(query.get("last") ?? "") + 1;
      return all.slice(at % all.length).slice(0, numberOf(query, 10_000));
    },
    3,
  ],
  "cuts at 100 whatever is asked for": [
    (all, query) => after(all, query).slice(0, numberOf(query, 100)),
    25,
  ],
  "sends the name itself again": [
    (all, query) =>
      all.filter((name) => name >= (query.get("last") ?? "")).slice(0, numberOf(query, 500)),
    6,
  ],
  "heeds a size and nothing else, in any order": [
    (all, query) => {
      const order = [...all].sort((a, b) => a.slice(-2).localeCompare(b.slice(-2)));
      const from = query.has("last") ? 500 : 0;
      return [...order.slice(from), ...order.slice(0, from)].slice(0, numberOf(query, 10_000));
    },
    5,
  ],
  "sends all whatever is asked for": [(all) => all, 1],
  "refuses to go on, and sends all without a size": [
    (all, query) =>
      query.has("last")
        ? new Response(null, { status: 400 })
        : all.slice(0, numberOf(query, 10_000)),
    3,
  ],
};

for (const [habit, [cut, most]] of Object.entries(LISTS)) {
  test(`listTags() gives all 1200 tags of a registry without links that ${habit}`, async () => {
    const { all, list, warnings, queries } = tagsOf(1200, cut);
    const found = await list();
    assertEquals([found.length, new Set(found).size], [all.length, all.length]);
    assertEquals(warnings, []);
    assert(queries.length <= most, queries.join(" "));
  });
}

test("listTags() says where it cannot know whether a list was cut", async () => {
  const cases: [
    answer: Parameters<typeof tagsOf>[1],
    count: number,
    found: number,
    warns: boolean,
  ][] = [
    [(all) => all.slice(0, 1000), 1200, 1000, true],
    [
      (all, query) => query.size > 1 ? new Response(null, { status: 404 }) : all.slice(0, 1000),
      1200,
      1000,
      true,
    ],
    // Whole lists of registries that know no page: shorter, longer, and such that heed the question.
    [(all) => all, 999, 999, false],
    [(all) => all, 1001, 1001, false],
    [(all, query) => after(all, query).slice(0, numberOf(query, 1000)), 1000, 1000, false],
    [(all) => all, 1, 1, false],
    [(all) => all, 0, 0, false],
  ];
  for (const [answer, count, length, warns] of cases) {
    const { list, warnings, queries } = tagsOf(count, answer);
    assertEquals((await list()).length, length);
    assertEquals(warnings.length, warns ? 1 : 0, `${count}: ${warnings}`);
    assert(queries.length <= 3, queries.join(" "));
    if (warns) assert(warnings[0]?.startsWith("the tags of registry.test/team/app may be more"));
  }
});

test("listTags() goes on from any size of pages and any start", async () => {
  for (const pageSize of [1, 2, 3, 7, 1000]) {
    const { all, list } = tagsOf(
      20,
      (all, query) => after(all, query).slice(0, numberOf(query, 5)),
    );
    assertEquals(await list({ pageSize }), all, `${pageSize}`);
    assertEquals(await list({ pageSize, last: "v00017" }), all.slice(18), `${pageSize}`);
  }
});

for (
  const [what, lead, refused] of [["the first", [], true], ["a later", ["a", "b"], false]] as const
) {
  test(`listTags() leaves the size of pages to a registry that refuses it for ${what} page`, async () => {
    const refusal = {
      status: 400,
      body: encodeJson({ errors: [{ code: "UNSUPPORTED", message: "n is too large" }] }),
    };
    const script = scriptedFetch(
      refused
        ? [[TAGS, refusal], ["GET /v2/team/app/tags/list", page(["a", "b", "c"])], [
          /last=b$/,
          refusal,
        ]]
        : [[TAGS, page(lead, "<list?last=b>; rel=next")], [/last=b$/, refusal]],
    );
    const list = Array.fromAsync(listTags(makeRepository(script.fetch)));
    if (refused) assertEquals(await list, ["a", "b", "c"]);
    else await assertRejects(() => list, RegistryError, "n is too large");
    script.assertDone();
  });
}

test("listTags() does not ask on where a link led to the last page", async () => {
  const script = scriptedFetch([
    [TAGS, page(["a", "b"], "<list?last=b>; rel=next")],
    [/last=b$/, page(["c", "d"])],
  ]);
  assertEquals(await Array.fromAsync(listTags(makeRepository(script.fetch))), ["a", "b", "c", "d"]);
  script.assertDone();
});

test("listTags() does not end where the question for more names fails for another reason", async () => {
  const script = scriptedFetch([[TAGS, page(["a", "b"])], [/last=a$/, "drop"]]);
  const repository = makeRepository(script.fetch, { retry: { attempts: 1 } });
  await assertRejects(() => Array.fromAsync(listTags(repository)), NetworkError);
});

test("listRepositories() says that a registry has no catalog, and not that it is none", async () => {
  for (const status of [400, 404, 405, 501]) {
    const whole: ScriptStep[] = status === 400 ? [["GET /v2/_catalog", { status }]] : [];
    const script = scriptedFetch([[CATALOG, { status }], ...whole, ["GET /v2/", {}]]);
    const error = await assertRejects(
      () => Array.fromAsync(listRepositories(makeHttp(script.fetch))),
      RegistryError,
      `Cannot list the repositories of registry.test: the registry has no catalog (${status})`,
    );
    assert(error.hint?.includes("tarpush ls registry.test/REPOSITORY"), error.hint);
    script.assertDone();
  }
  // nginx of ttl.sh, which needs no login.
  for (const status of [401, 403]) {
    const script = scriptedFetch([[CATALOG, { status }], ["GET /v2/", {}]]);
    const error = await assertRejects(
      () => Array.fromAsync(listRepositories(makeHttp(script.fetch))),
      RegistryError,
      `Cannot list the repositories of registry.test: the registry keeps its catalog closed (${status})`,
    );
    assert(error.hint?.includes("tarpush ls registry.test/REPOSITORY"), error.hint);
    script.assertDone();
  }
  const closed = scriptedFetch([[CATALOG, { status: 401 }], ["GET /v2/", { status: 401 }]]);
  await assertRejects(
    () => Array.fromAsync(listRepositories(makeHttp(closed.fetch))),
    RegistryError,
    "registry.test answered 401 Unauthorized",
  );
  const script = scriptedFetch([[CATALOG, { status: 404 }], ["GET /v2/", { status: 404 }]]);
  await assertRejects(
    () => Array.fromAsync(listRepositories(makeHttp(script.fetch))),
    RegistryError,
    "registry.test answered 404 Not Found",
  );
});

test("listTags() tells a registry without lists from a repository that is not there", async () => {
  const cases = [
    // drayage 0.2.9, a cache of other registries.
    [
      "MANIFEST_UNKNOWN",
      "Cannot list the tags of registry.test/team/app: the registry lists no tags (404)",
    ],
    ["NAME_UNKNOWN", "the registry has no such repository"],
  ] as const;
  for (const [code, message] of cases) {
    const body = encodeJson({ errors: [{ code, message: "unknown" }] });
    const { fetch } = scriptedFetch([[/tags\/list/, { status: 404, body }]]);
    await assertRejects(
      () => Array.fromAsync(listTags(makeRepository(fetch))),
      RegistryError,
      message,
    );
  }
});

test("listTags() asks without a query where a page of a web server says that there is nothing with one", async () => {
  const headers = { "content-type": "text/html;charset=utf-8" };
  const { fetch, assertDone } = scriptedFetch([
    [TAGS, { status: 404, headers, body: "<html>" }],
    ["GET /v2/team/app/tags/list", page(["1", "2"])],
    [/n=1000&last=1$/, { status: 404, headers, body: "<html>" }],
  ]);
  assertEquals(await Array.fromAsync(listTags(makeRepository(fetch))), ["1", "2"]);
  assertDone();
});
