import { type Digest, isDigest } from "./digest.ts";
import { quoteName } from "./quote_name.ts";

/** OCI image manifest (image-spec, manifest.md). */
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
/** OCI image index (image-spec, image-index.md). */
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
/** OCI image config (image-spec, config.md). */
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
/** OCI layer, uncompressed; `+gzip` and `+zstd` follow. */
export const OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";
/** Config of a manifest that is no image (image-spec, manifest.md, "Guidance for an Empty Descriptor"). */
export const OCI_EMPTY = "application/vnd.oci.empty.v1+json";
/** Artifacts of a release candidate of image-spec 1.1, which some tools still write. */
export const OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json";
/** Docker image manifest, version 2, schema 2. */
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
/** Docker manifest list. */
export const DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json";
/** Docker image config. */
export const DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
/** Docker layer, uncompressed; registry:2 takes it, `.gzip` follows for compressed ones. */
export const DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar";

/** Everything that a registry may answer to a manifest request, for the header Accept. */
export const MANIFEST_TYPES: readonly string[] = [
  OCI_INDEX,
  OCI_MANIFEST,
  DOCKER_INDEX,
  DOCKER_MANIFEST,
];

/** The annotation for the tag of an entry of index.json, or another name of one (image-spec, annotations.md). */
export const REF_NAME = "org.opencontainers.image.ref.name";

/** Most bytes of a manifest or index: the spec asks registries to take 4 MiB, registry:2 takes no more. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/** A platform (image-spec, image-index.md). */
export interface Platform {
  /** CPU architecture in Go's terms, such as `amd64`. */
  architecture: string;
  /** Operating system in Go's terms, such as `linux`. */
  os: string;
  /** Variant of the architecture, such as `v8`. */
  variant?: string;
  /** Version of the operating system, used by Windows images. */
  "os.version"?: string;
  /** What the operating system must have, such as `win32k`. */
  "os.features"?: string[];
}

/** A content descriptor (image-spec, descriptor.md). */
export interface Descriptor {
  /** Media type of the content. */
  mediaType: string;
  /** Digest of the content. */
  digest: Digest;
  /** Size of the content in bytes. */
  size: number;
  /** Platform, on the entries of an index. */
  platform?: Platform;
  /** Free text by key. */
  annotations?: Record<string, string>;
  /** Type of an artifact, on the entries of an index. */
  artifactType?: string;
  /** Other places to find the content; never followed here. */
  urls?: string[];
}

/** Whether a media type is one of an index or manifest list. */
export function isIndexType(mediaType: string | undefined): boolean {
  return mediaType === OCI_INDEX || mediaType === DOCKER_INDEX;
}

/** Whether a media type is one of an image manifest. */
export function isManifestType(mediaType: string | undefined): boolean {
  return mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST;
}

/** Whether a descriptor in an index is one of a manifest or index; most tools take one without a type for one. */
export function isDocumentType(mediaType: string): boolean {
  return mediaType === "" || mediaType === OCI_ARTIFACT || isIndexType(mediaType) ||
    isManifestType(mediaType);
}

/**
 * A media type that names a manifest or index, without parameters and in lower case; any other as it is. crane (0.22.1) writes
 * into a layout what the header of a registry says, `; charset=utf-8` and all.
 */
export function plainDocumentType(mediaType: string): string {
  const plain = mediaType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return MANIFEST_TYPES.includes(plain) ? plain : mediaType;
}

/** Whether a type is one of an image's config: a manifest with any other is that of an artifact. */
export function isConfigType(mediaType: string | undefined): boolean {
  return mediaType === OCI_CONFIG || mediaType === DOCKER_CONFIG;
}

/** Whether a layer of this type may be absent by right (image-spec, layer.md, "Non-Distributable Layers"). */
export function isForeignLayer(mediaType: string): boolean {
  return mediaType.includes("nondistributable") || mediaType.includes("rootfs.foreign");
}

/** Formats a platform as `os/architecture[/variant][:[os.version][+os.feature...]]`. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant, "os.version": version = "" } = platform;
  const features = (platform["os.features"] ?? []).map((feature) => `+${feature}`);
  const system = [version, ...features].join("");
  const machine = variant ? `${os}/${architecture}/${variant}` : `${os}/${architecture}`;
  return system ? `${machine}:${system}` : machine;
}

/** Whether a platform is a Windows of any version: its images run on some. */
export function lacksVersion(platform: Platform | undefined): boolean {
  return platform?.os === "windows" && platform["os.version"] === undefined;
}

/** Whether a descriptor in an index is one of an attestation or the like: it goes with an image, it is none itself. */
export function isAttestation({ annotations, platform }: Descriptor): boolean {
  return annotations?.["vnd.docker.reference.type"] !== undefined ||
    (platform?.os === "unknown" && platform.architecture === "unknown");
}

/** A JSON object of unknown content. */
export type JsonObject = Record<string, unknown>;

/** Whether a JSON value is an object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a member of a document is not there: programs in Go, which registries are, read a null like none. */
export function isAbsent(member: unknown): member is undefined | null {
  return member === undefined || member === null;
}

/** A document that reads as an index and as an image manifest means two things to two clients (CVE-2021-41190). */
const FOREIGN_MEMBERS = {
  index: ["config", "layers", "fsLayers"],
  manifest: ["manifests", "fsLayers"],
};

/** The member of a document that one of its media type must not have; undefined where there is none. */
export function foreignMember(json: JsonObject, mediaType: string): string | undefined {
  const members = FOREIGN_MEMBERS[isIndexType(mediaType) ? "index" : "manifest"];
  return members.find((member) => !isAbsent(json[member]));
}

/** The JSON object that bytes are; undefined where they are something else. */
export function readJsonObject(bytes: Uint8Array): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Checks one descriptor.
 *
 * @returns The descriptor, with unknown members left out.
 * @throws {SyntaxError} If a required member is missing or of the wrong type.
 */
export function parseDescriptor(value: unknown): Descriptor {
  if (!isJsonObject(value)) throw new SyntaxError("descriptor is not a JSON object");
  const { mediaType, digest, size } = value;
  if (!isDigest(digest)) {
    throw new SyntaxError(`descriptor has digest ${describe(digest)}, expected "sha256:<hex>"`);
  }
  if (!Number.isSafeInteger(size) || (size as number) < 0) {
    throw new SyntaxError(`descriptor ${digest} has size ${describe(size)}, expected a byte count`);
  }
  const descriptor: Descriptor = {
    mediaType: typeof mediaType === "string" ? plainDocumentType(mediaType) : "",
    digest,
    size: size as number,
  };
  const platform = parsePlatform(value.platform);
  if (platform) descriptor.platform = platform;
  if (isJsonObject(value.annotations)) descriptor.annotations = toStrings(value.annotations);
  if (typeof value.artifactType === "string") descriptor.artifactType = value.artifactType;
  if (Array.isArray(value.urls)) {
    descriptor.urls = value.urls.filter((url) => typeof url === "string");
  }
  return descriptor;
}

/** What may stand in a platform: Go's names and variants of them; platforms are shown to people. */
const PLATFORM_PART = /^[\w.+-]{1,64}$/;

/** The same for its os.version and os.features; a plus sign parts these where they are shown. */
const SYSTEM_PART = /^[\w.-]{1,64}$/;

/** Most os.features of a platform that are read: Windows knows one, and they are shown to people. */
const MAX_FEATURES = 16;

/** Reads a platform, of an index entry or of a config; undefined where it names none. */
export function parsePlatform(value: unknown): Platform | undefined {
  if (!isJsonObject(value)) return undefined;
  const { architecture, os, variant } = value;
  if (!isPlatformPart(architecture) || !isPlatformPart(os)) return undefined;
  const platform: Platform = { architecture, os };
  if (isPlatformPart(variant)) platform.variant = variant;
  const { "os.version": version, "os.features": features } = value;
  if (isSystemPart(version)) platform["os.version"] = version;
  const known = Array.isArray(features) ? features.filter(isSystemPart) : [];
  if (known.length > 0) platform["os.features"] = known.slice(0, MAX_FEATURES);
  return platform;
}

function isSystemPart(value: unknown): value is string {
  return typeof value === "string" && SYSTEM_PART.test(value);
}

function isPlatformPart(value: unknown): value is string {
  return typeof value === "string" && PLATFORM_PART.test(value);
}

function toStrings(value: JsonObject): Record<string, string> {
  return Object.fromEntries(
    Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === "string"),
  );
}

function describe(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "string") return quoteName(value.slice(0, 80));
  return typeof value === "object" && value !== null ? "of a wrong type" : `${value}`;
}
