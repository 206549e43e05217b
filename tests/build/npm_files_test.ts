import { assertEquals, assertThrows } from "@std/assert";
import { type Piece, sortIntoFiles } from "../../build/npm_files.ts";
import { test } from "../helpers/test.ts";

/** A piece of one source file, `NAME.ts`. */
function piece(name: string, bytes: number, atOnce: string[] = [], onDemand: string[] = []): Piece {
  const kinds = [["import-statement", atOnce], ["dynamic-import", onDemand]] as const;
  return {
    bytes,
    inputs: { [`${name}.ts`]: {} },
    imports: kinds.flatMap(([kind, paths]) => paths.map((path) => ({ path, kind }))),
  };
}

const PIECES = {
  words: piece("words", 100),
  push: piece("push", 9000, ["words"], ["retry", "zstd"]),
  retry: piece("retry", 300, ["words"]),
  zstd: piece("zstd", 30_000),
  serve: piece("serve", 500, ["words"], ["page"]),
  page: piece("page", 300_000),
};

test("what one subject may ever load is in no file with what only another needs", () => {
  const subjects = ["push.ts", "page.ts", "serve.ts"];
  const files = sortIntoFiles(PIECES, { subjects, stages: [["push.ts"]] });
  assertEquals(sorted(files), [["page"], ["push", "words"], ["retry", "zstd"], ["serve"]]);
});

test("what a stage needs is one file, and what is small of the rest goes together", () => {
  const pieces = {
    start: piece("start", 10, ["low"], ["high", "beside"]),
    low: piece("low", 10),
    high: piece("high", 10, ["middle"]),
    middle: piece("middle", 25_000, ["base"]),
    base: piece("base", 20),
    beside: piece("beside", 30),
  };
  const files = sortIntoFiles(pieces, { subjects: ["start.ts"], stages: [["start.ts"]] });
  assertEquals(sorted(files), [["base", "beside", "high", "middle"], ["low", "start"]]);
});

test("a source file that is nowhere is an error", () => {
  const sort = () => sortIntoFiles(PIECES, { subjects: ["gone.ts"], stages: [] });
  assertThrows(sort, Error, "gone.ts is in none");
});

function sorted(files: readonly (readonly string[])[]): string[][] {
  return files.map((paths) => [...paths].sort()).sort();
}
