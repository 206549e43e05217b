import { assertEquals } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import { parseRanges } from "../../src/server/byte_ranges.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { test } from "../helpers/test.ts";
import { call, codes, open, pushBlob, streamOf } from "./registry_calls.ts";

const MISSING = `sha256:${"0".repeat(64)}`;
const MIB = 1024 * 1024;

test("blob: GET and HEAD give size, digest and validator", async () => {
  const registry = createRegistry();
  const digest = await pushBlob(registry, "hello world");
  for (const method of ["GET", "HEAD"]) {
    const response = await call(registry, method, `/v2/app/blobs/${digest}`);
    assertEquals(response.status, 200);
    assertEquals(response.headers.get("Content-Length"), "11");
    assertEquals(response.headers.get("Docker-Content-Digest"), digest);
    assertEquals(response.headers.get("ETag"), `"${digest}"`);
    assertEquals(response.headers.get("Accept-Ranges"), "bytes");
    assertEquals(response.headers.get("Content-Type"), "application/octet-stream");
    assertEquals(await response.text(), method === "GET" ? "hello world" : "");
  }
});

test("blob: Range gives 206, what cannot be satisfied 416", async () => {
  const registry = createRegistry();
  const path = `/v2/app/blobs/${await pushBlob(registry, "hello world")}`;
  const part = await call(registry, "GET", path, null, { Range: "bytes=6-8" });
  assertEquals([part.status, await part.text()], [206, "wor"]);
  assertEquals(part.headers.get("Content-Range"), "bytes 6-8/11");
  assertEquals(part.headers.get("Content-Length"), "3");
  const open = await call(registry, "GET", path, null, { Range: "bytes=6-" });
  assertEquals([open.status, await open.text()], [206, "world"]);
  const tail = await call(registry, "GET", path, null, { Range: "bytes=-3" });
  assertEquals([tail.status, await tail.text()], [206, "rld"]);
  const beyond = await call(registry, "GET", path, null, { Range: "bytes=11-" });
  assertEquals(beyond.headers.get("Content-Range"), "bytes */11");
  assertEquals(await codes(beyond, 416), ["SIZE_INVALID"]);
});

test("blob: Range is ignored on HEAD, with another validator, and in forms that may be", async () => {
  const registry = createRegistry();
  const digest = await pushBlob(registry, "hello world");
  const path = `/v2/app/blobs/${digest}`;
  const status = async (method: string, headers: Record<string, string>) =>
    (await call(registry, method, path, null, headers)).status;
  assertEquals(await status("HEAD", { Range: "bytes=0-1" }), 200);
  assertEquals(await status("GET", { Range: "bytes=0-1", "If-Range": '"other"' }), 200);
  assertEquals(await status("GET", { Range: "bytes=0-1", "If-Range": `"${digest}"` }), 206);
  assertEquals(await status("GET", { Range: "items=0-1" }), 200);
});

test("blob: If-None-Match finds its ETag in a list, weak too, and says nothing of a length", async () => {
  const registry = createRegistry();
  const digest = await pushBlob(registry, "hello world");
  const get = (known: string) =>
    call(registry, "GET", `/v2/app/blobs/${digest}`, null, { "If-None-Match": known });
  for (const known of [`"${digest}"`, `W/"${digest}"`, `"other", "${digest}"`, "*"]) {
    const { status, headers } = await get(known);
    assertEquals([status, headers.get("Content-Length")], [304, null], known);
  }
  assertEquals((await get('"other"')).status, 200);
});

test("parseRanges() follows RFC 9110", () => {
  assertEquals(parseRanges("bytes=0-0", 10), [{ start: 0, end: 1 }]);
  assertEquals(parseRanges("bytes=5-99", 10), [{ start: 5, end: 10 }]);
  assertEquals(parseRanges("bytes=5-9223372036854775807", 10), [{ start: 5, end: 10 }]);
  assertEquals(parseRanges("bytes=-99", 10), [{ start: 0, end: 10 }]);
  assertEquals(parseRanges("bytes=-0", 10), []);
  assertEquals(parseRanges("bytes=0-", 0), []);
  assertEquals(parseRanges("bytes=10-12", 10), []);
  assertEquals(parseRanges("bytes=10-,11-", 10), []);
  assertEquals(parseRanges("bytes=0-1, 10-12 ,-2", 10), [{ start: 0, end: 2 }, {
    start: 8,
    end: 10,
  }]);
  const ignored = ["bytes=-", "bytes=5-4", "items=0-1", "0-1", "bytes=x-1", "", "bytes=0-1,x"];
  // More than the whole, or more than anyone needs: a few bytes must not make a server send many.
  ignored.push("bytes=0-,0-0", `bytes=${"0-0,".repeat(1024)}0-0`);
  for (const header of ignored) assertEquals(parseRanges(header, 10), undefined);
});

test("blob: several ranges come as the parts of one body", async () => {
  const registry = createRegistry();
  const bytes = new Uint8Array(3 * MIB).map((_, index) => index * 7 + index / 251);
  const digest = await digestBytes(bytes);
  const upload = await open(registry);
  await call(registry, "PUT", `${upload}?digest=${digest}`, bytes);
  const wanted = [[0, 1], [5, 2 * MIB], [3 * MIB - 2, 3 * MIB]] as const;
  const texts = wanted.map(([start, end]) => `${start}-${end - 1}`);
  const headers = { Range: `bytes=${texts.join(", ")},99999999-` };
  const response = await call(registry, "GET", `/v2/app/blobs/${digest}`, null, headers);
  assertEquals([response.status, response.headers.get("Content-Range")], [206, null]);
  const [, boundary] = /^multipart\/byteranges; boundary=(.+)$/
    .exec(response.headers.get("Content-Type") ?? "") ?? [];
  const length = response.headers.get("Content-Length");
  const body = await response.bytes();
  assertEquals(length, `${body.length}`);
  const expected = new Blob([
    ...wanted.flatMap(([start, end], index) => [
      `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\n`,
      `Content-Range: bytes ${texts[index]}/${bytes.length}\r\n\r\n`,
      bytes.subarray(start, end),
    ]),
    `\r\n--${boundary}--\r\n`,
  ]);
  assertEquals(await digestBytes(body), await digestBytes(await expected.bytes()));
  const one = { Range: "bytes=1-2,99999999-" };
  const part = await call(registry, "GET", `/v2/app/blobs/${digest}`, null, one);
  assertEquals([part.status, part.headers.get("Content-Range")], [206, `bytes 1-2/${3 * MIB}`]);
  await part.body?.cancel();
});

test("blob: a large one is streamed in and out, also in part", async () => {
  const registry = createRegistry();
  const pieces = [3, 1, 2].map((size, index) => new Uint8Array(size * MIB + index).fill(index + 1));
  const whole = await new Blob(pieces).bytes();
  const digest = await digestBytes(whole);
  const upload = await open(registry);
  const put = await call(registry, "PUT", `${upload}?digest=${digest}`, streamOf(...pieces));
  assertEquals(put.status, 201);
  const get = await call(registry, "GET", `/v2/app/blobs/${digest}`);
  assertEquals(get.headers.get("Content-Length"), `${whole.length}`);
  assertEquals(await digestBytes(await get.bytes()), digest);
  const [start, end] = [2 * MIB + 5, 5 * MIB];
  const range = { Range: `bytes=${start}-${end - 1}` };
  const part = await call(registry, "GET", `/v2/app/blobs/${digest}`, null, range);
  const expected = await digestBytes(whole.slice(start, end));
  assertEquals([part.status, await digestBytes(await part.bytes())], [206, expected]);
});

test("blob: one that is not in the repository gets 404", async () => {
  const registry = createRegistry({ allowDelete: true });
  const digest = await pushBlob(registry, "hello", "one");
  for (const path of [`/v2/app/blobs/${MISSING}`, `/v2/two/blobs/${digest}`]) {
    assertEquals(await codes(await call(registry, "GET", path), 404), ["BLOB_UNKNOWN"]);
    assertEquals(await codes(await call(registry, "DELETE", path), 404), ["BLOB_UNKNOWN"]);
    assertEquals((await call(registry, "HEAD", path)).status, 404);
  }
});

test("blob: DELETE takes it out of one repository, and is off by default", async () => {
  const registry = createRegistry({ allowDelete: true });
  const digest = await pushBlob(registry, "hello", "one");
  await pushBlob(registry, "hello", "two");
  assertEquals((await call(registry, "DELETE", `/v2/one/blobs/${digest}`)).status, 202);
  assertEquals((await call(registry, "HEAD", `/v2/one/blobs/${digest}`)).status, 404);
  assertEquals((await call(registry, "HEAD", `/v2/two/blobs/${digest}`)).status, 200);
  const plain = createRegistry();
  await pushBlob(plain, "hello");
  const refused = await call(plain, "DELETE", `/v2/app/blobs/${digest}`);
  assertEquals(refused.headers.get("Allow"), "GET, HEAD");
  assertEquals(await codes(refused, 405), ["UNSUPPORTED"]);
});
