import { assertEquals } from "@std/assert";
import { parseUrl } from "../src/parse_url.ts";
import { test } from "./helpers/test.ts";

test("parseUrl() gives what is an address, and nothing else", () => {
  assertEquals(parseUrl("http://registry.test/v2/")?.href, "http://registry.test/v2/");
  assertEquals(
    parseUrl("/v2/?a", "http://registry.test:5000/x")?.href,
    "http://registry.test:5000/v2/?a",
  );
  assertEquals([parseUrl("/v2/"), parseUrl("http://[:::]")], [undefined, undefined]);
});
