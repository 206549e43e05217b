import { assertEquals } from "@std/assert";
import { ArchivesState } from "../../src/cli/archives_state.ts";
import { ProgressState, timeLeft } from "../../src/cli/progress_state.ts";
import { parseDigest } from "../../src/digest.ts";
import { test } from "../helpers/test.ts";

const A = parseDigest("sha256:" + "a".repeat(64));
const B = parseDigest("sha256:" + "b".repeat(64));

test("ProgressState follows blobs by digest", () => {
  const state = new ProgressState();
  state.apply({ type: "plan", images: 1, blobs: 2, bytes: 300 }, 0);
  state.apply({ type: "blob-done", digest: B, size: 200, status: "exists" }, 0);
  state.apply({ type: "blob-start", digest: A, size: 100 }, 0);
  state.apply({ type: "blob-progress", digest: A, sent: 40 }, 0);
  assertEquals([state.doneBlobs, state.sentBytes, state.settledBytes], [1, 40, 240]);
  state.apply({ type: "blob-progress", digest: A, sent: 10 }, 0);
  assertEquals(state.settledBytes, 210);
  state.apply({ type: "blob-done", digest: A, size: 100, status: "pushed" }, 0);
  assertEquals([state.doneBlobs, state.sentBytes, state.settledBytes], [2, 100, 300]);
  assertEquals(state.inFlight, []);
});

test("ProgressState follows blobs by path while the digest is unknown", () => {
  const state = new ProgressState();
  state.apply({ type: "blob-start", path: "a/layer.tar", size: 100 }, 0);
  state.apply({ type: "blob-start", path: "b/layer.tar", size: 100 }, 0);
  state.apply({ type: "blob-progress", path: "b/layer.tar", sent: 70 }, 0);
  state.apply(
    { type: "blob-done", path: "a/layer.tar", digest: A, size: 100, status: "pushed" },
    0,
  );
  assertEquals(state.inFlight.map(({ path, sent }) => [path, sent]), [["b/layer.tar", 70]]);
  state.apply({ type: "blob-progress", path: "c/layer.tar", sent: 70 }, 0);
  assertEquals(state.sentBytes, 170);
});

test("ProgressState takes a blob for what it becomes when it is compressed", () => {
  const state = new ProgressState();
  state.apply({ type: "plan", images: 1, blobs: 2, bytes: 1000 }, 0);
  state.apply({ type: "blob-start", path: "a/layer.tar", size: 600 }, 0);
  state.apply({ type: "blob-start", path: "b/layer.tar", size: 400 }, 0);
  state.apply({ type: "blob-start", path: "a/layer.tar", digest: A, size: 200 }, 0);
  assertEquals(state.totalBytes, 600);
  state.apply(
    { type: "blob-done", path: "a/layer.tar", digest: A, size: 200, status: "pushed" },
    0,
  );
  state.apply(
    { type: "blob-done", path: "b/layer.tar", digest: B, size: 100, status: "pushed" },
    0,
  );
  assertEquals([state.totalBytes, state.settledBytes, state.inFlight.length], [300, 300, 0]);
});

test("ProgressState counts what goes beside an image and is in no plan", () => {
  const state = new ProgressState();
  state.apply({ type: "plan", images: 1, blobs: 1, bytes: 100 }, 0);
  state.apply({ type: "blob-done", digest: A, size: 100, status: "pushed" }, 0);
  assertEquals([state.count, state.totalBytes], ["1/1 blobs", 100]);
  state.apply({ type: "blob-start", digest: B, size: 20 }, 0);
  assertEquals([state.count, state.totalBytes], ["1/2 blobs", 120]);
  state.apply({ type: "blob-done", digest: B, size: 20, status: "pushed" }, 0);
  assertEquals([state.count, state.totalBytes, state.settledBytes], ["2/2 blobs", 120, 120]);
});

test("ProgressState shows an attempt that is waited for until bytes flow again", () => {
  const state = new ProgressState();
  state.apply({ type: "blob-start", digest: A, size: 100 }, 0);
  state.apply({ type: "retry", digest: A, attempt: 2, delay: 1, reason: "reset" }, 0);
  state.apply({ type: "blob-progress", digest: A, sent: 0 }, 0);
  assertEquals(state.inFlight[0]?.attempt, 2);
  state.apply({ type: "blob-progress", digest: A, sent: 1 }, 0);
  assertEquals(state.inFlight[0]?.attempt, undefined);
});

test("ProgressState tells rate and time left from the last seconds", () => {
  const state = new ProgressState();
  state.apply({ type: "plan", images: 1, blobs: 2, bytes: 30_000 }, 0);
  state.apply({ type: "blob-done", digest: B, size: 10_000, status: "exists" }, 0);
  state.apply({ type: "blob-start", digest: A, size: 20_000 }, 0);
  assertEquals([state.bytesPerSecond(400), timeLeft(state, 400)], [undefined, undefined]);
  for (let second = 1; second <= 10; second++) {
    state.apply({ type: "blob-progress", digest: A, sent: second * 1000 }, second * 1000);
  }
  assertEquals(state.bytesPerSecond(10_000), 1000);
  assertEquals(timeLeft(state, 10_000), 10_000);
  // Nothing comes any more: the rate sinks, and is never below zero.
  assertEquals(state.bytesPerSecond(20_000), 5000 * 1000 / 15_000);
  state.apply({ type: "blob-progress", digest: A, sent: 0 }, 20_000);
  assertEquals([state.bytesPerSecond(20_600), timeLeft(state, 20_600)], [0, undefined]);
});

test("ArchivesState counts what was sent of archives that have not ended", () => {
  const state = new ArchivesState("archive", [100, 100]);
  const [one, two] = [{ index: 0, name: "one" }, { index: 1, name: "two" }];
  for (const [digest, archive] of [[A, one], [B, two]] as const) {
    state.apply({ type: "plan", images: 1, blobs: 1, bytes: 100 }, archive, 0);
    state.apply({ type: "blob-start", digest, size: 100 }, archive, 0);
    state.apply({ type: "blob-done", digest, size: 100, status: "pushed" }, archive, 0);
  }
  state.end({ ...one, status: "failed", error: "no", images: [], bytesUploaded: 100 });
  assertEquals([state.ended, state.blobs.pushed, state.sentBytes], [1, 2, 200]);
});
