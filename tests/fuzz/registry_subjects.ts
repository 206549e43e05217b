import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { digestBytes } from "../../src/digest.ts";
import { OciError } from "../../src/errors.ts";
import { MANIFEST_TYPES, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../../src/media_types.ts";
import { pushImage } from "../../src/push/push.ts";
import { RegistryClient } from "../../src/registry/client.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, encode, encodeJson, makeImage, toBlob } from "../helpers/archives.ts";
import { assertClear, type Registry } from "../helpers/expected.ts";
import { type Bytes, jsonMutation, mutateJson } from "./mutations.ts";
import { subject } from "./subject.ts";

/** A request to the registry; what it names is there, might be, or cannot be. */
interface RequestRecipe {
  method: string;
  path: PathRecipe;
  query: string;
  headers: [string, string][];
  body: number;
}

type PathRecipe = { kind: "endpoint"; repository: string; end: string } | {
  /** The Location of an earlier answer. */
  kind: "location";
  pick: number;
};

const config = encode("{}");
const configDigest = await digestBytes(config);
const blob = encode("a blob");
const blobDigest = await digestBytes(blob);
const manifest = {
  schemaVersion: 2,
  mediaType: OCI_MANIFEST,
  config: { mediaType: OCI_CONFIG, digest: configDigest, size: config.length },
  layers: [{ mediaType: "text/plain", digest: blobDigest, size: blob.length }],
};
const manifestBytes = encodeJson(manifest);
const manifestDigest = await digestBytes(manifestBytes);
const index = {
  schemaVersion: 2,
  mediaType: OCI_INDEX,
  manifests: [{ mediaType: OCI_MANIFEST, digest: manifestDigest, size: manifestBytes.length }],
  subject: { mediaType: OCI_MANIFEST, digest: manifestDigest, size: manifestBytes.length },
};

/** Bodies of requests; the ones after these are changed documents. */
const BODIES: readonly Bytes[] = [
  new Uint8Array(0),
  config,
  blob,
  manifestBytes,
  encodeJson(index),
  encode("[".repeat(100_000)),
  encode('{"a":'.repeat(100_000)),
  new Uint8Array([0xff, 0xfe, 0]),
];

const digestText = fc.constantFrom(
  ...[configDigest, blobDigest, manifestDigest, `sha256:${"0".repeat(64)}`, "sha256:", "sha256:zz"],
  ...[`sha512:${"0".repeat(128)}`, "md5:00"],
);
const repositoryText = fc.oneof(
  { arbitrary: fc.constantFrom("app", "app", "team/app", "a/blobs/b", "v2"), weight: 8 },
  fc.constantFrom("APP", "..", "a//b", "%2e%2e", "%00", "%ff", "x".repeat(300), "__proto__", ""),
);
const endText = fc.oneof(
  fc.constantFrom(
    "blobs/uploads/",
    "blobs/uploads",
    "tags/list",
    "manifests/1",
    "manifests/latest",
  ),
  digestText.map((digest) => `manifests/${digest}`),
  digestText.map((digest) => `blobs/${digest}`),
  digestText.map((digest) => `referrers/${digest}`),
  fc.constantFrom("blobs/uploads/none", "manifests/%2e%2e", "manifests/a%2Fb", "tags/", "x", ""),
  fc.string({ maxLength: 8 }).map((text) => `manifests/${encodeURIComponent(text.toWellFormed())}`),
);
const path: fc.Arbitrary<PathRecipe> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("endpoint" as const),
      repository: repositoryText,
      end: endText,
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("location" as const), pick: fc.nat() }) },
);
const query = fc.array(
  fc.oneof(
    digestText.map((digest) => `digest=${digest}`),
    digestText.map((digest) => `mount=${digest}`),
    fc.constantFrom("from=app", "from=../x", "n=1", "n=0", "n=-1", "n=99999999999", "last=1"),
    fc.constantFrom(
      "tag=a",
      "tag=b",
      "tag=",
      "artifactType=x",
      "digest=",
      "%",
      "digest-algorithm=x",
    ),
  ),
  { maxLength: 3 },
).map((parts) => parts.join("&"));
const headers = fc.array(
  fc.oneof(
    fc.constantFrom(...MANIFEST_TYPES, "application/json", "text/html; charset=x", ";", "")
      .map((type): [string, string] => ["Content-Type", type]),
    fc.constantFrom("0-5", "0-0", "5-0", "6-11", "bytes 0-5/6", "0-999999999999999", "a-b", "-")
      .map((range): [string, string] => ["Content-Range", range]),
    fc.constantFrom("bytes=0-0", "bytes=-1", "bytes=9-", "bytes=0-1,3-4", "bytes=5-1", "lines=1-2")
      .map((range): [string, string] => ["Range", range]),
    fc.constantFrom("0", "6", "7", "-1", "1e3", "99999999999999999999")
      .map((length): [string, string] => ["Content-Length", length]),
    fc.constantFrom("*/*", OCI_MANIFEST, "image/png", ",,;q=")
      .map((types): [string, string] => ["Accept", types]),
    fc.constantFrom<[string, string]>(
      ["Origin", "https://app.example"],
      ["If-None-Match", `"${manifestDigest}"`],
      ["If-Match", "*"],
      ["If-Range", "x"],
      ["Access-Control-Request-Method", "PUT"],
    ),
  ),
  { maxLength: 3 },
);
const requests: fc.Arbitrary<RequestRecipe[]> = fc.array(
  fc.record({
    method: fc.constantFrom(
      ...["GET", "HEAD", "POST", "PATCH", "PUT", "PUT", "DELETE", "OPTIONS", "LINK", "get", "X-Y"],
    ),
    path,
    query,
    headers,
    body: fc.nat(BODIES.length + 2),
  }),
  { minLength: 1, maxLength: 12 },
);

const embedded = subject(
  "registry",
  80,
  fc.record({
    requests,
    changes: fc.array(jsonMutation, { minLength: 1, maxLength: 3 }),
    allowDelete: fc.boolean(),
    readOnly: fc.nat(9).map((chance) => chance === 0),
    hasCors: fc.boolean(),
  }),
  async ({ requests, changes, allowDelete, readOnly, hasCors }, tally) => {
    const faults: unknown[] = [];
    const registry = createRegistry({
      allowDelete,
      readOnly,
      cors: hasCors ? "*" : [],
      onError: (error) => void faults.push(error),
    });
    const locations: string[] = [];
    if (!readOnly) await seed(registry);
    const bodies = [
      ...BODIES,
      encode(JSON.stringify(mutateJson(manifest, changes)) ?? ""),
      encode(JSON.stringify(mutateJson(index, changes)) ?? ""),
    ];
    for (const recipe of requests) {
      const response = await registry(toRequest(recipe, bodies, locations));
      const text = await response.text();
      assertEquals(faults, [], `${recipe.method} failed inside`);
      assert(response.status >= 200 && response.status < 500, `status ${response.status}`);
      if (response.status >= 400 && recipe.method !== "HEAD") checkErrors(text);
      const location = response.headers.get("Location");
      if (location !== null) locations.push(location);
      tally(`${response.status}`);
    }
    if (!allowDelete && !readOnly) await checkTags(registry);
  },
);

async function seed(registry: Registry): Promise<void> {
  for (const [bytes, digest] of [[config, configDigest], [blob, blobDigest]] as const) {
    const opened = await registry(request("POST", "/v2/app/blobs/uploads/"));
    const place = `${opened.headers.get("Location")}?digest=${digest}`;
    const { status } = await registry(request("PUT", place, bytes));
    assertEquals(status, 201);
  }
}

function toRequest(
  { method, path, query, headers, body }: RequestRecipe,
  bodies: readonly Bytes[],
  locations: readonly string[],
): Request {
  const place = path.kind === "endpoint"
    ? `/v2/${path.repository}/${path.end}`
    : locations[path.pick % locations.length] ?? "/v2/";
  const url = place + (query && `${place.includes("?") ? "&" : "?"}${query}`);
  const bytes = bodies[body % bodies.length];
  const hasBody = !/^(?:GET|HEAD)$/i.test(method) && bytes && bytes.length > 0;
  return request(method, url, hasBody ? bytes : undefined, headers);
}

function request(
  method: string,
  path: string,
  body?: Bytes,
  headers: [string, string][] = [],
): Request {
  return new Request(new URL(path, "http://registry.test"), {
    method,
    headers: new Headers(headers),
    ...(body ? { body } : {}),
  });
}

function checkErrors(text: string): void {
  const { errors } = JSON.parse(text);
  assert(Array.isArray(errors) && errors.length > 0, text);
  for (const { code, message } of errors) {
    assert(/^[A-Z_]+$/.test(code) && typeof message === "string", text);
  }
  assert(text.length < 5000, `${text.length} characters`);
}

/** Without deletion, what a tag names is there and so is all below it. */
async function checkTags(registry: Registry): Promise<void> {
  const catalog = await (await registry(request("GET", "/v2/_catalog"))).json();
  for (const repository of catalog.repositories) {
    const { tags } = await (await registry(request("GET", `/v2/${repository}/tags/list`))).json();
    for (const tag of tags ?? []) await checkManifest(registry, repository, tag);
  }
}

async function checkManifest(
  registry: Registry,
  repository: string,
  reference: string,
): Promise<void> {
  const response = await registry(request("GET", `/v2/${repository}/manifests/${reference}`));
  assertEquals(response.status, 200, reference);
  const bytes = await response.bytes();
  const named = response.headers.get("Docker-Content-Digest") ?? "";
  const algorithm = named.startsWith("sha512") ? "sha512" : "sha256";
  assertEquals(await digestBytes(bytes, algorithm), named);
}

/** An answer of a registry that means no good, instead of the right one. */
interface AnswerRecipe {
  /** Which request gets it. */
  at: number;
  status: number;
  headers: [string, string][];
  body: string;
}

const answer: fc.Arbitrary<AnswerRecipe> = fc.record({
  at: fc.nat(14),
  status: fc.constantFrom(
    ...[200, 201, 202, 204, 206, 301, 302, 307, 308, 400, 401, 403, 404, 405, 409, 413, 416, 429],
    ...[500, 502, 503, 507, 599],
  ),
  headers: fc.array(
    fc.oneof(
      fc.constantFrom(
        ...[
          "",
          "/",
          "//",
          "x",
          "?",
          "http://",
          "http://[::1]:1/x",
          "https://user:pw@evil.test/v2/",
        ],
        ...["file:///etc/passwd", "javascript:0", "/v2/app/blobs/uploads/1?_state=%00", "\\\\x\\y"],
        ...["http://169.254.169.254/latest", `/${"x".repeat(9000)}`],
      ).map((place): [string, string] => ["Location", place]),
      digestText.map((digest): [string, string] => ["Docker-Content-Digest", digest]),
      fc.constantFrom("0-0", "0-1", "bytes=0-9", "0--1", "5-9", `0-${"9".repeat(15)}`, "x")
        .map((range): [string, string] => ["Range", range]),
      fc.constantFrom("0", "1", "-1", "99999999999999", "x")
        .map((length): [string, string] => ["Content-Length", length]),
      fc.constantFrom("0", "1", "99999999", "Tue, 24 Nov 2026 19:00:00 GMT", "soon")
        .map((wait): [string, string] => ["Retry-After", wait]),
      fc.constantFrom("1", "0", "-5", "999999999999999", "x")
        .map((size): [string, string] => ["OCI-Chunk-Min-Length", size]),
      fc.constantFrom("1", "0", "-5", "999999999999999", "x")
        .map((size): [string, string] => ["OCI-Chunk-Max-Length", size]),
      fc.constantFrom(
        '</v2/app/tags/list?last=1>; rel="next"',
        "<>; rel=next",
        "<http://x/>;rel=next",
      )
        .map((link): [string, string] => ["Link", link]),
      fc.constantFrom(...MANIFEST_TYPES, "text/html", "application/json", "\u009b31m/x")
        .map((type): [string, string] => ["Content-Type", type]),
    ),
    { maxLength: 3 },
  ),
  body: fc.oneof(
    fc.constantFrom(
      ...[
        "",
        "{}",
        "[]",
        "null",
        '{"errors":null}',
        '{"errors":[null]}',
        '{"tags":null}',
        "<html>",
      ],
      '{"errors":[{"code":"\\u001b[31mX\\u009b2J","message":"\\r\\n\\u0007\\u202e"}]}',
      ...['{"tags":["1",2]}', '{"tags":"1"}', '{"repositories":[null]}', '{"manifests":[{}]}'],
      ...["[".repeat(100_000), "\u001b]0;x\u0007".repeat(100), "x".repeat(100_000)],
      ...[JSON.stringify(manifest), JSON.stringify(index)],
    ),
    fc.string(),
  ),
});

const image = await makeImage(["one", "two"]);
const archive = toBlob(dockerSave([{ image, repoTags: ["app:1"] }]));

const client = subject(
  "client",
  30,
  fc.record({
    answers: fc.array(answer, { minLength: 1, maxLength: 4 }),
    task: fc.constantFrom("push", "push", "tags", "repositories", "manifest", "referrers", "image"),
  }),
  async ({ answers, task }, tally) => {
    const registry = createRegistry();
    await pushImage(archive, "localhost:5000/app:1", { fetch: registry });
    const target = task === "push" ? createRegistry() : registry;
    let count = 0;
    const fetch: Registry = async (request) => {
      const wrong = answers.find(({ at }) => at === count);
      if (count++ > MOST_REQUESTS) throw new Error("so many requests");
      if (!wrong) return await target(request);
      await request.body?.cancel();
      return toResponse(wrong, request);
    };
    try {
      await run(task, fetch);
      tally(`${task} done`);
    } catch (error) {
      assert(error instanceof OciError, `${error instanceof Error ? error.stack : error}`);
      assertClear(error);
      tally(`${task} failed`);
    }
    assert(count < MOST_REQUESTS, `${count} requests`);
  },
);

/** No task needs a tenth of it, however often it tries. */
const MOST_REQUESTS = 500;

const RETRY = { attempts: 2, delay: 0, maxRetryAfter: 0 };

async function run(task: string, fetch: Registry): Promise<void> {
  if (task === "push") {
    await pushImage(archive, "localhost:5000/app:1", { fetch, retry: RETRY });
    return;
  }
  await using client = new RegistryClient("http://localhost:5000", { fetch, retry: RETRY });
  const repository = client.repository("app");
  if (task === "tags") { for await (const _ of repository.tags()); }
  else if (task === "repositories") { for await (const _ of client.repositories()); }
  else if (task === "manifest") await repository.manifests.get("1");
  else if (task === "referrers") { for await (const _ of repository.referrers(manifestDigest)); }
  else await repository.image("1");
}

function toResponse({ status, headers, body }: AnswerRecipe, { method }: Request): Response {
  const isEmpty = method === "HEAD" || status === 204;
  const list = new Headers();
  for (const [name, value] of headers) list.append(name, value);
  return new Response(isEmpty ? null : body, { status, headers: list });
}

/** The embedded registry, and the client before a bad one. */
export const registrySubjects = [embedded, client];
