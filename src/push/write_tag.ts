import { type Digest, isDigest } from "../digest.ts";
import { PushError, RegistryError, restate } from "../errors.ts";
import type { DocumentNode } from "../image/content.ts";
import { kindOfType, retype } from "../image/retype.ts";
import { formatReference } from "../reference.ts";
import { getManifest } from "../registry/get_manifest.ts";
import { headManifest } from "../registry/manifests.ts";
import type { RootChoice } from "./manifest_kind.ts";
import { placeBelow, placeManifest, writeManifest } from "./place_manifest.ts";
import { answerOf, cameCut, lacksPart, refusesType } from "./refusals.ts";
import type { RepositoryState } from "./repository_state.ts";
import { hasDigest, type Tagged } from "./place_root.ts";
import { hooksFor, type PushSettings, type PushWords, warn } from "./upload_settings.ts";

/**
 * Asks what a tag names, where it matters: where the caller does not want it to be overwritten.
 *
 * @returns The digest of what it names instead of one of `roots`; undefined where there is nothing else.
 */
export async function findOther(
  target: RepositoryState,
  { tag }: Tagged,
  roots: readonly DocumentNode[],
  settings: PushSettings,
): Promise<Digest | undefined> {
  if (settings.onExisting === "overwrite") return undefined;
  const found = await readTag(target, tag, settings);
  if (!found) return undefined;
  for (const root of roots) if (await hasDigest(root, found)) return undefined;
  return found;
}

/**
 * Leaves a tag as it is, with a notice.
 *
 * @throws {PushError} If the caller wants that to be an error.
 */
export async function leaveTag(
  reference: Tagged,
  found: Digest,
  { digest }: DocumentNode,
  settings: PushSettings,
): Promise<void> {
  const { onExisting, words } = settings;
  const name = formatReference(reference);
  const stands = describeStanding(found, digest, words);
  if (onExisting === "error") {
    const hint = "--on-existing overwrite replaces it, --on-existing skip leaves it as it is";
    const message = `Cannot ${words.verb} ${name}: ${stands}`;
    throw new PushError(message, { step: "tag", origin: "registry", digest, hint });
  }
  await warn(settings, `${name} is left as it is: ${stands}`);
}

/**
 * Writes the tag of an image; all that stands below it is there. Where the registry has the manifest from earlier and does
 * not take its kind any more, the tag gets the other.
 *
 * @returns What was written; `isWritten` is false where the tag was to be left as it is.
 */
export async function tagRoot(
  target: RepositoryState,
  root: DocumentNode,
  { kinds }: RootChoice,
  reference: Tagged,
  settings: PushSettings,
): Promise<{ root: DocumentNode; isWritten: boolean }> {
  await placeBelow(target, root, settings);
  await placeManifest(target, root, settings);
  try {
    return { root, isWritten: await writeTag(target, reference, root, settings) };
  } catch (error) {
    const otherKind = kinds.find((kind) => kind !== kindOfType(root.mediaType));
    if (!otherKind || refusesType(error) !== "surely" || !(error instanceof RegistryError)) {
      throw error;
    }
    const other = await retype(root, otherKind);
    const { placeOther } = await import("./refused_type.ts");
    await placeOther(target, root, other, error, settings);
    return { root: other, isWritten: await writeTag(target, reference, other, settings) };
  }
}

/**
 * Writes a tag. A registry that refuses is asked what the tag names: where that is what was to be written, all is well.
 *
 * @param target The repository; it has all that the manifest names.
 * @returns Whether it names the manifest now; false where it was to be left as it is.
 * @throws {RegistryError} If the registry refuses; where the tag stands, the message says what it names.
 */
export async function writeTag(
  target: RepositoryState,
  reference: Tagged,
  root: DocumentNode,
  settings: PushSettings,
): Promise<boolean> {
  // Long uploads go before this: somebody else may have been here.
  const other = await findOther(target, reference, [root], settings);
  if (other) {
    await leaveTag(reference, other, root, settings);
    return false;
  }
  try {
    await writeManifest(target, root, reference.tag, settings);
    // The next archive of the call cannot ask the registry for it.
    if (settings.dryRun) target.tags.set(reference.tag, root.digest);
  } catch (error) {
    if (!isAboutTag(error)) throw error;
    const found = await readTag(target, reference.tag, settings).catch(() => undefined);
    if (!found) throw error;
    if (!await hasDigest(root, found)) {
      throw explainStanding(error, found, reference, root, settings);
    }
  }
  return true;
}

/** Whether a refusal may be for what the tag names: the manifest itself was taken before. */
function isAboutTag(error: unknown): error is RegistryError {
  if (!(error instanceof RegistryError) || lacksPart(error) || cameCut(error) || error.retryable) {
    return false;
  }
  const { status } = error;
  return status >= 400 && status < 500 && status !== 401 && refusesType(error) !== "surely";
}

function explainStanding(
  refusal: RegistryError,
  found: Digest,
  reference: Tagged,
  { digest }: DocumentNode,
  { words }: PushSettings,
): RegistryError {
  const message = `Cannot ${words.verb} ${formatReference(reference)}: ${
    describeStanding(found, digest, words)
  }, which the registry refuses: ${answerOf(refusal)}`;
  const hint =
    `${words.verb} it under another tag; with --on-existing skip a tag that stands is left`;
  return restate(refusal, message, { hint });
}

function describeStanding(found: Digest, digest: Digest, { place }: PushWords): string {
  return `it stands and names ${found}, the ${place} would put ${digest} there`;
}

/** The digest of what a tag names; undefined where there is none. */
async function readTag(
  target: RepositoryState,
  tag: string,
  settings: PushSettings,
): Promise<Digest | undefined> {
  const hooks = hooksFor(settings);
  const found = await headManifest(target, tag, hooks);
  if (!found) return undefined;
  // Older registries do not say it.
  return isDigest(found.digest)
    ? found.digest
    : (await getManifest(target, tag, { ...hooks, isFresh: true })).digest;
}
