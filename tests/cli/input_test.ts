import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { openInput } from "../../src/cli/input.ts";
import { UsageError } from "../../src/cli/options.ts";
import { OciError } from "../../src/errors.ts";
import { isBlobSource } from "../../src/source/blob_source.ts";
import { test } from "../helpers/test.ts";
import { fakeHost } from "./fake_host.ts";

test("openInput() tells a path, a pipe and a URL apart", async () => {
  const host = fakeHost([], { stdin: new Uint8Array([1, 2]) });
  await using url = await openInput("https://example.com/image.tar", host, "");
  assertInstanceOf(url.source, URL);
  await using pipe = await openInput("-", host, "");
  assertInstanceOf(pipe.source, ReadableStream);
  await using file = await openInput("tests/fixtures/docker28-single.tar", host, "");
  assertEquals(isBlobSource(file.source), true);
});

test("openInput() tells who names a registry which command looks at it, and what keeps a file from being found", async () => {
  for (
    const [text, hint] of [
      ["localhost:5000", "tarpush ls localhost:5000"],
      ["localhost:5000/app:1", "tarpush info localhost:5000/app:1"],
      ["absent.tar", undefined],
      ["b\ufffd.tar", "its name is not in UTF-8"],
    ] as const
  ) {
    const error = await assertRejects(() => openInput(text, fakeHost([]), ""), OciError);
    assertEquals(error.message, `Cannot open "${text}": no such file`);
    if (hint) assertStringIncludes(error.hint ?? "", hint);
    else assertEquals(error.hint, undefined);
  }
});

test("openInput() wants something piped in for -", async () => {
  await assertRejects(
    () => openInput("-", fakeHost([]), "cat x | tarpush"),
    UsageError,
    "Nothing is piped in",
  );
});
