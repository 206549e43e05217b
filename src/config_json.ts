import { goMember } from "./go_json.ts";
import { type JsonObject, parsePlatform, type Platform } from "./media_types.ts";

/** Most bytes of an image config: history and labels of real ones go past the 4 MiB that many clients stop at. */
export const MAX_CONFIG_BYTES = 32 * 1024 * 1024;

const PLATFORM_MEMBERS = ["architecture", "os", "variant", "os.version", "os.features"];

/** The platform that the config of an image names; undefined where it names none. */
export function configPlatform(config: JsonObject | undefined): Platform | undefined {
  return config && parsePlatform(
    Object.fromEntries(PLATFORM_MEMBERS.map((name) => [name, goMember(config, name)])),
  );
}

/** When an image was made, as its config has it. */
export function configCreated(config: JsonObject | undefined): string | undefined {
  const created = config && goMember(config, "created");
  return typeof created === "string" ? created : undefined;
}
