import { PassingFile } from "../archive/passing_file.ts";
import { runAll } from "../concurrency.ts";
import type { Digest } from "../digest.ts";
import { ArchiveError, OciError } from "../errors.ts";
import { type ArchiveImage, type ImageArchive, openArchive } from "../image/archive.ts";
import {
  type ArchiveBlob,
  blobsOf,
  type ContentNode,
  type DocumentNode,
  walk,
} from "../image/content.ts";
import { knownManifest } from "../image/docker_manifest.ts";
import { retype } from "../image/retype.ts";
import { checkImage, type CheckImageOptions, type ImageCheck } from "../pull/check_image.ts";
import { parseImageName, parseReference, type Reference } from "../reference.ts";
import { headBlob } from "../registry/blobs.ts";
import { headManifest } from "../registry/manifests.ts";
import type { PassingInput, PushSource } from "../source/open_source.ts";
import type { PushEvent } from "./events.ts";
import { type ResolvedOptions, resolveOptions } from "./options.ts";
import { listUnlisted, writeManifest } from "./place_manifest.ts";
import { openInput, Push, pushImage, type PushResult } from "./push.ts";
import { GUESS_ABSENT } from "./random_access/look_ahead.ts";
import { pushBlob } from "./random_access/place_blob.ts";
import { readBackManifest } from "./read_back.ts";
import { settleDigests } from "./random_access/upload.ts";
import type { RepositoryState } from "./repository_state.ts";
import { hooksFor } from "./upload_settings.ts";

/** Options for {@linkcode repairImage}. */
export interface RepairImageOptions extends CheckImageOptions {
  /** Told what is sent; a promise it returns is awaited before the repair goes on. */
  onEvent?: (event: PushEvent) => void | Promise<void>;
}

/** What {@linkcode repairImage} did. */
export interface ImageRepair {
  /** What was found at first. */
  before: ImageCheck;
  /** What was sent from the archive, and could be read back. */
  sent: Digest[];
  /** What is broken, and not in the archive. */
  absent: Digest[];
  /** What the registry did not take, or took and does not send back. */
  failed: { digest: Digest; error: OciError }[];
  /** What was found at last. */
  after: ImageCheck;
}

/**
 * Checks an image in a registry, sends what is broken of it from an archive, and checks it again. Nothing else is sent; each blob
 * and manifest is read back. A reference that leads nowhere gets the image of the archive that has its name, or the only one.
 *
 * @param reference `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`.
 * @param source An archive with the same content: a file, which may be compressed, a folder, a URL. Of one that is compressed, each
 * blob that is sent costs another reading from the beginning.
 * @param options Settings; see {@linkcode RepairImageOptions}.
 * @returns What was found and done.
 * @throws {SyntaxError} If the reference does not parse.
 * @throws {ArchiveError} If the archive cannot be used.
 * @throws {NetworkError} If the registry does not answer.
 */
export async function repairImage(
  reference: string,
  source: PushSource,
  options: RepairImageOptions = {},
): Promise<ImageRepair> {
  const before = await checkImage(reference, options);
  if (before.ok) return { before, sent: [], absent: [], failed: [], after: before };
  const resolved = resolveOptions({ ...options, force: true });
  await using input = await openInput(source, resolved);
  const archive = input.kind === "random"
    ? await openArchive(input.source, resolved)
    : await readCompressed(input, resolved);
  // Of all tags none is to be made up.
  const pushRoot = options.allTags
    ? undefined
    : async (image: string) => await pushImage(source, reference, { ...options, images: [image] });
  const repair = new Repair(parseReference(reference), archive, resolved, pushRoot);
  await repair.readArchive();
  let after = before;
  // What a damaged index names is found only once it is whole again.
  while (!after.ok && await repair.send(after)) after = await checkImage(reference, options);
  const { sent, failed } = repair;
  return { before, sent, absent: repair.absentOf(after), failed, after };
}

/** Reads an archive that is compressed as a whole; what is sent of it is inflated once more. */
async function readCompressed(
  input: PassingInput,
  options: ResolvedOptions,
): Promise<ImageArchive> {
  if (!input.again) {
    throw new ArchiveError(
      "Cannot repair from a stream: it comes only once, expected a file",
      { hint: "write the archive to a file first" },
    );
  }
  const { readPassing } = await import("../archive/read_passing.ts");
  const { entrySource } = await import("../archive/entry_source.ts");
  const archive = await readPassing(input, options);
  for (const file of archive.files.files()) {
    if (file instanceof PassingFile) file.body ??= entrySource(input, file.path, file.size);
  }
  return archive;
}

class Repair {
  readonly sent: Digest[] = [];
  readonly failed: { digest: Digest; error: OciError }[] = [];
  readonly #reference: Reference;
  readonly #archive: ImageArchive;
  readonly #pushRoot: ((image: string) => Promise<PushResult>) | undefined;
  readonly #push: Push;
  readonly #target: RepositoryState;
  readonly #tried = new Set<Digest>();
  readonly #blobs = new Map<Digest, ArchiveBlob>();
  /** Manifests and indexes of the archive, children before parents. */
  readonly #manifests = new Map<Digest, DocumentNode>();

  /** @param pushRoot Pushes an image of the archive to the reference, where that names one. */
  constructor(
    reference: Reference,
    archive: ImageArchive,
    options: ResolvedOptions,
    pushRoot: ((image: string) => Promise<PushResult>) | undefined,
  ) {
    this.#reference = reference;
    this.#archive = archive;
    this.#pushRoot = pushRoot;
    this.#push = new Push(options);
    this.#target = this.#push.repository(reference);
  }

  /** What is broken and not in the archive. */
  absentOf(check: ImageCheck): Digest[] {
    return brokenOf(check).filter((digest) =>
      !this.#blobs.has(digest) && !this.#manifests.has(digest)
    );
  }

  /**
   * Sends what is broken, as far as the archive has it and it was not sent before.
   *
   * @returns Whether there was anything to send.
   */
  async send(check: ImageCheck): Promise<boolean> {
    if (check.manifests === 0) return leadsNowhere(check) && await this.#sendRoot();
    const broken = brokenOf(check);
    const wanted = new Set(broken.filter((digest) => !this.#tried.has(digest)));
    for (const digest of wanted) this.#tried.add(digest);
    const blobs = [...this.#blobs].filter(([digest]) => wanted.has(digest));
    const manifests = [...this.#manifests].filter(([digest]) => wanted.has(digest));
    const { settings } = this.#push;
    await runAll(blobs, settings.concurrency, async ([digest, blob], signal) => {
      await this.#note(digest, () => this.#sendBlob(digest, blob, signal));
    }, settings.signal);
    for (const [digest, node] of manifests) {
      await this.#note(digest, async () => {
        await this.#sendMissing(node);
        await writeManifest(this.#target, node, digest, settings);
      });
    }
    await listUnlisted(this.#target, settings);
    return blobs.length + manifests.length > 0;
  }

  /**
   * Sends what a manifest names and the registry lacks, for it takes none before that is there. No check has found it: nobody
   * could read what names it.
   */
  async #sendMissing(node: DocumentNode): Promise<void> {
    const { settings } = this.#push;
    const hooks = hooksFor(settings);
    await runAll(blobsOf(node), settings.concurrency, async ({ digest }, signal) => {
      const blob = digest && this.#blobs.get(digest);
      if (!blob || this.#tried.has(digest)) return;
      if (await headBlob(this.#target, digest, { ...hooks, signal }) !== undefined) return;
      this.#tried.add(digest);
      await this.#note(digest, () => this.#sendBlob(digest, blob, signal));
    }, settings.signal);
    for (const child of walk(node)) {
      const { digest } = child;
      if (child === node || this.#tried.has(digest)) continue;
      if (await headManifest(this.#target, digest, hooks)) continue;
      this.#tried.add(digest);
      await this.#note(digest, () => writeManifest(this.#target, child, digest, settings));
    }
  }

  async #sendBlob(digest: Digest, blob: ArchiveBlob, signal: AbortSignal): Promise<void> {
    const settings = { ...this.#push.settings, signal };
    const placed = await pushBlob(this.#target, blob, settings, GUESS_ABSENT);
    if (placed.digest === digest) return;
    throw new ArchiveError(
      `Cannot repair blob ${digest}: what the archive calls so has digest ${placed.digest}`,
      { path: blob.file?.path },
    );
  }

  /** Pushes the image that the reference must mean, where it leads nowhere: what is below it is asked for one by one. */
  async #sendRoot(): Promise<boolean> {
    const push = this.#pushRoot;
    const image = push && this.#findImage();
    const root = image && (await manifestsIn(image.node)).at(-1)?.digest;
    if (!root || this.#tried.has(root)) return false;
    this.#tried.add(root);
    await this.#note(root, async () => {
      const { images } = await push(image.id);
      await readBackManifest(
        this.#target,
        images[0]?.digest ?? root,
        hooksFor(this.#push.settings),
      );
      const pushed = images.flatMap(({ blobs }) => blobs).filter(({ status }) =>
        status === "pushed"
      );
      this.sent.push(...pushed.map(({ digest }) => digest));
    });
    return true;
  }

  /** Goes on with the rest where one thing cannot be repaired. */
  async #note(digest: Digest, send: () => Promise<void>): Promise<void> {
    try {
      await send();
      this.sent.push(digest);
    } catch (error) {
      this.#push.settings.signal.throwIfAborted();
      if (!(error instanceof OciError)) throw error;
      this.failed.push({ digest, error });
    }
  }

  /** Finds what the archive has to send. */
  async readArchive(): Promise<void> {
    const { images, beside } = this.#archive;
    for (const { node } of [...images, ...beside]) {
      // What no name tells of a docker archive, its content does.
      await settleDigests(node, { ...this.#push.settings, verify: false });
      for (const blob of blobsOf(node)) {
        if (blob.digest && blob.file) this.#blobs.set(blob.digest, blob);
      }
      for (const each of await manifestsIn(node)) this.#manifests.set(each.digest, each);
    }
  }

  /** The image of the archive that the reference must mean: by digest, by name, or the only one. */
  #findImage(): ArchiveImage | undefined {
    const { digest } = this.#reference;
    const { images } = this.#archive;
    const exact = images.find(({ node }) => node.kind !== "docker" && node.digest === digest);
    if (exact) return exact;
    const named = images.filter((image) => this.#hasName(image));
    const [only, ...others] = named.length > 0 ? named : images;
    return others.length === 0 ? only : undefined;
  }

  #hasName({ names, tags }: ArchiveImage): boolean {
    const { repository, tag = "latest" } = this.#reference;
    return tags.includes(tag) || names.some((text) => {
      const name = parseImageName(text);
      return name?.tag === tag && name.repository === repository;
    });
  }
}

/** Whether what was checked is not there at all. What is there and cannot be read may be another image than the archive's. */
function leadsNowhere({ findings }: ImageCheck): boolean {
  return findings.some(({ code }) => code === "missing-manifest");
}

/** What a check found to be broken. */
function brokenOf({ findings }: ImageCheck): Digest[] {
  const errors = findings.filter(({ severity }) => severity === "error");
  return [...new Set(errors.flatMap(({ digest }) => digest ?? []))];
}

/** The manifests of a node, the root last; of a docker archive those that a push writes, the usual kind last. */
async function manifestsIn(node: ContentNode): Promise<DocumentNode[]> {
  if (node.kind !== "docker") return walk(node);
  const usual = await knownManifest(node);
  if (!usual) return [];
  const kinds = [await retype(usual, "docker"), await retype(usual, "oci")];
  return [...kinds.filter(({ digest }) => digest !== usual.digest), usual];
}
