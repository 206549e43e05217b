/// <reference lib="dom" />

/** Adds what browsers of the last years lack: `URL.parse`, and in Safari streams that `for await` reads. */
export function fillGaps(): void {
  const { prototype } = ReadableStream;
  if (!(Symbol.asyncIterator in prototype)) {
    Object.defineProperty(prototype, Symbol.asyncIterator, { value: pieces });
  }
  if (!("parse" in URL)) Object.defineProperty(URL, "parse", { value: parseUrl });
}

function parseUrl(url: string, base?: string | URL): URL | null {
  return URL.canParse(url, base) ? new URL(url, base) : null;
}

async function* pieces<T>(this: ReadableStream<T>): AsyncGenerator<T> {
  const reader = this.getReader();
  let isDone = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      isDone = done;
      if (done) return;
      yield value;
    }
  } finally {
    // Who leaves the loop early wants no more of it.
    if (!isDone) await reader.cancel();
    reader.releaseLock();
  }
}
