import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  checkImage,
  copyImage,
  parseDigest,
  pullImage,
  pushImage,
  RegistryClient,
} from "../mod.ts";
import {
  formatImageName,
  formatReference,
  isRepository,
  isTag,
  parseImageName,
  parsePinnedName,
  parseReference,
  parseTarget,
  registryOrigin,
} from "../src/reference.ts";
import { test } from "./helpers/test.ts";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}` as const;

test("parseReference() takes registry, repository, tag and digest apart", () => {
  const cases: Record<string, Record<string, string>> = {
    "localhost:5000/app": { registry: "localhost:5000", repository: "app" },
    "localhost/app:1.0": { registry: "localhost", repository: "app", tag: "1.0" },
    "registry.lan/team/app:1.0": { registry: "registry.lan", repository: "team/app", tag: "1.0" },
    [`h:1/a@${DIGEST}`]: { registry: "h:1", repository: "a", digest: DIGEST },
    [`h/a:t@${DIGEST}`]: { registry: "h", repository: "a", tag: "t", digest: DIGEST },
    "http://h:80/a/b/c:T_1.x-Y": {
      scheme: "http",
      registry: "h:80",
      repository: "a/b/c",
      tag: "T_1.x-Y",
    },
    "HTTPS://h/a": { scheme: "https", registry: "h", repository: "a" },
    "[::1]:5000/app": { registry: "[::1]:5000", repository: "app" },
    "h/a__b.c-d--e/x": { registry: "h", repository: "a__b.c-d--e/x" },
  };
  for (const [text, parts] of Object.entries(cases)) {
    assertEquals({ ...parseReference(text) } as Record<string, string>, parts, text);
  }
});

test("parseReference() adds no tag of its own", () => {
  assertEquals(parseReference("h/a").tag, undefined);
});

test("parseReference() says what is wrong and what it wants", () => {
  const cases: [string, string][] = [
    ["", "it has no registry"],
    ["/app", "it has no registry"],
    ["localhost:5000", "it has no repository"],
    ["localhost:5000/", "it has no repository"],
    ["localhost:5000/team/", "it has no repository"],
    ["localhost:0/app", "is no registry"],
    ["localhost:65536/app", "is no registry"],
    ["localhost:/app", "is no registry"],
    ["user@host/app", "it comes with a login"],
    ["user:secret@host/app", "it comes with a login"],
    ["https://user:secret@host/app", "it comes with a login"],
    ["https://user:secret@host", "it comes with a login"],
    ["user:secret@host:5000", "it comes with a login"],
    ["app@sha256:12", "is no registry"],
    ["https://host/app?key=secret", 'reference "https://host/app": it comes with a query'],
    ["host/app.tar?key=secret", "it comes with a query"],
    ["host?key=secret", "it comes with a query"],
    ["ftp://user:secret@host/app#secret", "it comes with a login"],
    ["-host/app", "is no registry"],
    ["[::1/app", "is no registry"],
    ["[:::]/app", "is no registry"],
    ["h/App", 'repository "App" is not valid'],
    ["h//app", "is not valid"],
    ["h/../app", "is not valid"],
    ["h/a_-b", "is not valid"],
    ["h/a___b", "is not valid"],
    ["h/a:", 'tag "" is not valid'],
    ["h/a:.x", 'tag ".x" is not valid'],
    ["h/a:b:c", 'tag "b:c" is not valid'],
    [`h/a:${"x".repeat(129)}`, "is not valid"],
    ["h/a@sha256:12", "digest"],
    [`h/a@${DIGEST}@${DIGEST}`, "digest"],
    [`h/a@${DIGEST}:tag`, "digest"],
    ["h/a b", "is not valid"],
    ["ftp://h/a", "its scheme is unknown"],
    ["http://http://h/a", "its scheme is unknown"],
    [`h/${"a/".repeat(130)}a`, "registry and repository have"],
  ];
  for (const [text, message] of cases) {
    const error = assertThrows(() => parseReference(text), SyntaxError, message, text);
    assertEquals(error.message.startsWith("Cannot parse reference"), true);
    assertEquals(/expected /.test(error.message), true, error.message);
    assertEquals(error.message.includes("secret"), false, error.message);
  }
});

test("parseReference() escapes control characters and cuts long texts", () => {
  const error = assertThrows(
    () => parseReference(`h/\u001b[31m\n${"x".repeat(10_000)}`),
    SyntaxError,
  );
  assertEquals(/\p{Cc}/u.test(error.message), false);
  assertEquals(error.message.length < 1500, true);
});

test("parseTarget() tells references from places", () => {
  assertEquals(parseTarget("localhost:5000"), {
    kind: "place",
    place: { registry: "localhost:5000", prefix: "" },
  });
  assertEquals(parseTarget("registry.lan/"), {
    kind: "place",
    place: { registry: "registry.lan", prefix: "" },
  });
  assertEquals(parseTarget("http://h/team/x/"), {
    kind: "place",
    place: { scheme: "http", registry: "h", prefix: "team/x/" },
  });
  assertEquals(parseTarget("h/app").kind, "reference");
  assertThrows(() => parseTarget("h/Team/"), SyntaxError, '"Team"');
  assertThrows(() => parseTarget("h//"), SyntaxError, "it has no repository");
  assertThrows(() => parseTarget("h/team:1/"), SyntaxError, "not valid");
});

test("formatReference() leaves the digest out where there is a tag", () => {
  assertEquals(formatReference(parseReference(`http://h:1/a/b:t@${DIGEST}`)), "h:1/a/b:t");
  assertEquals(formatReference(parseReference(`h/a@${DIGEST}`)), `h/a@${DIGEST}`);
  assertEquals(formatReference(parseReference("h/a")), "h/a");
});

test("registryOrigin() uses plain http for this machine, elsewhere where it is told to", () => {
  const cases: [string, string][] = [
    ["localhost:5000", "http://localhost:5000"],
    ["localhost", "http://localhost"],
    ["LOCALHOST:5000", "http://localhost:5000"],
    ["127.0.0.1:5000", "http://127.0.0.1:5000"],
    ["127.255.1.2", "http://127.255.1.2"],
    ["[::1]:5000", "http://[::1]:5000"],
    ["registry.lan:5000", "https://registry.lan:5000"],
    ["localhost.example.com", "https://localhost.example.com"],
    ["127.example.com", "https://127.example.com"],
    ["10.0.0.1", "https://10.0.0.1"],
  ];
  for (const [registry, origin] of cases) assertEquals(registryOrigin({ registry }), origin);
  assertEquals(registryOrigin({ registry: "h:5000" }, true), "http://h:5000");
  assertEquals(registryOrigin({ registry: "h", scheme: "https" }, true), "https://h");
  assertEquals(registryOrigin({ registry: "h", scheme: "http" }), "http://h");
  assertEquals(registryOrigin({ registry: "localhost", scheme: "https" }), "https://localhost");
});

test("isTag() and isRepository() follow the grammar", () => {
  for (const tag of ["1", "_", "A.b-c_d", "x".repeat(128)]) assertEquals(isTag(tag), true, tag);
  for (const tag of ["", ".1", "-1", "a/b", "a:b", "x".repeat(129), "ä"]) {
    assertEquals(isTag(tag), false);
  }
  for (const name of ["a", "a/b/c", "a.b", "a__b", "a---b", "0"]) {
    assertEquals(isRepository(name), true);
  }
  for (const name of ["", "/", "a/", "A", "a..b", "a_-b", "-a", "a/b:c", "a".repeat(256)]) {
    assertEquals(isRepository(name), false, name);
  }
});

test("parseImageName() gives docker.io/library/X, library/X and X one name", () => {
  const spellings = ["app:1", "library/app:1", "docker.io/app:1", "docker.io/library/app:1"];
  for (const text of [...spellings, "index.docker.io/library/app:1"]) {
    assertEquals(parseImageName(text), { host: "", repository: "app", tag: "1" }, text);
  }
  for (const text of ["team/app:1", "docker.io/team/app:1"]) {
    assertEquals(parseImageName(text), { host: "", repository: "team/app", tag: "1" }, text);
  }
  assertEquals(parseImageName("docker.io/library/team/app:1")?.repository, "library/team/app");
});

test("parseImageName() keeps other hosts, and takes latest for no tag", () => {
  assertEquals(parseImageName("localhost:5000/team/app"), {
    host: "localhost:5000",
    repository: "team/app",
    tag: "latest",
  });
  assertEquals(parseImageName("localhost/app:1")?.host, "localhost");
  assertEquals(parseImageName("registry.example.com/library/app:1")?.repository, "library/app");
  assertEquals(parseImageName("team/app")?.host, "");
});

test("parseImageName() gives undefined for what is no name", () => {
  const wrong = [
    "",
    `app@${DIGEST}`,
    "ocidir://layout:latest",
    "App:1",
    "a/b:c:d",
    ":1",
    "app:",
    "h.x/",
  ];
  for (const text of wrong) assertEquals(parseImageName(text), undefined, text);
});

test("formatImageName() writes the short form", () => {
  const short = (text: string) => {
    const name = parseImageName(text);
    return name && formatImageName(name);
  };
  assertEquals(short("docker.io/library/app"), "app:latest");
  assertEquals(short("docker.io/team/app:1"), "team/app:1");
  assertEquals(short("localhost:5000/team/app:1"), "localhost:5000/team/app:1");
});

test("parsePinnedName() takes names with a digest, with a tag or without", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  for (
    const [text, formatted, hasTag] of [
      [`docker.io/library/app@${digest}`, "app:latest", false],
      [`localhost:5000/team/app@${digest}`, "localhost:5000/team/app:latest", false],
      [`team/app:1@${digest}`, "team/app:1", true],
    ] as const
  ) {
    const pinned = parsePinnedName(text);
    assertEquals(pinned && [formatImageName(pinned.name), pinned.hasTag], [formatted, hasTag]);
    assertEquals(pinned?.digest as string, digest);
  }
  for (const text of ["app", "app@sha256:1", `@${digest}`, `A B@${digest}`, `a@${digest}@x`]) {
    assertEquals(parsePinnedName(text), undefined, text);
  }
});

test("what JavaScript brings in place of a reference is told by its kind, wherever one is taken", async () => {
  const unset = undefined as unknown as string;
  const calls: (() => unknown)[] = [
    () => parseReference(unset),
    () => parseDigest(unset),
    () => new RegistryClient(unset),
    () => pushImage(new Blob([]), unset),
    () => copyImage(unset, "h/a:1"),
    () => checkImage(unset),
    () => pullImage(unset).cancel(),
  ];
  for (const call of calls) {
    await assertRejects(async () => await call(), TypeError, "it is undefined", `${call}`);
  }
});
