import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import type { Bytes } from "../../src/bytes.ts";
import type { Digest } from "../../src/digest.ts";
import { DigestMismatchError, NetworkError, PushError, RegistryError } from "../../src/errors.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../src/media_types.ts";
import { copyImage, type CopyOptions } from "../../src/push/copy.ts";
import type { PushEvent } from "../../src/push/events.ts";
import { pushImage, type PushResult } from "../../src/push/push.ts";
import { referrersTag } from "../../src/reference.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";
import {
  encode,
  encodeJson,
  makeImage,
  makeLayer,
  OciLayout,
  platformLayout,
  toBlob,
  withPlatform,
} from "../helpers/archives.ts";
import { allTags, assertClear, hasManifest, readBack, type Registry } from "../helpers/expected.ts";
import {
  atRequest,
  endsUpload,
  type Fault,
  faultLayer,
  type SeenRequest,
  withBody,
} from "../helpers/fault_layer.ts";
import { test } from "../helpers/test.ts";
import { putManifest } from "../server/registry_calls.ts";

const SOURCE = "localhost:5000";
const TARGET = "localhost:6000";
const FROM = `${SOURCE}/team/app:1`;
const TO = `${TARGET}/copied/app:2`;
/** Streamed, in several pieces. */
const LARGE_BYTES = 3 * 1024 * 1024;

const large = await makeLayer(new Uint8Array(LARGE_BYTES).map((_, at) => at * 7 ^ at >> 9));

/** Sends requests to the registry of their host. */
function network(registries: Record<string, FetchHandler>): FetchHandler {
  return (request) => {
    const registry = registries[new URL(request.url).host];
    assert(registry, `nothing answers at ${request.url}`);
    return registry(request);
  };
}

/** An index of two platforms with attestations, which have a large layer in common. */
async function indexLayout(): Promise<OciLayout> {
  const { layout } = await platformLayout((platform) => [large, platform], { attested: true });
  return layout;
}

const INDEX = toBlob((await indexLayout()).entries());
/** A registry with the index; nobody writes to its repository `team/app`. */
const FILLED = filled();

async function filled(tar = INDEX): Promise<Registry> {
  const registry = createRegistry();
  await pushImage(tar, FROM, { fetch: registry });
  return registry;
}

/** Two registries, the first with an image, and requests to both counted. */
async function world({ tar, source, target }: {
  tar?: Blob;
  source?: (request: SeenRequest) => Fault | undefined;
  target?: (request: SeenRequest) => Fault | undefined;
} = {}) {
  const [from, to] = [await (tar ? filled(tar) : FILLED), createRegistry()];
  const [reads, writes] = [faultLayer(from, source), faultLayer(to, target)];
  const fetch = network({ [SOURCE]: reads.fetch, [TARGET]: writes.fetch });
  const events: PushEvent[] = [];
  const copy = (options: CopyOptions = {}, to: string | string[] = TO, from = FROM) =>
    copyImage(from, to, {
      fetch,
      retry: { delay: 0 },
      ...options,
      onEvent: (event) => void events.push(event),
    });
  const warnings = () => events.flatMap((event) => event.type === "warning" ? event.message : []);
  return { from, to, reads, writes, fetch, copy, events, warnings };
}

function statuses({ images }: PushResult): string[] {
  return images.flatMap(({ blobs }) => blobs.map(({ status }) => status));
}

const isBlob = ({ path }: SeenRequest) => /\/blobs\/sha/.test(path);
const isLarge = (request: SeenRequest) => isBlob(request) && request.path.endsWith(large.digest);

test("copyImage() copies an index with all that stands below it, byte for byte", async () => {
  const { from, to, reads, writes, copy, events } = await world();
  const result = await copy();
  const [read, written] = [
    await readBack(from, "team/app", "1"),
    await readBack(to, "copied/app", "2"),
  ];
  assertEquals(written, read);
  assertEquals(
    result.images.map(({ reference, digest, mediaType }) => [reference, digest, mediaType]),
    [[TO, read.digest, OCI_INDEX]],
  );
  assertEquals(new Set(statuses(result)), new Set(["pushed"]));
  const size = result.images[0]?.blobs.reduce((sum, blob) => sum + blob.size, 0);
  assertEquals(result.bytesUploaded, size);
  assertEquals(result.bytesRead > result.bytesUploaded, true);
  // Every blob is read once; the tag is the last that is written.
  const gets = reads.seen.filter(isBlob).map(({ path }) => path);
  assertEquals(gets.length, new Set(gets).size);
  assertEquals(writes.lines().at(-1), "PUT copied/app/manifests/2");
  assertEquals(events.at(-1)?.type, "tag");
});

test("copyImage() reads nothing but manifests where the target has everything", async () => {
  const { reads, copy } = await world();
  await copy();
  const before = reads.seen.length;
  const again = await copy();
  assertEquals([again.bytesUploaded, new Set(statuses(again))], [0, new Set(["exists"])]);
  assertEquals(reads.seen.slice(before).some(isBlob), false);
});

test("copyImage() mounts within one registry, and gives another tag in one repository", async () => {
  const layer = faultLayer(await filled());
  const copy = (to: string) => copyImage(FROM, to, { fetch: layer.fetch });
  const mounted = await copy(`${SOURCE}/other/app:2`);
  assertEquals(new Set(statuses(mounted)), new Set(["mounted"]));
  const retagged = await copy(`${SOURCE}/team/app:2`);
  const itself = await copy(FROM);
  for (const result of [retagged, itself]) {
    assertEquals(new Set(statuses(result)), new Set(["exists"]));
  }
  assertEquals(layer.seen.some((request) => isBlob(request) && request.method === "GET"), false);
  assertEquals(await allTags(layer.fetch), ["other/app:2", "team/app:1", "team/app:2"]);
  const { digest } = await readBack(layer.fetch, "team/app", "1");
  assertEquals((await readBack(layer.fetch, "other/app", "2")).digest, digest);
});

test("copyImage() reads where the registry does not mount", async () => {
  const layer = faultLayer(
    await filled(),
    ({ query }) =>
      query.has("mount")
        ? { kind: "answer", answer: () => new Response(null, { status: 405 }) }
        : undefined,
  );
  const result = await copyImage(FROM, `${SOURCE}/other/app`, { fetch: layer.fetch });
  assertEquals(new Set(statuses(result)), new Set(["pushed"]));
  await readBack(layer.fetch, "other/app", "latest");
});

test("copyImage() copies to several references, and mounts for the second of one registry", async () => {
  const { to, copy } = await world();
  const { images } = await copy({}, [TO, `${TARGET}/a/b:1`, `${TARGET}/a/b:1`, `${SOURCE}/c:1`]);
  assertEquals(images.map(({ reference, blobs }) => [reference, blobs[0]?.status]), [
    [TO, "pushed"],
    [`${TARGET}/a/b:1`, "mounted"],
    [`${SOURCE}/c:1`, "mounted"],
  ]);
  assertEquals(await allTags(to), ["a/b:1", "copied/app:2"]);
});

test("copyImage() takes digests on both sides", async () => {
  const { from, to, copy, writes } = await world();
  const { digest, children } = await readBack(from, "team/app", "1");
  const child = children[1]?.digest ?? "";
  await copy({}, `${TARGET}/a@${digest}`, `${SOURCE}/team/app:gone@${digest}`);
  assertEquals(await allTags(to), []);
  assert(await hasManifest(to, "a", digest));
  await copy({}, `${TARGET}/a:child@${child}`, `${SOURCE}/team/app@${child}`);
  assertEquals((await readBack(to, "a", "child")).digest, child);
  const before = writes.seen.length;
  const error = await assertRejects(
    () => copy({}, `${TARGET}/b:1@${child}`),
    DigestMismatchError,
    `Cannot copy to ${TARGET}/b:1: the image's digest is ${digest}, expected ${child}`,
  );
  assertClear(error);
  assertEquals(writes.seen.length, before);
});

test("copyImage() says which tag a target without one gets", async () => {
  const { copy, warnings, to } = await world();
  await copy({}, `${TARGET}/app`);
  assertEquals(warnings(), [
    `${TARGET}/app has no tag, so it becomes ${TARGET}/app:latest; the source is 1`,
  ]);
  assertEquals(await allTags(to), ["app:latest"]);
});

test("copyImage() tells what is not there, and where", async () => {
  const { copy, writes } = await world();
  const cases: [from: string, message: string][] = [
    [`${SOURCE}/team/app:9`, `Cannot read manifest 9 of ${SOURCE}/team/app: the repository has no`],
    [`${SOURCE}/none:1`, `Cannot read manifest 1 of ${SOURCE}/none: the repository has no`],
  ];
  for (const [from, message] of cases) {
    const error = await assertRejects(() => copy({}, TO, from), RegistryError, message);
    assertClear(error);
    assertEquals(error.status, 404);
  }
  await assertRejects(() => copy({}, []), TypeError, "Cannot copy: no target given");
  await assertRejects(() => copy({}, [TARGET, TO]), TypeError, "places are mixed");
  await assertRejects(() => copy({}, TO, SOURCE), SyntaxError);
  assertEquals(writes.seen, []);
});

test("copyImage() to a place keeps the name of the image", async () => {
  const { from, to, copy } = await world();
  const { digest } = await readBack(from, "team/app", "1");
  await copy({}, TARGET);
  await copy({}, `${TARGET}/pinned/`, `${SOURCE}/team/app@${digest}`);
  assertEquals(await allTags(to), ["team/app:1"]);
  assertEquals((await readBack(to, "pinned/team/app", digest)).digest, digest);
});

test("copyImage() copies one platform, several, and says which there are", async () => {
  const { from, to, copy, warnings } = await world();
  const { children } = await readBack(from, "team/app", "1");
  await copy({ platforms: ["linux/arm64"] });
  assertEquals((await readBack(to, "copied/app", "2")).digest, children[2]?.digest);
  await copy({ platforms: ["linux/arm64", "linux/amd64"] }, `${TARGET}/both:1`);
  const both = await readBack(to, "both", "1");
  assertEquals(both.children.length, 4);
  assertEquals(
    warnings().filter((text) => /^a new index of .* is copied: sha256/.test(text)).length,
    1,
  );
  await assertRejects(
    () => copy({ platforms: ["linux/s390x"] }),
    PushError,
    "Cannot copy platform linux/s390x: the image has linux/amd64, linux/arm64",
  );
});

test("copyImage() of an index that lacks platforms copies the one that is complete, or lists them", async () => {
  const full = await indexLayout();
  const [index] = full.index;
  assert(index);
  const { manifests } = JSON.parse(
    new TextDecoder().decode(full.blobs.get(`blobs/${index.digest.replace(":", "/")}`)),
  );
  for (const [gone, outcome] of [[[0, 1], "one"], [[0, 1, 2, 3], "none"]] as const) {
    const { copy, to, warnings } = await world({
      source: ({ path }) =>
        gone.some((at) => path.endsWith(`/manifests/${manifests[at].digest}`))
          ? { kind: "answer", answer: () => new Response(null, { status: 404 }) }
          : undefined,
    });
    if (outcome === "one") {
      await copy();
      assertEquals((await readBack(to, "copied/app", "2")).digest, manifests[2].digest);
      assertEquals(warnings(), [
        `the index of ${TO} lacks linux/amd64 in the source and the registry: only linux/arm64 is copied`,
      ]);
      continue;
    }
    const error = await assertRejects(
      () => copy(),
      PushError,
      `Cannot copy ${TO}: its index lacks linux/amd64, linux/arm64, which the registry has not either`,
    );
    assertClear(error);
    assertEquals(await allTags(to), []);
  }
});

test("copyImage() does not send, nor read, in a dry run", async () => {
  const { copy, to, reads } = await world();
  const result = await copy({ dryRun: true });
  assertEquals(new Set(statuses(result)), new Set(["pushed"]));
  assertEquals(await allTags(to), []);
  assertEquals(reads.seen.some(isBlob), false);
});

// Headers

test("copyImage() keeps the headers of each side to it", async () => {
  const { reads, writes, copy } = await world();
  const sent = (layer: typeof reads) =>
    new Set(layer.seen.map(({ headers }) => headers.get("authorization")));
  await copy({ headers: { Authorization: "target" } });
  assertEquals([sent(reads), sent(writes)], [new Set([null]), new Set(["target"])]);
  const other = await world();
  await other.copy({
    headers: { authorization: "target" },
    sourceHeaders: { Authorization: "source" },
  });
  assertEquals([sent(other.reads), sent(other.writes)], [new Set(["source"]), new Set(["target"])]);
  const same = await world();
  await same.copy({ headers: { authorization: "both" } }, `${SOURCE}/a:1`);
  assertEquals(sent(same.reads), new Set(["both"]));
});

// Failures

test("copyImage() goes on by range where a read breaks", async () => {
  let cuts = 2;
  const { reads, to, from, copy, events } = await world({
    source: (request) =>
      isLarge(request) && cuts-- > 0 ? { kind: "cut-response", after: 1_000_000 } : undefined,
  });
  const result = await copy();
  assertEquals(await readBack(to, "copied/app", "2"), await readBack(from, "team/app", "1"));
  const ranges = reads.seen.filter(isLarge).map(({ headers }) => headers.get("range"));
  const last = large.bytes.length - 1;
  assertEquals(ranges, [null, `bytes=1000000-${last}`, `bytes=2000000-${last}`]);
  const retries = events.flatMap((event) => event.type === "retry" ? event.digest : []);
  assertEquals(retries, [large.digest, large.digest]);
  // Nothing was read twice.
  const manifests = (await readBack(from, "team/app", "1")).children.reduce(
    (sum, { bytes }) => sum + bytes.length,
    (await readBack(from, "team/app", "1")).bytes.length,
  );
  assertEquals(result.bytesRead - manifests <= result.bytesUploaded, true);
});

test("copyImage() reads again where an upload breaks", async () => {
  let cuts = 2;
  const { reads, to, copy } = await world({
    target: (request) =>
      endsUpload(request) && request.query.get("digest") === large.digest && cuts-- > 0
        ? { kind: "cut-body", after: 1_000_000 }
        : undefined,
  });
  await copy();
  await readBack(to, "copied/app", "2");
  assertEquals(reads.seen.filter(isLarge).map(({ headers }) => headers.get("range")), [
    null,
    null,
    null,
  ]);
});

test("copyImage() gives a source that is gone its attempts, and no more", async () => {
  const { reads, writes, to, copy } = await world({
    source: (request) => isLarge(request) ? { kind: "refuse" } : undefined,
  });
  const error = await assertRejects(
    () => copy(),
    NetworkError,
    `Cannot read blob ${large.digest} of`,
  );
  assertEquals(error.retryable, true);
  assertEquals(reads.seen.filter(isLarge).length, 5);
  assertEquals(writes.seen.some(({ method }) => method === "PATCH"), false);
  assertEquals(await allTags(to), []);
});

test("copyImage() writes no tag where the source sends other bytes, whatever the target makes of them", async () => {
  const wrong: Record<string, (bytes: Bytes) => Bytes> = {
    "one bit": (bytes) => bytes.map((byte, at) => at === 2_000_000 ? byte ^ 1 : byte),
    "too few": (bytes) => bytes.slice(0, -1),
    "too many": (bytes) => new Uint8Array([...bytes.subarray(0, 9), ...bytes]),
  };
  const inOneAnswer: Fault = {
    kind: "change-response",
    change: (response) => new Response(changed(response), response),
  };
  let change = (bytes: Bytes) => bytes;
  function changed(response: Response): ReadableStream<Bytes> {
    response.headers.delete("content-length");
    return new ReadableStream<Bytes>({
      async pull(controller) {
        controller.enqueue(change(await response.bytes()));
        controller.close();
      },
    });
  }
  for (const [what, to] of Object.entries(wrong)) {
    change = to;
    const { copy, to: target, writes } = await world({
      source: (request) => isLarge(request) ? inOneAnswer : undefined,
    });
    const error = await assertRejects(() => copy(), DigestMismatchError, `Cannot trust blob`, what);
    assertClear(error);
    assertEquals(await allTags(target), []);
    const isThere = await target(
      new Request(`http://${TARGET}/v2/copied/app/blobs/${large.digest}`, { method: "HEAD" }),
    );
    assertEquals(isThere.status, 404, what);
    // Whatever else is under way by then: the blob itself is not sent again.
    const sent = writes.seen.filter((request) =>
      endsUpload(request) && request.query.get("digest") === large.digest
    );
    assertLessOrEqual(sent.length, 1, what);
  }
});

for (const side of ["source", "target"] as const) {
  test(`copyImage() ends at any request to the ${side} that fails: no tag, a second run completes it`, async () => {
    const options = { retry: { attempts: 1 }, concurrency: 1 };
    const whole = await world();
    await whole.copy(options);
    const { digest } = await readBack(whole.to, "copied/app", "2");
    const count = (side === "source" ? whole.reads : whole.writes).seen.length;
    for (let number = 1; number <= count; number++) {
      const { copy, to, fetch, from } = await world({
        [side]: atRequest(number, { kind: "refuse" }),
      });
      await copy(options).catch(() => {});
      const standing = await allTags(to);
      if (standing.length > 0) await readBack(to, "copied/app", "2");
      await copyImage(FROM, TO, { fetch: network({ [SOURCE]: from, [TARGET]: to }) });
      assertEquals((await readBack(to, "copied/app", "2")).digest, digest);
      assert(fetch !== undefined);
    }
  });

  test(`copyImage() survives a fault at any single request to the ${side}`, async () => {
    const whole = await world();
    await whole.copy({ concurrency: 1 });
    const count = (side === "source" ? whole.reads : whole.writes).seen.length;
    const faults: Fault[] = [
      { kind: "refuse" },
      { kind: "lose-response" },
      { kind: "answer", answer: () => new Response(null, { status: 503 }) },
    ];
    for (const fault of faults) {
      for (let number = 1; number <= count; number++) {
        const { copy, to } = await world({ [side]: atRequest(number, fault) });
        await copy({ concurrency: 1 });
        await readBack(to, "copied/app", "2");
      }
    }
  });

  test(`copyImage() that is aborted at any request to the ${side} leaves no tag and no upload`, async () => {
    const whole = await world();
    await whole.copy({ concurrency: 1 });
    const count = (side === "source" ? whole.reads : whole.writes).seen.length;
    const reason = new Error("enough");
    for (let number = 1; number <= count; number++) {
      const abort = new AbortController();
      const { copy, to, writes } = await world({
        [side]: atRequest(number, { kind: "before", run: () => abort.abort(reason) }),
      });
      const error = await assertRejects(() => copy({ concurrency: 1, signal: abort.signal }));
      assert(error === reason, `${error}`);
      const tagged = writes.lines().includes("PUT copied/app/manifests/2");
      if (!tagged) assertEquals(await allTags(to), []);
      // Of an upload whose beginning was aborted nobody knows where it is: the registry ends it in its time.
      const answered = side === "target" ? writes.seen.slice(0, number - 1) : writes.seen;
      const opened = answered.filter(({ method }) => method === "POST").length;
      const closed = writes.seen.filter(({ method }) => method === "DELETE").length;
      const done = writes.seen.filter(endsUpload).length;
      assertLessOrEqual(opened, closed + done, `request ${number}`);
    }
  });
}

test("copyImage() reads as much of a blob as the target takes, and a few pieces ahead", async () => {
  const PIECE = 64 * 1024;
  const [from, to] = [await FILLED, createRegistry()];
  let [sent, taken, ahead] = [0, 0, 0];
  const source: FetchHandler = async (request) => {
    const response = await from(request);
    if (!request.url.endsWith(large.digest) || request.method !== "GET") return response;
    const bytes = await response.bytes();
    const body = new ReadableStream<Bytes>({
      pull(controller) {
        if (sent >= bytes.length) return controller.close();
        controller.enqueue(bytes.subarray(sent, sent + PIECE));
        sent += PIECE;
      },
    }, { highWaterMark: 0 });
    return new Response(body, response);
  };
  const target: FetchHandler = async (request) => {
    if (!request.url.includes(encodeURIComponent(large.digest)) || !request.body) {
      return await to(request);
    }
    const body = request.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>(
        {
          async transform(piece, controller) {
            // Whatever was begun ahead of the target has its turn.
            for (let turn = 0; turn < 4; turn++) {
              await new Promise((resolve) => setTimeout(resolve));
            }
            ahead = Math.max(ahead, sent - taken);
            taken += piece.length;
            controller.enqueue(piece);
          },
        },
      ),
    );
    return await to(withBody(request, body));
  };
  await copyImage(FROM, TO, { fetch: network({ [SOURCE]: source, [TARGET]: target }) });
  await readBack(to, "copied/app", "2");
  assertEquals(taken, large.bytes.length);
  assertLessOrEqual(ahead, 6 * PIECE);
});

// Artifacts and referrers

/** An image with a signature, one of a child, and a note about the first signature. */
async function signedLayout() {
  const layout = await indexLayout();
  const [index] = layout.index;
  assert(index);
  const { manifests } = JSON.parse(
    new TextDecoder().decode(layout.blobs.get(`blobs/${index.digest.replace(":", "/")}`)),
  );
  const refer = async (text: string, { mediaType, digest, size }: typeof index) => {
    const subject = { mediaType, digest, size };
    const made = await layout.artifact(text, "text/note", { subject, annotations: { text } });
    layout.add(made);
    return made;
  };
  const signature = await refer("signature", index);
  const notes = [signature, await refer("child", manifests[0]), await refer("deep", signature)];
  return { tar: toBlob(layout.entries()), index, child: manifests[0], notes };
}

/** Answers as registry:2 does: it knows no subjects. */
function withoutReferrers(registry: FetchHandler): FetchHandler {
  return async (request) => {
    if (request.url.includes("/referrers/")) return new Response("404 page", { status: 404 });
    const response = await registry(request);
    response.headers.delete("oci-subject");
    return response;
  };
}

async function readIndexTag(registry: Registry, repository: string, subject: Digest) {
  return (await readBack(registry, repository, referrersTag(subject))).json.manifests;
}

for (const fromOld of [false, true]) {
  for (const toOld of [false, true]) {
    const kind = (isOld: boolean) => isOld ? "one without a list of referrers" : "one with a list";
    test(`copyImage() brings referrers along from ${kind(fromOld)} to ${kind(toOld)}`, async () => {
      const { tar, index, child, notes } = await signedLayout();
      const wrap = (registry: Registry, isOld: boolean) =>
        isOld ? withoutReferrers(registry) : registry;
      const [from, to] = [wrap(createRegistry(), fromOld), wrap(createRegistry(), toOld)];
      await pushImage(tar, FROM, { fetch: from, images: ["1"] });
      const fetch = network({ [SOURCE]: from, [TARGET]: to });
      await copyImage(FROM, TO, { fetch });
      assertEquals(await hasManifest(to, "copied/app", notes[0]?.digest ?? ""), false);
      for (let run = 0; run < 2; run++) {
        await copyImage(FROM, TO, { fetch, referrers: true });
        for (const { digest } of notes) {
          assertEquals(
            await readBack(to, "copied/app", digest),
            await readBack(from, "team/app", digest),
          );
        }
        const subjects = [index, child, notes[0]];
        const lists = subjects.map((subject) => referrersTag(subject?.digest ?? index.digest));
        assertEquals(
          await allTags(to),
          ["copied/app:2", ...(toOld ? lists.map((tag) => `copied/app:${tag}`) : [])].sort(),
        );
        if (!toOld) continue;
        const [signature] = await readIndexTag(to, "copied/app", index.digest);
        const { mediaType, digest, size } = notes[0] ?? index;
        const annotations = { text: "signature" };
        assertEquals(signature, {
          mediaType,
          digest,
          size,
          artifactType: "text/note",
          annotations,
        });
      }
    });
  }
}

test("copyImage() leaves out of a list of referrers what is absent and what refers to something else", async () => {
  const { tar, index, notes } = await signedLayout();
  const [from, to] = [withoutReferrers(createRegistry()), createRegistry()];
  await pushImage(tar, FROM, { fetch: from, images: ["1"] });
  const gone = { ...index, digest: `sha256:${"0".repeat(64)}` };
  const list = await readIndexTag(from, "team/app", index.digest);
  const [, , deep] = notes;
  const source: FetchHandler = async (request) => {
    const response = await from(request);
    if (!request.url.endsWith(referrersTag(index.digest))) return response;
    const manifests = [gone, deep, ...list];
    const bytes = encodeJson({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
    return new Response(bytes, { headers: { "content-type": OCI_INDEX } });
  };
  const warnings: string[] = [];
  await copyImage(FROM, TO, {
    fetch: network({ [SOURCE]: source, [TARGET]: to }),
    referrers: true,
    onEvent: (event) => void (event.type === "warning" && warnings.push(event.message)),
  });
  const start = `the list of referrers of ${index.digest} in ${SOURCE}/team/app names`;
  assertEquals(warnings, [
    `${start} ${gone.digest}, which the repository does not have`,
    `${start} ${deep?.digest}, which refers to something else and is left out`,
  ]);
  assert(await hasManifest(to, "copied/app", notes[0]?.digest ?? ""));
});

test("copyImage() ends a list of referrers that has no end", async () => {
  const layout = await OciLayout.of(await makeImage(["a"]));
  const tar = toBlob(layout.entries());
  const [index] = layout.index;
  assert(index);
  const { config } = (await readBack(await filled(tar), "team/app", "1")).json;
  const { digest, size } = index;
  const made = new Map<string, Bytes>();
  const { digestBytes } = await import("../../src/digest.ts");
  for (let at = 0; at <= 1000; at++) {
    const subject = { mediaType: OCI_MANIFEST, digest, size };
    const bytes = encodeJson({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config,
      layers: [],
      subject,
      annotations: { at: `${at}` },
    });
    made.set(await digestBytes(bytes), bytes);
  }
  const from = await filled(tar);
  const source: FetchHandler = async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname.endsWith(`/referrers/${digest}`)) {
      const manifests = [...made].map(([digest, { length }]) => ({
        mediaType: OCI_MANIFEST,
        digest,
        size: length,
      }));
      const headers = { "content-type": OCI_INDEX };
      return new Response(encodeJson({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }), {
        headers,
      });
    }
    const bytes = made.get(pathname.split("/").at(-1) ?? "");
    if (!bytes) return await from(request);
    return new Response(bytes, { headers: { "content-type": OCI_MANIFEST } });
  };
  const to = createRegistry();
  const fetch = network({ [SOURCE]: source, [TARGET]: to });
  await assertRejects(
    () => copyImage(FROM, TO, { fetch, referrers: true }),
    Error,
    `Cannot read the referrers of ${digest} in ${SOURCE}/team/app: there are more than 1000`,
  );
  assertEquals(await allTags(to), []);
});

test("copyImage() copies artifacts unchanged", async () => {
  const layout = new OciLayout();
  const artifact = await layout.artifact("text", "text/x");
  layout.add(artifact, { ref: "1" });
  const { copy, to } = await world({ tar: toBlob(layout.entries()) });
  await copy();
  const read = await readBack(to, "copied/app", "2");
  assertEquals([read.digest, read.json.artifactType], [artifact.digest, "text/x"]);
  assertEquals(read.layers[0]?.bytes, encode("text"));
});

test("copyImage() writes no tag where the list of referrers at the target is none", async () => {
  const { tar, index } = await signedLayout();
  const from = createRegistry();
  await pushImage(tar, FROM, { fetch: from, images: ["1"] });
  const to = createRegistry();
  const other = new OciLayout();
  other.add(await other.artifact("in the way", "text/x"), { ref: "1" });
  await pushImage(toBlob(other.entries()), `${TARGET}/copied/app:way`, { fetch: to });
  const { json } = await readBack(to, "copied/app", "way");
  assertEquals((await putManifest(to, referrersTag(index.digest), json, "copied/app")).status, 201);
  const fetch = network({ [SOURCE]: from, [TARGET]: withoutReferrers(to) });
  await assertRejects(
    () => copyImage(FROM, TO, { fetch, referrers: true }),
    RegistryError,
    "expected an index of referrers",
  );
  assertEquals(await hasManifest(to, "copied/app", "2"), false);
});

test("copyImage() of one platform that two images fit takes the newer one, and says so", async () => {
  const layout = new OciLayout();
  const children = [];
  for (const variant of ["linux/arm/v6", "linux/arm/v7"]) {
    const image = await makeImage([variant], { platform: variant });
    children.push(withPlatform(await layout.image(image), variant));
  }
  layout.add(await layout.indexOf(children), { ref: "1" });
  const { to, copy, warnings } = await world({ tar: toBlob(layout.entries()) });
  await copy({ platforms: ["linux/arm"] });
  assertEquals((await readBack(to, "copied/app", "2")).digest, children[1]?.digest);
  assertEquals(warnings(), [
    "2 images of the index fit linux/arm: linux/arm/v7 is copied, and not linux/arm/v6",
  ]);
});
