import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { WasmCode } from "../../src/codec/wasm_code.ts";
import { test } from "../helpers/test.ts";

/** A module with nothing in it: the magic bytes and the version. */
const EMPTY = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** One page of memory (section 5), exported as `memory` (section 7). */
const MEMORY = [5, 3, 1, 0, 1, 7, 10, 1, 6, ...new TextEncoder().encode("memory"), 2, 0];

async function start(bytes: readonly number[]): Promise<WasmCode> {
  return await WasmCode.start(await WebAssembly.compile(new Uint8Array(bytes)));
}

test("WasmCode has the memory of its module, and names what that lacks", async () => {
  await assertRejects(() => start(EMPTY), TypeError, "it exports no memory");
  const code = await start([...EMPTY, ...MEMORY]);
  code.words(8, 1)[0] = 0x01020304;
  assertEquals([...code.bytes(8, 4)], [4, 3, 2, 1]);
  assertThrows(() => code.call("decode"), TypeError, "it exports no function decode");
});
