import { type Digest, parseDigest } from "../digest.ts";
import { failureDocument } from "../failure_document.ts";
import { isJsonObject } from "../media_types.ts";
import type { ArchiveResult, GivenTag } from "../push/push_all.ts";
import type { Host } from "../runtime/host.ts";
import { quote, UsageError } from "./options.ts";
import { jsonLine } from "./render.ts";

/** What tells whether an archive is the one that a receipt is about. */
export interface SourceIdentity {
  source: string;
  /** Length in bytes. */
  size: number;
  /** When it changed last: a time, or what a server says of its version. */
  modified: string;
  target: string[];
  /** Options that decide what of the archive stands, and as what, where there are any. */
  options?: Record<string, unknown>;
}

/** A file with a JSON line for each archive that has ended. */
export class Receipts {
  readonly #host: Host;
  readonly #path: string;
  readonly #done = new Map<string, readonly GivenTag[]>();
  /** What was put under each reference last. */
  readonly #standing = new Map<string, Digest>();
  /** Whether the last line was cut off: the next begins on a line of its own. */
  #isCut: boolean;

  private constructor(host: Host, path: string, text: string) {
    this.#host = host;
    this.#path = path;
    this.#isCut = text !== "" && !text.endsWith("\n");
    for (const line of text.split("\n")) {
      const receipt = readReceipt(line);
      for (const { reference, digest } of receipt?.tags ?? []) {
        this.#standing.set(reference, digest);
      }
      if (receipt?.isDone) this.#done.set(receipt.key, receipt.tags);
    }
  }

  /**
   * Reads what a file says is done; there may be none yet.
   *
   * @param isWritten Whether receipts will be added: that they can be is found out now, and not when an archive is pushed.
   * @throws {UsageError} If the file has something else in it.
   */
  static async open(host: Host, path: string, isWritten: boolean): Promise<Receipts> {
    const kind = (await host.fileInfo(path))?.kind;
    if (path === "-" || kind === "other") {
      throw new UsageError(
        `Cannot keep receipts in ${quote(path)}: it is a pipe or device, expected a file`,
      );
    }
    const text = kind === "file" ? await host.readTextFile(path) : "";
    requireReceipts(path, text);
    if (isWritten) await host.appendText(path, "");
    return new Receipts(host, path, text);
  }

  /**
   * What stands of an archive that was pushed, as it is now, to where it shall go now; undefined where it was not, or where
   * something else was put under one of its tags since.
   */
  find(identity: SourceIdentity): readonly GivenTag[] | undefined {
    const tags = this.#done.get(keyOf(identity));
    const stands = tags?.every(({ reference, digest }) => this.#standing.get(reference) === digest);
    return stands ? tags : undefined;
  }

  /** Adds what became of an archive. */
  async add(
    identity: SourceIdentity | { source: string; number?: number; target: string[] },
    result: ArchiveResult,
  ): Promise<void> {
    const { status, bytesUploaded } = result;
    const images = result.images.map(({ reference, digest }) => ({ reference, digest }));
    const error = result.status === "failed" ? { error: failureDocument(result.error) } : {};
    const time = new Date().toISOString();
    const line = jsonLine({ ...identity, status, images, bytesUploaded, time, ...error });
    await this.#host.appendText(this.#path, `${this.#isCut ? "\n" : ""}${line}\n`);
    this.#isCut = false;
    for (const { reference, digest } of images) this.#standing.set(reference, digest);
  }
}

/** An archive in the place of the receipts would not be one any more once a line has been added. */
function requireReceipts(path: string, text: string): void {
  const [first = "{"] = text.trimStart();
  if (first === "{") return;
  const state = "it has something else in it, expected a file of receipts or none";
  throw new UsageError(
    `Cannot keep receipts in ${quote(path)}: ${state}`,
    "tarpush push SOURCE... --to TARGET --receipts done.jsonl",
  );
}

interface Receipt {
  key: string;
  isDone: boolean;
  tags: GivenTag[];
}

/** The identity in a receipt, and what stood in the end; undefined for what is no receipt. */
function readReceipt(line: string): Receipt | undefined {
  try {
    const receipt: unknown = JSON.parse(line);
    if (!isJsonObject(receipt)) return undefined;
    const { source, status, images } = receipt;
    const tags = Array.isArray(images) ? images.flatMap((image) => toTag(image, source)) : [];
    // Without an image all tags were left to others, as they may not be any more.
    const isDone = (status === "pushed" || status === "exists") && tags.length > 0;
    return { key: keyOf(receipt), isDone, tags };
  } catch {
    // A line that was cut off, is empty, or that somebody else wrote.
    return undefined;
  }
}

function toTag(image: unknown, archive: unknown): GivenTag[] {
  if (!isJsonObject(image) || typeof archive !== "string") return [];
  const { reference, digest } = image;
  if (typeof reference !== "string" || typeof digest !== "string") return [];
  return [{ reference, digest: parseDigest(digest), archive }];
}

function keyOf(
  { source, size, modified, target, options }: { [Member in keyof SourceIdentity]?: unknown },
): string {
  return JSON.stringify([source, size, modified, target, options]);
}
