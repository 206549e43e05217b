import { assertEquals, assertStringIncludes } from "@std/assert";
import { takeShard } from "../../src/cli/shard.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { allTags } from "../helpers/expected.ts";
import { test } from "../helpers/test.ts";
import { runFake } from "./fake_host.ts";

const SINGLE = "tests/fixtures/docker28-single.tar";
const OTHER = "tests/fixtures/skopeo-docker.tar";
const LIST = [1, 2, 3, 4, 5, 6, 7].flatMap((at) => [
  `${SINGLE} localhost:5000/a${at}:1`,
  `${OTHER} localhost:5000/b${at}:1`,
  `${SINGLE.replace("docker", "./docker")} localhost:5000/c${at}:1`,
]).join("\n");

async function runWith(args: string, files: Record<string, string> = { list: LIST }) {
  const registry = createRegistry();
  return { registry, ...await runFake(args, { registry, files }) };
}

test("takeShard() parts names as the shell line of the documents does", async () => {
  // echo $((0x$(printf %s NAME | sha256sum | cut -c1-8) % 3))
  const names = ["a.tar", "b.tar", "images/ä.tar", "https://example.org/app.tar", ""]
    .map((name) => ({ name }));
  const shards = await Promise.all(
    [0, 1, 2].map((index) => takeShard(names, { index, count: 3 })),
  );
  assertEquals(shards.map((shard) => shard.map(({ name }) => name)), [
    ["a.tar", "images/ä.tar"],
    [],
    ["b.tar", "https://example.org/app.tar", ""],
  ]);
});

test("takeShard() leaves nothing out, takes nothing twice, and parts evenly", async () => {
  const names = Array.from({ length: 1000 }, (_, at) => ({ name: `images/app${at}.tar` }));
  for (const count of [1, 2, 7]) {
    const shards = await Promise.all(
      Array.from({ length: count }, (_, index) => takeShard(names, { index, count })),
    );
    assertEquals(new Set(shards.flat()), new Set(names), `${count} shards`);
    assertEquals(shards.flat().length, names.length, `${count} shards`);
    const sizes = shards.map(({ length }) => length * count / names.length);
    assertEquals(sizes.filter((size) => size < 0.7 || size > 1.3), [], `${count} shards`);
  }
});

test("push --shard pushes its part; all shards together push the whole", async () => {
  const pushed: string[] = [];
  for (const shard of ["0/2", "1/2"]) {
    const { code, registry, stderr } = await runWith(`push --from list --shard ${shard}`);
    assertEquals(code, 0, stderr);
    const tags = await allTags(registry);
    assertStringIncludes(stderr, `${tags.length} of 21 archives belong to this shard\n`);
    pushed.push(...tags);
  }
  const whole = await allTags((await runWith("push --from list")).registry);
  assertEquals(pushed.sort(), whole);
});

test("push --shard goes with receipts, and with archives on the command line", async () => {
  const args = `push ${SINGLE} ${OTHER} --to localhost:5000 --receipts done --shard`;
  const [first, second] = [await runWith(`${args} 0/2`, {}), await runWith(`${args} 1/2`, {})];
  const done = [first, second].map(({ files }) => files.get("done") ?? "");
  assertEquals(done.map((text) => JSON.parse(text).source).sort(), [SINGLE, OTHER]);
  // Receipts of other shards are none of its own.
  const again = await runWith(`${args} 0/2`, { done: done.join("") });
  assertStringIncludes(again.stderr, "1 of 1 archives are skipped");
});

test("push --shard without an archive of its own is done", async () => {
  const { code, stderr, registry } = await runWith("push --from list --shard 99/100");
  assertEquals([code, await allTags(registry)], [0, []]);
  assertStringIncludes(stderr, "0 of 21 archives belong to this shard\n");
});

for (const wrong of ["3/3", "1", "-1/3", "0/0", "1.5/3", "a/b", "0/3/4", "0/1000000", ""]) {
  test(`push --shard=${wrong} is wrong usage`, async () => {
    const { code, stderr } = await runWith(`push --from list --shard=${wrong}`);
    const expected = "expected I/N with I from 0 to N-1, such as 0/3";
    const line = `tarpush: Option --shard is ${JSON.stringify(wrong)}, ${expected}\n`;
    assertEquals([code, stderr], [2, line]);
  });
}

test("push --shard does not take what only this process has", async () => {
  const { code, stderr } = await runWith("push - --to localhost:5000/app:1 --shard 0/2");
  const line = "tarpush: Cannot push - with --shard: other processes have another stdin\n";
  assertEquals([code, stderr], [2, line]);
});
