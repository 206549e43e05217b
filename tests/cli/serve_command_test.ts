import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { currentHost } from "../../src/runtime/mod.ts";
import { serveArchives } from "../../src/cli/serve_archives.ts";
import { createPromise } from "../../src/concurrency.ts";
import { run } from "../../src/cli/run.ts";
import { digestBytes } from "../../src/digest.ts";
import { startCollector } from "../../src/cli/serve_storage.ts";
import type { CollectOptions } from "../../src/runtime/mod.ts";
import type { ListenOptions } from "../../src/runtime/host.ts";
import { bytesOf, location } from "../server/registry_calls.ts";
import { test } from "../helpers/test.ts";
import { type FakeHost, fakeHost } from "./fake_host.ts";

/** `tarpush serve` without a socket. */
interface Served {
  host: FakeHost;
  /** What it was asked to listen with. */
  options: ListenOptions;
  call(method: string, path: string, body?: BodyInit): Promise<Response>;
  /** The exit code, once it has ended. */
  ended: Promise<number>;
  /** Settled when it waits for the last answers. */
  finishing: Promise<void>;
}

async function serve(args: string, files: Record<string, string> = {}): Promise<Served> {
  const listening = Promise.withResolvers<Omit<Served, "ended">>();
  const { promise: finishing, resolve: finish } = createPromise();
  const host = fakeHost(["serve", ...args.split(" ").filter(Boolean)], {
    overrides: {
      serve: (handler, options) => {
        const call: Served["call"] = async (method, path, body) => {
          const url = new URL(path, "http://registry.test");
          return await handler(new Request(url, { method, body: body ?? null }), "192.0.2.7");
        };
        listening.resolve({ host, options, call, finishing });
        const done = () => Promise.resolve(finish());
        return Promise.resolve({ port: 5000, finish: done, stop: () => Promise.resolve() });
      },
    },
  });
  for (const [name, text] of Object.entries(files)) host.written.files.set(name, text);
  const ended = run(host);
  return { ...await Promise.race([listening.promise, failure(ended, host)]), ended };
}

async function failure(ended: Promise<number>, host: FakeHost): Promise<never> {
  throw new Error(`serve ended with ${await ended}: ${host.written.stderr}`);
}

test("serve writes a line for each request, with who asked, what was answered and how long it took", async () => {
  const { call, host, ended } = await serve("");
  await call("GET", "/v2/");
  await call("GET", "/v2/app/tags/list?n=5\u202e");
  host.interrupt();
  assertEquals(await ended, 0);
  const [listening = "", base = "", tags = ""] = host.written.stderr.split("\n");
  assertEquals(listening, "Registry on http://127.0.0.1:5000, kept in memory; Ctrl-C ends it");
  assertMatch(base, /^[\d-]{10}T[\d:.]{12}Z 192\.0\.2\.7 GET \/v2\/ 200 2 B \d+ ms$/);
  assertMatch(tags, / GET \/v2\/app\/tags\/list\?n=5%E2%80%AE 404 \d+ B \d+ ms$/);
});

test("serve --json writes the same as JSON lines to stdout", async () => {
  const { call, host, ended } = await serve("--json");
  await call("GET", "/v2/");
  host.interrupt();
  assertEquals(await ended, 0);
  assertEquals(host.written.stderr, "");
  const [listening, request] = host.written.stdout.trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  const { time, ...rest } = listening;
  assertEquals(rest, { type: "listening", url: "http://127.0.0.1:5000", kept: "in memory" });
  assertMatch(time, /Z$/);
  const { type, client, method, path, status, bytes } = request;
  assertEquals([type, client, method, path, status, bytes], [
    ...["request", "192.0.2.7", "GET", "/v2/", 200, 2],
  ]);
});

test("serve has counts for Prometheus at /metrics, and /healthz", async () => {
  const { call, host, ended } = await serve("--quiet");
  assertEquals(await (await call("GET", "/healthz")).text(), "ok\n");
  const digest = await digestBytes(bytesOf("hello"));
  await call("POST", `/v2/app/blobs/uploads/?digest=${digest}`, "hello");
  await call("GET", `/v2/app/blobs/${digest}`);
  await call("POST", "/v2/app/blobs/uploads/");
  await call("GET", "/v2/none/tags/list");
  const metrics = await call("GET", "/metrics");
  assertEquals(metrics.headers.get("Content-Type"), "text/plain; version=0.0.4");
  const text = await metrics.text();
  for (
    const line of [
      'tarpush_requests_total{method="POST",status="201"} 1',
      'tarpush_requests_total{method="POST",status="202"} 1',
      'tarpush_requests_total{method="GET",status="200"} 1',
      'tarpush_requests_total{method="GET",status="404"} 1',
      "tarpush_received_bytes_total 5",
      "tarpush_blobs_total 1",
      "tarpush_uploads_open 1",
      "tarpush_errors_total 0",
      "# TYPE tarpush_uploads_open gauge",
    ]
  ) assertStringIncludes(text, `${line}\n`);
  assertMatch(text, /\ntarpush_sent_bytes_total [1-9]\d*\n/);
  host.interrupt();
  host.written.stderr = "";
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve))]);
  assertEquals(await (await call("GET", "/healthz")).text(), "ending\n");
});

test("serve lets an upload that has begun come to its end, and takes no new one", async () => {
  const { call, host, ended, finishing } = await serve("");
  const upload = location(await call("POST", "/v2/app/blobs/uploads/"));
  host.interrupt();
  const refused = await call("POST", "/v2/app/blobs/uploads/");
  assertEquals([refused.status, refused.headers.get("Retry-After")], [503, "5"]);
  assertEquals((await call("PATCH", upload, "hello")).status, 202);
  const digest = await digestBytes(bytesOf("hello"));
  assertEquals((await call("PUT", `${upload}?digest=${digest}`)).status, 201);
  await finishing;
  assertEquals(await ended, 0);
  assertStringIncludes(
    host.written.stderr,
    "\nWaiting for an upload, at most 30 s; Ctrl-C again ends at once\n",
  );
});

const CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
const KEY = "-----BEGIN EC PRIVATE KEY-----\nMA==\n-----END EC PRIVATE KEY-----\n";

test("serve tells a certificate and a key from what is none", async () => {
  const PASSWORD = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMA==\n";
  const PKCS8 = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n";
  const takesOff = "\nhint: take it off: openssl pkey -in k.pem -out key.pem";
  for (
    const [cert, key, problem] of [
      ["", KEY, 'Cannot use "c.pem" as a certificate: it has no PEM certificate'],
      [KEY, KEY, 'Cannot use "c.pem" as a certificate: it has no PEM certificate'],
      [CERTIFICATE, CERTIFICATE, 'Cannot use "k.pem" as a key: it has no PEM private key'],
      [CERTIFICATE, PASSWORD, `Cannot use "k.pem" as a key: it has a password${takesOff}`],
      [CERTIFICATE, PKCS8, `Cannot use "k.pem" as a key: it has a password${takesOff}`],
    ] as const
  ) {
    const host = fakeHost("serve --cert c.pem --key k.pem".split(" "));
    host.written.files.set("c.pem", cert).set("k.pem", key);
    assertEquals(await run(host), 2);
    assertStringIncludes(host.written.stderr, problem);
  }
});

test("serve --cert --key listens for https", async () => {
  const { host, options, ended } = await serve("--cert c.pem --key k.pem", {
    "c.pem": CERTIFICATE,
    "k.pem": KEY,
  });
  host.interrupt();
  assertEquals(await ended, 0);
  assertEquals(options.tls, { cert: CERTIFICATE, key: KEY });
  assertStringIncludes(host.written.stderr, "Registry on https://127.0.0.1:5000, ");
});

test("serve --dir collects now and then, says what it removed, and goes on after a failure", async () => {
  const lines: string[] = [];
  const seen: unknown[] = [];
  const { promise: done, resolve } = createPromise();
  const collect = ({ untaggedSeconds }: CollectOptions = {}) => {
    seen.push(untaggedSeconds);
    if (seen.length === 3) resolve();
    if (seen.length === 2) return Promise.reject(new Error("the disk is gone"));
    return Promise.resolve({ manifests: 1, blobs: 2, uploads: 0, bytes: 3000 });
  };
  const log = {
    note: (line: string) => lines.push(line),
    error: (line: string) => lines.push(line),
  };
  await using _collector = startCollector({ collect }, true, log, 1);
  await done;
  assertEquals(seen.slice(0, 3), [Infinity, Infinity, Infinity]);
  assertEquals(lines.slice(0, 2), [
    "Removed 3 kB that nothing needs, 2 blobs",
    "Cannot collect: the disk is gone",
  ]);
});

test("serve --max-blob refuses a blob that is longer, whatever its pieces are", async () => {
  const { call, host, ended } = await serve("--max-blob 8");
  const upload = location(await call("POST", "/v2/app/blobs/uploads/"));
  assertEquals((await call("PATCH", upload, "12345")).status, 202);
  const refused = await call("PATCH", upload, "6789");
  assertEquals(refused.status, 413);
  assertStringIncludes(await refused.text(), "the blob has more than 8 bytes");
  assertEquals((await call("PATCH", upload, "678")).status, 202);
  await call("DELETE", upload);
  host.interrupt();
  assertEquals(await ended, 0);
});

test("serve keeps none of very many archives open", async () => {
  const held = new Set<boolean | undefined>();
  const { openFile } = currentHost();
  const host = fakeHost([], {
    overrides: {
      openFile: (path, options) => {
        held.add(options?.isHeld);
        return openFile(path, options);
      },
    },
  });
  const words = Array.from({ length: 201 }, () => "tests/fixtures/docker28-single.tar");
  await using served = await serveArchives(words, host, new AbortController().signal);
  assertEquals([served.kept, [...held]], ["in 201 archives", [false]]);
});
