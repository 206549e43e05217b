import { assertEquals } from "@std/assert";
import { free, hasOwnBody, own, ownBody } from "../src/owned_bytes.ts";
import { test } from "./helpers/test.ts";

test("free() gives back the memory of bytes that are owned", () => {
  const bytes = own(new Uint8Array(1024));
  free(bytes);
  assertEquals([bytes.length, bytes.buffer.detached], [0, true]);
  free(bytes);
});

test("free() leaves alone what somebody else may have", () => {
  const theirs = new Uint8Array(1024);
  free(theirs);
  assertEquals(theirs.length, 1024);
  const part = own(new Uint8Array(1024)).subarray(1);
  free(part);
  assertEquals(part.length, 1023);
});

test("ownBody() is said of one response", () => {
  const response = new Response("a");
  assertEquals(hasOwnBody(response), false);
  assertEquals(ownBody(response), response);
  assertEquals([hasOwnBody(response), hasOwnBody(new Response("a"))], [true, false]);
});
