import { OnceEach } from "../concurrency.ts";
import { OciError } from "../errors.ts";
import { hasNativeEncoder } from "./block_encoder.ts";
import { unpackWasm } from "./decoders.ts";
import type { LayerCompression } from "./magic.ts";

const modules = new OnceEach<LayerCompression, WebAssembly.Module | undefined>();

/**
 * The WebAssembly that compresses; it is compiled once.
 *
 * @returns Undefined where the runtime has an encoder of its own: a good one, or at least `CompressionStream`.
 * @throws {OciError} If there is no way to make zstd.
 */
export function encoderModule(kind: LayerCompression): Promise<WebAssembly.Module | undefined> {
  return modules.get(kind, () => compile(kind));
}

async function compile(kind: LayerCompression): Promise<WebAssembly.Module | undefined> {
  if (hasNativeEncoder(kind)) return undefined;
  try {
    const { WASM } =
      await (kind === "gzip" ? import("./gzip_encoder_wasm.ts") : import("./zstd_encoder_wasm.ts"));
    return await WebAssembly.compile(await unpackWasm(WASM));
  } catch (cause) {
    if (kind === "gzip") return undefined;
    // A package may leave them out, and a runtime may compile nothing.
    throw new OciError("Cannot compress with zstd: this runtime has no encoder for it here", {
      cause,
      hint: "use Bun, or the package on JSR where WebAssembly may be compiled, or gzip",
    });
  }
}
