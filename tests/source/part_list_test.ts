import { assertEquals, assertStringIncludes } from "@std/assert";
import { digestBytes } from "../../src/digest.ts";
import {
  EDGE_BYTES,
  formatPartList,
  parsePartList,
  PartSummary,
  readEdges,
} from "../../src/source/part_list.ts";
import { randomBytes } from "../helpers/archives.ts";
import { runProcess, temporaryFolder } from "../helpers/process.ts";
import { requireProgram } from "../helpers/programs.ts";
import { test } from "../helpers/test.ts";

const sha256sum = requireProgram("sha256sum");
const HEX = "0123456789abcdef".repeat(4);

test("PartSummary says the same of a part whatever the pieces are", async () => {
  for (const size of [0, 1, EDGE_BYTES, EDGE_BYTES + 1, 3 * EDGE_BYTES + 17]) {
    const bytes = randomBytes(size);
    const edges = await readEdges(new Blob([bytes]));
    for (const pieceSize of [1000, EDGE_BYTES, 10 * EDGE_BYTES]) {
      const summary = await PartSummary.start();
      // The writer may use its memory again.
      const piece = new Uint8Array(pieceSize);
      for (let at = 0; at < size; at += pieceSize) {
        const next = bytes.subarray(at, at + pieceSize);
        piece.set(next);
        await summary.update(piece.subarray(0, next.length));
      }
      assertEquals(await summary.finish("a.tar.001"), {
        name: "a.tar.001",
        sha256: await digestBytes(bytes),
        size,
        edges,
      });
    }
  }
});

test("readEdges() tells parts apart that differ at either end", async () => {
  const bytes = randomBytes(3 * EDGE_BYTES);
  const digests = new Set([await readEdges(new Blob([bytes]))]);
  for (const at of [0, bytes.length - 1]) {
    const other = bytes.slice();
    other[at] = ~(other[at] ?? 0);
    digests.add(await readEdges(new Blob([other])));
  }
  assertEquals(digests.size, 3);
});

test("parsePartList() reads what formatPartList() and other programs write", () => {
  const sha256 = `sha256:${HEX}` as const;
  const part = { name: "a b.tar.001", sha256, size: 12, edges: sha256 };
  assertEquals(parsePartList(formatPartList([part])), [part]);
  for (
    const line of [
      `${HEX}  x.tar.001`,
      `${HEX} *x.tar.001`,
      `${HEX.toUpperCase()}  some/where/x.tar.001\r`,
      `SHA256 (x.tar.001) = ${HEX}`,
      `SHA256(x.tar.001)= ${HEX}`,
      `SHA2-256(x.tar.001)= ${HEX}`,
      `${HEX}  x.tar.001\0`,
      `${HEX}  C:\\some\\where\\x.tar.001`,
      // As sha256sum writes it where the path has a backslash.
      `\\${HEX}  some\\\\where\\\\x.tar.001`,
    ]
  ) {
    assertEquals(parsePartList(`# a word\n\n${line}\nno sum\n`), [{ name: "x.tar.001", sha256 }]);
  }
  assertEquals(parsePartList(`\ufeff${HEX}  x\n`), [{ name: "x", sha256 }]);
  assertEquals(parsePartList(`# ${"9".repeat(15)} ${HEX}  other\n${HEX}  x\n`), [
    { name: "x", sha256 },
  ]);
});

test("formatPartList() is a list that sha256sum -c checks", async () => {
  await using folder = await temporaryFolder();
  const listed = [];
  for (const name of ["a.tar.001", "a.tar.002"]) {
    const bytes = randomBytes(1000);
    await folder.write(name, bytes);
    const summary = await PartSummary.start();
    await summary.update(bytes);
    listed.push(await summary.finish(name));
  }
  const list = await folder.write("a.tar.sha256", formatPartList(listed));
  const check = () =>
    runProcess(sha256sum.path, ["--strict", "-c", list], {
      cwd: folder.path,
      env: { LC_ALL: "C" },
    });
  const { code, stdout, stderr } = await check();
  assertEquals({ code, stdout, stderr }, {
    code: 0,
    stdout: "a.tar.001: OK\na.tar.002: OK\n",
    stderr: "",
  });
  await folder.write("a.tar.002", randomBytes(1000));
  assertStringIncludes((await check()).stdout, "a.tar.002: FAILED");
}, { skip: sha256sum.skip });
