import { encodeJson } from "../bytes.ts";
import { digestBytes } from "../digest.ts";
import { hasStatus } from "../errors.ts";
import {
  type Descriptor,
  isJsonObject,
  type JsonObject,
  OCI_INDEX,
  readJsonObject,
} from "../media_types.ts";
import { nameOf, type RepositoryContext, type UploadHooks } from "./blobs.ts";
import { getManifest, type ManifestContent } from "./get_manifest.ts";
import { badAnswer } from "./http/answer_body.ts";
import { putManifest } from "./manifests.ts";
import { referrersTag } from "../reference.ts";

/** A manifest that refers to another one. */
export interface Referrer extends ManifestContent {
  subject: Descriptor;
}

/**
 * Lists a manifest under the referrers tag of its subject, for a registry that keeps no list itself: it did not answer the
 * push with `OCI-Subject` (distribution-spec, "Pushing Manifests with Subject"), or has no list for all that.
 *
 * @param referrer The manifest, which has been pushed.
 * @throws {RegistryError} If the tag names something that is no list; with status 200.
 */
export async function keepReferrersTag(
  context: RepositoryContext,
  referrer: Referrer,
  hooks: UploadHooks = {},
): Promise<void> {
  const tag = referrersTag(referrer.subject.digest);
  const index = await readIndex(context, tag, hooks);
  const manifests = index.manifests ?? [];
  if (manifests.some((entry) => isJsonObject(entry) && entry.digest === referrer.digest)) return;
  const json = { ...index, manifests: [...manifests, describe(referrer)] };
  const bytes = encodeJson(json);
  const digest = await digestBytes(bytes);
  await putManifest(context, tag, { digest, mediaType: OCI_INDEX, bytes }, hooks);
}

/** The list as it is. What is no list is not ours to replace: the spec has clients report it and leave it. */
async function readIndex(
  context: RepositoryContext,
  tag: string,
  hooks: UploadHooks,
): Promise<JsonObject & { manifests?: unknown[] | null }> {
  try {
    const { json, mediaType, call, response } = await getManifest(context, tag, {
      ...hooks,
      isFresh: true,
    });
    const { manifests = null } = json;
    if (mediaType === OCI_INDEX && (manifests === null || Array.isArray(manifests))) {
      return { ...json, manifests };
    }
    const found = mediaType === OCI_INDEX ? "an index with no list" : mediaType;
    throw badAnswer(call, response, `${found}, expected an index of referrers`, {
      hint: `remove what stands in its place: tarpush rm ${nameOf(context)}:${tag}`,
    });
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
  }
  return { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] };
}

/** The entry of a referrers list: an image manifest without artifactType goes by the type of its config. */
function describe({ mediaType, digest, bytes }: Referrer): JsonObject {
  const { artifactType, config, annotations } = readJsonObject(bytes) ?? {};
  const type = artifactType || (isJsonObject(config) ? config.mediaType : undefined);
  return {
    mediaType,
    digest,
    size: bytes.length,
    ...(typeof type === "string" && type ? { artifactType: type } : {}),
    ...(isJsonObject(annotations) ? { annotations } : {}),
  };
}
