import type { Digest } from "../../digest.ts";
import {
  type Descriptor,
  isForeignLayer,
  isJsonObject,
  parseDescriptor,
} from "../../media_types.ts";
import { quoteName } from "../../quote_name.ts";
import { EMPTY_JSON } from "../documents.ts";
import { LEFT_OUT_PATH } from "../entry_names.ts";
import type { CheckedFile } from "./checked_file.ts";
import type { Role, Validation } from "./validation.ts";

/** Where a document has a list of descriptors. */
export interface ListPlace {
  path: string;
  member: string;
  /** Length up to which the list is read. */
  most: number;
}

/** The descriptors of a list, as far as they could be read. */
export interface DescriptorList {
  descriptors: Descriptor[];
  /** How many the list has, up to its limit, with those that could not be read. */
  count: number;
}

/** Reads a list of descriptors; those that are malformed are reported and left out. */
export function readDescriptors(
  validation: Validation,
  value: unknown,
  place: ListPlace,
  role: Role,
): DescriptorList {
  const { path, member } = place;
  const list = readList(validation, value, place, role);
  const descriptors = list.flatMap((item, index) =>
    readDescriptor(validation, item, path, `${member}[${index}]`, role) ?? []
  );
  return { descriptors, count: list.length };
}

function readList(
  validation: Validation,
  value: unknown,
  { path, member, most }: ListPlace,
  role: Role,
): unknown[] {
  // containerd and dockerd have written null for an empty list.
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) {
    validation.malformed(path, `its member "${member}" is not a list`, role);
    return [];
  }
  if (value.length <= most) return value;
  validation.tooMany(path, member, value.length, most, role);
  return value.slice(0, most);
}

/** Reads one descriptor of a document; undefined where it is malformed, which has been reported. */
export function readDescriptor(
  validation: Validation,
  value: unknown,
  path: string,
  place: string,
  role: Role,
): Descriptor | undefined {
  try {
    const descriptor = parseDescriptor(value);
    checkSpelling(validation, value, descriptor, path, role);
    return descriptor;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    validation.malformed(path, `${place}: ${error.message}`, role);
    return undefined;
  }
}

/** A media type is read whatever a header has made of it, but other tools go by its letters. */
function checkSpelling(
  validation: Validation,
  value: unknown,
  { digest, mediaType: expected }: Descriptor,
  path: string,
  role: Role,
): void {
  const actual = isJsonObject(value) ? value.mediaType : undefined;
  if (typeof actual !== "string" || actual === expected) return;
  const state = `gives ${digest} the media type ${quoteName(actual)}, expected ${expected}`;
  validation.report("warning", "media-type", role, state, { path, digest, expected, actual });
}

/** Checks that a descriptor has a media type; `path` is the document that it stands in. */
export function checkMediaType(
  validation: Validation,
  { digest, mediaType }: Descriptor,
  path: string,
  role: Role,
): void {
  if (mediaType) return;
  const state = `names ${digest} without a media type, which the specification requires`;
  validation.report("warning", "media-type", role, state, { path, digest });
}

/** The file of a blob of an OCI layout. */
export function findBlob(
  validation: Validation,
  digest: Digest,
  role: Role,
): CheckedFile | undefined {
  return validation.find(validation.archive.files.blobPath(digest), role);
}

/** Compares the file of a blob with its descriptor; `parent` is the document that this stands in. */
export function checkBlob(
  validation: Validation,
  file: CheckedFile,
  { digest, size }: Descriptor,
  parent: string,
  role: Role,
): void {
  const path = validation.archive.files.blobPath(digest);
  if (file.size !== size) {
    const state = `has ${file.size} bytes, expected ${size} as ${quoteName(parent)} says`;
    const details = { path, digest, expected: `${size}`, actual: `${file.size}` };
    validation.report("error", "wrong-size", role, state, details);
  }
  validation.isWrong(file, digest, role, path);
}

/** Reports a blob that the archive lacks; some may be absent by right. */
export function reportMissingBlob(
  validation: Validation,
  { digest, mediaType, size }: Descriptor,
  role: Role,
): void {
  const path = validation.archive.files.blobPath(digest);
  const left = validation.leftOut.get(digest);
  if (left && left.size !== size) {
    const state = `says that ${digest} has ${left.size} bytes, ` +
      `expected ${size} as what names it says`;
    const details = { path: LEFT_OUT_PATH, digest, expected: `${size}`, actual: `${left.size}` };
    validation.report("error", "wrong-size", role, state, details);
  }
  const reason = isForeignLayer(mediaType)
    ? ", and need not be: it is not to be distributed"
    : digest === EMPTY_JSON
    ? ": it is the empty document, which a push supplies"
    : undefined;
  if (reason === undefined) return validation.reportMissing(path, role, digest);
  const state = `is not in the archive${reason}`;
  validation.report("note", "absent-blob", role, state, { path, digest });
}
