import { type Digest, digestAlgorithm } from "../../digest.ts";
import { ArchiveError } from "../../errors.ts";
import { isJsonObject, type JsonObject } from "../../media_types.ts";
import { quoteName } from "../../quote_name.ts";
import { parseJson } from "../content.ts";
import { MAX_DOCUMENT_BYTES } from "../documents.ts";
import { cleanPath, digestOfPath } from "../files.ts";
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
  #documentBytes = 0;

  constructor(archive: CheckedArchive) {
    this.archive = archive;
  }

  /** Adds what was found of something that an image needs: its role goes behind the text, with what else is to be said there. */
  report(
    severity: Severity,
    code: FindingCode,
    role: Role,
    text: string,
    details: FindingDetails,
    further = "",
  ): void {
    const { image } = role;
    const message = `${text}${roleText(role, further)}`;
    this.findings[severity](code, message, image === "" ? details : { ...details, image });
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
      this.report("error", "link-cycle", role, error.message, { path });
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
    this.report("error", "missing-blob", role, `${quoteName(path)} ${state}`, details);
  }

  #reportLeftOut({ digest, repositories, archives }: LeftOutBlob, path: string, role: Role): void {
    const places = [...repositories, ...archives].map((place) => quoteName(place)).join(", ");
    const state = `is left out of the archive${places && `: it was in ${places}`}`;
    this.report("note", "left-out-blob", role, `${quoteName(path)} ${state}`, { path, digest });
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
      const text = `${
        quoteName(path)
      } goes under ${expected} through a link: that digest was not computed`;
      this.report("warning", "unchecked", role, text, { path, expected });
      return false;
    }
    const text = `${quoteName(path)} has digest ${actual}, expected ${expected}`;
    const details = { path, digest: expected, expected, actual };
    this.report("error", "wrong-digest", role, text, details);
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
      this.report("error", "malformed", role, error.message, path === undefined ? {} : { path });
      return undefined;
    }
  }

  /** Reports a document that is not what it should be. */
  malformed(path: string, problem: string, role: Role): void {
    this.isIncomplete = true;
    const text = `Cannot read ${quoteName(path)} of the archive: ${problem}`;
    this.report("error", "malformed", role, text, { path });
  }

  /** Reports a list of a document that is longer than what is read of it. */
  tooMany(path: string, what: string, count: number, most: number, role: Role): void {
    this.isIncomplete = true;
    const state = `has ${count} ${what}, expected at most ${most}: the first are checked`;
    const details = { path, expected: `${most}`, actual: `${count}` };
    this.report("error", "limit", role, `${quoteName(path)} ${state}`, details);
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

/** The role of a document that describes the whole archive. */
export const WHOLE: Role = { what: "", image: "" };
