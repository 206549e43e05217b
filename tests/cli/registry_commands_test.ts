import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parseCommand } from "../../src/cli/args.ts";
import type { RemoveCommand } from "../../src/cli/command.ts";
import { runRemove } from "../../src/cli/rm_command.ts";
import { run } from "../../src/cli/run.ts";
import { OCI_INDEX } from "../../src/media_types.ts";
import { pushImage } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { encodeJson, layoutTar, makeImage } from "../helpers/archives.ts";
import { test } from "../helpers/test.ts";
import { fakeHost, type FakeHostOptions, runFake } from "./fake_host.ts";

const IMAGE = await makeImage(["a", "b"], {
  config: { created: "2026-01-02T03:04:05Z", config: { Labels: { team: "core\x1b[2J" } } },
});
const ARCHIVE = await layoutTar(IMAGE);

/** A registry with `team/app` in versions 1, 2 and 3, all the same image. */
async function filledRegistry(options: Parameters<typeof createRegistry>[0] = {}) {
  const registry = createRegistry({ allowDelete: true, ...options });
  const targets = ["1", "2", "3"].map((tag) => `localhost:5000/team/app:${tag}`);
  const { images } = await pushImage(ARCHIVE, targets, { fetch: registry });
  return { registry, digest: images[0]?.digest ?? "" };
}

/** As registry:2 does, refuses to delete a tag alone. */
function byDigestOnly(registry: FetchHandler): FetchHandler {
  return async (request) => {
    const isTag = request.method === "DELETE" && !request.url.includes("sha256:");
    if (!isTag) return await registry(request);
    const errors = [{ code: "DIGEST_INVALID", message: "provided digest did not match" }];
    return new Response(encodeJson({ errors }), { status: 400 });
  };
}

async function runWith(args: string, registry: FetchHandler, options: FakeHostOptions = {}) {
  const { code, stdout, stderr } = await runFake(args, { registry, ...options });
  return { code, stdout, stderr };
}

test("run() ping tells a registry from what is none", async () => {
  const registry = createRegistry();
  const found = await runWith("ping localhost:5000", registry);
  assertEquals([found.code, found.stderr], [0, ""]);
  assertMatch(
    found.stdout,
    /^http:\/\/localhost:5000 is a registry \(registry\/2\.0\), (\d+ ms|\d+\.\ds)\n$/,
  );
  assertEquals((await runWith("ping localhost:5000 -q", registry)).stdout, "");
  const page: FetchHandler = () =>
    Promise.resolve(new Response("<html>", { headers: { "content-type": "text/html" } }));
  const web = await runWith("ping registry.lan", page);
  assertEquals([web.code, web.stdout], [1, ""]);
  assertEquals(
    web.stderr,
    "tarpush: Cannot ping registry.lan: https://registry.lan/v2/ answered 200 with text/html: it is a web server, and no registry\n" +
      "hint: check host and port, and that a proxy in between passes on /v2/\n",
  );
});

test("run() ping --json has the state and, where there is one, the error", async () => {
  const registry = createRegistry();
  const found = JSON.parse((await runWith("ping localhost:5000 --json", registry)).stdout);
  assertEquals([found.state, found.apiVersion, found.status], ["registry", "registry/2.0", 200]);
  const refuse: FetchHandler = () =>
    Promise.resolve(new Response(null, { status: 401, headers: { "www-authenticate": "Basic" } }));
  const { code, stdout } = await runWith("ping localhost:5000 --json", refuse);
  const document = JSON.parse(stdout);
  assertEquals([code, document.state, document.error.status], [1, "refused", 401]);
});

test("run() ping refuses what is no address", async () => {
  for (const text of ["localhost:5000/app", "localhost:5000/app/", "a b"]) {
    const host = fakeHost(["ping", text]);
    assertEquals([await run(host), host.written.stdout], [2, ""], text);
  }
});

test("run() ls lists repositories, those below a prefix, and tags", async () => {
  const { registry } = await filledRegistry();
  await pushImage(ARCHIVE, "localhost:5000/base:1", { fetch: registry });
  const cases: [args: string, stdout: string][] = [
    ["ls localhost:5000", "base\nteam/app\n"],
    ["ls localhost:5000/team/", "team/app\n"],
    ["ls localhost:5000/team/app", "1\n2\n3\n"],
  ];
  for (const [args, stdout] of cases) {
    assertEquals(await runWith(args, registry), { code: 0, stdout, stderr: "" });
  }
  const tags = JSON.parse((await runWith("ls localhost:5000/team/app --json", registry)).stdout);
  assertEquals(tags, { registry: "localhost:5000", repository: "team/app", tags: ["1", "2", "3"] });
  const all = JSON.parse((await runWith("ls localhost:5000 --json", registry)).stdout);
  assertEquals(all, { registry: "localhost:5000", repositories: ["base", "team/app"] });
});

test("run() ls writes the first name before the list has ended", async () => {
  let write: (text: string) => void = () => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"tags":["1"'));
      write = (text) => {
        controller.enqueue(new TextEncoder().encode(text));
        controller.close();
      };
    },
  });
  const pieces: string[] = [];
  const stdout = {
    ...fakeHost([]).stdout,
    write(text: string) {
      pieces.push(text);
      if (pieces.length === 1) write(`,"2\\u001b[2J"]}`);
      return Promise.resolve();
    },
  };
  const fetch: FetchHandler = ({ url }) =>
    Promise.resolve(new Response(url.includes("last=") ? '{"tags":["2\\u001b[2J"]}' : body));
  const host = fakeHost(["ls", "localhost:5000/app", "--insecure"], {
    overrides: { stdout, fetchWith: () => fetch },
  });
  assertEquals(await run(host), 0);
  assertEquals([pieces[0], pieces.join("")], ["1\n", "1\n2\\u{1b}[2J\n"]);
});

test("run() ls fails plainly", async () => {
  const { registry } = await filledRegistry();
  const usage = await runWith("ls localhost:5000/team/app:1", registry);
  assertEquals(usage.code, 2);
  assertStringIncludes(usage.stderr, "hint: tarpush info localhost:5000/team/app:1 shows it\n");
  const missing = await runWith("ls localhost:5000/other --json", registry);
  assertEquals([missing.code, JSON.parse(missing.stdout).error.status], [1, 404]);
  assertEquals(
    missing.stderr,
    "tarpush: Cannot list the tags of localhost:5000/other: the registry has no such repository\n" +
      "hint: tarpush ls localhost:5000 lists the repositories\n",
  );
});

test("run() info shows an image, and latest where no tag is given", async () => {
  const { registry, digest } = await filledRegistry();
  const { code, stdout, stderr } = await runWith("info localhost:5000/team/app:1", registry);
  assertEquals([code, stderr], [0, ""]);
  const lines = stdout.split("\n");
  assertMatch(lines[0] ?? "", /^localhost:5000\/team\/app:1 {2}image, [\d.]+ kB$/);
  assertEquals(lines.slice(1, 6), [
    `  digest     ${digest}`,
    "  type       application/vnd.oci.image.manifest.v1+json",
    "  platform   linux/amd64",
    "  created    2026-01-02T03:04:05Z",
    "  label      team=core\\u{1b}[2J",
  ]);
  assertStringIncludes(stdout, `  layers     ${IMAGE.layers[0]?.digest}  `);
  assertEquals(lines.length, 9);
  const missing = await runWith("info localhost:5000/team/app", registry);
  assertEquals(missing.code, 1);
  assertStringIncludes(missing.stderr, "Cannot read manifest latest of localhost:5000/team/app");
  assertStringIncludes(missing.stderr, "hint: tarpush ls localhost:5000/team/app lists the tags\n");
});

test("run() info shows the platforms of an index", async () => {
  const { registry, digest } = await filledRegistry();
  const size = Number(
    (await registry(
      new Request(`http://localhost:5000/v2/team/app/manifests/1`, { method: "HEAD" }),
    )).headers.get("content-length"),
  );
  const manifest = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size };
  const platform = { os: "linux", architecture: "arm64", variant: "v8" };
  const annotations = { "vnd.docker.reference.type": "attestation-manifest" };
  const manifests = [{ ...manifest, platform }, manifest, { ...manifest, annotations }];
  await registry(
    new Request("http://localhost:5000/v2/team/app/manifests/all", {
      method: "PUT",
      headers: { "content-type": OCI_INDEX },
      body: JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }),
    }),
  );
  const { stdout } = await runWith("info localhost:5000/team/app:all", registry);
  assertStringIncludes(stdout, `\n  platforms  linux/arm64/v8  ${digest}  `);
  assertStringIncludes(stdout, `\n             linux/amd64     ${digest}  `);
  assertStringIncludes(stdout, `\n             attestation     ${digest}  `);
  const document = JSON.parse(
    (await runWith("info localhost:5000/team/app:all --json", registry)).stdout,
  );
  assertEquals([document.kind, document.entries.length], ["index", 3]);
  assertEquals(document.entries[0].image.config.created, "2026-01-02T03:04:05Z");
});

test("run() info by tag and digest wants both to be the same", async () => {
  const { registry, digest } = await filledRegistry();
  const right = await runWith(`info localhost:5000/team/app:1@${digest} --json`, registry);
  assertEquals([right.code, JSON.parse(right.stdout).digest], [0, digest]);
  const other = `sha256:${"0".repeat(64)}`;
  const wrong = await runWith(`info localhost:5000/team/app:1@${other} --json`, registry);
  const { error } = JSON.parse(wrong.stdout);
  assertEquals([wrong.code, error.expected, error.actual], [1, other, digest]);
});

const tagsOf = async (registry: FetchHandler) =>
  (await runWith("ls localhost:5000/team/app", registry)).stdout.trim().split("\n");

test("run() rm removes a tag alone where the registry can", async () => {
  const { registry, digest } = await filledRegistry();
  assertEquals(await runWith("rm localhost:5000/team/app:1", registry), {
    code: 0,
    stdout: `localhost:5000/team/app:1@${digest}\n`,
    stderr: "",
  });
  assertEquals(await tagsOf(registry), ["2", "3"]);
});

test("run() rm names what goes with a digest, and removes nothing unasked", async () => {
  const { registry, digest } = await filledRegistry();
  const cases: [reference: string, registry: FetchHandler, others: string[]][] = [
    ["localhost:5000/team/app:1", byDigestOnly(registry), ["2", "3"]],
    [`localhost:5000/team/app@${digest}`, registry, ["1", "2", "3"]],
  ];
  for (const [reference, handler, others] of cases) {
    const { code, stdout, stderr } = await runWith(`rm ${reference}`, handler);
    assertEquals([code, stdout], [2, ""]);
    const list = others.map((tag) => `  ${tag}\n`).join("");
    assertStringIncludes(stderr, `To remove ${reference} removes these tags too:\n${list}`);
    assertStringIncludes(stderr, `alone: ${others.length} other tags would go with it\n`);
    assertStringIncludes(stderr, "hint: add --yes to remove all of them\n");
  }
  assertEquals(await tagsOf(registry), ["1", "2", "3"]);
});

test("run() rm --yes removes a digest with all of its tags", async () => {
  const { registry, digest } = await filledRegistry();
  const handler = byDigestOnly(registry);
  const { code, stdout } = await runWith("rm localhost:5000/team/app:2 --yes --json", handler);
  const names = ["2", "1", "3"].map((tag) => `localhost:5000/team/app:${tag}`);
  assertEquals([code, JSON.parse(stdout)], [0, { digest, removed: names }]);
  assertEquals(await tagsOf(registry), [""]);
  const gone = await runWith(`rm localhost:5000/team/app@${digest}`, registry);
  assertEquals(gone.code, 1);
  assertStringIncludes(gone.stderr, "the repository has no such manifest");
});

test("run() rm removes a digest that no tag names without a question", async () => {
  const { registry, digest } = await filledRegistry();
  for (const tag of ["1", "2", "3"]) await runWith(`rm localhost:5000/team/app:${tag}`, registry);
  const { code, stdout } = await runWith(`rm localhost:5000/team/app@${digest}`, registry);
  assertEquals([code, stdout], [0, `localhost:5000/team/app@${digest}\n`]);
});

test("run() rm says plainly that a registry does not delete, and asks nobody first", async () => {
  const { registry, digest } = await filledRegistry({ allowDelete: false });
  for (
    const args of ["rm localhost:5000/team/app:1", `rm localhost:5000/team/app@${digest} --yes`]
  ) {
    const { code, stdout, stderr } = await runWith(args, byDigestOnly(registry));
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      /^tarpush: Cannot remove "[^"]+": the registry does not allow it \(405\)\n/,
    );
    assertStringIncludes(stderr, "REGISTRY_STORAGE_DELETE_ENABLED=true");
  }
});

test("run() rm wants a tag or digest, and both to be the same", async () => {
  const { registry } = await filledRegistry();
  const bare = await runWith("rm localhost:5000/team/app", registry);
  assertEquals(bare.code, 2);
  assertStringIncludes(bare.stderr, "hint: tarpush rm localhost:5000/team/app:TAG\n");
  const other = `sha256:${"0".repeat(64)}`;
  assertEquals((await runWith(`rm localhost:5000/team/app:1@${other}`, registry)).code, 1);
  assertEquals(await tagsOf(registry), ["1", "2", "3"]);
});

test("runRemove() asks on a terminal", async () => {
  const { registry } = await filledRegistry();
  const command = parseCommand(["rm", "localhost:5000/team/app:1", "--insecure"]) as RemoveCommand;
  const overrides = { fetchWith: () => byDigestOnly(registry) };
  const answer = async (typed: string) => {
    const pieces = () => ReadableStream.from([new TextEncoder().encode(typed)]);
    const stdin = { ...fakeHost([]).stdin, pieces };
    const host = fakeHost([], { isTerminal: true, overrides: { ...overrides, stdin } });
    const { signal } = new AbortController();
    const ended: unknown = await runRemove(command, host, signal).catch((error) => error);
    assertStringIncludes(host.written.stderr, "Remove 2 other tags as well? [y/N] ");
    return { ended, stdout: host.written.stdout };
  };
  for (const typed of ["", "n", "no", "yesterday"]) {
    const { ended } = await answer(typed);
    assertEquals(`${ended}`, "OciError: Nothing was removed", typed);
    assertEquals(await tagsOf(registry), ["1", "2", "3"]);
  }
  const { ended, stdout } = await answer("Y ");
  assertEquals([ended, await tagsOf(registry)], [0, [""]]);
  assert(stdout.startsWith("localhost:5000/team/app:1@sha256:"));
});

test("run() rm is interrupted while it waits for an answer", async () => {
  const { registry } = await filledRegistry();
  const asked = Promise.withResolvers<void>();
  const pieces = () => new ReadableStream<Uint8Array>({ pull: () => asked.resolve() });
  const base = fakeHost([]);
  const overrides = {
    fetchWith: () => byDigestOnly(registry),
    stdin: { ...base.stdin, isTerminal: () => true, pieces },
  };
  const args = ["rm", "localhost:5000/team/app:1", "--insecure"];
  const host = fakeHost(args, { isTerminal: true, overrides });
  const code = run(host);
  await asked.promise;
  host.interrupt();
  assertEquals(await code, 130);
  assertMatch(host.written.stderr, /\[y\/N\] \n.*tarpush:.* Interrupted\n/);
  assertEquals(await tagsOf(registry), ["1", "2", "3"]);
});

test("run() reads root certificates for a registry from a file", async () => {
  const { registry } = await filledRegistry();
  const given: unknown[] = [];
  const host = fakeHost("ls localhost:5000 --ca ca.pem --timeout 5".split(" "), {
    overrides: {
      fetchWith: (options) => {
        given.push(options);
        return registry;
      },
    },
  });
  host.written.files.set("ca.pem", "");
  assertEquals(await run(host), 2);
  assertStringIncludes(host.written.stderr, 'Cannot use "ca.pem" as root certificates');
  const pem = "-----BEGIN CERTIFICATE-----\n";
  host.written.files.set("ca.pem", pem);
  assertEquals([await run(host), host.written.stdout], [0, "team/app\n"]);
  assertEquals(given, [{ ca: pem, insecureHosts: [] }]);
});
