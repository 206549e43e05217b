import { assertEquals, assertStrictEquals } from "@std/assert";
import { withLength } from "../../../src/registry/http/known_length.ts";
import { withValue } from "../../helpers/globals.ts";
import { test } from "../../helpers/test.ts";

const body = () => new Blob(["abc"]).stream();

test("withLength() makes of a stream what fetch sends with a length, on Deno a Blob", async () => {
  const known = withLength(body(), 3);
  assertEquals(known instanceof Blob, "Deno" in globalThis);
  assertEquals(await new Response(known).text(), "abc");
});

test("withLength() uses the stream that workerd has for it", async () => {
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
