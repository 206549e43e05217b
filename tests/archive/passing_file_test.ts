import { assert, assertEquals, assertRejects } from "@std/assert";
import { PassingFile } from "../../src/archive/passing_file.ts";
import { ArchiveError } from "../../src/errors.ts";
import { encode } from "../helpers/archives.ts";
import { test } from "../helpers/test.ts";

test("PassingFile has its content while it is held, and gives back what it took", async () => {
  const content = encode(`{"a":1}`);
  const file = new PassingFile("a.json", content.length, content);
  file.hold(content);
  file.reserve(100);
  assert(file.held);
  assertEquals([await file.bytes(content.length), file.window], [content, 100]);
  assertEquals(file.release(), content.length + 100);
  assertEquals([file.held, file.body, file.release()], [false, undefined, 0]);
});

test("PassingFile says why it has no content any more", async () => {
  const json = new PassingFile("a.json", 20, encode(`{"a":1}`));
  await assertRejects(
    () => json.bytes(20),
    ArchiveError,
    "all that is kept, 32 MiB of those up to 4 MiB",
  );
  await assertRejects(() => json.bytes(19), ArchiveError, "it has 20 bytes, expected at most 19");
  const layer = new PassingFile("layer.tar", 20, encode("no document"));
  await assertRejects(() => layer.bytes(20), ArchiveError, "it is no JSON document");
});

test("PassingFile frees what was held once nobody reads it any more", () => {
  for (const isRead of [false, true]) {
    const content = encode("layer");
    const file = new PassingFile("layer.tar", content.length, content);
    file.hold(content);
    assertEquals(file.release(isRead), 5);
    assertEquals(content.length, isRead ? 0 : 5);
  }
});
