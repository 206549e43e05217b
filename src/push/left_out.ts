import { runAll } from "../concurrency.ts";
import type { Digest } from "../digest.ts";
import { PushError } from "../errors.ts";
import { blobsOf } from "../image/content.ts";
import { type LeftOut, type LeftOutBlob, mayHave } from "../image/left_out.ts";
import { listTexts } from "../quote_name.ts";
import { formatRepository, type Reference } from "../reference.ts";
import { fitsSize, headBlob, headBlobElsewhere, nameOf } from "../registry/blobs.ts";
import { narrow } from "./choose_content.ts";
import type { PlannedImage, PushTarget } from "./plan.ts";
import { parseRename, renamed } from "./rename.ts";
import { knownBlob, otherHolder, rememberBlob, type RepositoryState } from "./repository_state.ts";
import { hooksFor, type PushSettings } from "./upload_settings.ts";

/** What the blobs of a sparse archive are looked for with. */
export interface LeftOutPush {
  settings: PushSettings;
  /** What is known of the repository that a reference names. */
  repository(reference: Reference): RepositoryState;
}

/** A blob that an archive leaves out, and a repository that needs it. */
interface Needed {
  target: RepositoryState;
  blob: LeftOutBlob;
}

/** Blobs that a message names. */
const MAX_NAMED = 10;

/**
 * Finds the blobs that an archive leaves out: each in the repository that needs it, or in another one of the same registry,
 * from which it is mounted then. Registries that only the archive names are not asked.
 *
 * @param targets What the caller said; repositories are looked for below prefixes, too.
 * @throws {PushError} If one is nowhere, with the list. Nothing has been sent then.
 */
export async function findLeftOut(
  planned: readonly PlannedImage[],
  leftOut: LeftOut,
  targets: readonly PushTarget[],
  push: LeftOutPush,
): Promise<void> {
  const { settings } = push;
  const prefixes = new Set(["", ...targets.flatMap(prefixOf)]);
  const nowhere = new Set<Needed>();
  const needed = await listNeeded(planned, leftOut, push);
  await runAll(needed, settings.concurrency, async (each, signal) => {
    if (!await isThere(each, prefixes, { ...settings, signal })) nowhere.add(each);
  }, settings.signal);
  const missing = needed.filter((each) => nowhere.has(each));
  if (missing.length > 0) throw missingBlobs(missing);
}

function prefixOf(target: PushTarget): string[] {
  return target.kind === "place" ? [target.place.prefix] : [];
}

async function listNeeded(
  planned: readonly PlannedImage[],
  leftOut: LeftOut,
  push: LeftOutPush,
): Promise<Needed[]> {
  const { settings } = push;
  const needed = new Map<string, Needed>();
  for (const { image, reference } of planned) {
    const target = push.repository(reference);
    const { node } = settings.platforms.length > 0
      ? await narrow(image, settings.platforms, settings.words)
      : image;
    for (const { digest, file } of blobsOf(node)) {
      const blob = digest && !file && leftOut.get(digest);
      if (blob) {
        needed.set(`${target.http.origin}/${target.repository} ${digest}`, { target, blob });
      }
    }
  }
  return [...needed.values()];
}

async function isThere(
  { target, blob }: Needed,
  prefixes: ReadonlySet<string>,
  settings: PushSettings,
): Promise<boolean> {
  const { digest, size } = blob;
  const { mountFrom, mountRecorded, rename } = settings;
  const hooks = hooksFor(settings, { digest });
  if (knownBlob(target, digest)) return true;
  if (fitsSize(await headBlob(target, digest, hooks), size)) {
    rememberBlob(target, digest, "exists");
    return true;
  }
  if (otherHolder(target, digest) !== undefined) return true;
  const recorded = mountRecorded
    ? mayHave({ repositories: withRenamed(blob.repositories, rename) }, prefixes)
    : [];
  for (const repository of new Set([...mountFrom, ...recorded])) {
    if (repository === target.repository) continue;
    if (!fitsSize(await headBlobElsewhere({ ...target, repository }, digest, hooks), size)) {
      continue;
    }
    target.registry.holders.set(digest, repository);
    return true;
  }
  return false;
}

/** What was pushed before under other names has those that it was renamed to. */
function withRenamed(repositories: readonly string[], rename: readonly string[]): string[] {
  const renames = rename.map(parseRename);
  const others = repositories.flatMap((text) => {
    try {
      return formatRepository(renamed(text, renames));
    } catch {
      // It is no name that an image could be pushed under, so none was.
      return [];
    }
  });
  return [...others, ...repositories];
}

function missingBlobs(missing: readonly Needed[]): PushError {
  const digests = [...new Set<Digest>(missing.map(({ blob }) => blob.digest))];
  const places = new Set(missing.map(({ target }) => nameOf(target)));
  const what = digests.length === 1 ? "a blob" : `${digests.length} blobs`;
  const archives = new Set(missing.flatMap(({ blob }) => blob.archives));
  const repositories = new Set(missing.flatMap(({ blob }) => blob.repositories));
  const from = [...archives.size > 0 ? archives : repositories].slice(0, MAX_NAMED).join(", ");
  return new PushError(
    `Cannot push to ${
      listTexts([...places], 1)
    }: the archive leaves out ${what} that the registry does not have: ${
      listTexts(digests, MAX_NAMED)
    }`,
    {
      step: "plan",
      origin: "archive",
      digest: digests[0],
      hint: archives.size > 0 ? `push first what has them: ${from}` : `they were in ${from}`,
    },
  );
}
