import { OciError } from "../errors.ts";
import type { ByteOutput } from "./host.ts";

/** What a runtime offers to write bytes with. */
export interface ByteDevice {
  readonly name: "stdout";
  isTerminal(): Promise<boolean> | boolean;
  /** Hands all of the bytes to the system. */
  write(bytes: Uint8Array): Promise<unknown>;
  /** Whether a failed write means that nobody reads any more. */
  isBrokenPipe(error: unknown): boolean;
}

/** Makes an output of bytes; see {@linkcode ByteOutput}. */
export function createByteOutput(device: ByteDevice): ByteOutput {
  let isClosed = false;
  return {
    isTerminal: () => device.isTerminal(),
    async write(bytes) {
      if (isClosed || bytes.length === 0) return !isClosed;
      try {
        await device.write(bytes);
      } catch (error) {
        if (!device.isBrokenPipe(error)) {
          const reason = error instanceof Error ? error.message : String(error);
          throw new OciError(`Cannot write to ${device.name}: ${reason}`, { cause: error });
        }
        isClosed = true;
      }
      return !isClosed;
    },
  };
}

/** Writes all of the bytes to what takes as many at a time as it likes. */
export async function writeAll(
  output: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await output.write(rest));
}
