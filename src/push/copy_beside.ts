import { asyncDispose } from "../async_dispose.ts";
import { anySignal } from "../concurrency.ts";
import { COSIGN_KINDS, type CosignKind } from "../cosign_tags.ts";
import { type DocumentNode, walk } from "../image/content.ts";
import { type CosignTag, findCosignTags } from "../pull/find_cosign_tags.ts";
import type { RemoteReadOptions } from "../pull/remote_file.ts";
import { readReferrers } from "../pull/remote_referrers.ts";
import { type RepositoryContext, withoutRetry } from "../registry/blobs.ts";
import type { Beside, BesideOf } from "./beside.ts";
import type { UploadSettings } from "./upload_settings.ts";

/** What goes beside the images of a copy. */
export interface CopiedBeside extends AsyncDisposable {
  /** Reads what goes beside one of them. */
  of: BesideOf;
}

/** Nothing goes beside an image. */
export const LEFT_ALONE: CopiedBeside = {
  of: () => [],
  [asyncDispose]: () => Promise.resolve(),
};

/** What a tag of cosign's is about. */
export type LeftTag = Pick<CosignTag, "subject" | "kind">;

type Emit = UploadSettings["emit"];

/** Reads what refers to an image, once for all targets. */
export function readBeside(
  context: RepositoryContext,
  reading: RemoteReadOptions,
  emit: Emit,
): CopiedBeside {
  const known = new Map<string, Beside[]>();
  const warn = (message: string) => emit({ type: "warning", message });
  return {
    async *of(root) {
      const found = known.get(root.digest);
      if (found) return yield* found;
      const read: Beside[] = [];
      for await (const { node, cosign } of readReferrers(context, root, { ...reading, warn })) {
        const beside = { node, tag: cosign?.tag };
        read.push(beside);
        yield beside;
      }
      known.set(root.digest, read);
    },
    [asyncDispose]: LEFT_ALONE[asyncDispose],
  };
}

const NOUNS: Readonly<Record<CosignKind, string>> = {
  sig: "signature",
  att: "attestation",
  sbom: "SBOM",
};

/** Longest time that a copy waits to know what it leaves behind, in milliseconds. */
const PATIENCE = 2_000;

/**
 * Tells what a copy leaves behind of what cosign keeps for its images, and copies none of it. The source is asked while
 * blobs are copied; where it does not answer, nothing is told.
 *
 * @param emit Told of it, once.
 * @returns Nothing to go beside an image; disposing of it ends what is still asked.
 */
export function countLeft(
  context: RepositoryContext,
  node: DocumentNode,
  { signal }: RemoteReadOptions,
  emit: Emit,
): CopiedBeside {
  const over = new AbortController();
  const until = anySignal(signal, over.signal);
  const quietly = { ...context, http: withoutRetry(context.http) };
  const subjects = walk(node).map(({ digest }) => digest);
  const asked = findCosignTags(quietly, subjects, { signal: until })
    .catch(() => []).then((tags) => new CosignLeft(tags));
  return {
    async of(root) {
      // All else is done: what is not known by now is not worth a long wait.
      const timer = setTimeout(() => over.abort(), PATIENCE);
      const left = await asked.finally(() => clearTimeout(timer));
      return await left.tell(root, emit);
    },
    async [asyncDispose]() {
      over.abort();
      await asked;
    },
  };
}

/** Tags of a repository that cosign keeps, and that a copy leaves behind; told of once, with the first image that has some. */
export class CosignLeft {
  readonly #tags: readonly LeftTag[];
  #isTold = false;

  constructor(tags: readonly LeftTag[]) {
    this.#tags = tags;
  }

  /** Tells what is left behind of an image; returns what goes beside it: nothing. */
  async tell(root: DocumentNode, emit: Emit): Promise<[]> {
    const copied = new Set(walk(root).map(({ digest }) => digest));
    const left = this.#isTold ? [] : this.#tags.filter(({ subject }) => copied.has(subject));
    if (left.length === 0) return [];
    this.#isTold = true;
    await emit({ type: "warning", message: describeLeft(left) });
    return [];
  }
}

/** What to say of tags that cosign keeps, and that are not copied. */
function describeLeft(left: readonly LeftTag[]): string {
  const parts = COSIGN_KINDS.flatMap((kind) => {
    const count = left.filter((tag) => tag.kind === kind).length;
    return count === 0 ? [] : [`${count} ${NOUNS[kind]}${count === 1 ? "" : "s"}`];
  });
  const [tags, are] = left.length === 1 ? ["a tag", "is"] : ["tags", "are"];
  return `${parts.join(", ")} that cosign keeps under ${tags} of the source ${are} left behind: ` +
    `--referrers copies what belongs to an image as well`;
}
