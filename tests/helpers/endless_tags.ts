/** The body of a list of tags that goes on for ever: `v0`, `v1` and so on. */
export function endlessTags(): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let count = 0;
  return new ReadableStream({
    pull(controller) {
      const names = Array.from({ length: 20_000 }, () => `"v${count++}",`).join("");
      controller.enqueue(encoder.encode(count === 20_000 ? `{"tags":[${names}` : names));
    },
  });
}
