import { assertEquals, assertRejects } from "@std/assert";
import type { FileBody, SentCall } from "../../../src/registry/http/call.ts";
import type { Clock } from "../../../src/registry/http/time_limits.ts";
import { maySendFile, sendFile } from "../../../src/registry/http/watched_file.ts";
import { test } from "../../helpers/test.ts";

const KIB = 1024;

test("sendFile() tells how much has gone, and when it may be all", async () => {
  const { count, counted } = counter([0, 300 * KIB, 300 * KIB + 100, 1000 * KIB]);
  const { request, log } = watched(1000 * KIB);
  const response = await sendFile(count, request, async () => {
    await counted(4);
    return new Response();
  });
  assertEquals(response.status, 200);
  // 100 bytes are what looking costs.
  assertEquals(log, ["moved", 300 * KIB, "sent", "end", 1000 * KIB - 100]);
});

test("sendFile() takes what looking costs for nothing, however long it goes on", async () => {
  const costs = Array.from({ length: 12 }, (_, at) => 10 * KIB + at * 300);
  const { count, counted } = counter([0, ...costs]);
  const { request, log } = watched(1000 * KIB);
  await sendFile(count, request, async () => {
    await counted(13);
    return new Response();
  });
  assertEquals(log, ["moved", 10 * KIB]);
});

test("sendFile() knows that all may be sent when a last small piece has gone", async () => {
  const { count, counted } = counter([0, 999 * KIB, 1000 * KIB - 100, 1000 * KIB]);
  const { request, log } = watched(1000 * KIB);
  await sendFile(count, request, async () => {
    await counted(4);
    return new Response();
  });
  assertEquals(log, ["moved", 999 * KIB, "sent", "end"]);
});

test("sendFile() parts what goes between files, and never tells more than went or than there is", async () => {
  const [one, other] = [watched(100 * KIB), watched(900 * KIB)];
  const { count, counted } = counter([0, 0, 200 * KIB, 400 * KIB, 500 * KIB, 700 * KIB]);
  const first = sendFile(count, one.request, async () => {
    await counted(4);
    return new Response();
  });
  const second = sendFile(count, other.request, async () => {
    await counted(6);
    return new Response();
  });
  await Promise.all([first, second]);
  assertEquals(one.log, ["sent", "end", 100 * KIB, "moved", 100 * KIB]);
  assertEquals(other.log.filter((entry) => typeof entry === "number"), [
    100 * KIB,
    300 * KIB,
    400 * KIB,
    600 * KIB,
  ]);
});

test("sendFile() holds back what another file turns out to have taken", async () => {
  const [one, other] = [watched(300 * KIB), watched(900 * KIB)];
  const { count, counted } = counter([0, 0, 300 * KIB, 350 * KIB, 500 * KIB]);
  const first = sendFile(count, one.request, async () => {
    await counted(3);
    return new Response();
  });
  const second = sendFile(count, other.request, async () => {
    await counted(5);
    return new Response();
  });
  await Promise.all([first, second]);
  assertEquals(one.log.filter((entry) => typeof entry === "number"), [150 * KIB]);
  assertEquals(other.log.filter((entry) => typeof entry === "number"), [
    150 * KIB,
    150 * KIB,
    200 * KIB,
  ]);
});

test("sendFile() takes the end of a file back when what went turns out to be of another", async () => {
  const [one, other] = [watched(300 * KIB), watched(300 * KIB)];
  const { count, counted } = counter([0, 0, 310 * KIB]);
  const first = sendFile(count, one.request, async () => {
    await counted(3);
    return new Response();
  });
  const broken = Promise.withResolvers<Response>();
  const second = sendFile(count, other.request, () => broken.promise);
  await first;
  assertEquals(other.log, ["sent", "end", 155 * KIB, "moved"]);
  broken.reject(new TypeError("broken"));
  await assertRejects(() => second, TypeError, "broken");
});

test("sendFile() takes nothing back because of another file that was refused on the way", async () => {
  const [one, other] = [watched(300 * KIB), watched(300 * KIB)];
  const { count, counted } = counter([0, 0, 310 * KIB]);
  const first = sendFile(count, one.request, async () => {
    await counted(3);
    return new Response(null, { status: 413 });
  });
  const second = sendFile(count, other.request, async () => {
    await first;
    return new Response();
  });
  await second;
  assertEquals(other.log, ["sent", "end", 155 * KIB]);
});

test("maySendFile() lets nothing join a file that has been under way for minutes", async () => {
  const { count, counted } = counter([0]);
  const { request } = watched(1000 * KIB);
  const later = performance.now() + 310_000;
  assertEquals(maySendFile(count, later), true);
  const sending = sendFile(count, request, async () => {
    assertEquals(maySendFile(count), true);
    assertEquals(maySendFile(count, later), false);
    await counted(2);
    return new Response();
  });
  await sending;
  assertEquals(maySendFile(count, later), true);
});

test("sendFile() looks once more after a failure: all may have been sent", async () => {
  const { count } = counter([0, 1000 * KIB]);
  const { request, log } = watched(1000 * KIB);
  const send = () => Promise.reject(new TypeError("broken"));
  await assertRejects(() => sendFile(count, request, send), TypeError, "broken");
  assertEquals(log, ["sent", "end", 1000 * KIB]);
});

test("sendFile() ends a request whose file has lost its end, once nothing moves", async () => {
  const { count } = counter([0, 10 * KIB]);
  const { request, log } = watched(1000 * KIB, { isWhole: () => Promise.resolve(false) });
  await assertRejects(
    () => sendFile(count, request, untilAborted),
    Error,
    "lost its end",
  );
  assertEquals(log, ["moved", 10 * KIB, "error: The file has lost its end while it was sent"]);
});

test("sendFile() ends a request whose listener fails", async () => {
  const { count } = counter([0, 10 * KIB]);
  const { request, log } = watched(1000 * KIB);
  request.call.onSent = () => Promise.reject(new Error("nobody home"));
  await assertRejects(
    () => sendFile(count, request, untilAborted),
    Error,
    "nobody home",
  );
  assertEquals(log, ["moved", "error: nobody home"]);
});

/** Counts what it is told to; the last stays. `counted` waits until so many were taken in. */
function counter(counts: number[]) {
  const waiting: { times: number; resolve: () => void }[] = [];
  let asked = 0;
  const count = async () => {
    const value = counts[Math.min(asked++, counts.length - 1)] ?? 0;
    for (const { times, resolve } of waiting) if (asked > times) resolve();
    // Who waited goes first.
    await new Promise((resolve) => setTimeout(resolve, 1));
    return value;
  };
  const counted = (times: number) =>
    new Promise<void>((resolve) => void waiting.push({ times, resolve }));
  return { count, counted };
}

function untilAborted(_href: string, { signal }: RequestInit): Promise<Response> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** A request that sends a file, and what was told of it. */
function watched(size: number, file: Partial<FileBody> = {}) {
  const log: (string | number)[] = [];
  const clock: Clock = {
    signal: new AbortController().signal,
    expired: undefined,
    moved: () => void log.push("moved"),
    movedInSight: () => void log.push("moved"),
    pause() {},
    sent: () => void log.push("sent"),
    stop() {},
  };
  const url = new URL("http://registry.test/u/1");
  const request: SentCall = {
    call: {
      action: "send",
      method: "PUT",
      url,
      expect: [],
      body: new Blob([new Uint8Array(size)]),
      file: {
        isWhole: () => Promise.resolve(true),
        onEnd: () => void log.push("end"),
        ...file,
      },
      onSent: (bytes) => void log.push(bytes),
    },
    url,
    init: {},
    clock,
    onError: (error) => void log.push(`error: ${error instanceof Error ? error.message : error}`),
  };
  return { request, log };
}
