import type { Digest } from "../../digest.ts";

/**
 * How bad a {@linkcode Finding} is. `error`: content is wrong or missing, and tools will refuse it or run something
 * else. `warning`: it can be used, but tools may disagree on what it is. `note`: worth knowing, nothing is wrong.
 */
export type Severity = "error" | "warning" | "note";

/** What is found; stable, for programs. */
export type FindingCode =
  /** The tar cannot be read to its end: truncated, a bad header, data that does not inflate. */
  | "broken-tar"
  /** The two zero blocks at the end of a tar are missing. */
  | "no-end-blocks"
  /** Something other than zeros follows the end of the tar, or of a compressed layer. */
  | "trailing-data"
  /** Neither manifest.json nor index.json is there, or they name no image. */
  | "no-image"
  /** An OCI layout without its file oci-layout, or with another one. */
  | "bad-oci-layout"
  /** Several entries have one path; the last counts. */
  | "duplicate-entry"
  /** A link to a file that is not in the archive. */
  | "broken-link"
  /** Links that lead in a circle. */
  | "link-cycle"
  /** A path that leads out of the archive; the entry is left out. */
  | "unsafe-path"
  /** A document is no JSON, or not what it should be; the rest of the archive is checked. */
  | "malformed"
  /** A document or list is longer than what is read. */
  | "limit"
  /** A manifest, config or layer is named and not in the archive. */
  | "missing-blob"
  /** A manifest that is named is not in the registry. */
  | "missing-manifest"
  /** A registry says that content has another digest than it has, or than it was asked for. */
  | "wrong-header"
  /** A registry that has content, as it says, does not send it. */
  | "unreadable"
  /** An index names a platform that is not in the archive, while others are. */
  | "absent-platform"
  /** A layer that may be absent by right, or an empty config that every tool knows. */
  | "absent-blob"
  /** A blob that a sparse archive leaves out since another place has it. */
  | "left-out-blob"
  /** Content does not have the digest that names it. */
  | "wrong-digest"
  /** A layer does not inflate to what the config says. */
  | "wrong-diff-id"
  /** A descriptor states another size than the content has. */
  | "wrong-size"
  /** Manifest and config disagree on the number of layers. */
  | "layer-count"
  /** Compressed data of a layer is corrupt or ends early. */
  | "broken-layer"
  /** A layer is no tar, or compressed in a way that no registry's clients know. */
  | "bad-layer"
  /** A media type does not fit the content, or is missing. */
  | "media-type"
  /** A file is called after a digest that its content does not have, where nothing depends on it. */
  | "wrong-name"
  /** The config of an image names no platform, or another one than the index. */
  | "platform"
  /** A name that does not parse. */
  | "bad-name"
  /** Two images with one name. */
  | "duplicate-name"
  /** manifest.json and index.json describe different images. */
  | "different-images"
  /** A file that no image needs. */
  | "unreferenced"
  /** Something that could not be checked. */
  | "unchecked"
  /** Findings beyond the most that are listed. */
  | "further-findings";

/** One thing that a check of an archive found. */
export interface Finding {
  /** How bad it is. */
  severity: Severity;
  /** What it is, for programs. */
  code: FindingCode;
  /** The whole finding in one line, with names quoted. */
  message: string;
  /** File in the archive. */
  path?: string;
  /** Content that is concerned. */
  digest?: Digest;
  /** The image that needs it: its first name, else its digest or place. */
  image?: string;
  /** What should be there, of digests, sizes, numbers and types. */
  expected?: string;
  /** What is there. */
  actual?: string;
  /** Position in the tar, in bytes. */
  offset?: number;
}

/** What a finding is about, beside its message. */
export type FindingDetails = Omit<Finding, "severity" | "code" | "message">;

/** Most findings of one severity: a hostile archive has any number, and nobody reads more. */
export const MAX_FINDINGS = 1000;
/** Most characters of a message, of a path and of an image's name in a finding. */
const MAX_MESSAGE_CHARACTERS = 1000;
const MAX_NAME_CHARACTERS = 256;

const SEVERITIES: readonly Severity[] = ["error", "warning", "note"];

/** Collects findings: each once, and of each severity no more than {@linkcode MAX_FINDINGS}. */
export class FindingList {
  readonly #kept: Record<Severity, Finding[]> = { error: [], warning: [], note: [] };
  readonly #omitted: Record<Severity, number> = { error: 0, warning: 0, note: 0 };
  readonly #keys = new Set<string>();

  error(code: FindingCode, message: string, details?: FindingDetails): void {
    this.#add("error", code, message, details);
  }

  warning(code: FindingCode, message: string, details?: FindingDetails): void {
    this.#add("warning", code, message, details);
  }

  note(code: FindingCode, message: string, details?: FindingDetails): void {
    this.#add("note", code, message, details);
  }

  get failed(): boolean {
    return this.#kept.error.length > 0;
  }

  /** Everything found: errors first, then warnings, then notes, each in the order in which they were found. */
  list(): Finding[] {
    return SEVERITIES.flatMap((severity) => {
      const omitted = this.#omitted[severity];
      if (omitted === 0) return this.#kept[severity];
      const further: Finding = {
        severity,
        code: "further-findings",
        message: `${omitted} further ${severity}${omitted === 1 ? "" : "s"} not listed`,
        actual: `${omitted}`,
      };
      return [...this.#kept[severity], further];
    });
  }

  #add(
    severity: Severity,
    code: FindingCode,
    message: string,
    details: FindingDetails = {},
  ): void {
    const key = keyOf(code, message, details);
    if (this.#keys.has(key)) return;
    const kept = this.#kept[severity];
    if (kept.length === MAX_FINDINGS) {
      this.#omitted[severity]++;
      return;
    }
    this.#keys.add(key);
    kept.push({ severity, code, message: cut(message, MAX_MESSAGE_CHARACTERS), ...short(details) });
  }
}

/** Codes that say something of one content, however many images name it. */
const OF_CONTENT: ReadonlySet<FindingCode> = new Set<FindingCode>([
  "missing-blob",
  "absent-blob",
  "left-out-blob",
  "wrong-digest",
  "wrong-diff-id",
  "wrong-size",
  "broken-layer",
  "bad-layer",
  "trailing-data",
  "broken-link",
  "link-cycle",
  "unchecked",
]);

function keyOf(code: FindingCode, message: string, { path, expected }: FindingDetails): string {
  if (!OF_CONTENT.has(code) || path === undefined) return `${code} ${message}`;
  return JSON.stringify([code, path, expected]);
}

function short(details: FindingDetails): FindingDetails {
  const cutDetails = { ...details };
  for (const member of ["path", "image", "expected", "actual"] as const) {
    const text = details[member];
    if (text !== undefined) cutDetails[member] = cut(text, MAX_NAME_CHARACTERS);
  }
  return cutDetails;
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}...` : text;
}
