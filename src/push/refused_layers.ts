import { type RegistryError, restate } from "../errors.ts";
import { blobsOf, type ContentNode } from "../image/content.ts";
import { isForeignLayer } from "../media_types.ts";

/** What distribution says where the URLs of a layer are not let pass, and it lacks the layer besides. */
const CODES = new Set(["UNKNOWN", "MANIFEST_BLOB_UNKNOWN"]);

/**
 * Says what it may mean that a registry refused the manifest of an image with layers that are not to be distributed,
 * such as the base of Windows: distribution as it comes takes none.
 *
 * @returns The error to throw: `error` itself where it is none of that.
 */
export function explainRefusedLayers(error: RegistryError, node: ContentNode): RegistryError {
  const { method, url, errors, hint } = error;
  if (hint !== undefined || method !== "PUT" || !url.includes("/manifests/")) return error;
  if (!errors.some(({ code }) => CODES.has(code))) return error;
  const layer = blobsOf(node).find(({ mediaType }) => isForeignLayer(mediaType));
  if (!layer) return error;
  return restate(error, error.message, {
    hint:
      `its layer ${layer.digest} is not to be distributed but fetched from where its urls lead, which ` +
      "distribution takes where validation.manifests.urls.allow of its configuration has them",
  });
}
