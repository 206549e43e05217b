import { assertEquals } from "@std/assert";
import { createRegistry } from "../../src/server/mod.ts";
import { test } from "../helpers/test.ts";
import { bytesOf, call, location, pushBlob, type Registry } from "./registry_calls.ts";

const OLLAMA = { "User-Agent": "ollama/0.17.4 (amd64 linux) Go/go1.26.8" };
const DIGEST = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

async function upload(registry: Registry, headers: Record<string, string>): Promise<string[]> {
  const started = await call(registry, "POST", "/v2/app/blobs/uploads/", null, headers);
  const sent = await call(registry, "PATCH", location(started), bytesOf("hello"), headers);
  const url = `${location(sent)}?digest=${DIGEST}`;
  const done = await call(registry, "PUT", url, null, headers);
  assertEquals([started.status, sent.status, done.status], [202, 202, 201]);
  return [started, sent, done].map((each) =>
    location(each).replace(/uploads\/[^/]+$/, "uploads/ID")
  );
}

test("createRegistry() gives ollama the addresses of uploads with their host, and nobody else", async () => {
  const paths = [
    "/v2/app/blobs/uploads/ID",
    "/v2/app/blobs/uploads/ID",
    `/v2/app/blobs/${DIGEST}`,
  ];
  for (
    const [headers, origin] of [
      [{}, ""],
      [{ "User-Agent": "curl/8.0 ollama/1" }, ""],
      [OLLAMA, "http://registry.test"],
      [{ ...OLLAMA, "X-Forwarded-Proto": "https" }, "https://registry.test"],
    ] as const
  ) {
    assertEquals(await upload(createRegistry(), headers), paths.map((path) => origin + path));
  }
});

test("createRegistry() tells ollama where a blob can be read, and nobody else", async () => {
  const registry = createRegistry();
  const digest = await pushBlob(registry, "hello");
  const path = `/v2/app/blobs/${digest}`;
  for (const [headers, expected] of [[{}, ""], [OLLAMA, path]] as const) {
    const response = await call(registry, "GET", path, null, headers);
    assertEquals([response.status, location(response)], [200, expected]);
    assertEquals(await response.text(), "hello");
  }
  const part = await call(registry, "GET", path, null, { ...OLLAMA, Range: "bytes=1-2" });
  assertEquals([part.status, location(part), await part.text()], [206, "", "el"]);
  const absent = await call(registry, "GET", `/v2/other/blobs/${digest}`, null, OLLAMA);
  assertEquals([absent.status, location(absent)], [404, ""]);
});
