import { assertEquals, assertRejects } from "@std/assert";
import { DataError } from "../../src/codec/data_error.ts";
import { readDecoder, startDecoder } from "../../src/codec/decoders.ts";
import { withValue } from "../helpers/globals.ts";
import { test } from "../helpers/test.ts";

/** The module as a program finds it that has inflated nothing yet. */
async function loadAnew(): Promise<typeof import("../../src/codec/decoders.ts")> {
  const path = "../../src/codec/decoders.ts?anew";
  return await import(path);
}

test("readDecoder() gives what compiles", async () => {
  for (const kind of ["zstd", "xz"] as const) {
    const module = await WebAssembly.compile(await readDecoder(kind));
    assertEquals(WebAssembly.Module.exports(module).some(({ name }) => name === "memory"), true);
  }
});

test("a runtime that compiles nothing inflates with what it is given, and else says what it lacks", async () => {
  const module = await WebAssembly.compile(await readDecoder("zstd"));
  const { compiledDecoder, provideDecoder } = await loadAnew();
  const refuse = () => Promise.reject(new TypeError("Wasm code generation disallowed"));
  await withValue(WebAssembly, "compile", refuse, async () => {
    const error = await assertRejects(
      () => compiledDecoder("xz"),
      DataError,
      "it is compressed with xz, which takes WebAssembly, and this runtime compiles none",
    );
    assertEquals(
      error.hint,
      "inflate it before, compress it with gzip, or provide its decoder",
    );
    provideDecoder("zstd", module);
    assertEquals(await compiledDecoder("zstd"), module);
  });
  // It is tried again.
  const later = WebAssembly.Module.exports(await compiledDecoder("xz"));
  assertEquals(later.some(({ name }) => name === "memory"), true);
});

test("a runtime that compiles and refuses to instantiate says what it lacks, too", async () => {
  const refuse = () => Promise.reject(new TypeError("Refused to create a WebAssembly object"));
  await withValue(WebAssembly, "instantiate", refuse, async () => {
    await assertRejects(
      () => startDecoder("xz"),
      DataError,
      "it is compressed with xz, which takes WebAssembly, and this runtime compiles none",
    );
  });
});
