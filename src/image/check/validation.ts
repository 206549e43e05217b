import { OnceEach } from "../../concurrency.ts";
import { type Digest, digestAlgorithm, digestOfPath } from "../../digest.ts";
import { ArchiveError } from "../../errors.ts";
import { isJsonObject, type JsonObject, type Platform } from "../../media_types.ts";
import { quoteName } from "../../quote_name.ts";
import { parseJson } from "../content.ts";
import { MAX_DOCUMENT_BYTES } from "../documents.ts";
import { cleanPath } from "../files.ts";
import type { LeftOut, LeftOutBlob } from "../left_out.ts";
import type { CheckedArchive } from "./checked_archive.ts";
import type { CheckedFile } from "./checked_file.ts";
import { type FindingCode, type FindingDetails, FindingList, type Severity } from "./findings.ts";

/** What a content is to an image, for messages: `layer 2` of `team/app:1`. */
export interface Role {
  what: string;
  /** First name of the image, else its digest or place. */
  image: string;
  /** Platform of a child of an index. */
  platform?: string | undefined;
}

/** What the config of an image says of its layers and of where it runs. */
export interface ConfigFacts {
  path: string;
  /** Absent where the config has no rootfs, as that of an artifact. */
  diffIds: Digest[] | undefined;
  platform: Platform | undefined;
}

/** A check under way: the archive, what was found, and what images have been seen to need. */
export class Validation {
  readonly archive: CheckedArchive;
  readonly findings = new FindingList();
  /** Paths of files that something needs. */
  readonly used = new Set<string>();
  /** Whether a document could not be read, so that nobody knows what it needs. */
  isIncomplete = false;
  /** Clean paths of links that lead nowhere or in a circle and have been reported as such. */
  readonly reported = new Set<string>();
  /** What the archive leaves out since another place has it. */
  leftOut: LeftOut = new Map();
  /** What configs say, by path: each is read once. */
  readonly configs = new OnceEach<string, ConfigFacts | undefined>();
  #documentBytes = 0;

  constructor(archive: CheckedArchive) {
    this.archive = archive;
  }

  /**
   * Adds what was found of a file that an image needs.
   *
   * @param state What is said of the file at `path`: it goes on behind its name.
   * @param further What else is to be said, behind its role.
   */
  report(
    severity: Severity,
    code: FindingCode,
    role: Role,
    state: string,
    details: FindingDetails & { path: string },
    further = "",
  ): void {
    const message = `${quoteName(details.path)} ${state}${roleText(role, further)}`;
    this.findings[severity](code, message, withImage(details, role));
  }

  #error(code: FindingCode, role: Role, text: string, details: FindingDetails): void {
    this.findings.error(code, text + roleText(role), withImage(details, role));
  }

  /** The file that a document names, through links; links that lead in a circle are reported. */
  find(path: string, role: Role): CheckedFile | undefined {
    try {
      const file = this.archive.files.find(path);
      if (file) this.used.add(file.path);
      return file;
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw error;
      this.reported.add(this.#fullPath(path));
      this.#error("link-cycle", role, error.message, { path });
      return undefined;
    }
  }

  /** Reports a file that is not there, and what is there in its place. */
  reportMissing(path: string, role: Role, digest?: Digest): void {
    const { others, files } = this.archive;
    const left = this.leftOut.get(digest ?? digestOfPath(path) ?? "sha256:");
    if (left) return this.#reportLeftOut(left, path, role);
    const full = this.#fullPath(path);
    if (this.reported.has(full)) return;
    const isLink = files.isLink(path);
    if (isLink) this.reported.add(full);
    const type = others.get(full);
    const state = type !== undefined
      ? `is ${TYPE_NAMES[type] ?? "no file"} in the archive, expected a file`
      : isLink
      ? "is a link in the archive that leads to no file"
      : "is not in the archive";
    const details = digest ? { path, digest } : { path };
    this.report("error", "missing-blob", role, state, details);
  }

  #reportLeftOut({ digest, repositories, archives }: LeftOutBlob, path: string, role: Role): void {
    const places = [...repositories, ...archives].map((place) => quoteName(place)).join(", ");
    const state = `is left out of the archive${places && `: it was in ${places}`}`;
    this.report("note", "left-out-blob", role, state, { path, digest });
  }

  #fullPath(path: string): string {
    return this.archive.files.root + (cleanPath(path) ?? path);
  }

  /**
   * Compares content with the digest it goes under.
   *
   * @returns Whether it is known to be wrong.
   */
  isWrong(file: CheckedFile, expected: Digest, role: Role, path = file.path): boolean {
    // Of a plain file the SHA-256 is known, whatever its name asks for.
    const actual = digestAlgorithm(expected) === "sha256" && !file.compression
      ? file.diffId ?? file.digest
      : file.digest;
    if (actual === expected) return false;
    if (digestAlgorithm(actual) !== digestAlgorithm(expected)) {
      const state = `goes under ${expected} through a link: that digest was not computed`;
      this.report("warning", "unchecked", role, state, { path, expected });
      return false;
    }
    const details = { path, digest: expected, expected, actual };
    const state = `has digest ${actual}, expected ${expected}`;
    this.report("error", "wrong-digest", role, state, details);
    return true;
  }

  /** Reads a document; what is no JSON, or too long, is reported. */
  async json(file: CheckedFile, limit: number, role: Role): Promise<unknown> {
    this.#documentBytes += Math.min(file.size, limit);
    if (this.#documentBytes > MAX_DOCUMENT_BYTES) {
      this.isIncomplete = true;
      const most = `${MAX_DOCUMENT_BYTES / 1024 / 1024} MiB`;
      this.findings.error(
        "limit",
        `The documents are more than ${most}: further ones are not read`,
      );
      return undefined;
    }
    return await this.attempt(role, async () => parseJson(file, await file.bytes(limit)));
  }

  /** Like {@linkcode json}, for a document that must be an object. */
  async jsonObject(file: CheckedFile, limit: number, role: Role): Promise<JsonObject | undefined> {
    const value = await this.json(file, limit, role);
    if (value === undefined || isJsonObject(value)) return value;
    this.malformed(file.path, "it is not a JSON object", role);
    return undefined;
  }

  /** Runs what parses a document; what it refuses is reported. */
  async attempt<T>(role: Role, parse: () => Promise<T> | T): Promise<T | undefined> {
    try {
      return await parse();
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw error;
      this.isIncomplete = true;
      const { path } = error;
      this.#error("malformed", role, error.message, path === undefined ? {} : { path });
      return undefined;
    }
  }

  /** Reports a document that is not what it should be. */
  malformed(path: string, problem: string, role: Role): void {
    this.isIncomplete = true;
    const text = `Cannot read ${quoteName(path)} of the archive: ${problem}`;
    this.#error("malformed", role, text, { path });
  }

  /** Reports a list of a document that is longer than what is read of it. */
  tooMany(path: string, what: string, count: number, most: number, role: Role): void {
    this.isIncomplete = true;
    const state = `has ${count} ${what}, expected at most ${most}: the first are checked`;
    const details = { path, expected: `${most}`, actual: `${count}` };
    this.report("error", "limit", role, state, details);
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  "3": "a device",
  "4": "a device",
  "5": "a directory",
  "6": "a pipe",
};

/** ` (layer 2 of "team/app:1", linux/arm64)`; nothing for a document that belongs to no image. */
function roleText({ what, image, platform }: Role, further = ""): string {
  const place = image === "" ? what : `${what} of ${quoteName(image)}`;
  const parts = [platform === undefined ? place : `${place}, ${platform}`, further];
  const text = parts.filter((part) => part !== "").join("; ");
  return text === "" ? "" : ` (${text})`;
}

function withImage(details: FindingDetails, { image }: Role): FindingDetails {
  return image === "" ? details : { ...details, image };
}

/** The role of a document that describes the whole archive. */
export const WHOLE: Role = { what: "", image: "" };
