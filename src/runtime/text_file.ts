import type { OciError } from "../errors.ts";
import { fileError } from "./file_error.ts";

/** The most that is read as text, in bytes: receipts of some 400,000 archives. An archive named by mistake is larger, or no text. */
export const MAX_TEXT_BYTES = 256 * 1024 * 1024;

/**
 * Checks that a file is small enough to be held.
 *
 * @throws {OciError} If it is not.
 */
export function requireTextSize(path: string, size: number): void {
  if (size > MAX_TEXT_BYTES) throw textTooLarge(path, `${size}`);
}

/** The error for what has more bytes than are held. */
export function textTooLarge(path: string, count: string): OciError {
  return fileError("read", path, {
    text: `it has ${count} bytes, expected a text of at most ${MAX_TEXT_BYTES}`,
  });
}

/** The text of a file, in UTF-8, or in UTF-16 where it begins so: as the `>` of Windows PowerShell writes it. */
export function decodeText(bytes: Uint8Array): string {
  return createTextDecoder(bytes).decode(bytes);
}

/** What decodes a text that begins with these bytes. */
export function createTextDecoder([first, second]: Uint8Array): TextDecoder {
  const [low, high] = [0xff, 0xfe];
  if (first === low && second === high) return new TextDecoder("utf-16le");
  if (first === high && second === low) return new TextDecoder("utf-16be");
  return new TextDecoder();
}
