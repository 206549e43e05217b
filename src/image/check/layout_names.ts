import type { Digest } from "../../digest.ts";
import { type Descriptor, isIndexType } from "../../media_types.ts";
import { quoteName } from "../../quote_name.ts";
import { isTag, parseImageName, parsePinnedName } from "../../reference.ts";
import { besideRole, namesOf } from "../entry_names.ts";
import type { FindingList } from "./findings.ts";

const PATH = "index.json";

/** Checks the names of an OCI layout: each is one, and means one image. */
export class LayoutNames {
  readonly #findings: FindingList;
  readonly #known = new Map<string, Named>();

  constructor(findings: FindingList) {
    this.#findings = findings;
  }

  /** Checks the names of one entry of index.json; `subject` is what its document refers to. */
  check(descriptor: Descriptor, subject?: Digest): void {
    // A signature may carry the name of its image.
    if (besideRole(descriptor)) return;
    const { digest, mediaType } = descriptor;
    const named = { digest, isIndex: isIndexType(mediaType), subject };
    for (const name of namesOf(descriptor)) this.#check(name, named);
  }

  #check(name: string, named: Named): void {
    const { digest, isIndex, subject } = named;
    const isPinned = parsePinnedName(name)?.digest === digest;
    if (!isTag(name) && !parseImageName(name) && !isPinned) {
      this.#findings.note(
        "bad-name",
        `index.json has the name ${quoteName(name)}, which is no image name: a push leaves it out`,
        { path: PATH, image: name, digest },
      );
    }
    const known = this.#known.get(name);
    const isShared = known && (known.digest === subject || known.subject === digest);
    // A name on both an index and an image means the index.
    if (known && known.digest !== digest && known.isIndex === isIndex && !isShared) {
      this.#findings.warning(
        "duplicate-name",
        `index.json has the name ${quoteName(name)} for ${known.digest} and for ${digest}`,
        { path: PATH, image: name, digest },
      );
    } else this.#known.set(name, named);
  }
}

interface Named {
  digest: Digest;
  isIndex: boolean;
  subject: Digest | undefined;
}
