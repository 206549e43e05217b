import { requireCount } from "../concurrency.ts";
import type { Digest } from "../digest.ts";
import type { Finding } from "../image/check/findings.ts";
import {
  formatReference,
  parseReference,
  registryOrigin,
  requireRepository,
  withTag,
} from "../reference.ts";
import {
  httpFor,
  type RequestOptions,
  resolveRequestOptions,
} from "../registry/http/request_options.ts";
import { RemoteCheck } from "./remote_check.ts";

/** Options for {@linkcode checkImage}. */
export interface CheckImageOptions extends RequestOptions {
  /** Aborts the check. */
  signal?: AbortSignal;
  /**
   * Ask only whether configs and layers are there and how long they are, and read none of them. Manifests are read and hashed in
   * any case.
   * @default {false}
   */
  quick?: boolean;
  /**
   * Check every tag of the repository; the reference has neither tag nor digest then. What they share is read once.
   * @default {false}
   */
  allTags?: boolean;
  /**
   * Upper bound of requests in flight.
   * @default {4}
   */
  concurrency?: number;
  /** Told from time to time how many bytes have been read, and how many there are as far as that is known. */
  onProgress?: (progress: { bytes: number; total?: number }) => void;
}

/** What a check of an image in a registry found. */
export interface ImageCheck {
  /** Whether nothing is wrong: there is no finding of severity `error`. */
  ok: boolean;
  /** `host[:port]/repository:tag`, or `...@digest` where there is no tag; neither of all tags. */
  reference: string;
  /** Digest of the manifest or index that stands there, where that is known; absent for all tags. */
  digest?: Digest;
  /** Manifests and indexes that were read, those of what refers to the image included. */
  manifests: number;
  /** Different configs and layers. */
  blobs: number;
  /** Their sizes together, as the manifests have them. */
  bytes: number;
  /** Everything found: errors first, then warnings, then notes; at most 1000 of each and one that counts the rest. */
  findings: Finding[];
}

/** Attempts unless the caller says otherwise: what is broken is asked for once more than what is not. */
const ATTEMPTS = 3;

/**
 * Reads all that stands below a reference and tells everything that is wrong with it: manifests and indexes with all of their
 * children, configs, layers, and what refers to any of them (signatures, attestations, SBOMs, also those that cosign keeps under
 * tags). All of it is hashed and compared with the digests and sizes that it goes under. What is broken is an answer, not an
 * exception.
 *
 * Blobs are streamed, whatever their size; nothing is held but manifests.
 *
 * @example Whether a registry still has an image as it was pushed
 * ```ts
 * import { checkImage } from "@tarpush/tarpush";
 * import { createRegistry } from "@tarpush/tarpush/registry";
 *
 * const { ok, findings } = await checkImage("localhost:5000/team/app:1.0", { fetch: createRegistry() });
 * if (ok || findings[0]?.code !== "missing-manifest") throw new Error("unreachable");
 * ```
 *
 * @param reference `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`; no tag and no digest means `latest`.
 * @param options Settings; see {@linkcode CheckImageOptions}.
 * @returns What was found.
 * @throws {SyntaxError} If the reference does not parse.
 * @throws {TypeError} If all tags are to be checked of a reference that names one image.
 * @throws {RangeError} If a number is out of range.
 * @throws {NetworkError} If the registry does not answer.
 * @throws {RegistryError} If it refuses to be read.
 */
export async function checkImage(
  reference: string,
  options: CheckImageOptions = {},
): Promise<ImageCheck> {
  const { signal, quick = false, allTags = false, concurrency = 4, onProgress, retry } = options;
  requireCount("concurrency", concurrency);
  const image = parseReference(reference);
  if (allTags) {
    requireRepository(image, `check all tags of ${reference}`, "HOST[:PORT]/REPOSITORY");
  }
  const resolved = resolveRequestOptions({ ...options, retry: { attempts: ATTEMPTS, ...retry } });
  const origin = registryOrigin(image, resolved.plainHttp);
  const context = { http: httpFor(origin, resolved), repository: image.repository };
  const { hasher } = resolved;
  const check = new RemoteCheck(context, { signal, quick, concurrency, hasher, onProgress });
  const checked = allTags ? image : withTag(image);
  const digest = allTags
    ? await check.runAllTags()
    : await check.run(checked.tag ?? checked.digest ?? "", checked.digest);
  const { findings, manifests, blobs, bytes } = check;
  return {
    ok: !findings.failed,
    reference: formatReference(checked),
    ...(digest && { digest }),
    manifests,
    blobs,
    bytes,
    findings: findings.list(),
  };
}
