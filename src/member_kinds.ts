import { isAbsent, isJsonObject } from "./media_types.ts";
import { quoteName } from "./quote_name.ts";

/** Looks at a member that is there; a sentence that begins with "it" where it is, or has, something of another kind. */
type Check = (value: unknown, path: string) => string | undefined;

const isText: Check = (value, path) =>
  typeof value === "string" ? undefined : misfit(path, value, "a string");

/** What Go decodes: padded, with line breaks anywhere. */
const isBase64: Check = (value, path) => {
  if (typeof value !== "string") return isText(value, path);
  const digits = value.replace(/[\r\n]+/g, "");
  if (digits.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(digits)) return undefined;
  return `its member ${quoteName(path)} is not base64`;
};

/** A number that is no integer as it is written. */
const ODD_NUMBER = String.raw`-?\d+(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)`;
const IS_ODD = new RegExp(`^${ODD_NUMBER}$`);
/** One where an integer is wanted. */
const ODD_MEMBERS = new RegExp(String.raw`("(?:size|schemaVersion)"\s*:\s*)(${ODD_NUMBER})`, "g");

/** An odd number comes as the text that it was. */
const isInteger: Check = (value, path) => {
  if (typeof value === "number") return undefined;
  if (typeof value !== "string" || !IS_ODD.test(value)) return misfit(path, value, "an integer");
  const member = quoteName(path);
  return `its member ${member} is written as ${value}, which programs in Go take for no integer`;
};

const texts = listOf(isText);
const annotations = mapOf(() => isText);

const descriptor = members({
  mediaType: isText,
  size: isInteger,
  artifactType: isText,
  data: isBase64,
  urls: texts,
  annotations,
  platform: members({
    architecture: isText,
    os: isText,
    variant: isText,
    "os.version": isText,
    "os.features": texts,
  }),
});

const document = members({
  schemaVersion: isInteger,
  artifactType: isText,
  config: descriptor,
  layers: listOf(descriptor),
  manifests: listOf(descriptor),
  subject: descriptor,
  annotations,
});

/**
 * The first member of a manifest or index that is of another kind than the specification has it (image-spec, descriptor.md
 * and annotations.md). Most programs in Go read nothing of such a document: distribution 2.8 and 3 refuse it (but for
 * `artifactType`, which they and skopeo pass over), crane, oras and regctl do not pull it. A null is like none to them.
 *
 * Digests are not looked at, and of sizes only how they are written: whoever reads descriptors does that. Go reads `5.0` and
 * `5e3` as no integer (tried with distribution 2.8 and 3, crane, skopeo and oras).
 *
 * @param json The document.
 * @param bytes The same as it is written.
 * @returns A sentence that begins with "it"; undefined where there is no such member.
 */
export function misfitOf(json: unknown, bytes: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(bytes);
  const quoted = text.replace(ODD_MEMBERS, '$1"$2"');
  return document(quoted === text ? json : JSON.parse(quoted), "");
}

function listOf(check: Check): Check {
  return (value, path) =>
    Array.isArray(value)
      ? first(value.entries(), ([at, item]) => unlessAbsent(check, item, `${path}[${at}]`))
      : misfit(path, value, "a list");
}

function members(checks: Readonly<Record<string, Check>>): Check {
  const known = new Map(Object.entries(checks));
  return mapOf((name) => known.get(name));
}

function mapOf(checkOf: (name: string) => Check | undefined): Check {
  return (value, path) =>
    isJsonObject(value)
      ? first(Object.entries(value), ([name, member]) => {
        const check = checkOf(name);
        return check && unlessAbsent(check, member, path ? `${path}.${name}` : name);
      })
      : misfit(path, value, "an object");
}

function unlessAbsent(check: Check, value: unknown, path: string): string | undefined {
  return isAbsent(value) ? undefined : check(value, path);
}

function first<T>(
  items: Iterable<T>,
  find: (item: T) => string | undefined,
): string | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function misfit(path: string, value: unknown, expected: string): string {
  return `its member ${quoteName(path)} is ${describe(value)}, expected ${expected}`;
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
