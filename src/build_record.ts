/** What BuildKit keeps of builds in the form of an image or an index. */
export type BuildRecord = "build cache" | "build history";

/** By the type of a manifest's config, which older caches list in an index among layers. */
const CONFIG_TYPES: ReadonlyMap<string, BuildRecord> = new Map([
  ["application/vnd.buildkit.cacheconfig.v0", "build cache"],
  ["application/vnd.buildkit.historyrecord.v0", "build history"],
]);

/**
 * Tells what of builds something is.
 *
 * @param mediaType Type of its config, or of a blob that an index lists.
 * @returns Undefined for an image, or an artifact of another kind.
 */
export function buildRecordOf(mediaType: string | undefined): BuildRecord | undefined {
  return CONFIG_TYPES.get(mediaType ?? "");
}

/** What an index is whose entries are these; undefined where they are not all of one kind, or there are none. */
export function commonRecord(
  records: readonly (BuildRecord | undefined)[],
): BuildRecord | undefined {
  const [first] = records;
  return records.every((record) => record === first) ? first : undefined;
}
