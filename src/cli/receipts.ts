import { parseDigest } from "../digest.ts";
import { failureDocument } from "../failure_document.ts";
import { isJsonObject } from "../media_types.ts";
import type { ArchiveResult, GivenTag } from "../push/push_all.ts";
import type { Host } from "../runtime/host.ts";
import { jsonLine } from "./render.ts";

/** What tells whether an archive is the one that a receipt is about. */
export interface SourceIdentity {
  source: string;
  /** Length in bytes. */
  size: number;
  /** When it changed last: a time, or what a server says of its version. */
  modified: string;
  target: string[];
  /** Options that choose what of the archive is pushed, where there are any. */
  options?: Record<string, unknown>;
}

/** A file with a JSON line for each archive that has ended. */
export class Receipts {
  readonly #host: Host;
  readonly #path: string;
  readonly #done = new Map<string, readonly GivenTag[]>();
  /** Whether the last line was cut off: the next begins on a line of its own. */
  #isCut: boolean;

  private constructor(host: Host, path: string, text: string) {
    this.#host = host;
    this.#path = path;
    this.#isCut = text !== "" && !text.endsWith("\n");
    for (const line of text.split("\n")) {
      const done = readDone(line);
      if (done) this.#done.set(done.key, done.tags);
    }
  }

  /** Reads what a file says is done; there may be none yet. */
  static async open(host: Host, path: string): Promise<Receipts> {
    const isThere = await host.fileInfo(path) !== undefined;
    return new Receipts(host, path, isThere ? await host.readTextFile(path) : "");
  }

  /** What stands of an archive that was pushed, as it is now, to where it shall go now; undefined where it was not. */
  find(identity: SourceIdentity): readonly GivenTag[] | undefined {
    return this.#done.get(keyOf(identity));
  }

  /** Adds what became of an archive. */
  async add(
    identity: SourceIdentity | { source: string; target: string[] },
    result: ArchiveResult,
  ): Promise<void> {
    const { status, bytesUploaded } = result;
    const images = result.images.map(({ reference, digest }) => ({ reference, digest }));
    const error = result.status === "failed" ? { error: failureDocument(result.error) } : {};
    const time = new Date().toISOString();
    const line = jsonLine({ ...identity, status, images, bytesUploaded, time, ...error });
    await this.#host.appendLine(this.#path, this.#isCut ? `\n${line}` : line);
    this.#isCut = false;
  }
}

/** The identity in a receipt, and what was pushed; undefined where it tells of a failure, or is no receipt. */
function readDone(line: string): { key: string; tags: GivenTag[] } | undefined {
  if (line === "") return undefined;
  try {
    const receipt: unknown = JSON.parse(line);
    if (!isJsonObject(receipt)) return undefined;
    const { source, status, images } = receipt;
    if (status !== "pushed" && status !== "exists") return undefined;
    const tags = Array.isArray(images) ? images.flatMap((image) => toTag(image, source)) : [];
    return { key: keyOf(receipt), tags };
  } catch {
    // A line that was cut off, or that somebody else wrote.
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
