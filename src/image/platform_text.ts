import type { Platform } from "../media_types.ts";
import { quoteName, withoutSecrets } from "../quote_name.ts";

/** Parts of a platform in a text: os, architecture, variant, os.version and os.features. */
const PLATFORM_TEXT = /^([^/:]+)\/([^/:]+)(?:\/([^/:]+))?(?::([\w.-]*)((?:\+[\w.-]+)*))?$/;

/**
 * Parses platforms as `os/architecture[/variant][:[os.version][+os.feature...]]`.
 *
 * @throws {TypeError} If a text is none.
 */
export function parsePlatforms(texts: readonly string[]): Platform[] {
  return texts.map((text) => {
    const [, os, architecture, variant, version, features] = PLATFORM_TEXT.exec(text) ?? [];
    if (!os || !architecture || text.endsWith(":")) {
      throw new TypeError(
        `Cannot use platform ${
          quoteName(withoutSecrets(text))
        }: expected OS/ARCHITECTURE[/VARIANT][:OSVERSION], ` +
          "such as linux/arm64 or windows/amd64:10.0.20348.1",
      );
    }
    const platform: Platform = { os, architecture };
    if (variant) platform.variant = variant;
    if (version) platform["os.version"] = version;
    if (features) platform["os.features"] = features.slice(1).split("+");
    return platform;
  });
}
