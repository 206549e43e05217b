import type { Digest } from "../../digest.ts";
import { type Descriptor, isIndexType } from "../../media_types.ts";
import { quoteName } from "../../quote_name.ts";
import { isTag, parseImageName, parsePinnedName } from "../../reference.ts";
import { besideRole, namesOf } from "../entry_names.ts";
import type { FindingList } from "./findings.ts";

const PATH = "index.json";

/** What the names of index.json mean. */
export type EntryNames = Map<
  string,
  { digest: Digest; isIndex: boolean; subject: Digest | undefined }
>;

/**
 * Checks the names of one entry of index.json: each is one, and means one image.
 *
 * @param names Those of the entries before it.
 * @param subject What its document refers to.
 */
export function checkEntryNames(
  findings: FindingList,
  names: EntryNames,
  descriptor: Descriptor,
  subject?: Digest,
): void {
  // A signature may carry the name of its image.
  if (besideRole(descriptor)) return;
  const { digest, mediaType } = descriptor;
  const isIndex = isIndexType(mediaType);
  for (const name of namesOf(descriptor)) {
    const isPinned = parsePinnedName(name)?.digest === digest;
    if (!isTag(name) && !parseImageName(name) && !isPinned) {
      findings.note(
        "bad-name",
        `index.json has the name ${quoteName(name)}, which is no image name: a push leaves it out`,
        { path: PATH, image: name, digest },
      );
    }
    const known = names.get(name);
    const isShared = known && (known.digest === subject || known.subject === digest);
    // A name on both an index and an image means the index.
    if (known && known.digest !== digest && known.isIndex === isIndex && !isShared) {
      findings.warning(
        "duplicate-name",
        `index.json has the name ${quoteName(name)} for ${known.digest} and for ${digest}`,
        { path: PATH, image: name, digest },
      );
    } else names.set(name, { digest, isIndex, subject });
  }
}
