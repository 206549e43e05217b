import type { Digest } from "../digest.ts";
import { DOCKER_INDEX, DOCKER_MANIFEST } from "../media_types.ts";
import type { Storage } from "../storage.ts";
import { Problem } from "./problem.ts";
import type { ManifestReference } from "./routes.ts";

/** What a registry says of the lengths that it takes, in bytes. */
export interface ChunkLimits {
  /**
   * Least length of every chunk but the last, sent as `OCI-Chunk-Min-Length`.
   * @default {none}
   */
  min?: number;
  /**
   * Most bytes in the body of one request of an upload, sent as `OCI-Chunk-Max-Length`.
   * @default {none}
   */
  max?: number;
}

/** Habits of real registries that are not those of the specification, for tests of what must live with them. */
export interface RegistryQuirks {
  /**
   * The only family of manifests and indexes that is taken: `"oci"` answers Docker's types with 415, as zot does (main
   * of 2026-08) unless it is told to be compatible; `"docker"` answers OCI's with 400, as distribution 2.6 does.
   * @default {both}
   */
  accept?: "oci" | "docker";
  /**
   * Whether a tag, once set, stays: a PUT or DELETE that would touch it is answered with 412, even where it names the
   * same digest, as by Harbor 2 under a rule for immutable tags.
   * @default {false}
   */
  immutableTags?: boolean;
  /**
   * Whether a body without Content-Length is refused: with 411, as Nexus 3 does for manifests and many a web
   * application firewall for all, or with the status given here; serverless-registry on R2 (2026-06) answers 500.
   *
   * A `Request` that never went through a socket has the header only where its maker set it.
   * @default {false}
   */
  requireLength?: boolean | number;
  /**
   * Lengths of chunks to tell of and to insist on: a longer body is answered with 413, a chunk after a short one with
   * 400. serverless-registry (2026-06) names 5 MiB and 100 MB.
   * @default {none}
   */
  chunkLimits?: ChunkLimits;
  /**
   * Whether repositories can be listed. Where not, the catalog is answered with 404 and nothing else, as by olareg
   * (2026-07).
   * @default {true}
   */
  catalog?: boolean;
}

/** Status of a body without a length where no other is asked for (RFC 9110, 15.5.12). */
const LENGTH_REQUIRED = 411;

/** @throws {RangeError} If no registry could behave so. */
export function checkQuirks({ accept, requireLength, chunkLimits = {} }: RegistryQuirks): void {
  if (accept !== undefined && accept !== "oci" && accept !== "docker") {
    const found = JSON.stringify(accept);
    throw new RangeError(`Cannot create registry: accept is ${found}, expected "oci" or "docker"`);
  }
  const { min = 0, max = Infinity } = chunkLimits;
  if (min > max) {
    throw new RangeError(
      `Cannot create registry: chunkLimits.min is ${min}, expected at most chunkLimits.max, ${max}`,
    );
  }
  if (typeof requireLength !== "number" || (requireLength >= 400 && requireLength <= 599)) return;
  throw new RangeError(
    `Cannot create registry: requireLength is ${requireLength}, expected a status from 400 to 599`,
  );
}

/** @throws {Problem} If the registry takes no manifests of this media type. */
export function checkFamily(mediaType: string, { accept }: RegistryQuirks): void {
  if (!accept) return;
  const family = mediaType === DOCKER_MANIFEST || mediaType === DOCKER_INDEX ? "docker" : "oci";
  if (family === accept) return;
  const message = `the registry does not take the media type ${mediaType}`;
  throw new Problem(accept === "oci" ? 415 : 400, { code: "MANIFEST_INVALID", message });
}

/** @throws {Problem} 412 if one of the tags stands and has to stay. */
export async function checkMaySet(
  storage: Storage,
  repository: string,
  tags: readonly string[],
  { immutableTags }: RegistryQuirks,
): Promise<void> {
  if (!immutableTags) return;
  for (const tag of tags) {
    if (await storage.getTag(repository, tag) === undefined) continue;
    const message = `the tag ${tag} of ${repository} is configured as immutable`;
    throw new Problem(412, { code: "PRECONDITION", message });
  }
}

/** @throws {Problem} 412 if a tag that has to stay would go. */
export async function checkMayDelete(
  storage: Storage,
  repository: string,
  reference: ManifestReference,
  quirks: RegistryQuirks,
): Promise<void> {
  if (!quirks.immutableTags || reference.kind === "neither") return;
  const tags = reference.kind === "tag"
    ? [reference.tag]
    : await tagsOf(storage, repository, reference.digest);
  await checkMaySet(storage, repository, tags, quirks);
}

async function tagsOf(storage: Storage, repository: string, digest: Digest): Promise<string[]> {
  const tags: string[] = [];
  for (const tag of await storage.listTags(repository) ?? []) {
    if (await storage.getTag(repository, tag) === digest) tags.push(tag);
  }
  return tags;
}

/** @throws {Problem} If the request has a body of unknown length and the registry wants to know it. */
export function checkLength(request: Request, { requireLength }: RegistryQuirks): void {
  if (!requireLength || request.headers.has("Content-Length")) return;
  // On Deno a request of another method has a body even where nothing was sent.
  if (!request.body || !request.method.startsWith("P")) return;
  const status = requireLength === true ? LENGTH_REQUIRED : requireLength;
  throw new Problem(status, { code: "SIZE_INVALID", message: "the request has no Content-Length" });
}

/** The headers that tell a client of the limits. */
export function chunkHeaders({ chunkLimits = {} }: RegistryQuirks): Record<string, string> {
  const { min, max } = chunkLimits;
  return {
    ...(min === undefined ? {} : { "OCI-Chunk-Min-Length": `${min}` }),
    ...(max === undefined ? {} : { "OCI-Chunk-Max-Length": `${max}` }),
  };
}
