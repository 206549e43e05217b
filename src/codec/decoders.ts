import { type Bytes, toBytes } from "../bytes.ts";
import { OnceEach } from "../concurrency.ts";
import { DataError } from "./data_error.ts";
import { WasmCode } from "./wasm_code.ts";

/** What is inflated by WebAssembly where the runtime itself cannot. */
export type DecoderKind = "zstd" | "xz";

const provided = new Map<DecoderKind, WebAssembly.Module>();
const compiled = new OnceEach<DecoderKind, WebAssembly.Module>();

/**
 * The WebAssembly of a decoder: libzstd's, or XZ Embedded. For a runtime that takes no code but what was deployed, such as
 * workerd: write it to a file, have the worker import that as a module, and give that to {@linkcode provideDecoder}.
 *
 * @param kind What it inflates.
 * @returns The content of a `.wasm` file.
 */
export async function readDecoder(kind: DecoderKind): Promise<Bytes> {
  const { WASM } = await (kind === "zstd" ? import("./zstd_wasm.ts") : import("./xz_wasm.ts"));
  return await unpackWasm(WASM);
}

/** The WebAssembly that a file of this folder carries. */
export async function unpackWasm(base64: string): Promise<Bytes> {
  const packed = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const content = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return toBytes(new Uint8Array(await new Response(content).arrayBuffer()));
}

/**
 * Has archives inflated by a module that is compiled already, from here on in the whole program.
 *
 * @example In a worker at the edge, beside a file that {@linkcode readDecoder} wrote
 * ```ts ignore
 * import { provideDecoder } from "@tarpush/tarpush/edge";
 * import zstd from "./zstd.wasm";
 *
 * provideDecoder("zstd", zstd);
 * ```
 *
 * @param kind What it inflates.
 * @param module What {@linkcode readDecoder} gives, compiled: a `WebAssembly.Module`, a name that the types of Node.js lack.
 */
export function provideDecoder(kind: DecoderKind, module: object): void {
  provided.set(kind, module);
}

/**
 * The module of a decoder, which is compiled once; making instances of it costs little.
 *
 * @throws {DataError} If nobody provided it and the runtime lets nobody compile: a worker at the edge, or a page whose
 * policy says so.
 */
export async function compiledDecoder(kind: DecoderKind): Promise<WebAssembly.Module> {
  return provided.get(kind) ?? await compiled.get(kind, () => compile(kind));
}

async function compile(kind: DecoderKind): Promise<WebAssembly.Module> {
  const bytes = await readDecoder(kind);
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    throw compilesNone(kind, cause);
  }
}

/**
 * An instance of a decoder.
 *
 * @throws {DataError} As {@linkcode compiledDecoder} does: Safari compiles whatever the policy of a page says, and heeds it here.
 */
export async function startDecoder(kind: DecoderKind): Promise<WasmCode> {
  const module = await compiledDecoder(kind);
  try {
    return await WasmCode.start(module);
  } catch (cause) {
    throw compilesNone(kind, cause);
  }
}

function compilesNone(kind: DecoderKind, cause: unknown): DataError {
  return new DataError(
    `it is compressed with ${kind}, which takes WebAssembly, and this runtime compiles none`,
    { cause, hint: "inflate it before, compress it with gzip, or provide its decoder" },
  );
}
