import { assertEquals } from "@std/assert";
import { escapeText, quoteName, withoutSecrets } from "../src/quote_name.ts";
import { test } from "./helpers/test.ts";

test("quoteName() escapes what a terminal or a reader could fall for, and cuts", () => {
  assertEquals(quoteName('a"b\\c\n'), '"a\\"b\\\\c\\n"');
  assertEquals(quoteName("\x1b[31mred\x9b0m\x7f"), '"\\u001b[31mred\\u009b0m\\u007f"');
  assertEquals(quoteName("a\u202egpj.exe\u2028"), '"a\\u202egpj.exe\\u2028"');
  assertEquals(quoteName("größe"), '"größe"');
  assertEquals(quoteName("a".repeat(300)).length, 256 + 3 + 2);
  assertEquals(quoteName("a".repeat(7), 4), '"aaaa..."');
});

test("escapeText() escapes the same and leaves the rest as it is", () => {
  assertEquals(
    escapeText('a "b" \\ \x1b[31m\x9b0m\r\n\u202e'),
    'a "b" \\ \\u001b[31m\\u009b0m\\u000d\\u000a\\u202e',
  );
  assertEquals(escapeText("größe"), "größe");
});

test("withoutSecrets() leaves out of URLs what only their owner should know", () => {
  const texts = {
    "push HTTPS://u:p@h:1/a?k=v b#c": "push HTTPS://h:1/a b#c",
    '"http://h/a#x" "http://h?y"': '"http://h/a" "http://h"',
    "what? h/app@sha256:0": "what? h/app@sha256:0",
  };
  for (const [text, shown] of Object.entries(texts)) assertEquals(withoutSecrets(text), shown);
});
