import { assertEquals } from "@std/assert";
import type { Bytes } from "../../../src/bytes.ts";
import { reportProgress } from "../../../src/registry/upload/send_body.ts";
import { test } from "../../helpers/test.ts";

test("reportProgress() does not tell of an end where the body was cancelled while the source was waited for", async () => {
  const told: string[] = [];
  const waitedFor = Promise.withResolvers<void>();
  const source = new ReadableStream<Bytes>({
    start: (controller) => controller.enqueue(new Uint8Array(1)),
    pull() {
      waitedFor.resolve();
      return new Promise(() => {});
    },
  }, { highWaterMark: 0 });
  const reader = reportProgress(source, {
    onProgress: (sent) => void told.push(`progress ${sent}`),
    onTaken: ({ length }) => void told.push(`taken ${length}`),
    onEnd: () => void told.push("end"),
  }).getReader();
  await reader.read();
  const waiting = reader.read();
  await waitedFor.promise;
  await reader.cancel();
  await waiting;
  assertEquals(told, ["progress 1"]);
});
