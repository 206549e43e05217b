import { failureDocument } from "../failure_document.ts";
import type { ArchiveResult } from "../push/push_all.ts";
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
  readonly #done = new Set<string>();
  /** Whether the last line was cut off: the next begins on a line of its own. */
  #isCut: boolean;

  private constructor(host: Host, path: string, text: string) {
    this.#host = host;
    this.#path = path;
    this.#isCut = text !== "" && !text.endsWith("\n");
    for (const line of text.split("\n")) {
      const key = keyOfDone(line);
      if (key !== undefined) this.#done.add(key);
    }
  }

  /** Reads what a file says is done; there may be none yet. */
  static async open(host: Host, path: string): Promise<Receipts> {
    const isThere = await host.fileInfo(path) !== undefined;
    return new Receipts(host, path, isThere ? await host.readTextFile(path) : "");
  }

  /** Whether an archive was pushed, as it is now, to where it shall go now. */
  has(identity: SourceIdentity): boolean {
    return this.#done.has(keyOf(identity));
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

/** The identity in a receipt; undefined where it tells of a failure, or is no receipt. */
function keyOfDone(line: string): string | undefined {
  if (line === "") return undefined;
  try {
    const receipt: unknown = JSON.parse(line);
    if (typeof receipt !== "object" || receipt === null) return undefined;
    const { source, size, modified, target, options, status } = receipt as Record<string, unknown>;
    const isDone = status === "pushed" || status === "exists";
    return isDone ? JSON.stringify([source, size, modified, target, options]) : undefined;
  } catch {
    // A line that was cut off, or that somebody else wrote.
    return undefined;
  }
}

function keyOf({ source, size, modified, target, options }: SourceIdentity): string {
  return JSON.stringify([source, size, modified, target, options]);
}
