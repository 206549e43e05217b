import { assertEquals, assertMatch } from "@std/assert";
import { createServeLog } from "../../src/cli/serve_log.ts";
import type { TextOutput } from "../../src/runtime/host.ts";
import { test } from "../helpers/test.ts";

const REQUEST = {
  time: Date.UTC(2026, 0, 2),
  client: "127.0.0.1",
  method: "GET",
  path: "/v2/",
  status: 200,
  bytes: 2,
  milliseconds: 3,
};

/** An output that keeps what it gets, each write once those before it are let go. */
function outputInto(written: string[], wait?: Promise<void>): TextOutput {
  return {
    isTerminal: () => false,
    size: () => ({ columns: 80, rows: 24 }),
    async write(text) {
      written.push(text);
      await wait;
    },
  };
}

/** All that a log says, with as many requests as do not fit before anybody reads them. */
async function logged(options: { json: boolean; quiet: boolean }, requests = 1) {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const { promise, resolve } = Promise.withResolvers<void>();
  const host = { stdout: outputInto(stdout, promise), stderr: outputInto(stderr, promise) };
  const log = createServeLog(options, host);
  const listening = log.listening("Listening", { url: "http://127.0.0.1:5000/", kept: "nowhere" });
  log.note("a note");
  log.error("an error");
  for (let count = 0; count < requests; count++) log.request(REQUEST);
  resolve();
  await listening;
  await log.written();
  const lines = (texts: string[]) => texts.join("").split("\n").filter((line) => line !== "");
  return { stdout: lines(stdout), stderr: lines(stderr) };
}

test("createServeLog() writes lines for people to stderr", async () => {
  const { stdout, stderr } = await logged({ json: false, quiet: false });
  assertEquals(stdout, []);
  assertEquals(stderr, [
    "Listening",
    "a note",
    "tarpush: an error",
    "2026-01-02T00:00:00.000Z 127.0.0.1 GET /v2/ 200 2 B 3 ms",
  ]);
});

test("createServeLog() writes JSON lines to stdout", async () => {
  const { stdout, stderr } = await logged({ json: true, quiet: false });
  assertEquals(stderr, []);
  const documents = stdout.map((line) => JSON.parse(line));
  assertEquals(documents.map(({ type }) => type), ["listening", "note", "error", "request"]);
  assertEquals(documents[3], { type: "request", ...REQUEST, time: "2026-01-02T00:00:00.000Z" });
});

test("createServeLog() writes errors alone where it is to be quiet", async () => {
  assertEquals(await logged({ json: false, quiet: true }), {
    stdout: [],
    stderr: ["tarpush: an error"],
  });
  const { stdout } = await logged({ json: true, quiet: true });
  assertEquals(stdout.map((line) => JSON.parse(line).type), ["error"]);
});

test("createServeLog() says how many lines nobody read in time", async () => {
  const missing = /^[1-9]\d* lines are missing here: they came faster than they were read$/;
  const { stderr } = await logged({ json: false, quiet: false }, 30_000);
  assertMatch(stderr.at(-1) ?? "", missing);
  const { stdout } = await logged({ json: true, quiet: false }, 30_000);
  assertMatch(JSON.parse(stdout.at(-1) ?? "").message, missing);
});
