import { assert, assertEquals, assertMatch } from "@std/assert";
import { createGateway } from "../../src/edge/mod.ts";
import { readPage, servePage } from "../../src/edge/page.ts";
import { test } from "../helpers/test.ts";

const SETTINGS = /<script type="application\/json" id="settings">([^<]*)<\/script>/;

test("readPage() gives one HTML file that loads nothing from elsewhere", async () => {
  const page = await readPage();
  assertMatch(page, /^<!doctype html>/);
  assertMatch(page, /Content-Security-Policy" content="default-src 'none'; script-src 'sha256-/);
  assert(!/<(?:script|link|img)[^>]+(?:src|href)="(?!data:)/.test(page));
  // What the licenses of the decoders in it ask for.
  for (const holder of ["Meta Platforms", "Igalia", "Dani Biro"]) {
    assert(page.includes(holder), holder);
  }
  // All that a program needs to take it apart; nothing of its decoders is left out.
  assert(page.length > 200_000, `${page.length} characters`);
});

test("servePage() tells the page about its server, and lets no name end the script", async () => {
  const allow = ["a.test/</script><b>/"];
  const get = new Request("http://server.test/");
  const answer = servePage(get, await readPage(), { gateway: { allow } });
  assertEquals(answer.headers.get("content-type"), "text/html; charset=utf-8");
  assertEquals(answer.headers.get("content-security-policy"), "frame-ancestors 'none'");
  const [, json = ""] = SETTINGS.exec(await answer.text()) ?? [];
  assertEquals(JSON.parse(json), { gateway: { allow } });
});

test("servePage() answers HEAD without the page, and no other method", async () => {
  const head = servePage(new Request("http://a.test/", { method: "HEAD" }), "päge", {});
  assertEquals([head.status, await head.text()], [200, ""]);
  assertEquals(head.headers.get("content-length"), "5");
  const put = servePage(new Request("http://a.test/", { method: "PUT" }), "page", {});
  assertEquals([put.status, put.headers.get("allow")], [405, "GET, HEAD"]);
});

test("createGateway() writes into its page where it may push", async () => {
  const allow = ["registry.test/team/"];
  const gateway = createGateway({ allow, page: await readPage() });
  const answer = await gateway(new Request("http://gateway.test/"));
  const [, json = ""] = SETTINGS.exec(await answer.text()) ?? [];
  assertEquals(JSON.parse(json), { gateway: { allow } });
});
