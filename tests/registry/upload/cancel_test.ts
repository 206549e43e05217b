import { assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../../src/bytes.ts";
import type { FetchHandler } from "../../../src/registry/http/call.ts";
import { sendChunks } from "../../../src/registry/upload/chunks.ts";
import { sendBody } from "../../../src/registry/upload/send_body.ts";
import { cancelUpload, type UploadSession } from "../../../src/registry/upload/upload_session.ts";
import { encodeJson } from "../../helpers/archives.ts";
import { scriptedFetch, type ScriptStep, sentRequest } from "../../helpers/scripted_fetch.ts";
import { test } from "../../helpers/test.ts";
import { makeRepository, makeSession } from "../make_http.ts";

const MOVED = { status: 202, headers: { location: "/u/1?state=2", range: "0-9" } };
const OUT_OF_DATE = {
  status: 404,
  body: encodeJson({ errors: [{ code: "BLOB_UPLOAD_INVALID", message: "blob upload invalid" }] }),
};

function session(fetch: FetchHandler): UploadSession {
  return makeSession(fetch, "?state=1");
}

/** Ten bytes at a time without end, aborted when the second piece is asked for. */
function endless(controller: AbortController): ReadableStream<Bytes> {
  let pieces = 0;
  return new ReadableStream({
    pull(stream) {
      if (++pieces === 2) controller.abort(new Error("enough"));
      else stream.enqueue(new Uint8Array(10));
    },
  }, { highWaterMark: 0 });
}

test("sendBody() ends the body when it is aborted, so that the upload can be cancelled where it stands then", async () => {
  const controller = new AbortController();
  const script = scriptedFetch([
    ["PATCH /u/1?state=1", MOVED],
    ["DELETE /u/1?state=2", { status: 204 }],
  ]);
  const upload = session(script.fetch);
  const { signal } = controller;
  await assertRejects(
    () => sendBody(upload, endless(controller), { signal }),
    Error,
    "enough",
  );
  await cancelUpload(upload);
  assertEquals(sentRequest(script, 0).body.length, 10);
  script.assertDone();
});

test("sendChunks() waits for the answer to a chunk when it is aborted, for a moment", async () => {
  const controller = new AbortController();
  const script = scriptedFetch([
    ["PATCH /u/1?state=1", () => {
      controller.abort(new Error("enough"));
      return MOVED;
    }],
    ["DELETE /u/1?state=2", { status: 204 }],
  ]);
  const upload = session(script.fetch);
  const body = new Blob([new Uint8Array(100)]).stream() as ReadableStream<Bytes>;
  await assertRejects(
    () => sendChunks(upload, body, 10, { signal: controller.signal }),
    Error,
    "enough",
  );
  await cancelUpload(upload);
  script.assertDone();
});

const AFTER_CUT: Record<string, ScriptStep[]> = {
  "asks where an upload stands whose body was cut": [
    ["GET /u/1?state=1", { status: 204, headers: MOVED.headers }],
    ["DELETE /u/1?state=2", { status: 204 }],
  ],
  "tries the place that it knows where nobody tells of another": [
    ["GET /u/1?state=1", OUT_OF_DATE],
    ["DELETE /u/1?state=1", OUT_OF_DATE],
  ],
};

for (const [does, steps] of Object.entries(AFTER_CUT)) {
  test(`cancelUpload() ${does}`, async () => {
    const script = scriptedFetch([["PATCH /u/1?state=1", "drop"], ...steps]);
    const upload = session(script.fetch);
    await assertRejects(() => sendBody(upload, new Uint8Array(10)));
    await cancelUpload(upload);
    script.assertDone();
  });
}

test("cancelUpload() asks where an upload stands that it took for somewhere else, until it has settled", async () => {
  for (const refusal of [OUT_OF_DATE, { status: 416 }]) {
    for (const asked of [1, 2, 3]) {
      const last = asked === 3 ? refusal : { status: 204 };
      const script = scriptedFetch([
        ["DELETE /u/1?state=1", refusal],
        ...Array.from({ length: asked }, (_, at): ScriptStep[] => [
          [`GET /u/1?state=${at === 0 ? 1 : 2}`, { status: 204, headers: MOVED.headers }],
          ["DELETE /u/1?state=2", at === asked - 1 ? last : refusal],
        ]).flat(),
      ]);
      await cancelUpload(session(script.fetch));
      script.assertDone();
    }
  }
});

const PASSING: Record<string, ScriptStep[1]> = {
  "a broken connection": "drop",
  "a gateway that lost the registry": { status: 502 },
};

for (const [what, fault] of Object.entries(PASSING)) {
  test(`cancelUpload() sends its requests again after ${what}`, async () => {
    const script = scriptedFetch([
      ["DELETE /u/1?state=1", fault],
      ["DELETE /u/1?state=1", { status: 204 }],
    ]);
    await cancelUpload(session(script.fetch));
    script.assertDone();
    const stale = scriptedFetch([
      ["GET /u/1?state=1", fault],
      ["GET /u/1?state=1", { status: 204, headers: MOVED.headers }],
      ["DELETE /u/1?state=2", fault],
      ["DELETE /u/1?state=2", { status: 204 }],
    ]);
    await cancelUpload({ ...session(stale.fetch), isStale: true });
    stale.assertDone();
  });

  test(`cancelUpload() ends although all that comes is ${what}`, async () => {
    const script = scriptedFetch(Array.from({ length: 4 }, () => ["DELETE /u/1?state=1", fault]));
    await cancelUpload(session(script.fetch));
    script.assertDone();
  });

  test(`cancelUpload() tries the place that it knows where each question for another ends in ${what}`, async () => {
    const script = scriptedFetch([
      ...Array.from({ length: 4 }, (): ScriptStep => ["GET /u/1?state=1", fault]),
      ["DELETE /u/1?state=1", { status: 204 }],
    ]);
    await cancelUpload({ ...session(script.fetch), isStale: true });
    script.assertDone();
  });
}

test("cancelUpload() does not wait for a registry that answers nothing", async () => {
  /** Answers nothing before the request is given up. */
  const silent: FetchHandler = ({ signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  const timeouts = { connect: 2 ** 30, idle: 2 ** 30, response: 2 ** 30 };
  const context = makeRepository(silent, { timeouts });
  const { location } = session(silent);
  await Promise.all([
    cancelUpload({ context, location }),
    cancelUpload({ context, location, isStale: true }),
  ]);
});

test("cancelUpload() leaves alone what a registry may be committing", async () => {
  const script = scriptedFetch([]);
  await cancelUpload({ ...session(script.fetch), isClosing: true });
  script.assertDone();
});
