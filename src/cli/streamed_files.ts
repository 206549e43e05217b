import type { Digest } from "../digest.ts";
import { ArchiveError } from "../errors.ts";
import { malformed } from "../image/content.ts";
import { type ArchiveFile, ArchiveFiles, PEEK_BYTES, tooLarge } from "../image/files.ts";
import { createHash } from "../incremental_hash.ts";
import { type Bytes, concat } from "../source.ts";
import { type TarEntry, UntarStream } from "../tar/untar_stream.ts";

/** Most bytes of JSON that are held: a hundred times what a large archive has. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/**
 * Reads a tar from a pipe into files that can be asked for what they are. JSON is held; of everything else remain the
 * first bytes and the digest.
 *
 * @param stream The tar.
 * @returns Its files; they have no `body`.
 * @throws {TarError} If it is no tar, or is broken.
 * @throws {ArchiveError} If it holds more JSON than any image archive.
 */
export async function readStreamedFiles(stream: ReadableStream<Uint8Array>): Promise<ArchiveFiles> {
  const files = new ArchiveFiles();
  let held = 0;
  for await (const entry of stream.pipeThrough(new UntarStream())) {
    const content = await readContent(entry, MAX_HELD_BYTES - held);
    held += content.json?.length ?? 0;
    files.add(entry.path, entry.header, (path) => toFile(path, content));
  }
  return files;
}

interface Content {
  size: number;
  digest: Digest;
  head: Bytes;
  json: Bytes | undefined;
}

async function readContent({ path, header, readable }: TarEntry, room: number): Promise<Content> {
  const hash = await createHash("sha256");
  const pieces: Bytes[] = [];
  let size = 0;
  let isJson = true;
  for await (const piece of readable ?? []) {
    if (size === 0) isJson = looksLikeJson(piece);
    if (isJson && header.size > room) throw tooMuch(path);
    // Copied: a view would keep the whole chunk that it is a part of.
    if (isJson) pieces.push(piece.slice());
    else if (size < PEEK_BYTES) pieces.push(piece.slice(0, PEEK_BYTES - size));
    await hash.update(piece);
    size += piece.length;
  }
  const kept = concat(pieces, pieces.reduce((sum, piece) => sum + piece.length, 0));
  const head = kept.subarray(0, PEEK_BYTES);
  return { size, digest: await hash.digest(), head, json: isJson ? kept : undefined };
}

function looksLikeJson(bytes: Uint8Array): boolean {
  const first = new TextDecoder().decode(bytes.subarray(0, 64)).trimStart();
  return first.startsWith("{") || first.startsWith("[");
}

function toFile(path: string, { size, digest, head, json }: Content): ArchiveFile {
  return {
    path,
    size,
    digest,
    peek: () => Promise.resolve(head),
    bytes: (limit) => {
      if (size > limit) return Promise.reject(tooLarge(path, size, limit));
      return json
        ? Promise.resolve(json)
        : Promise.reject(malformed(path, "it is no JSON document"));
    },
  };
}

function tooMuch(path: string): ArchiveError {
  const limit = MAX_HELD_BYTES / 1024 / 1024;
  return new ArchiveError(
    `Cannot read ${JSON.stringify(path)}: the archive holds more than ${limit} MiB of JSON`,
    { path },
  );
}
