import { cutPieces, piecesOf, toStream } from "../bytes.ts";
import { cleanPath } from "../image/files.ts";
import type { BlobSource } from "../source/blob_source.ts";
import type { PassingInput } from "../source/open_source.ts";
import { openEntries } from "./read_passing.ts";

/**
 * A file of an archive that is compressed as a whole: each read inflates the archive from its beginning, for the few that are
 * read again.
 *
 * @param input The archive; it can be opened again.
 * @param path Clean path of the file, from the top of the tar.
 */
export function entrySource(input: PassingInput, path: string, size: number): BlobSource {
  return {
    size,
    slice: (start, end) => ({
      stream: () => toStream(readPart(input, path, start, end)),
    }),
  };
}

async function* readPart(
  input: PassingInput,
  path: string,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  const { entries } = await openEntries(input);
  for await (const { path: name, readable } of piecesOf(entries)) {
    if (!readable) continue;
    if (cleanPath(name) !== path) {
      await readable.cancel();
      continue;
    }
    yield* cutPieces(readable, start, end);
    return;
  }
}
