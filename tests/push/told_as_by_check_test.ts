import { assert, assertEquals } from "@std/assert";
import { openArchive } from "../../src/archive/open_archive.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { dockerSave, makeImage, OciLayout, toBlob } from "../helpers/archives.ts";
import { check, inPieces } from "../helpers/findings.ts";
import { test } from "../helpers/test.ts";

const image = await makeImage(["one"]);
const docker = dockerSave([{ image, repoTags: ["app:1"] }]);
const layout = await OciLayout.of(image);

/** What a push, an inspection and a check tell of one archive, from a file and from a pipe. */
async function assertTold(archive: Blob, code: string): Promise<string[]> {
  const { ok, findings } = await check(archive);
  const told = findings.filter((finding) => finding.code === code).map(({ message }) => message);
  assert(ok && told.length > 0, findings.map(({ message }) => message).join("\n"));
  for (const source of [() => archive, () => inPieces(archive, 700)]) {
    const warnings: string[] = [];
    await pushImage(source(), "localhost:5000/app:1", {
      fetch: createRegistry(),
      onEvent: (event) => void (event.type === "warning" && warnings.push(event.message)),
    });
    assertEquals(warnings, told);
    assertEquals((await openArchive(source())).notices, told);
  }
  return told;
}

for (const [name, entries] of Object.entries({ docker, oci: layout.entries() })) {
  for (const padding of [0, 9 * 1024, 200 * 1024]) {
    test(`pushImage() tells of data ${padding} bytes behind the end of a tar (${name})`, async () => {
      const archive = new Blob([toBlob(entries), new Uint8Array(padding), "more"]);
      const [message] = await assertTold(archive, "trailing-data");
      assertEquals(message?.includes(`at byte ${archive.size - 4}`), true);
    });
  }

  test(`pushImage() tells of links that lead nowhere (${name})`, async () => {
    const archive = toBlob([
      ...entries,
      { path: "gone", linkname: "elsewhere" },
      { path: "hard", linkname: "elsewhere", type: "link" },
      { path: "a/out", linkname: "../../outside" },
    ]);
    assertEquals((await assertTold(archive, "broken-link")).length, 3);
  });

  test(`pushImage() tells of links in a circle that no image needs (${name})`, async () => {
    const archive = toBlob([
      ...entries,
      { path: "one", linkname: "two" },
      { path: "two", linkname: "one" },
    ]);
    assertEquals((await assertTold(archive, "link-cycle")).length, 2);
  });
}

test("pushImage() says nothing of the padding of a tar", async () => {
  for (const padding of [0, 512, 10 * 1024, 70 * 1024]) {
    const archive = new Blob([toBlob(docker), new Uint8Array(padding)]);
    assertEquals((await openArchive(archive)).notices, []);
    assertEquals((await openArchive(archive.stream())).notices, []);
  }
});

test("pushImage() counts links that lead nowhere where there are many", async () => {
  const links = Array.from({ length: 40 }, (_, at) => ({ path: `l${at}`, linkname: "gone" }));
  const { notices } = await openArchive(toBlob([...docker, ...links]));
  assertEquals([notices.length, notices.at(-1)], [13, "28 further links lead to no file"]);
});
