import { assertEquals } from "@std/assert";
import { createSHA512 } from "../../page/sha512.ts";
import { test } from "../helpers/test.ts";

test("SHA-512 of the page is that of the platform, whatever pieces it comes in", async () => {
  const hash = await createSHA512();
  for (const size of [0, 1, 127, 128, 129, 100_000]) {
    const bytes = new Uint8Array(size).map((_, at) => at * 31 % 251);
    hash.init();
    for (let at = 0, length = 1; at < size; at += length++) {
      hash.update(bytes.subarray(at, at + length));
    }
    const expected = new Uint8Array(await crypto.subtle.digest("SHA-512", bytes));
    assertEquals(hash.digest("binary"), expected, `${size} bytes`);
  }
});
