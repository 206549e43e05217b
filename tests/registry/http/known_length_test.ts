import { assertEquals, assertStrictEquals } from "@std/assert";
import { withLength } from "../../../src/registry/http/known_length.ts";
import { withValue } from "../../helpers/globals.ts";
import { test } from "../../helpers/test.ts";

test("withLength() uses the stream that workerd has for it, and leaves the body as it is elsewhere", async () => {
  const body = () => new Blob(["abc"]).stream();
  const plain = body();
  assertStrictEquals(withLength(plain, 3), plain);
  const lengths: number[] = [];
  class FixedLengthStream extends TransformStream {
    constructor(length: number) {
      super();
      lengths.push(length);
    }
  }
  await withValue(globalThis, "FixedLengthStream", FixedLengthStream, async () => {
    const unknown = body();
    assertStrictEquals(withLength(unknown, undefined), unknown);
    assertEquals(await new Response(withLength(body(), 3)).text(), "abc");
  });
  assertEquals(lengths, [3]);
});
