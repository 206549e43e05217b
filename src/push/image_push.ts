import type { Digest } from "../digest.ts";
import { RegistryError } from "../errors.ts";
import type { ArchiveImage } from "../image/archive.ts";
import {
  type Absent,
  absentFrom,
  blobsOf,
  type ContentNode,
  type DocumentNode,
} from "../image/content.ts";
import { formatReference, type Reference } from "../reference.ts";
import { headBlob, headBlobElsewhere } from "../registry/blobs.ts";
import { headManifest } from "../registry/manifests.ts";
import type { BesideOf } from "./beside.ts";
import type { Choice } from "./choose_content.ts";
import { chooseKinds, draftsOf, noticeOfKept, type RootChoice } from "./manifest_kind.ts";
import { listUnlisted } from "./place_manifest.ts";
import { placeRoot, type Tagged } from "./place_root.ts";
import { settleDigests, uploadContent } from "./random_access/upload.ts";
import {
  knownBlob,
  otherHolder,
  type RepositoryState,
  type UploadedBlob,
} from "./repository_state.ts";
import { hooksFor, type PushSettings, warn } from "./upload_settings.ts";

/** One reference that was written. */
export interface PushedImage {
  /** `host[:port]/repository:tag`, or `host[:port]/repository@digest` where no tag was asked for. */
  reference: string;
  /** Digest of the manifest or index that stands under the reference. */
  digest: Digest;
  /** Media type of that manifest or index. */
  mediaType: string;
  /** Every blob of the image, each once, and how it came to be in the repository. */
  blobs: UploadedBlob[];
  /** Whether the reference named that before: `exists`; else `pushed`, or in a dry run what would be. */
  status: "pushed" | "exists";
  /** Signatures and the like that stand beside it under tags made of its digest, where there are any. */
  beside?: { reference: string; digest: Digest }[];
}

/** What goes beside an image under a tag, and whether that names it already. */
interface TaggedBeside {
  node: DocumentNode;
  reference: Tagged;
  stands: boolean;
}

type UploadedContent = Awaited<ReturnType<typeof uploadContent>>;

/** One image on its way to one reference. */
export class ImagePush {
  readonly #target: RepositoryState;
  readonly #reference: Reference;
  readonly #settings: PushSettings;

  constructor(target: RepositoryState, reference: Reference, settings: PushSettings) {
    this.#target = target;
    this.#reference = reference;
    this.#settings = settings;
  }

  /**
   * Pushes it: blobs, manifests, what goes beside them, and last of all the tag.
   *
   * @param besideOf Finds what goes beside it.
   * @returns What stands now; undefined where the tag was to be left as it is.
   */
  async run(image: ArchiveImage, besideOf: BesideOf): Promise<PushedImage | undefined> {
    const { dryRun, signal } = this.#settings;
    const { sharing } = this.#target.registry;
    const run = () => this.#run(image, besideOf);
    if (!dryRun || !sharing) return await run();
    // Nothing tells archives of a dry run that come to one name at the same time which of them would be the first.
    const key = `name ${formatReference(this.#reference)}`;
    return await sharing.alone(signal, () => ({ key }), run);
  }

  async #run(image: ArchiveImage, besideOf: BesideOf): Promise<PushedImage | undefined> {
    const settings = this.#settings;
    const target = this.#target;
    const reference = this.#reference;
    const name = formatReference(reference);
    const found = await this.#choose(image, name);
    await settleDigests(found, settings);
    const node = await this.#compress(found, besideOf);
    const choice = await chooseKinds(node, image.node, reference, target.registry, settings);
    const kept = noticeOfKept(choice, name, settings);
    if (kept !== undefined) await warn(settings, kept);
    if (isTagged(reference) && await this.#isLeft(reference, choice)) return undefined;
    const { stands, ...placed } = await this.#placeRoot(choice, reference, settings);
    if (isTagged(reference) && settings.archive !== undefined) {
      const { claimTag } = await import("./claims.ts");
      claimTag(name, placed.root.digest, settings);
    }
    const beside = await this.#placeBeside(stands, besideOf(placed.root));
    // A failure before this leaves no tag behind, not even one of these.
    await listUnlisted(target, settings);
    const tagged = await this.#tagBeside(beside, placed.root.digest);
    if (stands || !isTagged(reference)) {
      const isThere = stands || target.manifests.get(placed.root.digest) === "exists";
      return toPushed(name, placed, tagged, isThere ? "exists" : "pushed");
    }
    const write = async () => {
      const { tagRoot } = await import("./write_tag.ts");
      return await tagRoot(target, placed.root, choice, reference, settings);
    };
    const { isWritten, ...written } = await this.#place(choice, reference, write, placed);
    return isWritten ? toPushed(name, written, tagged, "pushed") : undefined;
  }

  async #choose(image: ArchiveImage, name: string): Promise<ContentNode> {
    const { words, toldLayers } = this.#settings;
    const { node, notices } = await this.#chooseContent(image, name);
    // The manifest of a docker image is written by the push, and to look at what is copied would cost a request a layer.
    if (node.kind !== "docker" && words.place === "archive") {
      const { warnOfLayers } = await import("./layer_warnings.ts");
      notices.push(...await warnOfLayers(node, toldLayers));
    }
    for (const message of notices) await warn(this.#settings, message);
    return node;
  }

  /** The same with its layers compressed, where that is wanted; they are in the repository then. */
  async #compress(node: ContentNode, besideOf: BesideOf): Promise<ContentNode> {
    const { compressing } = this.#settings;
    if (!compressing) return node;
    const { compressContent } = await import("./compression/compress_content.ts");
    let signatures = 0;
    // What has no manifest yet has no digest that anything could be about.
    if (node.kind !== "docker") { for await (const _ of await besideOf(node)) signatures++; }
    return await compressContent(this.#target, node, await compressing(), {
      reference: this.#reference,
      signatures,
      settings: this.#settings,
    });
  }

  async #chooseContent(image: ArchiveImage, name: string): Promise<Choice> {
    const { words, platforms } = this.#settings;
    const { node } = image;
    if (platforms.length === 0 && absentFrom(node).length === 0) return { node, notices: [] };
    const { chooseContent } = await import("./choose_content.ts");
    const isThere = (absent: Absent) => this.#isThere(absent);
    return await chooseContent(image, { name, platforms, isThere, words });
  }

  /** Whether a tag that names something else is left as it is; nothing has been sent then, unless from a pipe. */
  async #isLeft(reference: Tagged, choice: RootChoice): Promise<boolean> {
    const target = this.#target;
    if (this.#settings.onExisting === "overwrite") return false;
    const { findOther, leaveTag } = await import("./write_tag.ts");
    const find = async () => findOther(target, reference, await draftsOf(choice), this.#settings);
    let other = await find();
    if (other && blobsOf(choice.node).some(({ origin }) => origin === "hint")) {
      // What a file is merely called after may be wrong, and the image the same after all.
      await settleDigests(choice.node, { ...this.#settings, verify: true });
      other = await find();
    }
    const [root] = await draftsOf(choice);
    if (!other || !root) return false;
    await leaveTag(reference, other, root, this.#settings);
    return true;
  }

  /** Puts what goes beside an image under its digests; returns what wants a tag. */
  async #placeBeside(
    isStanding: boolean,
    beside: ReturnType<BesideOf>,
  ): Promise<TaggedBeside[]> {
    const settings = { ...this.#settings, isStanding };
    const tagged: TaggedBeside[] = [];
    for await (const { node, tag } of await beside) {
      const reference = referenceBeside(this.#reference, tag);
      const { stands } = await this.#placeRoot({ node, kinds: [] }, reference, settings);
      if (isTagged(reference)) tagged.push({ node, reference, stands });
    }
    return tagged;
  }

  /** Writes the tags of what goes beside an image; returns the references that stand. */
  async #tagBeside(
    beside: readonly TaggedBeside[],
    subject: Digest,
  ): Promise<NonNullable<PushedImage["beside"]>> {
    const target = this.#target;
    const { dryRun, emit } = this.#settings;
    const tagged: { reference: string; digest: Digest }[] = [];
    for (const { node, reference, stands } of beside) {
      const { digest } = node;
      if (!stands) {
        const { writeTag } = await import("./write_tag.ts");
        if (!await writeTag(target, reference, node, this.#settings)) continue;
      }
      target.tags.set(reference.tag, digest);
      const name = formatReference(reference);
      tagged.push({ reference: name, digest });
      if (!dryRun) await emit({ type: "tag", reference: name, digest, subject });
    }
    return tagged;
  }

  /** Uploads what a node needs, and places its manifests. */
  async #placeRoot(choice: RootChoice, reference: Reference, settings: PushSettings) {
    const write = (uploaded: UploadedContent) =>
      placeRoot(this.#target, uploaded, choice, reference, settings);
    return await this.#place(choice, reference, write);
  }

  /** Uploads what a node needs, unless `placed` says that it was, then writes; again where the registry lost a part. */
  async #place<T>(
    choice: RootChoice,
    reference: Reference,
    write: (uploaded: UploadedContent) => Promise<T>,
    placed?: UploadedContent,
  ): Promise<UploadedContent & T> {
    const settings = this.#settings;
    const target = this.#target;
    const { node } = choice;
    const place = async () => {
      const uploaded = placed ?? await uploadContent(target, node, settings);
      placed = undefined;
      return { ...uploaded, ...await write(uploaded) };
    };
    try {
      return await place().catch(async (error) => {
        const { placeAgain } = await import("./place_again.ts");
        return await placeAgain(target, node, settings, place, error);
      });
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      const { explainRefusal } = await import("./refused_type.ts");
      const name = formatReference(reference);
      throw explainRefusal(error, choice, target.registry, name, settings);
    }
  }

  /** Whether the target, or a repository that blobs are mounted from, has what the archive lacks. */
  async #isThere({ kind, digest }: Absent): Promise<boolean> {
    const target = this.#target;
    const hooks = hooksFor(this.#settings);
    if (kind === "manifest") return await headManifest(target, digest, hooks) !== undefined;
    if (knownBlob(target, digest) ?? otherHolder(target, digest)) return true;
    if (await headBlob(target, digest, hooks) !== undefined) return true;
    for (const repository of this.#settings.mountFrom) {
      if (await headBlobElsewhere({ ...target, repository }, digest, hooks) !== undefined) {
        return true;
      }
    }
    return false;
  }
}

function toPushed(
  reference: string,
  { root, blobs }: UploadedContent,
  beside: NonNullable<PushedImage["beside"]>,
  status: PushedImage["status"],
): PushedImage {
  const { digest, mediaType } = root;
  const typed = blobs.map((blob) => typedBy(root, blob));
  const pushed = { reference, digest, mediaType, status, blobs: typed };
  return beside.length > 0 ? { ...pushed, beside } : pushed;
}

/** A blob with the media type that the manifest gives it, whatever it was to be at first. */
function typedBy(root: DocumentNode, blob: UploadedBlob): UploadedBlob {
  if (root.kind === "index") return blob;
  const named = [root.config, ...root.layers].find((named) => named?.digest === blob.digest);
  return named ? { ...blob, mediaType: named.mediaType } : blob;
}

function isTagged(reference: Reference): reference is Tagged {
  return reference.tag !== undefined;
}

function referenceBeside({ registry, repository }: Reference, tag: string | undefined): Reference {
  return { registry, repository, ...tag !== undefined && { tag } };
}
