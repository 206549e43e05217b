import { assertEquals } from "@std/assert";
import { makeWasmModules } from "../../build/wasm.ts";
import { gzip } from "../helpers/archives.ts";
import { toPath } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";

/** The files are the same wherever they are written. */
const skip = "Deno" in globalThis ? undefined : "it is written on Deno";

test("the WebAssembly in src/codec is what the pinned packages carry", async () => {
  const root = toPath(new URL("../../", import.meta.url));
  const { devDependencies } = JSON.parse(await Deno.readTextFile(`${root}package.json`));
  for (const [path, text] of await makeWasmModules(gzip)) {
    const found = await unpack(await Deno.readTextFile(root + path));
    assertEquals(found === await unpack(text), true, `${path}: deno task wasm`);
    const [, name = "", version] = /npm package (\S+)@(\S+) carries/.exec(text) ?? [];
    assertEquals(version, devDependencies[name], path);
  }
}, { skip });

/** What compresses smallest takes its time. */
async function unpack(text: string): Promise<string> {
  const [packed = ""] = /(?<=")H4sI[^"]+/.exec(text) ?? [];
  const content = new Blob([Uint8Array.fromBase64(packed)]).stream()
    .pipeThrough(new DecompressionStream("gzip"));
  return text.replace(packed, (await new Response(content).bytes()).toBase64());
}
