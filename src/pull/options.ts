import type { Digest } from "../digest.ts";
import { parsePlatforms } from "../image/platform_text.ts";
import type { ArchiveFormat } from "../image/write_archive.ts";
import { nameFilter } from "../name_pattern.ts";
import { type RequestOptions, resolveRequestOptions } from "../registry/http/request_options.ts";
import type { PullEvent } from "./events.ts";
import { type OtherArchive, parsePlaces } from "./other_places.ts";

/** Options for {@linkcode pullImage}. */
export interface PullOptions extends RequestOptions {
  /** Aborts the pull: the stream fails with the signal's reason. */
  signal?: AbortSignal;
  /** Told what happens; a promise it returns is awaited before the pull goes on. */
  onEvent?: (event: PullEvent) => void | Promise<void>;
  /**
   * Layout of the archive: "docker" is the one of docker save since version 25, an OCI layout with manifest.json beside
   * it; "oci" is the layout alone.
   * @default {"docker"}
   */
  format?: ArchiveFormat;
  /**
   * Whether index.json and manifest.json come before the blobs, so that a pipe shows at once what it brings: a push of such a
   * pipe can go to the archive's own names.
   * @default {false} at the end, so that an archive that was cut off has none
   */
  namesFirst?: boolean;
  /**
   * Platforms to pull, such as `linux/arm64` or `windows/amd64:10.0.20348.1`. One gives that image itself: of several that
   * fit the one that containerd would choose. Several give a new index of all that fit.
   * @default {[]} all that the image has
   */
  platforms?: readonly string[];
  /**
   * Take along what cosign keeps of the image and of the images below it under tags (`sha256-HEX.sig`, `.att`, `.sbom`),
   * and what it keeps of that. The archive is then what `cosign save` writes, and a push of it puts each under its tag again.
   * A registry that refuses to tell of such tags gets a warning, and the image comes alone.
   * @default {false} the archive holds the image and nothing else
   */
  signatures?: boolean;
  /**
   * Take along all that refers to the image and to the images below it, and what refers to that, up to 1000 in all: what names
   * its subject, as the signatures of notation and the bundles of cosign do, and what cosign keeps under tags. A push of the
   * archive puts it beside the image again.
   * @default {false} what `signatures` says
   */
  referrers?: boolean;
}

/** Options for {@linkcode pullImages}. */
export interface PullImagesOptions extends PullOptions {
  /**
   * Pull every tag of the repositories that are named.
   * @default {false}
   */
  allTags?: boolean;
  /**
   * Patterns of the tags that are wanted of all, as shells have them: `v1.*`, `[0-9]*`, `{stable,latest}`; one that starts with
   * `!` leaves tags out. What cosign keeps under tags goes along with its images, whatever it is called.
   * @default {[]} all
   */
  tags?: readonly string[];
  /**
   * Places whose layers are left out: archives, `HOST[:PORT]/REPOSITORY`, or `HOST[:PORT]`, of which the repositories are
   * asked that the images are named after. The archive says what it leaves out and where that is; a push takes it from there.
   * Its names come first, then.
   * @default {[]} the archive has all
   */
  without?: readonly (string | OtherArchive)[];
}

/** {@linkcode PullImagesOptions} with every value checked and filled in. */
export type ResolvedPullOptions = ReturnType<typeof resolvePullOptions>;

/**
 * Checks options once, before anything is asked.
 *
 * @throws {TypeError} If the format or a platform is none, or tags are to be chosen of one image.
 * @throws {SyntaxError} If a pattern or place is none.
 * @throws {RangeError} If a number is out of range.
 */
export function resolvePullOptions(options: PullImagesOptions) {
  const {
    format = "docker",
    namesFirst = false,
    platforms = [],
    signatures = false,
    referrers = false,
    allTags = false,
    tags = [],
    without = [],
    signal,
    onEvent,
  } = options;
  if (tags.length > 0 && !allTags) {
    throw new TypeError("Cannot choose tags of an image: expected the option allTags with tags");
  }
  if (format !== "docker" && format !== "oci") {
    throw new TypeError(`Cannot use format ${JSON.stringify(format)}: expected "docker" or "oci"`);
  }
  const emit = async (event: PullEvent): Promise<void> => await onEvent?.(event);
  return {
    format,
    namesFirst,
    platforms: parsePlatforms(platforms),
    signatures,
    referrers,
    allTags,
    tagFilter: nameFilter(tags),
    without: parsePlaces(without),
    signal,
    emit,
    onRetry: (attempt: number, delay: number, { message: reason }: Error, digest?: Digest) =>
      emit({ type: "retry", attempt, delay, reason, ...digest && { digest } }),
    ...resolveRequestOptions(options),
  };
}
