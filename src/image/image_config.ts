import { configPlatform, MAX_CONFIG_BYTES } from "../config_json.ts";
import { isConfigType, type JsonObject, type Platform } from "../media_types.ts";
import { type ArchiveBlob, type ContentNode, parseJsonObject } from "./content.ts";

/** The platform of an image, from its config; undefined for an index or an artifact. */
export async function readPlatform(node: ContentNode): Promise<Platform | undefined> {
  if (node.kind === "docker") return node.platform;
  return node.kind === "manifest" ? configPlatform(await readConfig(node.config)) : undefined;
}

/** The config of an image (image-spec, config.md); undefined where it is absent, or of another type. */
export async function readConfig(
  config: ArchiveBlob | undefined,
): Promise<JsonObject | undefined> {
  const file = config?.file;
  if (!file || file.size > MAX_CONFIG_BYTES || !isConfigType(config.mediaType)) return undefined;
  return parseJsonObject(file, await file.bytes(MAX_CONFIG_BYTES));
}
