import { type CosignKind, cosignTag } from "../../src/cosign_tags.ts";
import type { Digest } from "../../src/digest.ts";
import { digestBytes } from "../../src/digest.ts";
import { OCI_CONFIG, OCI_MANIFEST } from "../../src/media_types.ts";
import { pushImage } from "../../src/push/push.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { encodeJson, OciLayout, toBlob } from "./archives.ts";

/**
 * Puts a signature, attestation or SBOM of a manifest into a repository, as cosign did up to version 2: a manifest without
 * a subject, under a tag made of the digest.
 *
 * @returns Its tag and digest.
 */
export async function sign(
  registry: FetchHandler,
  repository: string,
  subject: Digest,
  kind: CosignKind = "sig",
): Promise<{ tag: string; digest: Digest }> {
  const layout = new OciLayout();
  const critical = { image: { "docker-manifest-digest": subject }, type: kind };
  const payload = encodeJson({ critical });
  const config = await layout.document({
    architecture: "",
    os: "",
    rootfs: { type: "layers", diff_ids: [await digestBytes(payload)] },
  }, OCI_CONFIG);
  const layers = [
    await layout.blob(payload, "application/vnd.dev.cosign.simplesigning.v1+json"),
  ];
  const json = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers };
  layout.add(await layout.document(json, OCI_MANIFEST));
  const tag = cosignTag(subject, kind) ?? "";
  const { images } = await pushImage(toBlob(layout.entries()), `${repository}:${tag}`, {
    fetch: registry,
  });
  const [image] = images;
  if (!image) throw new Error("nothing was pushed");
  return { tag, digest: image.digest };
}
