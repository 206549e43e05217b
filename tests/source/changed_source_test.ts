import { assertEquals, assertRejects } from "@std/assert";
import { checkArchive } from "../../src/archive/check_archive.ts";
import { openArchive } from "../../src/archive/open_archive.ts";
import { piecesOf } from "../../src/bytes.ts";
import { ArchiveError, RegistryError } from "../../src/errors.ts";
import { pushImage } from "../../src/push/push.ts";
import { type OpenFile, openFile } from "../../src/runtime/mod.ts";
import { createRegistry } from "../../src/server/mod.ts";
import type { BlobSource, SourceSlice } from "../../src/source/blob_source.ts";
import { dockerSave, gzip, makeImage, makeLayer, randomBytes } from "../helpers/archives.ts";
import { allTags, assertClear } from "../helpers/expected.ts";
import { temporaryFolder } from "../helpers/process.ts";
import { writeTar } from "../helpers/tar_writer.ts";
import { test } from "../helpers/test.ts";

const MESSAGE = 'Cannot read "./image.tar": it has changed since it was opened';
const TARGET = "localhost:5000/app:1";
const layers = [await makeLayer(randomBytes(3_000_000)), await makeLayer(randomBytes(2_000_000))];
const TAR = writeTar(dockerSave([{ image: await makeImage(layers), repoTags: ["app:1"] }]));

/** What becomes of an archive while it is read. */
const CHANGES: Record<string, (whole: Uint8Array) => Uint8Array<ArrayBuffer>> = {
  "is cut": (whole) => whole.slice(0, 100_000),
  "is emptied": () => new Uint8Array(0),
  "is written anew": (whole) => whole.slice().fill(7, 1_000_000),
  "becomes another": () => writeTar([{ path: "other", body: "other" }]),
};

for (const [what, change] of Object.entries(CHANGES)) {
  for (const [kind, whole] of Object.entries({ plain: TAR, compressed: await gzip(TAR) })) {
    test(`a push of a ${kind} file that ${what} meanwhile says so, and tags nothing`, async () => {
      await using folder = await temporaryFolder();
      await using file = await openFile(await folder.write("image.tar", whole));
      const registry = createRegistry();
      const changed = once(() => folder.write("image.tar", change(whole)));
      const fetch = async (request: Request) => {
        await changed();
        return await registry(request);
      };
      const options = { fetch, memoryBudget: 1024 * 1024, concurrency: 1 };
      const error = await assertRejects(() => pushImage(file, TARGET, options), ArchiveError);
      assertClear(error);
      assertEquals(error.message.replace(folder.path, "."), MESSAGE);
      assertEquals(error.hint, "wait for what writes it to end, and try again");
      assertEquals(await allTags(registry), []);
    });

    test(`a check of a ${kind} file that ${what} meanwhile finds nothing but that`, async () => {
      await using folder = await temporaryFolder();
      await using file = await openFile(await folder.write("image.tar", whole));
      const changed = once(() => folder.write("image.tar", change(whole)));
      const error = await assertRejects(() => checkArchive(after(changed, file)), ArchiveError);
      assertEquals(error.message.replace(folder.path, "."), MESSAGE);
    });
  }
}

test("an archive that is still being written is called that, and what is wrong with others stays that", async () => {
  await using folder = await temporaryFolder();
  const path = await folder.write("image.tar", TAR.subarray(0, 50_000));
  await using growing = await openFile(path);
  await folder.write("image.tar", TAR.subarray(0, 60_000));
  const error = await assertRejects(() => openArchive(growing), ArchiveError);
  assertEquals(error.message.replace(folder.path, "."), MESSAGE);
  await using cut = await openFile(path);
  await assertRejects(() => openArchive(cut), Error, "ends");
  await folder.write("image.tar", TAR);
  await using whole = await openFile(path);
  const fetch = async () => {
    await folder.write("image.tar", TAR.subarray(1));
    return new Response(null, { status: 418 });
  };
  await assertRejects(() => pushImage(whole, TARGET, { fetch }), RegistryError);
});

/** Reads of a file that begin with something else. */
function after(first: () => Promise<unknown>, file: OpenFile): BlobSource {
  const read = async function* (slice: SourceSlice) {
    await first();
    yield* piecesOf(slice.stream());
  };
  return {
    size: file.size,
    slice(start, end) {
      const slice = file.slice(start, end);
      const checkUnchanged = async () => await slice.checkUnchanged?.();
      return { stream: () => ReadableStream.from(read(slice)), checkUnchanged };
    },
  };
}

function once<T>(run: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => running ??= run();
}
