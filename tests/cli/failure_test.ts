import { assertEquals } from "@std/assert";
import { exitCodeFor, failureLines } from "../../src/cli/failure.ts";
import { UsageError } from "../../src/cli/options.ts";
import { paintNothing } from "../../src/cli/render.ts";
import { AmbiguousImageError, OciError, RegistryError } from "../../src/errors.ts";
import { failureDocument, pushedBefore } from "../../src/failure_document.ts";
import { test } from "../helpers/test.ts";

const ambiguous = (message: string) =>
  new AmbiguousImageError(message, { choices: ["a:1", "b:1"] });

test("exitCodeFor() is 2 where other arguments would help", () => {
  const usage = [
    new UsageError("x"),
    new SyntaxError("x"),
    new RangeError("x"),
    new TypeError("x"),
    ambiguous("x"),
  ];
  assertEquals(usage.map(exitCodeFor), [2, 2, 2, 2, 2]);
  assertEquals([new OciError("x"), new Error("x"), "x", undefined].map(exitCodeFor), [1, 1, 1, 1]);
});

test("failureLines() is one line and a hint, whatever the message holds", () => {
  const error = new OciError("Cannot push \x1b[2J\nfake line", { hint: "try\nagain" });
  assertEquals(failureLines(error, paintNothing, false), [
    "tarpush: Cannot push \\u{1b}[2J\\u{a}fake line",
    "hint: try\\u{a}again",
  ]);
  assertEquals(failureLines("thrown text", paintNothing, false), ["tarpush: thrown text"]);
});

test("failureLines() lists the choices that the message leaves out", () => {
  assertEquals(failureLines(ambiguous("Several images"), paintNothing, false), [
    "tarpush: Several images",
    "  --image a:1",
    "  --image b:1",
  ]);
  assertEquals(failureLines(ambiguous("Choose a:1 or b:1"), paintNothing, false).length, 1);
});

test("failureLines() ends although an error is its own cause", () => {
  const error = new OciError("x");
  error.cause = error;
  assertEquals(failureLines(error, paintNothing, true).length < 1000, true);
});

test("failureDocument() holds what a program may want", () => {
  const error = new RegistryError("Cannot put manifest: 400", {
    method: "PUT",
    url: "http://localhost:5000/v2/app/manifests/1",
    status: 400,
    errors: [{ code: "MANIFEST_INVALID", message: "bad" }],
    hint: "look",
  });
  error.pushed = [{ reference: "localhost:5000/a:1" }];
  assertEquals(failureDocument(error), {
    name: "RegistryError",
    message: "Cannot put manifest: 400",
    hint: "look",
    retryable: false,
    method: "PUT",
    url: "http://localhost:5000/v2/app/manifests/1",
    status: 400,
    errors: [{ code: "MANIFEST_INVALID", message: "bad" }],
  });
  assertEquals(pushedBefore(error), [{ reference: "localhost:5000/a:1" }]);
  assertEquals(pushedBefore(new Error("x")), []);
  assertEquals(failureDocument("text"), { name: "Error", message: "text" });
});
