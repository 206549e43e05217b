import type { Bytes } from "../bytes.ts";
import { Rests } from "../concurrency.ts";
import type { BunGlobals } from "./bun_globals.ts";
import { toFileError } from "./file_error.ts";

const { Bun } = globalThis as unknown as BunGlobals;

/** Bytes of one piece; Bun itself hands out 12 to 256 KiB. */
const PIECE_BYTES = 1024 * 1024;

/**
 * Standard input from where it stands. Bun reads a file that it was redirected from at byte 0, whatever the programs
 * before this one have read of it.
 */
async function openBunStdin(): Promise<ReadableStream<Uint8Array>> {
  const { stdin } = Bun;
  const info = await stdin.stat().catch(() => undefined);
  const position = info?.isFile() ? await readPosition() : 0;
  if (position === 0 || !info) return stdin.stream();
  if (position !== undefined) return stdin.slice(position, info.size).stream();
  try {
    // No other system than Linux tells where a file stands, but a child goes on there.
    return Bun.spawn(["cat"], { stdin: "inherit", stdout: "pipe", stderr: "inherit" }).stdout;
  } catch {
    return stdin.stream();
  }
}

/** How many bytes of the file have been read; undefined where the system does not tell. */
async function readPosition(): Promise<number | undefined> {
  const text = await Bun.file("/proc/self/fdinfo/0").text().catch(() => "");
  const digits = /^pos:\s*(\d+)$/m.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The same as it comes. */
export async function* readBunPieces(): AsyncGenerator<Uint8Array> {
  try {
    yield* await openBunStdin();
  } catch (error) {
    throw toFileError("read", "-", error);
  }
}

/**
 * The same in pieces of 1 MiB, but for the last.
 *
 * @param use Where the memory of each piece comes from or goes to.
 */
export function readBunStdin(use?: (piece: Bytes) => Bytes): AsyncGenerator<Uint8Array> {
  return read("-", openBunStdin, use);
}

/** What is written to a pipe that has a path, in such pieces. */
export function readBunPipe(
  path: string,
  use: (piece: Bytes) => Bytes,
): AsyncGenerator<Uint8Array> {
  return read(path, () => Bun.file(path).stream(), use);
}

async function* read(
  name: string,
  open: () => ReadableStream<Uint8Array> | Promise<ReadableStream<Uint8Array>>,
  use?: (piece: Bytes) => Bytes,
): AsyncGenerator<Uint8Array> {
  try {
    yield* inPieces(await open(), use);
  } catch (error) {
    throw toFileError("read", name, error);
  }
}

async function* inPieces(
  stream: ReadableStream<Uint8Array>,
  use = (piece: Bytes): Bytes => piece,
): AsyncGenerator<Uint8Array> {
  let piece = use(new Uint8Array(PIECE_BYTES));
  let filled = 0;
  const rests = new Rests();
  for await (let bytes of stream) {
    const rest = rests.after(bytes.length);
    if (rest) await rest;
    while (bytes.length > 0) {
      const part = bytes.subarray(0, PIECE_BYTES - filled);
      piece.set(part, filled);
      filled += part.length;
      bytes = bytes.subarray(part.length);
      if (filled < PIECE_BYTES) continue;
      yield piece;
      piece = use(new Uint8Array(PIECE_BYTES));
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
