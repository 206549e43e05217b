import { OciError } from "../errors.ts";
import { reasonOf } from "./file_error.ts";
import type { ByteOutput, TextOutput } from "./host.ts";

/** What a runtime offers to write with. */
export interface OutputDevice {
  readonly name: "stdout" | "stderr";
  isTerminal(): Promise<boolean> | boolean;
  /** Hands all of the bytes to the system. */
  write(bytes: Uint8Array): Promise<unknown>;
  /** Whether a failed write means that nobody reads any more. */
  isBrokenPipe(error: unknown): boolean;
}

const USUAL_SIZE = { columns: 80, rows: 24 };

/** Makes an output of bytes; see {@linkcode ByteOutput}. */
export function createByteOutput(device: OutputDevice): ByteOutput {
  let isClosed = false;
  return {
    isTerminal: () => device.isTerminal(),
    async write(bytes) {
      if (isClosed || bytes.length === 0) return !isClosed;
      try {
        await device.write(bytes);
      } catch (error) {
        if (!device.isBrokenPipe(error)) {
          throw new OciError(`Cannot write to ${device.name}: ${reasonOf(error)}`, {
            cause: error,
          });
        }
        isClosed = true;
      }
      return !isClosed;
    },
  };
}

/**
 * Makes an output of text. Writes keep their order, and are dropped silently once nobody reads: `tarpush ... | head -1` is no
 * failure.
 *
 * @param sizeNow Size of the terminal; throws or leaves something out where it cannot be asked.
 */
export function createTextOutput(
  output: ByteOutput,
  sizeNow: () => { columns?: number; rows?: number },
): TextOutput {
  const encoder = new TextEncoder();
  let last: Promise<unknown> = Promise.resolve();
  return {
    isTerminal: () => output.isTerminal(),
    size() {
      try {
        const { columns, rows } = sizeNow();
        return { columns: columns || USUAL_SIZE.columns, rows: rows || USUAL_SIZE.rows };
      } catch {
        // Not a terminal, or none that tells its size.
        return USUAL_SIZE;
      }
    },
    write(text) {
      const written = last.then(async () => void await output.write(encoder.encode(text)));
      // A failed write is its caller's; the next one is tried all the same.
      last = written.catch(() => {});
      return written;
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
