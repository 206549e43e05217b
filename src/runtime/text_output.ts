import { OciError } from "../errors.ts";
import type { TextOutput } from "./host.ts";

/** What a runtime offers to write text with. */
export interface OutputDevice {
  readonly name: "stdout" | "stderr";
  isTerminal(): Promise<boolean> | boolean;
  /** Size of the terminal; throws or leaves something out where it cannot be asked. */
  size(): { columns?: number; rows?: number };
  /** Hands all of the text to the system. */
  write(text: string): Promise<unknown>;
  /** Whether a failed write means that nobody reads any more. */
  isBrokenPipe(error: unknown): boolean;
}

const USUAL_SIZE = { columns: 80, rows: 24 };

/**
 * Makes writes keep their order, and drops them silently once nobody reads: `tarpush ... | head -1` is no failure.
 *
 * @param device How to write.
 */
export function createTextOutput(device: OutputDevice): TextOutput {
  let last: Promise<void> = Promise.resolve();
  let isClosed = false;
  const writeNow = async (text: string) => {
    if (isClosed || text === "") return;
    try {
      await device.write(text);
    } catch (error) {
      if (!device.isBrokenPipe(error)) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new OciError(`Cannot write to ${device.name}: ${reason}`, { cause: error });
      }
      isClosed = true;
    }
  };
  return {
    isTerminal: () => device.isTerminal(),
    size() {
      try {
        const { columns, rows } = device.size();
        return { columns: columns || USUAL_SIZE.columns, rows: rows || USUAL_SIZE.rows };
      } catch {
        // Not a terminal, or none that tells its size.
        return USUAL_SIZE;
      }
    },
    write(text) {
      const written = last.then(() => writeNow(text));
      // A failed write is its caller's; the next one is tried all the same.
      last = written.catch(() => {});
      return written;
    },
  };
}
