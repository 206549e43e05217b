import { assertEquals, assertThrows } from "@std/assert";
import { ArchiveError } from "../../src/errors.ts";
import { checkPartNames, checksumNames, nextNames } from "../../src/source/part_names.ts";
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

test("nextNames() tells what the next part may be called", () => {
  for (
    const [name, expected] of [
      ["in/app.tar.001", ["in/app.tar.002", "in/app.tar.00200"]],
      ["app.tar.999", ["app.tar.1000", "app.tar.100000"]],
      ["app9.tar.aa", ["app9.tar.ab", "app9.tar.abaa"]],
      ["app.tar.az", ["app.tar.ba", "app.tar.baaa"]],
      // As `split` goes on where it runs out of short ones.
      ["x89", ["x90", "x9000"]],
      ["xyz", ["xza", "xzaaa"]],
      ["app.tar.part1", ["app.tar.part2", "app.tar.part200"]],
      ["app.tar.zz", []],
    ] as const
  ) assertEquals(nextNames(name), [...expected], name);
});
