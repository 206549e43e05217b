import type { Digest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { type DocumentNode, entriesBelow, type IndexNode } from "../image/content.ts";
import { isReferrersList } from "../image/entry_names.ts";
import {
  childImages,
  listPlatforms,
  platformOptions,
  selectPlatforms,
} from "../image/platforms.ts";
import type { NamedContent } from "../image/index_entries.ts";
import { listTexts } from "../quote_name.ts";
import { formatReference, type Reference, refuseOtherDigest, withTag } from "../reference.ts";
import type { Http } from "../registry/http/call.ts";
import type { ResolvedPullOptions } from "./options.ts";
import { readRemoteContent } from "./remote_content.ts";
import { readReferrers, type ReferrersOptions } from "./remote_referrers.ts";

/** An image to save. */
export interface WantedImage {
  reference: Reference;
  /** What the archive calls it; without, it has the name of the reference. */
  names: readonly string[] | undefined;
}

/** Settings of a pull that can be aborted. */
export type OpenOptions = ResolvedPullOptions & { signal: AbortSignal };

/** An image of a registry, with what goes beside it. */
export interface FoundImage {
  /** `host[:port]/repository:tag`, or `...@digest` where there is no tag. */
  reference: string;
  repository: string;
  node: DocumentNode;
  contents: NamedContent[];
  /** What a person should know. */
  notices: string[];
}

/** The reference of an image as it is shown: with the tag that is meant where there is none. */
export function referenceOf({ reference }: WantedImage): string {
  return formatReference(withTag(reference));
}

/**
 * Reads the manifests of an image, and of what goes along with it; blobs are read when they are asked for.
 *
 * @returns The image; undefined for a tag among all that lists what refers to an image, and is none.
 */
export async function readImage(
  image: WantedImage,
  http: Http,
  options: OpenOptions,
): Promise<FoundImage | undefined> {
  const { emit, signal, hasher, onRetry } = options;
  const { repository, tag, digest = "" } = withTag(image.reference);
  const context = { http, repository };
  const reference = referenceOf(image);
  const reading: ReferrersOptions = {
    signal,
    hasher,
    onRetry,
    warn: (message) => emit({ type: "warning", message }),
    tagsOnly: !options.referrers,
  };
  const content = await readRemoteContent(context, tag ?? digest, reading);
  if (options.allTags && tag !== undefined && isReferrersList(content, tag)) return undefined;
  const hint = "leave out the tag to save what has this digest";
  refuseOtherDigest("save", image.reference, content.digest, hint);
  const { node, notices } = await choosePlatforms(content, reference, options);
  const naming = nameImage(image, tag, node.digest, http);
  notices.push(...naming.notices);
  const contents: NamedContent[] = [{ node, names: naming.names }];
  const along = options.signatures || options.referrers
    ? readReferrers(context, node, reading)
    : [];
  for await (const { node, cosign } of along) {
    contents.push(
      cosign
        ? { node, names: naming.beside(cosign.tag), beside: { cosign } }
        : { node, names: [], beside: {} },
    );
  }
  if (contents.length > 1 && options.format === "oci") {
    notices.push(
      "signatures or the like stand beside the image: skopeo and podman want its tag, " +
        `oci-archive:FILE:${tag ?? "TAG"}, and podman load the docker format`,
    );
  }
  return { reference, repository, node, contents, notices };
}

/** What is saved of an image, and what a person should know about that. */
async function choosePlatforms(
  content: DocumentNode,
  reference: string,
  { platforms }: ResolvedPullOptions,
): Promise<{ node: DocumentNode; notices: string[] }> {
  const { node, notices } = await selectPlatforms(content, platforms, {
    verb: "save",
    done: "saved",
    place: "registry",
    toError: (message) => new OciError(message),
  });
  const notice = node.kind === "index" && await describeAbsent(node, reference);
  if (notice) notices.push(notice);
  return { node, notices };
}

/** What to say of an index that the repository has only in part; undefined where it has all of it. */
async function describeAbsent(index: IndexNode, reference: string): Promise<string | undefined> {
  const absent = entriesBelow(index).filter(({ node, blob }) => !node && !blob);
  if (absent.length === 0) return undefined;
  const images = await childImages(index);
  const there = images.filter(({ entry }) => entry.node);
  const away = images.filter(({ entry }) => !entry.node);
  if (there.length === 0) {
    throw new OciError(
      `Cannot save ${reference}: the registry has none of the images of its index, ${
        listPlatforms(images)
      }`,
    );
  }
  // Where every image is there, it is an attestation or the like that is not.
  const lacks = away.length > 0
    ? listPlatforms(away)
    : listTexts(absent.map(({ descriptor }) => descriptor.digest));
  return `the registry lacks ${lacks} of ${reference}: the archive has the index whole, but of its images only ${
    listPlatforms(there)
  } (${platformOptions(there)} saves those alone)`;
}

interface Naming {
  names: string[];
  /** The names of what stands beside the image under a tag. */
  beside: (tag: string) => string[];
  notices: string[];
}

/** What the archive calls an image: as it was told, else as docker pull would; what has no tag is called after its digest. */
function nameImage(
  { reference: { registry, repository }, names: given }: WantedImage,
  tag: string | undefined,
  digest: Digest,
  { origin }: Http,
): Naming {
  const host = given ? undefined : archiveHost(registry, origin);
  const own = host === undefined ? [] : [`${host}/${repository}`];
  const names = given ??
    own.map((name) => tag === undefined ? `${name}@${digest}` : `${name}:${tag}`);
  const repositories = given?.map((name) => name.replace(/:[^/:]*$/, "")) ?? own;
  const notices: string[] = [];
  if (names.length === 0) {
    notices.push(`docker cannot name ${registry}: the archive leaves the image without a name`);
  } else if (!given && tag === undefined) {
    notices.push(
      `${names[0]} has no tag: ctr and a docker with containerd's image store call it that, ` +
        "docker load without leaves it without a name",
    );
  }
  const beside = (tag: string) => [...new Set(repositories)].map((name) => `${name}:${tag}`);
  return { names: [...names], beside, notices };
}

/**
 * The host of a registry as docker's names have it. One without a dot or a port would be taken for a part of the path: it gets
 * the port that it is spoken to at.
 *
 * @returns The host, or undefined where docker's names cannot hold it.
 */
function archiveHost(registry: string, origin: string): string | undefined {
  if (/[^A-Za-z0-9.:[\]-]/.test(registry)) return undefined;
  if (registry === "localhost" || /[.:]/.test(registry)) return registry;
  return `${registry}:${new URL(origin).protocol === "http:" ? 80 : 443}`;
}
