import { assertEquals, assertThrows } from "@std/assert";
import { ArchiveError } from "../../src/errors.ts";
import { checkPartNames, checksumNames } from "../../src/source/part_names.ts";
import { test } from "../helpers/test.ts";

test("checkPartNames() names the part of another archive, also where that comes first", () => {
  for (
    const [names, stranger] of [
      [["app.tar.001", "app.tar.002", "zap.tar.003"], "zap.tar.003"],
      [["zap.tar.001", "app.tar.002", "app.tar.003"], "zap.tar.001"],
    ] as const
  ) {
    assertThrows(
      () => checkPartNames(names),
      ArchiveError,
      `Cannot use "${stranger}" as a part: it is of another archive, expected parts of "app.tar"`,
    );
  }
});

test("checksumNames() tells what the checksum file of a part may be called", () => {
  for (
    const [name, expected] of [
      ["app.tar.001", ["app.tar.sha256"]],
      ["app.tar.aa", ["app.tar.sha256"]],
      ["app.tar.part1", ["app.tar.part.sha256", "app.tar.sha256"]],
      ["app.part1.tar", ["app.part.sha256", "app.sha256"]],
      ["app", ["app.sha256"]],
    ] as const
  ) assertEquals(checksumNames(name), [...expected], name);
});
