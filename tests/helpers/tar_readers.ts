import { unpackTar } from "modern-tar";
import type { BlobSource } from "../../src/source/blob_source.ts";
import { scanTar } from "../../src/tar/scan.ts";
import { UntarStream } from "../../src/tar/untar_stream.ts";

/** What all readers should agree on. */
export interface ReadEntry {
  path: string;
  typeflag: string;
  size: number;
  mode: number;
  mtime: number;
  linkname: string;
  body: Uint8Array;
}

/** What a reader made of a tar: the entries whose bodies were whole, and what ended it early. */
export interface TarReading {
  entries: ReadEntry[];
  error: Error | undefined;
}

/** Reads with {@linkcode UntarStream}; `skip` tells which bodies are left unread. */
export async function readByStream(
  tar: ReadableStream<Uint8Array<ArrayBuffer>>,
  skip: (index: number) => boolean = () => false,
): Promise<TarReading> {
  return await collectEntries(async function* () {
    let index = 0;
    for await (const { path, header, readable } of tar.pipeThrough(new UntarStream())) {
      const { typeflag, size, mode, mtime, linkname } = header;
      if (skip(index++)) continue;
      const body = readable ? await new Response(readable).bytes() : EMPTY;
      yield { path, typeflag, size, mode, mtime, linkname, body };
    }
  });
}

export async function readByScan(tar: BlobSource): Promise<TarReading> {
  return await collectEntries(async function* () {
    for await (const { path, header, body: source } of scanTar(tar)) {
      const { typeflag, size, mode, mtime, linkname } = header;
      const body = await new Response(source.slice(0, source.size).stream()).bytes();
      yield { path, typeflag, size, mode, mtime, linkname, body };
    }
  });
}

/** Reads with modern-tar, which shares no code with the readers here. */
export async function readByReference(tar: Uint8Array<ArrayBuffer>): Promise<TarReading> {
  try {
    const entries = await unpackTar(tar, { strict: true });
    return {
      entries: entries.map(({ header, data }) => ({
        path: header.name,
        typeflag: TYPEFLAGS[header.type ?? "file"] ?? "?",
        size: header.size,
        mode: header.mode ?? 0,
        mtime: (header.mtime?.getTime() ?? 0) / 1000,
        linkname: header.linkname ?? "",
        body: data ?? EMPTY,
      })),
      error: undefined,
    };
  } catch (error) {
    return { entries: [], error: toError(error) };
  }
}

const TYPEFLAGS: Record<string, string> = {
  file: "0",
  link: "1",
  symlink: "2",
  "character-device": "3",
  "block-device": "4",
  directory: "5",
  fifo: "6",
};

const EMPTY = new Uint8Array(0);

async function collectEntries(read: () => AsyncGenerator<ReadEntry>): Promise<TarReading> {
  const entries: ReadEntry[] = [];
  try {
    for await (const entry of read()) entries.push(entry);
    return { entries, error: undefined };
  } catch (error) {
    return { entries, error: toError(error) };
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(`${error}`);
}
