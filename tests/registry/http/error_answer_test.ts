import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { RegistryError } from "../../../src/errors.ts";
import type { Call } from "../../../src/registry/http/call.ts";
import { request } from "../../../src/registry/http/http.ts";
import { processorTime } from "../../helpers/processor_time.ts";
import { type ScriptedAnswer, scriptedFetch } from "../../helpers/scripted_fetch.ts";
import { test } from "../../helpers/test.ts";
import { makeHttp } from "../make_http.ts";

/** The message and hint of an answer to a request; `registry.test answered ` is left out. */
async function told(
  { method, path, body }: Pick<Call, "method" | "body"> & { path: string },
  answer: ScriptedAnswer,
): Promise<[message: string, hint: string]> {
  // A write that is led elsewhere is not followed where reads are not.
  const script = scriptedFetch([[`${method} ${path}`, answer], [/^HEAD .*list$/, { status: 404 }]]);
  const http = makeHttp(script.fetch, { retry: { attempts: 1 } });
  const url = new URL(path, http.origin);
  const call: Call = { action: "do it", method, url, ...(body && { body }), expect: [201] };
  const error = await assertRejects(() => request(http, call));
  assertInstanceOf(error, RegistryError);
  const start = "Cannot do it: registry.test answered ";
  assert(error.message.startsWith(start), error.message);
  return [error.message.slice(start.length), error.hint ?? ""];
}

const READ = { method: "GET", path: "/v2/app/manifests/1" } as const;
const START = { method: "POST", path: "/v2/app/blobs/uploads/" } as const;
const PATCH = { method: "PATCH", path: "/v2/app/blobs/uploads/1" } as const;
const LARGE_PATCH = { ...PATCH, body: new Uint8Array(100_000) };
const MANIFEST = { method: "PUT", path: "/v2/app/manifests/1" } as const;
const HTML = { "content-type": "text/html; charset=utf-8" };
const JSON_TYPE = { "content-type": "application/json" };
const errors = (code: string, message = "", detail?: unknown) =>
  JSON.stringify({ errors: [{ code, message, detail }] });
/** What distribution 2 says of its disk; 28 is ENOSPC. */
const NO_SPACE = { DriverName: "filesystem", Enclosed: { Op: "write", Path: "/var/x", Err: 28 } };

const SHORT_NAME = /a name of two parts: HOST\/NAMESPACE\/REPOSITORY/;

const ANSWERS: [
  title: string,
  request: Parameters<typeof told>[0],
  answer: ScriptedAnswer,
  message: string,
  hint: RegExp,
][] = [
  [
    "AirPlay of macOS",
    READ,
    { status: 403, headers: { server: "AirTunes/775.3.1" } },
    "403 Forbidden: it is no registry but AirPlay, which takes port 5000 on a Mac",
    /another port.*AirPlay Receiver/,
  ],
  [
    "Quay, of a name without a namespace",
    START,
    {
      status: 400,
      headers: JSON_TYPE,
      body: '{"error": "A namespace must be specified explicitly"}',
    },
    '400 Bad Request with application/json ("A namespace must be specified explicitly") that is no registry error',
    SHORT_NAME,
  ],
  [
    "Quay, of the same in a HEAD",
    { method: "HEAD", path: "/v2/app/blobs/sha256:0" },
    { status: 400, headers: JSON_TYPE },
    "400 Bad Request",
    SHORT_NAME,
  ],
  [
    "a registry that refuses a name of one part",
    START,
    { status: 400, body: errors("NAME_INVALID", "no") },
    "400 Bad Request: NAME_INVALID: no",
    SHORT_NAME,
  ],
  [
    "a registry that refuses a name of two parts",
    { method: "POST", path: "/v2/team/app/blobs/uploads/" },
    { status: 400, body: errors("NAME_INVALID", "no") },
    "400 Bad Request: NAME_INVALID: no",
    /^$/,
  ],
  [
    "a web application firewall",
    READ,
    {
      status: 403,
      headers: { ...HTML, server: "cloudflare" },
      body: "<html><head><TITLE lang=en>Attention Required! &#124; Cloudflare</TITLE>",
    },
    '403 Forbidden with text/html ("Attention Required! | Cloudflare", Server: cloudflare) that is no registry error',
    /^it names no login.*firewall/,
  ],
  [
    "a web server that forbids writing",
    START,
    { status: 403, headers: HTML, body: "<h1>Forbidden</h1>" },
    '403 Forbidden with text/html ("Forbidden") that is no registry error',
    /^writing is forbidden here.*refuses POST/,
  ],
  [
    "a 401 with nothing to log in with",
    START,
    { status: 401 },
    "401 Unauthorized",
    /^writing is forbidden here/,
  ],
  [
    "a login that a header names",
    START,
    { status: 401, headers: { "www-authenticate": "Bearer realm=x", server: "x" } },
    "401 Unauthorized",
    /wants a login, and tarpush has none, and asks for no token, which some give to anybody: /,
  ],
  [
    "a login without tokens",
    START,
    { status: 401, headers: { "www-authenticate": "Basic realm=x" } },
    "401 Unauthorized",
    /wants a login, and tarpush has none: use a registry without one/,
  ],
  [
    "a login that the registry's JSON names",
    READ,
    { status: 403, headers: JSON_TYPE, body: errors("DENIED", "requested access is denied") },
    "403 Forbidden: DENIED: requested access is denied",
    /wants a login/,
  ],
  [
    "a refusal that is none for want of a login",
    MANIFEST,
    { status: 403, headers: JSON_TYPE, body: errors("DENIED", "the tag is immutable") },
    "403 Forbidden: DENIED: the tag is immutable",
    /^$/,
  ],
  [
    "a proxy that drops what is sent, before distribution",
    MANIFEST,
    {
      status: 400,
      headers: JSON_TYPE,
      body:
        '{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":"unexpected end of JSON input"}]}',
    },
    "400 Bad Request: MANIFEST_INVALID: manifest invalid (unexpected end of JSON input)",
    /^the registry got nothing of it, or the beginning: a proxy before it drops what is sent/,
  ],
  [
    "a proxy project of Harbor",
    START,
    { status: 403, body: errors("DENIED", "can not push artifact to a proxy project: hub") },
    "403 Forbidden: DENIED: can not push artifact to a proxy project: hub",
    /^$/,
  ],
  [
    "the quota of a project of Harbor",
    START,
    {
      status: 403,
      body: errors(
        "DENIED",
        "adding 2.0 MiB of storage resource, which when updated to current usage of 6.2 MiB will exceed the configured upper limit of 7.0 MiB.",
      ),
    },
    "403 Forbidden: DENIED: adding 2.0 MiB of storage resource, which when updated to current usage of 6.2 MiB will exceed the configured upper limit of 7.0 MiB.",
    /^$/,
  ],
  [
    "a project that Harbor does not have, for somebody whom it knows",
    READ,
    {
      status: 401,
      headers: { "www-authenticate": "" },
      body: errors("UNAUTHORIZED", "project shop not found: project shop not found"),
    },
    "401 Unauthorized: UNAUTHORIZED: project shop not found: project shop not found",
    /^the registry makes no repository by itself/,
  ],
  [
    "a project that nobody is told of without a login",
    READ,
    {
      status: 401,
      headers: { "www-authenticate": 'Bearer realm="https://harbor.test/service/token"' },
      body: errors("UNAUTHORIZED", "project shop not found"),
    },
    "401 Unauthorized: UNAUTHORIZED: project shop not found",
    /wants a login/,
  ],
  [
    "a firewall of Azure",
    READ,
    { status: 403, body: errors("DENIED", "client with IP '192.0.2.1' is not allowed access.") },
    "403 Forbidden: DENIED: client with IP '192.0.2.1' is not allowed access.",
    /^$/,
  ],
  [
    "a repository of Nexus that is written once",
    MANIFEST,
    {
      status: 400,
      body: errors("BLOB_UPLOAD_INVALID", "blob upload invalid", "does not allow updating assets"),
    },
    "400 Bad Request: BLOB_UPLOAD_INVALID: blob upload invalid (does not allow updating assets)",
    /^$/,
  ],
  [
    "what Quay says in a detail, and what it says twice",
    MANIFEST,
    {
      status: 400,
      body: JSON.stringify({
        errors: [
          {
            code: "MANIFEST_INVALID",
            message: "manifest invalid",
            detail: { message: "no schema" },
          },
          { code: "X", message: "said twice", detail: "twice" },
          { code: "Y", detail: { other: 1 } },
          { code: "Z", detail: ["list"] },
        ],
      }),
    },
    "400 Bad Request: MANIFEST_INVALID: manifest invalid (no schema); X: said twice; Y; Z",
    /^$/,
  ],
  [
    "the full disk of distribution 2",
    START,
    { status: 500, body: errors("UNKNOWN", "unknown error", NO_SPACE) },
    "500 Internal Server Error: UNKNOWN: unknown error (no space left on device)",
    /cannot write to its disk/,
  ],
  [
    "the disk of distribution 3, without rights",
    START,
    {
      status: 500,
      body: errors(
        "UNKNOWN",
        "unknown error",
        `filesystem: mkdir ${"/a".repeat(200)}: permission denied`,
      ),
    },
    "500 Internal Server Error: UNKNOWN: unknown error (permission denied)",
    /cannot write to its disk/,
  ],
  [
    "a store without room",
    PATCH,
    { status: 507, headers: { "content-type": "text/plain" }, body: "Insufficient Storage" },
    '507 with text/plain ("Insufficient Storage") that is no registry error',
    /cannot write to its disk/,
  ],
  [
    "a quota that is told as a length",
    PATCH,
    { status: 413, headers: { "content-type": "text/plain" }, body: "quota exceeded" },
    '413 Payload Too Large with text/plain ("quota exceeded") that is no registry error',
    /^$/,
  ],
  [
    "a limit of nginx",
    PATCH,
    {
      status: 503,
      headers: { ...HTML, server: "nginx/1.22.1" },
      body: "<title>503</title><center><h1>503 Service Temporarily Unavailable</h1></center>",
    },
    '503 Service Unavailable with text/html ("503", Server: nginx/1.22.1) that is no registry error',
    /limit_req.*--max-requests-per-second/,
  ],
  [
    "a repository that has to be made",
    START,
    { status: 404, body: errors("NAME_UNKNOWN", "The repository 'app' does not exist") },
    "404 Not Found: NAME_UNKNOWN: The repository 'app' does not exist",
    /make it there first/,
  ],
  [
    "JSON of something else",
    READ,
    {
      status: 403,
      headers: JSON_TYPE,
      body: '{"kind":"Status","message":"forbidden: User \\"system:anonymous\\""}',
    },
    '403 Forbidden with application/json ("forbidden: User \\"system:anonymous\\"") that is no registry error',
    /^it names no login/,
  ],
  [
    "an object store",
    READ,
    {
      status: 403,
      headers: { "content-type": "application/xml" },
      body:
        '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message>',
    },
    '403 Forbidden with application/xml ("AccessDenied: Request has expired") that is no registry error',
    /^it names no login/,
  ],
  [
    "plain text",
    READ,
    { status: 404, headers: { "content-type": "text/plain" }, body: "404 page not found\nmore" },
    '404 Not Found with text/plain ("404 page not found") that is no registry error',
    /v2\/ should answer 200/,
  ],
  [
    "plain text under a label that is no coding, but a member of every object",
    READ,
    {
      status: 404,
      headers: { "content-type": "text/plain", "content-encoding": "constructor" },
      body: "not here",
    },
    '404 Not Found with text/plain ("not here") that is no registry error',
    /v2\/ should answer 200/,
  ],
  [
    "a registry whose names have one part",
    { method: "POST", path: "/v2/team/app/blobs/uploads/" },
    { status: 404 },
    "404 Not Found",
    /v2\/ should answer 200; .*name with so many parts/,
  ],
  [
    "a name of a user whom Gitea does not know",
    READ,
    { status: 404, headers: { "content-type": "text/plain;charset=utf-8" }, body: "Not found." },
    '404 Not Found with text/plain ("Not found.") that is no registry error',
    /v2\/ should answer 200; .*no user or project/,
  ],
  [
    "a read-only registry",
    START,
    { status: 405, headers: { "content-type": "text/plain", allow: "GET, HEAD" } },
    "405 Method Not Allowed: it takes no uploads",
    /read-only or a pull-through cache/,
  ],
  [
    "a pull-through cache",
    START,
    {
      status: 405,
      headers: JSON_TYPE,
      body: errors("UNSUPPORTED", "The operation is unsupported."),
    },
    "405 Method Not Allowed: it takes no uploads: UNSUPPORTED: The operation is unsupported.",
    /read-only or a pull-through cache/,
  ],
  [
    "a read-only registry that has the blobs",
    MANIFEST,
    { status: 405 },
    "405 Method Not Allowed: it takes no uploads",
    /read-only/,
  ],
  [
    "a registry that only reads and says so of an upload with 400",
    START,
    { status: 400, body: errors("UNSUPPORTED", "PushBlobChunked: unsupported") },
    "400 Bad Request: it takes no uploads: UNSUPPORTED: PushBlobChunked: unsupported",
    /read-only/,
  ],
  [
    "a registry that does not take an upload in this way",
    { method: "POST", path: "/v2/app/blobs/uploads/?digest=sha256:0" },
    { status: 400, body: errors("UNSUPPORTED", "no single POST") },
    "400 Bad Request: UNSUPPORTED: no single POST",
    /^$/,
  ],
  [
    "a registry that takes one PATCH for an upload",
    { method: "PATCH", path: "/v2/team/app/blobs/uploads/1" },
    { status: 405, body: errors("UNSUPPORTED", "The operation is unsupported.") },
    "405 Method Not Allowed: UNSUPPORTED: The operation is unsupported.",
    /^$/,
  ],
  [
    "a registry that knows sha256 alone, asked for a blob",
    { method: "HEAD", path: `/v2/app/blobs/sha512:${"0".repeat(128)}` },
    { status: 400 },
    "400 Bad Request",
    /sha512.*sha256 alone/,
  ],
  [
    "a registry that fails at a digest of sha512, as Kraken",
    { method: "HEAD", path: `/v2/app/blobs/sha512:${"0".repeat(128)}` },
    { status: 500 },
    "500 Internal Server Error",
    /sha512.*sha256 alone/,
  ],
  [
    "a registry that knows sha256 alone, sent a blob",
    { method: "PUT", path: `/v2/app/blobs/uploads/1?digest=sha512%3A${"0".repeat(128)}` },
    { status: 400, body: errors("DIGEST_INVALID", "digest does not match contents") },
    "400 Bad Request: DIGEST_INVALID: digest does not match contents",
    /sha512.*sha256 alone/,
  ],
  [
    "a pull-through cache that has the blobs",
    MANIFEST,
    { status: 405, body: errors("UNSUPPORTED", "The operation is unsupported.") },
    "405 Method Not Allowed: it takes no uploads: UNSUPPORTED: The operation is unsupported.",
    /read-only or a pull-through cache/,
  ],
  [
    "a registry that refuses a manifest alone",
    MANIFEST,
    { status: 405, body: errors("UNSUPPORTED", "Invalid parameter") },
    "405 Method Not Allowed: UNSUPPORTED: Invalid parameter",
    /^$/,
  ],
  [
    "a web server that only reads",
    START,
    { status: 501, headers: HTML, body: "<title>Error response</title>" },
    '501 Not Implemented: it takes no uploads, with text/html ("Error response")',
    /read-only/,
  ],
  [
    "a proxy that knows no PATCH",
    PATCH,
    { status: 405, headers: HTML, body: "<title>405 Not Allowed</title>" },
    '405 Method Not Allowed: PATCH is not let through, with text/html ("405 Not Allowed")',
    /proxy or firewall/,
  ],
  [
    "a proxy that takes no more of a body",
    LARGE_PATCH,
    { status: 400, headers: HTML, body: "<title>Too much</title>" },
    '400 Bad Request with text/html ("Too much") that is no registry error',
    /cut what is large or takes long.*--chunk-size/,
  ],
  [
    "a proxy that takes not even a little of a body",
    PATCH,
    { status: 400, headers: HTML, body: "<title>No</title>" },
    '400 Bad Request with text/html ("No") that is no registry error',
    /^a page comes from a firewall/,
  ],
  [
    "a firewall with a status of its own",
    START,
    { status: 406, headers: HTML, body: "<title>Not Acceptable!</title>" },
    '406 with text/html ("Not Acceptable!") that is no registry error',
    /^a page comes from a firewall/,
  ],
  [
    "a proxy that does not reach the registry",
    READ,
    { status: 502, headers: HTML, body: "<title>502 Bad Gateway</title>" },
    '502 Bad Gateway with text/html ("502 Bad Gateway") that is no registry error',
    /does not reach the registry/,
  ],
  [
    "a redirect of the whole registry",
    START,
    { status: 301, headers: { ...HTML, location: `https://registry.test${START.path}` } },
    "301 Moved Permanently: it redirects to https://registry.test",
    /^write https:\/\/registry\.test\/\.\.\. in the reference$/,
  ],
  [
    "a redirect of the repository",
    START,
    { status: 301, headers: { location: "/v2/team/renamed/blobs/uploads/" } },
    "301 Moved Permanently: it redirects to http://registry.test/team/renamed",
    /^write http:\/\/registry\.test\/team\/renamed in the reference$/,
  ],
  [
    "a redirect of a write to where it went",
    START,
    { status: 301, headers: { ...HTML, location: `http://registry.test${START.path}` } },
    "301 Moved Permanently: it redirects to the same address",
    /changes the path, such as the \/ at its end/,
  ],
  [
    "a redirect of a read to where it went",
    READ,
    { status: 308, headers: { location: READ.path } },
    "308: it redirects to the same address",
    /leave what is below \/v2\/ as it is/,
  ],
  [
    "a redirect to a sign-in page",
    MANIFEST,
    { status: 302, headers: { location: "/login?next=secret" } },
    "302 Found: it redirects to http://registry.test/login",
    /sign-in page/,
  ],
  [
    "a redirect that names no place",
    START,
    { status: 302, headers: HTML, body: "<title>Blocked by policy</title>" },
    '302 Found with text/html ("Blocked by policy") that is no registry error',
    /firewall, proxy or web server/,
  ],
];

for (const [title, sent, answer, message, hint] of ANSWERS) {
  test(`request() says what answers: ${title}`, async () => {
    const [actual, help] = await told(sent, answer);
    assertEquals(actual, message);
    assert(hint.test(help), help);
  });
}

test("request() shows the words of a stranger without what a terminal could act upon", async () => {
  const body = `<title>\u001b[2J&#27;]0;x\u0007 ${"long ".repeat(100)}</title>`;
  const headers = { ...HTML, server: "x\u0080y" };
  const [message] = await told(READ, { status: 404, headers, body });
  // deno-lint-ignore no-control-regex
  assertEquals(/[\u0000-\u001f\u007f-\u009f]/.test(message), false, message);
  assert(message.length < 350, message);
});

test("request() looks through a hostile page once", async () => {
  const start = processorTime();
  await told(READ, { status: 404, headers: HTML, body: "<title ".repeat(20_000) });
  assert(processorTime() - start < 10_000);
});

test("request() says that a registry names a scheme that it does not speak", async () => {
  const http = makeHttp(() => Promise.reject(new TypeError("InvalidContentType")), {
    origin: "http://registry.test:8080",
  });
  const url = new URL("https://registry.test:8080/v2/app/blobs/uploads/1");
  const call: Call = { action: "do it", method: "PATCH", url, expect: [202] };
  const error = await assertRejects(
    () => request(http, call),
    Error,
    "https://registry.test:8080 (where registry.test:8080 leads): it speaks no TLS",
  );
  assert("hint" in error && String(error.hint).includes("X-Forwarded-Proto"), error.message);
});

test("request() names both addresses where an upload is led elsewhere", async () => {
  const http = makeHttp(scriptedFetch([]).fetch, { origin: "http://registry.test:8080" });
  const url = new URL("http://registry.test/v2/app/blobs/uploads/1");
  const call: Call = { action: "do it", method: "PATCH", url, expect: [202] };
  const answers: [fetch: typeof http.fetch, message: string][] = [
    [
      () => Promise.resolve(new Response("<title>Welcome</title>", { status: 404, headers: HTML })),
      'http://registry.test (where registry.test:8080 leads) answered 404 Not Found with text/html ("Welcome")',
    ],
    [
      () => Promise.reject(new TypeError("Connection refused")),
      "http://registry.test (where registry.test:8080 leads): connection refused",
    ],
  ];
  for (const [fetch, message] of answers) {
    const error = await assertRejects(
      () => request({ ...http, fetch, retry: { ...http.retry, attempts: 1 } }, call),
      Error,
      message,
    );
    assert("hint" in error && String(error.hint).includes("$http_host"), error.message);
  }
});

test("a registry whose disk is full is not asked again", async () => {
  const answers = [
    { status: 500, body: errors("UNKNOWN", "unknown error", NO_SPACE) },
    { status: 507, body: errors("UNAVAILABLE", "the disk is full") },
  ];
  for (const answer of answers) {
    const script = scriptedFetch([["POST /v2/app/blobs/uploads/", answer]]);
    const http = makeHttp(script.fetch, { retry: { attempts: 3, delay: 0 } });
    const url = new URL(START.path, http.origin);
    const call: Call = { action: "do it", method: "POST", url, expect: [202] };
    const error = await assertRejects(() => request(http, call), RegistryError);
    assertEquals([error.retryable, script.requests.length], [false, 1]);
  }
});
