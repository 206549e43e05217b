import { OciError } from "../errors.ts";
import type { ImageToPull } from "../pull/list_images.ts";
import type { PullImagesOptions } from "../pull/options.ts";
import type { Host, NewFile } from "../runtime/host.ts";
import { baseName, formatPartList, type ListedPart, PartSummary } from "../source/part_list.ts";
import { gatherImages } from "./save_output.ts";
import { refuseToWriteOver } from "./written_files.ts";

/** Files that one archive is written to: more are a mistake in the size. */
const MAX_PARTS = 9999;

/** What an archive in parts is made of. */
export interface SavedParts {
  /** Paths of the parts, `image.tar.001` and so on. */
  parts: string[];
  /** Path of the file with their checksums, as `sha256sum -c` reads it. */
  checksums: string;
}

/**
 * Saves images into files of equal size. They get their names when all are whole, the checksum file last.
 *
 * @param to `path`, what the archive is called: the parts have numbers behind that; and what `read` says must stay.
 * @throws {UsageError} If a part would get the name of what is read.
 * @throws {OciError} If it makes too many parts, or parts of a longer archive are there.
 */
export async function saveToParts(
  images: readonly ImageToPull[],
  { path, partBytes, read }: { path: string; partBytes: number; read: readonly string[] },
  options: PullImagesOptions,
  host: Host,
): Promise<SavedParts> {
  let names: string[] = [];
  const tar = gatherImages(images, {
    ...options,
    onEvent: async (event) => {
      if (event.type === "plan") {
        names = await nameParts(path, event.size, partBytes, host);
        await refuseToWriteOver(names, read, host);
      }
      await options.onEvent?.(event);
    },
  });
  const checksums = `${path}.sha256`;
  await using list = await host.createFile(checksums);
  await using parts = new PartFiles((at) => host.createFile(names[at] ?? path), partBytes);
  for await (const bytes of tar) await parts.write(bytes);
  const listed = await parts.end(names.map(baseName));
  await list.write(new TextEncoder().encode(formatPartList(listed)));
  // Nothing more can fail for want of room.
  await list.end();
  await parts.commit();
  await list.commit();
  return { parts: names, checksums };
}

/** The names of an archive's parts; others that a shell finds with them would be taken for parts, too. */
async function nameParts(
  path: string,
  size: number,
  partBytes: number,
  host: Host,
): Promise<string[]> {
  const count = Math.ceil(size / partBytes);
  const cannot = (state: string, hint: string) =>
    new OciError(`Cannot split ${JSON.stringify(path)}: ${state}`, { hint });
  if (count > MAX_PARTS) {
    const state = `it makes ${count} parts, expected at most ${MAX_PARTS}`;
    throw cannot(state, "choose a larger size: --split 1GB");
  }
  // Of equal length, so that a shell's A.tar.* has them in order.
  const [digits, otherDigits] = count > 999 ? [4, 3] : [3, 4];
  const nameOf = (at: number, length = digits) => `${path}.${String(at).padStart(length, "0")}`;
  for (const further of [nameOf(count + 1), nameOf(1, otherDigits)]) {
    if (!await host.fileInfo(further)) continue;
    const state = "is there and would be taken for a part, expected none but its own";
    const hint = "remove the parts of the archive that was there before";
    throw cannot(`${JSON.stringify(further)} ${state}`, hint);
  }
  const names = Array.from({ length: count }, (_, at) => nameOf(at + 1));
  for (const name of names) {
    const kind = (await host.fileInfo(name))?.kind ?? "file";
    // It says what is wrong, before anything has been written.
    if (kind !== "file") await (await host.createFile(name))[Symbol.asyncDispose]();
  }
  return names;
}

/** The parts of an archive while they are written, one after the other. */
class PartFiles implements AsyncDisposable {
  readonly #create: (at: number) => Promise<NewFile>;
  readonly #partBytes: number;
  readonly #files: NewFile[] = [];
  readonly #listed: PartSummary[] = [];
  #left = 0;

  constructor(create: (at: number) => Promise<NewFile>, partBytes: number) {
    this.#create = create;
    this.#partBytes = partBytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#left === 0) await this.#begin();
      const piece = bytes.subarray(at, at + this.#left);
      await this.#files.at(-1)?.write(piece);
      await this.#listed.at(-1)?.update(piece);
      this.#left -= piece.length;
      at += piece.length;
    }
  }

  /** Ends the last part, and tells what there is to say of each. */
  async end(names: readonly string[]): Promise<Required<ListedPart>[]> {
    await this.#files.at(-1)?.end();
    const listed: Required<ListedPart>[] = [];
    for (const [at, summary] of this.#listed.entries()) {
      listed.push(await summary.finish(names[at] ?? ""));
    }
    return listed;
  }

  async commit(): Promise<void> {
    for (const file of this.#files) await file.commit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files) await file[Symbol.asyncDispose]();
  }

  async #begin(): Promise<void> {
    await this.#files.at(-1)?.end();
    this.#files.push(await this.#create(this.#files.length));
    this.#listed.push(await PartSummary.start());
    this.#left = this.#partBytes;
  }
}
