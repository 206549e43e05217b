import type { Digest } from "../digest.ts";
import { PushError } from "../errors.ts";
import { quoteName } from "../quote_name.ts";
import type { PushSettings } from "./upload_settings.ts";

/**
 * Notes what an archive puts under a tag, and refuses it where another of the set puts something else there: which of the
 * two stood would be chance.
 *
 * @throws {PushError} If another archive puts something else there.
 */
export function claimTag(
  name: string,
  digest: Digest,
  { archive, claims, words }: PushSettings,
): void {
  if (archive === undefined) return;
  const claim = claims.get(name) ?? { digest, archive };
  claims.set(name, claim);
  if (claim.digest === digest) return;
  throw new PushError(
    `Cannot ${words.verb} ${name}: ${
      quoteName(claim.archive)
    } is ${words.done} there as well and is ${claim.digest}, this is ${digest}`,
    {
      step: "tag",
      origin: "archive",
      digest,
      hint: `${words.verb} one of the two under another name`,
    },
  );
}
