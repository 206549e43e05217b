import { assert, assertEquals } from "@std/assert";
import { Receipts } from "../../src/cli/receipts.ts";
import { pushAll } from "../../src/push/push_all.ts";
import { currentHost } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { layoutTar, makeImage } from "../helpers/archives.ts";
import { temporaryFolder } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";

const TARGET = "localhost:5000/app:1";

/** What became of an archive, and what it was. */
async function pushed(name: string) {
  const archive = await layoutTar(await makeImage([name]));
  const [result] = await Array.fromAsync(pushAll([archive], TARGET, { fetch: createRegistry() }));
  assert(result);
  const identity = { source: name, size: archive.size, modified: "1", target: [TARGET] };
  return { identity, result, digest: result.images[0]?.digest };
}

test("Receipts stand until something else is put under a tag, in this run or an earlier one", async () => {
  await using folder = await temporaryFolder();
  const host = currentHost();
  const path = `${folder.path}/done.jsonl`;
  const [one, two] = [await pushed("one.tar"), await pushed("two.tar")];
  await (await Receipts.open(host, path, true)).add(one.identity, one.result);
  const receipts = await Receipts.open(host, path, true);
  assertEquals(receipts.find(one.identity)?.map(({ digest }) => digest), [one.digest]);
  assertEquals(receipts.find({ ...one.identity, size: 1 }), undefined);
  await receipts.add(two.identity, two.result);
  assertEquals(receipts.find(one.identity), undefined);
  const later = await Receipts.open(host, path, false);
  assertEquals(later.find(one.identity), undefined);
  assertEquals(later.find(two.identity)?.map(({ digest }) => digest), [two.digest]);
});

test("Receipts go on behind a line that was cut off, each on a line of its own", async () => {
  await using folder = await temporaryFolder();
  const host = currentHost();
  const path = await folder.write("done.jsonl", '{"source":"o');
  const receipts = await Receipts.open(host, path, true);
  for (const name of ["one.tar", "two.tar"]) {
    const { identity, result } = await pushed(name);
    await receipts.add(identity, result);
  }
  const lines = new TextDecoder().decode(await folder.read("done.jsonl")).split("\n");
  assertEquals(lines.map((line) => /"source":"[^"]*/.exec(line)?.[0]), [
    '"source":"o',
    '"source":"one.tar',
    '"source":"two.tar',
    undefined,
  ]);
});
