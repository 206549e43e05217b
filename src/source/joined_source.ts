import { concat, piecesOf, toStream } from "../bytes.ts";
import type { BlobSource, SourceSlice } from "./blob_source.ts";

/** A source among those that are joined, and where it begins. */
interface Piece {
  start: number;
  content: BlobSource;
}

/** Several sources one after the other as one, read at any offset. Nothing is copied but what spans two of them. */
export class JoinedSource implements BlobSource {
  readonly size: number;
  readonly #pieces: Piece[] = [];

  /** @param sources What is joined, in order; they stay the caller's. */
  constructor(sources: Iterable<BlobSource>) {
    let start = 0;
    for (const content of sources) {
      if (content.size > 0) this.#pieces.push({ start, content });
      start += content.size;
    }
    this.size = start;
  }

  slice(start: number, end: number): SourceSlice {
    const slices = [...this.#cut(start, Math.min(end, this.size))];
    const [only, ...more] = slices;
    // A part of one source can do whatever that can.
    if (only && more.length === 0) return only;
    const joined: SourceSlice = {
      stream: () => toStream(concatenated(slices, (slice) => slice.stream())),
      arrayBuffer: async () => {
        const parts: Uint8Array[] = [];
        for (const slice of slices) parts.push(await bytesOf(slice));
        return concat(parts).buffer;
      },
      checkUnchanged: async () => {
        for (const slice of slices) await slice.checkUnchanged?.();
      },
    };
    if (slices.length > 0 && slices.every(({ ownStream }) => ownStream)) {
      joined.ownStream = () =>
        toStream(
          concatenated(slices, (slice) => slice.ownStream?.() ?? slice.stream()),
        );
    }
    return joined;
  }

  *#cut(start: number, end: number): Generator<SourceSlice> {
    for (let at = this.indexAt(start); start < end; at++) {
      const piece = this.#pieces[at];
      if (!piece) return;
      const stop = Math.min(end, piece.start + piece.content.size);
      yield piece.content.slice(start - piece.start, stop - piece.start);
      start = stop;
    }
  }

  /** Which of the sources a position is in; those without bytes do not count. */
  indexAt(position: number): number {
    let [low, high] = [0, this.#pieces.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#pieces[middle]?.start ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

async function* concatenated(
  slices: readonly SourceSlice[],
  open: (slice: SourceSlice) => ReadableStream<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for (const slice of slices) yield* piecesOf(open(slice));
}

async function bytesOf(slice: SourceSlice): Promise<Uint8Array> {
  if (slice.arrayBuffer) return new Uint8Array(await slice.arrayBuffer());
  return new Uint8Array(await new Response(slice.stream()).arrayBuffer());
}
