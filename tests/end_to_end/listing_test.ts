import { assert, assertEquals } from "@std/assert";
import { RegistryClient } from "../../src/registry/client.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { encode } from "../helpers/archives.ts";
import { cliCommand, runProgram, spawnProcess } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";
import { serve } from "./registry_server.ts";

const nameOf = (index: number) => `n${`${index}`.padStart(7, "0")}`;

/** A registry with so many names in pages, and how many of those it was asked for. */
function pagingRegistry(count: number): { fetch: FetchHandler; pages: () => number } {
  let pages = 0;
  const fetch: FetchHandler = (request) => {
    pages++;
    const { pathname, searchParams } = new URL(request.url);
    const size = Number(searchParams.get("n"));
    const last = searchParams.get("last");
    const first = last === null ? 0 : Number(last.slice(1)) + 1;
    const end = Math.min(count, first + size);
    const names = Array.from({ length: end - first }, (_, index) => nameOf(first + index));
    const member = pathname.endsWith("_catalog") ? "repositories" : "tags";
    const headers: Record<string, string> = end < count
      ? { link: `<${pathname}?n=${size}&last=${nameOf(end - 1)}>; rel="next"` }
      : {};
    return Promise.resolve(Response.json({ [member]: names }, { headers }));
  };
  return { fetch, pages: () => pages };
}

/** A registry like registry:2, with all tags in one answer and in no order, as far as they are read. */
function pouringRegistry(count: number): { fetch: FetchHandler; sent: () => number } {
  let sent = 0;
  const fetch: FetchHandler = () => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(encode('{"name":"app","tags":["first"')),
      pull(controller) {
        const end = Math.min(count, sent + 1000);
        let text = "";
        // 7919 is a prime: every number comes once, in no order.
        while (sent < end) text += `,"${nameOf(sent++ * 7919 % count)}"`;
        controller.enqueue(encode(text));
        if (sent < count) return;
        controller.enqueue(encode("]}"));
        controller.close();
      },
    }, { highWaterMark: 0 });
    return Promise.resolve(new Response(body, { headers: { "content-type": "application/json" } }));
  };
  return { fetch, sent: () => sent };
}

const LISTS = {
  "100,000 tags": {
    count: 100_000,
    path: "/app",
    list: (client: RegistryClient) => client.repository("app").tags(),
  },
  "10,000 repositories": {
    count: 10_000,
    path: "",
    list: (client: RegistryClient) => client.repositories(),
  },
};

for (const [name, { count, path, list }] of Object.entries(LISTS)) {
  test(`RegistryClient lists ${name}, and asks for a page only when the one before is read`, async () => {
    const { fetch, pages } = pagingRegistry(count);
    await using client = new RegistryClient("localhost:5000", { fetch });
    let index = 0;
    for await (const found of list(client)) {
      assertEquals(found, nameOf(index++));
      assertEquals(pages(), Math.ceil(index / 1000));
    }
    assertEquals(index, count);
  });

  test(`tarpush ls prints all of ${name}`, async () => {
    const { fetch, pages } = pagingRegistry(count);
    await using server = await serve(fetch);
    const { code, stdout, stderr } = await runProgram(["ls", server.host + path]);
    assertEquals([code, stderr], [0, ""]);
    const lines = stdout.split("\n");
    assertEquals([lines.length, lines[0], lines.at(-2)], [count + 1, nameOf(0), nameOf(count - 1)]);
    assertEquals(new Set(lines).size, count + 1);
    assertEquals(pages(), count / 1000);
  });

  test(`tarpush ls prints the first of ${name} before it asks for the second page`, async () => {
    const { fetch, pages } = pagingRegistry(count);
    const printed = Promise.withResolvers<void>();
    await using server = await serve(async (request) => {
      // Without the first line on stdout there is no second page.
      if (pages() > 0) await printed.promise;
      return await fetch(request);
    });
    const { command, args } = cliCommand("ls", server.host + path);
    await using child = spawnProcess(command, args);
    const errors = new Response(child.stderr).text();
    let text = "";
    for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
      text += piece;
      if (text.includes("\n")) printed.resolve();
    }
    assertEquals([await child.exited, await errors], [0, ""]);
    assertEquals(text.split("\n").length, count + 1);
  });
}

test("RegistryClient reads one answer with 1,000,000 tags no faster than they are taken", async () => {
  const { fetch, sent } = pouringRegistry(1_000_000);
  await using client = new RegistryClient("localhost:5000", { fetch });
  let index = 0;
  for await (const _ of client.repository("app").tags()) {
    if (index++ % 1000 !== 0) continue;
    assert(sent() <= index + 2000, `${sent()} were sent when ${index} were taken`);
    if (index > 50_000) break;
  }
  // To leave the loop ends the request: nothing more is read.
  const before = sent();
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(sent(), before);
});

test("tarpush ls prints 100,000 tags of one answer, in the order of the registry", async () => {
  const { fetch } = pouringRegistry(100_000);
  await using server = await serve(fetch);
  const { code, stdout, stderr } = await runProgram(["ls", `${server.host}/app`]);
  assertEquals([code, stderr], [0, ""]);
  const lines = stdout.trimEnd().split("\n");
  assertEquals([lines.length, lines[0], lines[1], lines[2]], [
    100_001,
    "first",
    nameOf(0),
    nameOf(7919),
  ]);
  assertEquals(new Set(lines).size, 100_001);
});
