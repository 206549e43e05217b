import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DataError } from "../../src/codec/data_error.ts";
import { compileWasm, WasmCode } from "../../src/codec/wasm_code.ts";
import { withValue } from "../helpers/globals.ts";
import { test } from "../helpers/test.ts";

/** A module with nothing in it: the magic bytes and the version. */
const EMPTY = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** One page of memory (section 5), exported as `memory` (section 7). */
const MEMORY = [5, 3, 1, 0, 1, 7, 10, 1, 6, ...new TextEncoder().encode("memory"), 2, 0];

function encode(bytes: readonly number[]): string {
  return btoa(String.fromCharCode(...bytes));
}

test("compileWasm() says what a runtime lacks that compiles nothing", async () => {
  const refuse = () => Promise.reject(new TypeError("Wasm code generation disallowed"));
  await withValue(WebAssembly, "compile", refuse, async () => {
    const error = await assertRejects(
      () => compileWasm(encode(EMPTY), "zstd"),
      DataError,
      "it is compressed with zstd, which takes WebAssembly, and this runtime compiles none",
    );
    assertEquals(error.hint, "inflate it before, or compress it with gzip");
  });
});

test("WasmCode has the memory of its module, and names what that lacks", async () => {
  await assertRejects(
    async () => await WasmCode.start(await compileWasm(encode(EMPTY), "xz")),
    TypeError,
    "it exports no memory",
  );
  const code = await WasmCode.start(await compileWasm(encode([...EMPTY, ...MEMORY]), "xz"));
  code.words(8, 1)[0] = 0x01020304;
  assertEquals([...code.bytes(8, 4)], [4, 3, 2, 1]);
  assertThrows(() => code.call("decode"), TypeError, "it exports no function decode");
});
