/** More than anybody types in answer to a question. */
const MAX_LINE_CHARACTERS = 4096;

/**
 * Reads what a person types, up to the first end of a line.
 *
 * @returns The line without its end; what there was when the input ended, or grew too long, before it.
 */
export async function readLine(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of pieces) {
    text += decoder.decode(piece, { stream: true });
    if (text.includes("\n") || text.length > MAX_LINE_CHARACTERS) break;
  }
  return text.split("\n", 1)[0]?.slice(0, MAX_LINE_CHARACTERS).replace(/\r$/, "") ?? "";
}
