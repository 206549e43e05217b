import { type Bytes, toBytes } from "../../bytes.ts";

/**
 * Whether an answer says that it is compressed with gzip. Blobs are their bytes whatever a web server or a store writes
 * there, but a proxy may compress what it passes on, although it is asked not to.
 */
export function saysGzip({ headers }: Response): boolean {
  return /(?:^|,)\s*(?:x-)?gzip\s*(?:,|$)/i.test(headers.get("content-encoding") ?? "");
}

/**
 * A body that cannot begin as gzip does, such as JSON or text: where it does so all the same, it is inflated.
 *
 * @param body The body as it came.
 * @returns The same, or what it inflates to.
 */
export function inflateIfGzip(body: ReadableStream<Uint8Array>): ReadableStream<Bytes> {
  const source = body.getReader();
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  return new ReadableStream<Bytes>({
    async pull(controller) {
      reader ??= (await chooseReading(source)).getReader();
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(toBytes(value));
    },
    cancel: (reason) => (reader ?? source).cancel(reason),
  }, { highWaterMark: 0 });
}

async function chooseReading(
  source: ReadableStreamDefaultReader<Uint8Array>,
): Promise<ReadableStream<Uint8Array>> {
  const head: Bytes[] = [];
  const start: number[] = [];
  while (start.length < 2) {
    const { done, value } = await source.read();
    if (done) break;
    head.push(toBytes(value));
    start.push(...value.subarray(0, 2));
  }
  const body = new ReadableStream<Bytes>({
    async pull(controller) {
      const first = head.shift();
      if (first) return controller.enqueue(first);
      const { done, value } = await source.read();
      if (done) controller.close();
      else controller.enqueue(toBytes(value));
    },
    cancel: (reason) => source.cancel(reason),
  }, { highWaterMark: 0 });
  if (start[0] !== 0x1f || start[1] !== 0x8b) return body;
  const decoder: ReadableWritablePair<Uint8Array, Bytes> = new DecompressionStream("gzip");
  return body.pipeThrough(decoder);
}
