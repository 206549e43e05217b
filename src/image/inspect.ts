import type { Digest } from "../digest.ts";

/** A layer, or a blob of an artifact, as `inspect` shows it. */
export interface LayerSummary {
  /** Absent where only hashing the content would tell. */
  digest?: Digest;
  size: number;
  mediaType: string;
  /** Path in the archive, absent where the archive lacks it. */
  path?: string;
}

/** One image, index or artifact of an archive. */
export interface ImageSummary {
  /** `#1`, `#2`, ... : what the option `images` accepts. */
  id: string;
  kind: "image" | "index" | "artifact";
  /** Full original names, such as `held/basic:1`. */
  names: string[];
  /** Bare original tags, such as `v1`. */
  tags: string[];
  /** Digest that a push gives it; absent where only hashing the layers would tell. */
  digest?: Digest;
  mediaType: string;
  /** Config digest of an image. */
  config?: Digest;
  /** `linux/amd64`; of an index, all of its platforms; an artifact has none. */
  platforms: string[];
  /** RFC 3339, from the config. */
  created?: string;
  /** Layers of an image in order; of an index, the different blobs of all its children. */
  layers: LayerSummary[];
  /** Sum of the sizes of config and layers, each blob once. */
  size: number;
}

/** What `inspect` tells of an archive. */
export interface ArchiveSummary {
  /** Who may have written it: `docker` (manifest.json), `oci` (index.json), or `docker+oci` (both). */
  dialect: "docker" | "oci" | "docker+oci";
  images: ImageSummary[];
}
