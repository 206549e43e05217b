import { assert, assertEquals } from "@std/assert";
import { openArchive } from "../../src/archive/open_archive.ts";
import { scanTar } from "../../src/tar/scan.ts";
import { flipByte } from "../helpers/archives.ts";
import { FIXTURES, readFixture, readFixtureTar } from "../helpers/expected.ts";
import { check, inPieces } from "../helpers/findings.ts";
import { test } from "../helpers/test.ts";

/** What is worth knowing of fixtures; nothing is wrong with any but one of them. */
const FINDINGS: Readonly<Record<string, string[]>> = {
  // ctr saves one platform of an index, and the index as it is.
  "ctr-export-platform.tar": Array(3).fill("note absent-platform"),
  // regctl names an image after the folder that it came from.
  "regctl-export.tar": ["note bad-name"],
  // hauler leaves out oci-layout, and has files of its own in the store.
  "hauler-signed-one.tar.zst": [
    "warning bad-oci-layout",
    "note unreferenced",
    "note unreferenced",
  ],
  // oci-tar-builder drops a repeated layer from the OCI manifest only.
  "ocitarbuilder-dup.tar": [
    "error layer-count",
    "warning different-images",
    "note duplicate-entry",
  ],
};

/** Files that no digest protects: a flipped byte may leave them as good as before. */
const UNPROTECTED =
  /(?:^|\/)(?:VERSION|json|repositories|manifest\.json|index\.json|oci-layout|config\.json|store\.json|audit\.log)$/;

for (const file of FIXTURES.keys()) {
  test(`check finds what there is to know of ${file}`, async () => {
    const blob = await readFixture(file);
    const { ok, findings } = await check(blob);
    const codes = findings.map(({ severity, code }) => `${severity} ${code}`);
    const expected = FINDINGS[file] ?? [];
    const isOk = !expected.some((finding) => finding.startsWith("error"));
    assertEquals([ok, codes], [isOk, expected]);
    for (const source of [blob, blob.stream()]) {
      assertEquals(await (await openArchive(source)).validate(), findings);
    }
  });

  test(`check finds a flipped byte in every file of ${file}`, async () => {
    const bytes = await readFixtureTar(file);
    let protectedFiles = 0;
    for await (const { path, header, bodyOffset } of scanTar(new Blob([bytes]))) {
      if (header.size === 0) continue;
      for (const at of [0, header.size >> 1, header.size - 1]) {
        const { findings } = await check(new Blob([flipByte(bytes, bodyOffset + at)]));
        if (UNPROTECTED.test(path)) continue;
        const clean = path.replace(/^\.?\//, "");
        const found = findings.some(({ path, severity }) => path === clean && severity === "error");
        assert(found, `byte ${at} of ${path}: ${findings.map(({ message }) => message)}`);
        protectedFiles++;
      }
    }
    assert(protectedFiles > 0);
  });

  test(`check finds every file that ${file} lacks`, async () => {
    const bytes = await readFixtureTar(file);
    for await (const { path, header, offset } of scanTar(new Blob([bytes]))) {
      if (header.size === 0 || /(?:^|\/)(?:VERSION|json|repositories)$/.test(path)) continue;
      // The header now is that of a socket's kind: everything else stays as it is.
      const without = bytes.slice();
      retype(without, offset, "6", header.checksum);
      const blob = new Blob([without]);
      const { findings } = await check(cutBody(blob, offset, header.size));
      const isBare = /(?:manifest|index|store)\.json$|audit\.log$/.test(path) ||
        isV1(bytes, offset, header.size);
      const clean = path.replace(/^\.?\//, "");
      const isTold = findings.some((finding) =>
        finding.severity === "error" || finding.path === clean ||
        (finding.digest && clean.endsWith(finding.digest.slice("sha256:".length)))
      );
      if (!isBare) assert(isTold, path);
    }
  });
}

/** Changes the type of an entry, and the checksum with it. */
function retype(tar: Uint8Array, offset: number, typeflag: string, checksum: number): void {
  const before = tar[offset + 156] ?? 0;
  const after = typeflag.charCodeAt(0);
  tar[offset + 156] = after;
  const sum = (checksum - before + after).toString(8).padStart(6, "0");
  tar.set(new TextEncoder().encode(`${sum}\0 `), offset + 148);
}

/** Takes the blocks of a body out, as its entry has none any more. */
function cutBody(tar: Blob, offset: number, size: number): Blob {
  const body = offset + 512;
  return new Blob([tar.slice(0, body), tar.slice(body + Math.ceil(size / 512) * 512)]);
}

/** Whether a blob is one of docker's old descriptions of a layer, which nothing refers to. */
function isV1(tar: Uint8Array, offset: number, size: number): boolean {
  const text = new TextDecoder().decode(tar.subarray(offset + 512, offset + 512 + size));
  return text.startsWith('{"id":"');
}

test("check reads a fixture in pieces of any size", async () => {
  const blob = await readFixture("docker29-attested.tar");
  for (const size of [1, 511, 513, 65_536]) {
    const { validate } = await openArchive(inPieces(blob, size));
    assertEquals(await validate(), []);
  }
});
