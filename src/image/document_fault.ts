import { isAbsent, isDocumentType, isManifestType, type JsonObject } from "../media_types.ts";
import { misfitOf } from "../member_kinds.ts";
import { quoteName } from "../quote_name.ts";

/**
 * What any registry refuses of a document that can be read all the same, whatever types it takes: a sentence that begins
 * with "it". Undefined where there is nothing of that.
 *
 * @param bytes The document as it is written.
 */
export function faultOf(
  json: JsonObject,
  mediaType: string,
  bytes: Uint8Array,
): string | undefined {
  if (json.schemaVersion !== 2) return "its schemaVersion is not 2, which registries require";
  if (!isDocumentType(mediaType)) {
    return `its media type is ${quoteName(mediaType)}, which registries do not know`;
  }
  if (isManifestType(mediaType) && isAbsent(json.config)) {
    return "it names no config, which registries require";
  }
  return misfitOf(json, bytes);
}
