import { assertEquals, assertThrows } from "@std/assert";
import { Problem } from "../../src/server/problem.ts";
import { allowedMethods, parseRoute } from "../../src/server/routes.ts";
import { test } from "../helpers/test.ts";

const DIGEST = `sha256:${"ab".repeat(32)}` as const;

test("parseRoute() knows every endpoint", () => {
  assertEquals(parseRoute("/v2/"), { kind: "base" });
  assertEquals(parseRoute("/v2"), { kind: "base" });
  assertEquals(parseRoute("/v2/_catalog"), { kind: "catalog" });
  assertEquals(parseRoute("/v2/a/b/tags/list"), { kind: "tags", repository: "a/b" });
  assertEquals(parseRoute(`/v2/a/blobs/${DIGEST}`), {
    kind: "blob",
    repository: "a",
    digest: DIGEST,
  });
  assertEquals(parseRoute("/v2/a/blobs/uploads"), { kind: "uploads", repository: "a" });
  assertEquals(parseRoute("/v2/a/blobs/uploads/"), { kind: "uploads", repository: "a" });
  assertEquals(parseRoute("/v2/a/blobs/uploads/id"), { kind: "upload", repository: "a", id: "id" });
  assertEquals(parseRoute(`/v2/a/referrers/${DIGEST}`), {
    kind: "referrers",
    repository: "a",
    digest: DIGEST,
  });
});

test("parseRoute() tells tags, digests and what is neither apart", () => {
  const reference = (path: string) => {
    const route = parseRoute(path);
    return route.kind === "manifest" ? route.reference : undefined;
  };
  assertEquals(reference("/v2/a/manifests/1.0"), { kind: "tag", tag: "1.0" });
  assertEquals(reference(`/v2/a/manifests/${DIGEST}`), { kind: "digest", digest: DIGEST });
  assertEquals(reference("/v2/a/manifests/.x"), { kind: "neither", text: ".x" });
  assertEquals(reference(`/v2/a/manifests/${"t".repeat(129)}`)?.kind, "neither");
});

test("parseRoute() lets repositories have the names of endpoints", () => {
  assertEquals(parseRoute("/v2/a/manifests/blobs/tags/list"), {
    kind: "tags",
    repository: "a/manifests/blobs",
  });
  assertEquals(parseRoute(`/v2/blobs/uploads/blobs/${DIGEST}`), {
    kind: "blob",
    repository: "blobs/uploads",
    digest: DIGEST,
  });
});

test("parseRoute() decodes percent signs", () => {
  const encoded = `/v2/a/blobs/${DIGEST.replace(":", "%3A")}`;
  assertEquals(parseRoute(encoded), { kind: "blob", repository: "a", digest: DIGEST });
  assertEquals(thrown("/v2/a%ff/tags/list"), [400, "NAME_INVALID"]);
});

test("parseRoute() refuses names and digests that break the grammar", () => {
  assertEquals(thrown("/v2/UPPER/tags/list"), [400, "NAME_INVALID"]);
  assertEquals(thrown("/v2/a__b___c/tags/list"), [400, "NAME_INVALID"]);
  assertEquals(thrown("/v2/-a/manifests/x"), [400, "NAME_INVALID"]);
  assertEquals(thrown(`/v2/${"a".repeat(256)}/tags/list`), [400, "NAME_INVALID"]);
  assertEquals(thrown("/v2/a/blobs/sha256:abc"), [400, "DIGEST_INVALID"]);
  assertEquals(thrown("/v2/a/manifests/md5:abc"), [400, "DIGEST_INVALID"]);
  assertEquals(thrown("/v2/a/referrers/x"), [400, "DIGEST_INVALID"]);
});

test("parseRoute() refuses paths that are no endpoint", () => {
  for (const path of ["/", "/v1/", "/v2/a", "/v2/tags/list", "/v2/a/tags", "/v2/a/blobs/"]) {
    assertEquals(thrown(path), [404, "UNSUPPORTED"]);
  }
});

test("allowedMethods() leaves out what is switched off", () => {
  const all = { readOnly: false, allowDelete: true };
  assertEquals(allowedMethods("manifest", all), ["GET", "HEAD", "PUT", "DELETE"]);
  assertEquals(allowedMethods("manifest", { ...all, readOnly: true }), ["GET", "HEAD"]);
  assertEquals(allowedMethods("blob", { readOnly: false, allowDelete: false }), ["GET", "HEAD"]);
  assertEquals(allowedMethods("uploads", { ...all, readOnly: true }), []);
  // Cancelling an upload deletes nothing that anyone could read.
  assertEquals(
    allowedMethods("upload", { readOnly: false, allowDelete: false }).includes("DELETE"),
    true,
  );
});

function thrown(path: string): [number, string | undefined] {
  const problem = assertThrows(() => parseRoute(path), Problem);
  return [problem.status, problem.errors[0]?.code];
}
