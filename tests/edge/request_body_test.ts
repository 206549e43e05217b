import { assertEquals } from "@std/assert";
import { withValue } from "../helpers/globals.ts";
import { test } from "../helpers/test.ts";

const CONTENT = new Uint8Array(600_000).fill(7);

/** Bytes as Node.js has them in the body of a request that a program made, as one of AWS Lambda does. */
function closedBytes(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: "bytes",
    start(controller) {
      controller.enqueue(bytes.slice());
      controller.close();
    },
  });
}

class NodeResponse {
  readonly body: ReadableStream<Uint8Array>;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.body = closedBytes(bytes);
  }
}

test("openBody() reads a body that is in memory where a stream gives no smaller piece at its end", async () => {
  await withValue(globalThis, "Response", NodeResponse, async () => {
    // What a runtime does is found out once for each copy of the module.
    const { openBody } = await import("../../src/edge/request_body.ts?closed");
    const request = new Request("http://gateway.test", { method: "PUT" });
    Object.defineProperty(request, "body", { value: closedBytes(CONTENT) });
    let length = 0;
    for await (const piece of await openBody(request, false)) length += piece.length;
    assertEquals(length, CONTENT.length);
  });
});
