/** One entry for {@linkcode writeTar}. */
export interface TarWriterEntry {
  /** Whole name. What a format cannot hold in its header goes where that format puts long names. */
  path: string;
  /** Content; text is written as UTF-8. */
  body?: Uint8Array | string;
  /** Kind of entry, or a typeflag of one character. Default: a link where there is a `linkname`, else a file. */
  type?: TarWriterType | (string & Record<never, never>);
  /** Target of a link. */
  linkname?: string;
  /** Permission bits. Default: 0o755 for directories, else 0o644. */
  mode?: number;
  /** Seconds since 1970. Default: 0. */
  mtime?: number;
  /** Format of the header. Default: `ustar`. */
  format?: TarWriterFormat;
  /** Records of a PAX header before the entry, whatever its format. */
  pax?: Record<string, string>;
  /** Records of a global PAX header before the entry. */
  global?: Record<string, string>;
}

/** Kinds of entries by name. */
export type TarWriterType = "file" | "link" | "symlink" | "directory";

/** Header formats. `pax` and `gnu` write extension records where a name is too long for the header. */
export type TarWriterFormat = "v7" | "ustar" | "pax" | "gnu";

/** Fields of {@linkcode header}; a string is written as it is, a number in octal. */
export interface HeaderFields {
  name?: string;
  mode?: number | string;
  uid?: number | string;
  gid?: number | string;
  size?: number | string | Uint8Array;
  mtime?: number | string | Uint8Array;
  /** Default: the right one. */
  checksum?: number | string;
  typeflag?: string;
  linkname?: string;
  /** Magic and version, 8 characters. Default: POSIX. */
  magic?: string;
  uname?: string;
  gname?: string;
  prefix?: string;
}

/**
 * Writes a tar: the entries in order, then two zero blocks unless `end` says how many.
 *
 * `writeTar([{ path: "a/" , type: "directory" }, { path: "a/b", body: "text" }])`
 */
export function writeTar(
  entries: readonly TarWriterEntry[],
  { end = 2 }: { end?: number } = {},
): Uint8Array<ArrayBuffer> {
  return join([...entries.flatMap(writeEntry), new Uint8Array(end * 512)]);
}

/** Makes one header block, as wrong as its fields are. */
export function header(fields: HeaderFields = {}): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(512);
  const put = (at: number, value: string | Uint8Array) =>
    block.set(typeof value === "string" ? encoder.encode(value) : value, at);
  const { magic = USTAR } = fields;
  put(0, fields.name ?? "name");
  put(100, number(fields.mode ?? 0o644, 8));
  put(108, number(fields.uid ?? 0, 8));
  put(116, number(fields.gid ?? 0, 8));
  put(124, number(fields.size ?? 0, 12));
  put(136, number(fields.mtime ?? 0, 12));
  put(156, fields.typeflag ?? "0");
  put(157, fields.linkname ?? "");
  put(257, magic);
  if (magic !== V7) {
    put(265, fields.uname ?? "root");
    put(297, fields.gname ?? "root");
    put(329, "0000000\0");
    put(337, "0000000\0");
  }
  put(345, fields.prefix ?? "");
  put(148, "        ");
  const sum = block.reduce((all, byte) => all + byte, 0);
  put(
    148,
    typeof fields.checksum === "string" ? fields.checksum : number(fields.checksum ?? sum, 7),
  );
  return block;
}

/** A header and its content, padded: `record("x", paxRecords({ path: "long" }))`. */
export function record(typeflag: string, content: Uint8Array | string): Uint8Array<ArrayBuffer> {
  const bytes = toBytes(content);
  const name = typeflag === "x" || typeflag === "g" ? "PaxHeaders/entry" : "././@LongLink";
  return join([header({ name, typeflag, size: bytes.length }), pad(bytes)]);
}

/** Writes `<length> <key>=<value>\n` for each. */
export function paxRecords(records: Record<string, string>): Uint8Array<ArrayBuffer> {
  return join(
    Object.entries(records).map(([key, value]) => {
      const rest = encoder.encode(` ${key}=${value}\n`);
      let length = rest.length + 1;
      while (String(length).length + rest.length !== length) {
        length = String(length).length + rest.length;
      }
      return join([encoder.encode(String(length)), rest]);
    }),
  );
}

/** A number in base-256: two's complement with the top bit of the field set. */
export function base256(value: bigint, length = 12): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = length - 1; at >= 0; at--, value >>= 8n) bytes[at] = Number(value & 0xffn);
  bytes[0] = (bytes[0] ?? 0) | 0x80;
  return bytes;
}

/** Fills up to whole blocks. */
export function pad(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return join([bytes, new Uint8Array((512 - bytes.length % 512) % 512)]);
}

/** Joins bytes and texts. */
export function join(parts: readonly (Uint8Array | string)[]): Uint8Array<ArrayBuffer> {
  const pieces = parts.map(toBytes);
  const joined = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}

/** Magic and version of POSIX headers. */
export const USTAR = "ustar\x0000";
/** Magic and version of GNU headers. */
export const GNU = "ustar  \0";
/** What V7 headers have in the place of a magic. */
export const V7 = "\0\0\0\0\0\0\0\0";

const encoder = new TextEncoder();

const TYPEFLAGS: Record<string, string> = { file: "0", link: "1", symlink: "2", directory: "5" };

function writeEntry(entry: TarWriterEntry): Uint8Array[] {
  const { path, linkname = "", format = "ustar" } = entry;
  const type = entry.type ?? (linkname ? "symlink" : "file");
  const typeflag = TYPEFLAGS[type] ?? type;
  const body = toBytes(entry.body ?? "");
  const { name, prefix, records } = placeNames(path, linkname, format);
  const pax = { ...records.pax, ...entry.pax };
  return [
    ...(entry.global ? [record("g", paxRecords(entry.global))] : []),
    ...records.gnu,
    ...(Object.keys(pax).length > 0 ? [record("x", paxRecords(pax))] : []),
    header({
      name,
      prefix,
      typeflag: format === "v7" && typeflag === "0" ? "\0" : typeflag,
      size: body.length,
      linkname: cut(linkname, 100),
      mode: entry.mode ?? (typeflag === "5" ? 0o755 : 0o644),
      mtime: entry.mtime ?? 0,
      magic: format === "v7" ? V7 : format === "gnu" ? GNU : USTAR,
    }),
    pad(body),
  ];
}

interface PlacedNames {
  name: string;
  prefix: string;
  records: { pax: Record<string, string>; gnu: Uint8Array[] };
}

function placeNames(path: string, linkname: string, format: TarWriterFormat): PlacedNames {
  const records: PlacedNames["records"] = { pax: {}, gnu: [] };
  const split = format === "ustar" || format === "pax" ? splitPath(path) : undefined;
  const longPath = size(path) > 100 && !split;
  const longLink = size(linkname) > 100;
  if ((longPath || longLink) && (format === "ustar" || format === "v7")) {
    throw new RangeError(`${format} cannot hold the names of ${path}`);
  }
  if (longLink && format === "gnu") records.gnu.push(record("K", `${linkname}\0`));
  if (longPath && format === "gnu") records.gnu.push(record("L", `${path}\0`));
  if (longLink && format === "pax") records.pax["linkpath"] = linkname;
  if (longPath && format === "pax") records.pax["path"] = path;
  return { name: split?.name ?? cut(path, 100), prefix: split?.prefix ?? "", records };
}

/** The two parts that ustar has room for, where the path is too long for one. */
function splitPath(path: string): { prefix: string; name: string } | undefined {
  if (size(path) <= 100) return undefined;
  for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) {
    const prefix = path.slice(0, at);
    const name = path.slice(at + 1);
    if (size(prefix) <= 155 && size(name) <= 100 && name !== "") return { prefix, name };
  }
}

function size(text: string): number {
  return encoder.encode(text).length;
}

/** As many characters as fit. */
function cut(text: string, limit: number): string {
  let kept = text.slice(0, limit);
  while (size(kept) > limit) kept = kept.slice(0, -1);
  return kept;
}

function number(value: number | string | Uint8Array, length: number): string | Uint8Array {
  if (typeof value !== "number") return value;
  if (value < 0 || value >= 8 ** (length - 1)) return base256(BigInt(value), length);
  return `${value.toString(8).padStart(length - 1, "0")}\0`;
}

function toBytes(content: Uint8Array | string): Uint8Array {
  return typeof content === "string" ? encoder.encode(content) : content;
}
