import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../../src/bytes.ts";
import { digestBytes } from "../../../src/digest.ts";
import { NetworkError, RegistryError } from "../../../src/errors.ts";
import { sendChunks } from "../../../src/registry/upload/chunks.ts";
import { commitUpload } from "../../../src/registry/upload/close_upload.ts";
import type { FetchHandler } from "../../../src/registry/http/call.ts";
import type { UploadBlob } from "../../../src/registry/upload/choose_body.ts";
import { uploadBlob } from "../../../src/registry/upload/upload_blob.ts";
import { createRegistry } from "../../../src/server/mod.ts";
import { bytesSource } from "../../../src/source/blob_source.ts";
import { encodeJson } from "../../helpers/archives.ts";
import { faultLayer } from "../../helpers/fault_layer.ts";
import {
  connectionReset,
  type ScriptedFetch,
  scriptedFetch,
  type ScriptedReply,
  type ScriptStep,
  sentRequest,
} from "../../helpers/scripted_fetch.ts";
import { test } from "../../helpers/test.ts";
import { type HttpOptions, makeRepository } from "../make_http.ts";

const MIB = 1024 * 1024;
/** Streamed, since it is above what is sent from memory. */
const CONTENT = new Uint8Array(1_100_000).map((_, at) => at % 251);
const DIGEST = await digestBytes(CONTENT);
const BLOB = blobOf(CONTENT, DIGEST);

const HEAD = `HEAD /v2/team/app/blobs/${DIGEST}`;
const LOCATION = new URL("http://registry.test/u/1");
const POST = "POST /v2/team/app/blobs/uploads/";
const OPENED = { status: 202, headers: { location: "/u/1" } };
const AGAIN = { status: 202, headers: { location: "/u/2" } };
const STORED = { status: 201 };
const THERE = { headers: { "content-length": `${CONTENT.length}` } };
const GONE = { status: 404 };
const UNKNOWN = {
  status: 404,
  body: encodeJson({ errors: [{ code: "BLOB_UPLOAD_UNKNOWN", message: "" }] }),
};

function blobOf(bytes: Bytes, digest: typeof DIGEST): UploadBlob {
  const open = () => bytesSource(bytes).slice(0, bytes.length).stream() as ReadableStream<Bytes>;
  return { digest, size: bytes.length, open };
}

/** A repository where time passes only if a test says so: whether a registry was slow is no matter of the machine. */
function repositoryOf(fetch: FetchHandler, { retry, ...options }: HttpOptions = {}) {
  return makeRepository(fetch, { ...options, retry: { now: () => 0, ...retry } });
}

/** Uploads the blob, and sees that these requests are sent and no others. */
async function uploadAs(
  steps: readonly ScriptStep[],
  { onProgress, onRetry, ...options }: HttpOptions & Parameters<typeof uploadBlob>[2] = {},
): Promise<ScriptedFetch> {
  const script = scriptedFetch(steps);
  await uploadBlob(repositoryOf(script.fetch, options), BLOB, { onProgress, onRetry });
  script.assertDone();
  return script;
}

function put(upload: number): string {
  return `PUT /u/${upload}?digest=${encodeURIComponent(DIGEST)}`;
}

/** How a registry tells that it has so many bytes. */
function standsAt(bytes: number) {
  return { status: 204, headers: { range: `0-${Math.max(0, bytes - 1)}`, location: "/u/1" } };
}

/** Questions for the blob, none of which finds it. */
function absent(times: number): ScriptStep[] {
  return Array.from({ length: times }, () => [HEAD, GONE]);
}

/** Both questions, so often. */
function asked(times: number, state: ScriptedReply): ScriptStep[] {
  return Array.from({ length: times }, () => [[HEAD, GONE], ["GET /u/1", state]] as const).flat();
}

/** What a gateway answers that lost its registry, but does not say that it took too long. */
const BROKEN: [string, ScriptedReply][] = [
  ["502", { status: 502 }],
  ["503", { status: 503 }],
  ["520", { status: 520 }],
  ["a broken connection", "drop"],
];
const SLOW: [string, ScriptedReply][] = [["504", { status: 504 }], ["524", { status: 524 }]];

for (const [name, answer] of [...BROKEN, ...SLOW]) {
  test(`uploadBlob() whose last byte is answered by ${name} sends and cancels nothing where the blob turns up`, async () => {
    const isSlow = SLOW.some(([other]) => other === name);
    // Where it took long the upload is not asked for at first: distribution 2 would end it.
    const questions = isSlow ? absent(3) : asked(1, standsAt(CONTENT.length));
    await uploadAs([
      [POST, OPENED],
      [put(1), answer],
      ...questions,
      [HEAD, THERE],
    ], { retry: { attempts: 1 } });
  });

  test(`uploadBlob() whose last byte is answered by ${name} begins anew where the upload is gone`, async () => {
    const isSlow = SLOW.some(([other]) => other === name);
    await uploadAs([
      [POST, OPENED],
      [put(1), answer],
      ...absent(isSlow ? 4 : 0),
      ...asked(2, UNKNOWN),
      ["DELETE /u/1", GONE],
      [HEAD, GONE],
      [POST, AGAIN],
      [put(2), STORED],
    ]);
  });

  test(`uploadBlob() whose last byte is answered by ${name} only closes an upload that has everything`, async () => {
    const isSlow = SLOW.some(([other]) => other === name);
    const script = await uploadAs([
      [POST, OPENED],
      [put(1), answer],
      ...absent(isSlow ? 4 : 0),
      ...asked(2, standsAt(CONTENT.length)),
      [put(1), STORED],
    ]);
    assertEquals(script.requests.at(-1)?.body.length, 0);
  });
}

test("uploadBlob() sends the rest of what a registry has", async () => {
  const sent: number[] = [];
  const onProgress = (bytes: number) => void sent.push(bytes);
  const script = await uploadAs(
    [
      [POST, OPENED],
      [put(1), { status: 502 }],
      ...asked(2, standsAt(600_000)),
      ["PATCH /u/1", { status: 202, headers: { location: "/u/1" } }],
      [put(1), STORED],
    ],
    { onProgress },
  );
  const rest = sentRequest(script, 6);
  assertEquals(rest.headers.get("content-range"), `600000-${CONTENT.length - 1}`);
  assertEquals(rest.body, CONTENT.slice(600_000));
  assertEquals(sent.at(-1), CONTENT.length);
});

test("uploadBlob() begins anew where a registry cannot go on with an upload", async () => {
  await uploadAs([
    [POST, OPENED],
    [put(1), { status: 502 }],
    ...asked(2, standsAt(600_000)),
    ["PATCH /u/1", { status: 405 }],
    ["DELETE /u/1", { status: 204 }],
    [HEAD, GONE],
    [POST, AGAIN],
    [put(2), STORED],
  ]);
});

test("uploadBlob() takes an upload that is known, but not as it stands, for one that may still be committed", async () => {
  const body = encodeJson({ errors: [{ code: "BLOB_UPLOAD_INVALID", message: "" }] });
  const invalid = { status: 404, body };
  await uploadAs([
    [POST, OPENED],
    [put(1), { status: 504 }],
    ...absent(4),
    ...asked(9, invalid),
    [HEAD, THERE],
  ]);
  await uploadAs([
    [POST, OPENED],
    [put(1), { status: 504 }],
    ...absent(4),
    ...asked(12, invalid),
    [HEAD, GONE],
    [POST, AGAIN],
    [put(2), STORED],
    ["DELETE /u/1", { status: 204 }],
  ]);
  // Where the connection broke, nothing is at work any more.
  await uploadAs([
    [POST, OPENED],
    [put(1), "drop"],
    ...asked(2, invalid),
    [HEAD, GONE],
    [POST, AGAIN],
    [put(2), STORED],
    ["DELETE /u/1", { status: 204 }],
  ]);
});

test("uploadBlob() waits for as long as a registry asks before it is asked", async () => {
  const waits: number[] = [];
  const onRetry = (_attempt: number, delay: number) => void waits.push(delay);
  await uploadAs(
    [
      [POST, OPENED],
      [put(1), { status: 503, headers: { "retry-after": "0" } }],
      [HEAD, THERE],
    ],
    { onRetry },
  );
  assertEquals(waits, [0]);
});

test("uploadBlob() does not take the time that bytes from memory need for that of the registry", async () => {
  let now = 0;
  const bytes = CONTENT.slice(0, 1000);
  const digest = await digestBytes(bytes);
  const asked = [[/^HEAD /, GONE], ["GET /u/1", standsAt(0)]] as const;
  const script = scriptedFetch([
    [/^POST /, OPENED],
    [/^PUT \/u\/1/, () => {
      now += 5000;
      return { status: 502 };
    }],
    ...asked,
    ...asked,
    [/^HEAD /, GONE],
    [/^POST /, AGAIN],
    [/^PUT \/u\/2/, STORED],
    ["DELETE /u/1", { status: 204 }],
  ]);
  const repository = repositoryOf(script.fetch, { retry: { now: () => now } });
  await uploadBlob(repository, blobOf(bytes, digest));
  script.assertDone();
});

for (const [name, answer] of BROKEN) {
  test(`uploadBlob() sends again after a minute what was lost on the way, where ${name} came late`, async () => {
    let now = 0;
    await uploadAs([
      [POST, OPENED],
      [put(1), () => {
        now += 2000;
        if (answer === "drop") throw connectionReset();
        assert(typeof answer === "object");
        return answer;
      }],
      ...absent(4),
      ...asked(12, standsAt(0)),
      [HEAD, GONE],
      [POST, AGAIN],
      [put(2), STORED],
      ["DELETE /u/1", { status: 204 }],
    ], { retry: { now: () => now } });
  });
}

test("uploadBlob() waits while what a slow registry has grows", async () => {
  await uploadAs([
    [POST, OPENED],
    [put(1), { status: 504 }],
    ...absent(4),
    ...asked(2, standsAt(200_000)),
    ...asked(2, standsAt(700_000)),
    ...asked(1, standsAt(CONTENT.length)),
    [HEAD, THERE],
  ]);
});

test("uploadBlob() cancels an upload in doubt only when another has brought the blob", async () => {
  await uploadAs([
    [POST, OPENED],
    [put(1), { status: 502 }],
    ...asked(2, standsAt(0)),
    [HEAD, GONE],
    [POST, AGAIN],
    [put(2), STORED],
    ["DELETE /u/1", { status: 204 }],
  ]);
});

test("uploadBlob() gives a slow registry as much time again as for an answer", async () => {
  const steps = (questions: number): ScriptStep[] => [
    [POST, OPENED],
    [put(1), { status: 504 }],
    ...absent(4),
    ...asked(questions, standsAt(0)),
  ];
  // Pauses of nothing count for a second each.
  const timeouts = { response: 20_000 };
  await uploadAs([...steps(16), [HEAD, THERE]], { timeouts });
  const lost = scriptedFetch([...steps(17), [HEAD, GONE]]);
  const once = repositoryOf(lost.fetch, { timeouts, retry: { attempts: 1 } });
  const error = await assertRejects(() => uploadBlob(once, BLOB), RegistryError);
  assertEquals(error.status, 504);
  lost.assertDone();
});

test("uploadBlob() takes a failure long after the last byte for one of a slow registry", async () => {
  let now = 0;
  await uploadAs([
    [POST, OPENED],
    [put(1), () => {
      now += 5000;
      return { status: 502 };
    }],
    ...absent(4),
    ...asked(6, standsAt(0)),
    [HEAD, THERE],
  ], { retry: { now: () => now } });
});

test("uploadBlob() does not ask about an upload whose body broke on the way", async () => {
  const registry = createRegistry();
  const layer = faultLayer(
    registry,
    ({ number }) => number === 2 ? { kind: "cut-body", after: 300_000 } : undefined,
  );
  await uploadBlob(repositoryOf(layer.fetch), BLOB);
  assertEquals(layer.seen.map(({ method }) => method), [
    "POST",
    "PUT",
    "DELETE",
    "HEAD",
    "POST",
    "PUT",
  ]);
});

test("uploadBlob() says that it asks, and ends at once when its signal is aborted meanwhile", async () => {
  const controller = new AbortController();
  const script = scriptedFetch([[POST, OPENED], [put(1), { status: 504 }], [HEAD, GONE]]);
  const told: string[] = [];
  const error = await assertRejects(() =>
    uploadBlob(repositoryOf(script.fetch, { retry: { delay: 60_000 } }), BLOB, {
      signal: controller.signal,
      onRetry: (_attempt, _delay, { message }) => {
        told.push(message);
        controller.abort(new Error("enough"));
      },
    })
  );
  assertEquals(error.message, "enough");
  assert(told[0]?.endsWith("it may have arrived all the same, which is asked first"), told[0]);
  script.assertDone();
});

test("uploadBlob() fails with what the registry said where it may not go on", async () => {
  const script = scriptedFetch([
    [POST, OPENED],
    [put(1), "drop"],
    ...asked(2, UNKNOWN),
    ["DELETE /u/1", GONE],
    [HEAD, GONE],
  ]);
  const once = repositoryOf(script.fetch, { retry: { attempts: 1 } });
  await assertRejects(() => uploadBlob(once, BLOB), NetworkError, "push blob");
  script.assertDone();
});

test("uploadBlob() in chunks asks once what became of them, and begins anew", async () => {
  const taken = { status: 202, headers: { location: "/u/1" } };
  const chunks = (upload: number): ScriptStep[] => [
    [`PATCH /u/${upload}`, { ...taken, headers: { location: `/u/${upload}` } }],
    [`PATCH /u/${upload}`, { ...taken, headers: { location: `/u/${upload}` } }],
  ];
  const script = scriptedFetch([
    [POST, OPENED],
    ...chunks(1),
    [put(1), { status: 502 }],
    ...asked(2, standsAt(0)),
    [HEAD, GONE],
    [POST, AGAIN],
    ...chunks(2),
    [put(2), STORED],
    ["DELETE /u/1", { status: 204 }],
  ]);
  const repository = repositoryOf(script.fetch);
  repository.http.seen.chunkSize = MIB;
  await uploadBlob(repository, BLOB);
  script.assertDone();
});

test("uploadBlob() turns to chunks for a host after a 504 on a whole body", async () => {
  const large = new Uint8Array(9 * MIB).fill(7);
  const digest = await digestBytes(large);
  const registry = createRegistry();
  let timeouts = 1;
  const layer = faultLayer(registry, ({ method, path }) => {
    if (method !== "PUT" || !path.includes("/uploads/") || timeouts-- <= 0) return;
    return { kind: "answer", answer: () => new Response(null, { status: 504 }), readBody: true };
  });
  const repository = repositoryOf(layer.fetch, { timeouts: { response: 5000 } });
  await uploadBlob(repository, blobOf(large, digest));
  assertEquals(repository.http.seen.chunkSize, 8 * MIB);
  const methods = layer.seen.map(({ method }) => method);
  assertEquals(methods.filter((method) => method === "PATCH").length, 2);
  assertEquals(methods.slice(-2), ["PUT", "DELETE"]);
});

test("uploadBlob() turns to chunks where a large body is refused without a word", async () => {
  const large = new Uint8Array(20 * MIB).fill(7);
  const layer = faultLayer(createRegistry(), ({ method, headers }) => {
    if (method !== "PUT" || Number(headers.get("content-length")) < 10 * MIB) return;
    const answer = () => new Response(null, { status: 400 });
    return { kind: "answer", answer, readBody: true };
  });
  const repository = repositoryOf(layer.fetch);
  await uploadBlob(repository, BLOB);
  await uploadBlob(repository, blobOf(large, await digestBytes(large)));
  assertEquals(layer.seen.filter(({ method }) => method === "PATCH").length, 3);
});

test("uploadBlob() turns to chunks for a gateway that fails of each large body", async () => {
  const large = new Uint8Array(20 * MIB).fill(7);
  const blob = blobOf(large, await digestBytes(large));
  let puts = 0;
  const layer = faultLayer(createRegistry(), ({ method, headers }) => {
    if (method !== "PUT" || Number(headers.get("content-length")) < 10 * MIB) return;
    puts++;
    const answer = () => Response.json({ message: "Internal server error" }, { status: 502 });
    return { kind: "answer", answer, readBody: true };
  });
  await uploadBlob(repositoryOf(layer.fetch), blob);
  assertEquals(puts, 2);
  assertEquals(layer.seen.filter(({ method }) => method === "PATCH").length, 3);
});

test("commitUpload() asks with patience, and sends no second request while the first is at work", async () => {
  for (const [, answer] of SLOW) {
    const script = scriptedFetch([
      [put(1), answer],
      ...absent(4),
      ...asked(1, standsAt(CONTENT.length)),
      [HEAD, THERE],
    ]);
    await commitUpload({ context: repositoryOf(script.fetch), location: LOCATION }, BLOB);
    script.assertDone();
  }
});

test("commitUpload() closes again what is still open, and says so where it is lost", async () => {
  const session = (fetch: FetchHandler) => ({ context: repositoryOf(fetch), location: LOCATION });
  const again = scriptedFetch([
    [put(1), { status: 503 }],
    ...asked(2, standsAt(CONTENT.length)),
    [put(1), STORED],
  ]);
  await commitUpload(session(again.fetch), BLOB);
  again.assertDone();
  const lost = scriptedFetch([[put(1), { status: 502 }], ...asked(2, UNKNOWN)]);
  const error = await assertRejects(
    () => commitUpload(session(lost.fetch), BLOB),
    RegistryError,
  );
  assertEquals(error.status, 502);
  lost.assertDone();
});

for (const [name, answer] of SLOW) {
  /** Sends two chunks, the second of which is answered so; says which bytes were sent. */
  const sendTwo = async (...steps: ScriptStep[]) => {
    const taken = { status: 202, headers: { location: "/u/1" } };
    const script = scriptedFetch([["PATCH /u/1", taken], ["PATCH /u/1", answer], ...steps]);
    const body = bytesSource(CONTENT.slice(0, 2000)).slice(0, 2000).stream();
    const session = { context: repositoryOf(script.fetch), location: LOCATION };
    await sendChunks(session, body as ReadableStream<Bytes>, 1000, {});
    script.assertDone();
    return script.requests.filter(({ method }) => method === "PATCH")
      .map(({ headers }) => headers.get("content-range"));
  };

  test(`sendChunks() waits for a chunk that was answered by ${name} until it has arrived`, async () => {
    const sent = await sendTwo(
      ["GET /u/1", standsAt(1000)],
      ["GET /u/1", standsAt(1400)],
      ["GET /u/1", standsAt(2000)],
      ["GET /u/1", standsAt(2000)],
    );
    assertEquals(sent, ["0-999", "1000-1999"]);
  });

  test(`sendChunks() sends what did not arrive of a chunk that was answered by ${name}`, async () => {
    const sent = await sendTwo(
      ["GET /u/1", standsAt(1400)],
      ["GET /u/1", standsAt(1400)],
      ["GET /u/1", standsAt(1400)],
      ["PATCH /u/1", { status: 202, headers: { location: "/u/1" } }],
    );
    assertEquals(sent, ["0-999", "1000-1999", "1400-1999"]);
  });

  test(`sendChunks() fails with ${name} where the upload is gone after it`, async () => {
    const error = await assertRejects(
      () => sendTwo(["GET /u/1", UNKNOWN], ["GET /u/1", UNKNOWN]),
      RegistryError,
    );
    assertEquals(`${error.status}`, name);
  });
}
