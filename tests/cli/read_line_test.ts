import { assertEquals } from "@std/assert";
import { readLine } from "../../src/cli/read_line.ts";
import { encode } from "../helpers/archives.ts";
import { test } from "../helpers/test.ts";

test("readLine() reads up to the first end of a line, however it comes", async () => {
  const cases: [pieces: string[], line: string][] = [
    [["yes\n"], "yes"],
    [["y", "es", "\r\nmore\n"], "yes"],
    [["\n"], ""],
    [[], ""],
    [["no end"], "no end"],
  ];
  for (const [pieces, line] of cases) {
    assertEquals(await readLine(ReadableStream.from(pieces.map(encode))), line);
  }
});

test("readLine() takes no more than anybody types", async () => {
  let pulled = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled++;
      controller.enqueue(encode("y".repeat(1000)));
    },
  }, { highWaterMark: 0 });
  assertEquals((await readLine(endless)).length, 4096);
  assertEquals(pulled, 5);
});
