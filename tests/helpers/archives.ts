import { type Digest, type DigestAlgorithm, digestBytes, digestHex } from "../../src/digest.ts";
import {
  OCI_CONFIG,
  OCI_EMPTY,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
} from "../../src/media_types.ts";
import { join, type TarWriterEntry, writeTar } from "./tar_writer.ts";

/** Bytes as `fetch`, `Blob` and Web Crypto take them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** A layer, as it is in an archive and as it is when inflated. */
export interface MadeLayer {
  tar: Bytes;
  diffId: Digest;
  bytes: Bytes;
  digest: Digest;
  compression: "gzip" | "zstd" | undefined;
}

/** A config and its layers. */
export interface MadeImage {
  config: Bytes;
  configDigest: Digest;
  layers: MadeLayer[];
}

/** A descriptor as an archive carries it. */
export interface MadeDescriptor {
  mediaType?: string;
  digest: Digest;
  size: number;
  annotations?: Record<string, string>;
  platform?: Record<string, string | string[]>;
  artifactType?: string;
}

/** Makes a layer with one file, or of the given tar. */
export async function makeLayer(
  content: string | Bytes,
  compression?: "gzip" | "zstd",
): Promise<MadeLayer> {
  const tar = typeof content === "string"
    ? writeTar([{ path: `${content}.txt`, body: content }])
    : content;
  const bytes = compression === "gzip"
    ? await gzip(tar)
    : compression === "zstd"
    ? storeAsZstd(tar)
    : tar;
  const [diffId, digest] = [await digestBytes(tar), await digestBytes(bytes)];
  return { tar, diffId, bytes, digest, compression };
}

/** Makes an image of layers, or of the texts of one-file layers. */
export async function makeImage(
  contents: readonly (MadeLayer | string)[],
  { platform = "linux/amd64", config = {} }: {
    platform?: string;
    config?: Record<string, unknown>;
  } = {},
): Promise<MadeImage> {
  const layers = await Promise.all(
    contents.map((layer) => typeof layer === "string" ? makeLayer(layer) : layer),
  );
  const [os, architecture, variant] = platform.split("/");
  const bytes = encodeJson({
    architecture,
    os,
    ...(variant ? { variant } : {}),
    config: {},
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    ...config,
  });
  return { config: bytes, configDigest: await digestBytes(bytes), layers };
}

export interface DockerSaveImage {
  image: MadeImage;
  /** RepoTags as they are written; undefined leaves the member out. */
  repoTags?: readonly string[] | null | undefined;
}

/** How {@linkcode dockerSave} lays an archive out. */
export interface DockerSaveOptions {
  /** Name of a config. Default: `HEX.json`. */
  configPath?: (image: MadeImage) => string;
  /** Name of a layer. Default: `FOLDER/layer.tar`, with a folder that is no digest of the content. */
  layerPath?: (layer: MadeLayer, index: number) => string;
  /**
   * What stands for a layer that an earlier image or layer has brought: a link from the later name to the earlier one, a
   * link that comes first and points ahead, the same name again, or the whole content. Default: `symlink`.
   */
  repeated?: "symlink" | "hardlink" | "forward-symlink" | "forward-hardlink" | "same" | "copy";
}

/** The entries of a legacy `docker save`: per layer a folder with VERSION, json and layer.tar, manifest.json last. */
export function dockerSave(
  images: readonly DockerSaveImage[],
  options: DockerSaveOptions = {},
): TarWriterEntry[] {
  const {
    configPath = ({ configDigest }) => `${digestHex(configDigest)}.json`,
    layerPath = ({ digest }, index) =>
      `${index.toString(16).padStart(2, "0")}${digestHex(digest).slice(2)}/layer.tar`,
    repeated = "symlink",
  } = options;
  const entries: TarWriterEntry[] = [];
  const written = new Map<Digest, string>();
  const list = images.map(({ image, repoTags }, at) => {
    const paths = image.layers.map((layer, index) => {
      const path = layerPath(layer, at * 16 + index);
      const first = written.get(layer.digest);
      if (first === undefined || (repeated === "copy" && first !== path)) {
        written.set(layer.digest, path);
        entries.push(...folderOf(path), { path, body: layer.bytes });
        return path;
      }
      if (repeated === "same" || first === path) return first;
      const forward = repeated.startsWith("forward-");
      const [from, to] = forward ? [first, path] : [path, first];
      const link = repeated.endsWith("symlink")
        ? { path: from, linkname: `${"../".repeat(from.split("/").length - 1)}${to}`, mode: 0 }
        : { path: from, linkname: to, type: "link" };
      if (forward) {
        const place = entries.findIndex((entry) => entry.path === first);
        entries.splice(place, 1, link);
        entries.push(...folderOf(path), { path, body: layer.bytes });
        written.set(layer.digest, path);
      } else entries.push(...folderOf(path), link);
      return path;
    });
    const config = configPath(image);
    if (!entries.some(({ path }) => path === config)) {
      entries.push({ path: config, body: image.config });
    }
    return {
      Config: config,
      ...(repoTags === undefined ? {} : { RepoTags: repoTags }),
      Layers: image.layers.length > 0 ? paths : null,
    };
  });
  return [...entries, { path: "manifest.json", body: JSON.stringify(list) }];
}

function folderOf(path: string): TarWriterEntry[] {
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  if (!folder) return [];
  return [
    { path: folder, type: "directory" },
    { path: `${folder}VERSION`, body: "1.0" },
    { path: `${folder}json`, body: `{"id":"${folder.slice(0, -1)}"}` },
  ];
}

/** Collects an OCI layout: blobs, manifests, indexes and the entries of index.json. */
export class OciLayout {
  readonly blobs = new Map<string, Bytes>();
  /** The entries of index.json, in order. */
  readonly index: MadeDescriptor[] = [];

  /** A layout of one image. */
  static async of(
    image: MadeImage,
    names: { ref?: string; name?: string } = { ref: "1" },
  ): Promise<OciLayout> {
    const layout = new OciLayout();
    layout.add(await layout.image(image), names);
    return layout;
  }

  /** Adds a blob; the descriptor has the given type. */
  async blob(
    bytes: Bytes,
    mediaType: string,
    algorithm: DigestAlgorithm = "sha256",
  ): Promise<MadeDescriptor> {
    const digest = await digestBytes(bytes, algorithm);
    this.blobs.set(pathOf({ digest }), bytes);
    return { mediaType, digest, size: bytes.length };
  }

  /** Adds a JSON document. `mediaType` is that of the descriptor; what the document says is up to `json`. */
  document(
    json: unknown,
    mediaType: string,
    algorithm?: DigestAlgorithm,
  ): Promise<MadeDescriptor> {
    return this.blob(encodeJson(json), mediaType, algorithm);
  }

  /** Adds config, layers and manifest of an image; `members` overrides those of the manifest. */
  async image(
    image: MadeImage,
    members: Record<string, unknown> = {},
    algorithm?: DigestAlgorithm,
  ): Promise<MadeDescriptor> {
    const config = await this.blob(image.config, OCI_CONFIG, algorithm);
    const layers: MadeDescriptor[] = [];
    for (const { bytes, compression } of image.layers) {
      const mediaType = compression ? `${OCI_LAYER}+${compression}` : OCI_LAYER;
      layers.push(await this.blob(bytes, mediaType, algorithm));
    }
    const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers, ...members };
    return await this.document(manifest, OCI_MANIFEST, algorithm);
  }

  /** Adds an artifact with an empty config and one blob. */
  async artifact(
    text: string,
    artifactType: string,
    members: Record<string, unknown> = {},
  ): Promise<MadeDescriptor> {
    const config = await this.blob(encode("{}"), OCI_EMPTY);
    const layers = [await this.blob(encode(text), "text/plain")];
    const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, artifactType, config, layers };
    return { ...await this.document({ ...manifest, ...members }, OCI_MANIFEST), artifactType };
  }

  /** Adds an index of descriptors. */
  indexOf(
    manifests: readonly MadeDescriptor[] | null,
    members: Record<string, unknown> = {},
  ): Promise<MadeDescriptor> {
    return this.document(
      { schemaVersion: 2, mediaType: OCI_INDEX, manifests, ...members },
      OCI_INDEX,
    );
  }

  /** A BuildKit attestation of an image: a manifest of unknown platform that names the image in an annotation. */
  async attestation(about: MadeDescriptor): Promise<MadeDescriptor> {
    const layer = await this.blob(encode(`{"about":"${about.digest}"}`), "application/json");
    const config = await this.blob(encode("{}"), OCI_EMPTY);
    const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] };
    return {
      ...await this.document(manifest, OCI_MANIFEST),
      platform: { os: "unknown", architecture: "unknown" },
      annotations: {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": about.digest,
      },
    };
  }

  /** Adds an entry to index.json; the names are annotations as OCI tools and containerd write them. */
  add(descriptor: MadeDescriptor, { ref, name }: { ref?: string; name?: string } = {}): void {
    const annotations = {
      ...descriptor.annotations,
      ...(name === undefined ? {} : { "io.containerd.image.name": name }),
      ...(ref === undefined ? {} : { "org.opencontainers.image.ref.name": ref }),
    };
    const named = Object.keys(annotations).length > 0;
    this.index.push(named ? { ...descriptor, annotations } : descriptor);
  }

  /** Takes a blob out again, as a tool does that saves only some platforms. */
  remove(descriptor: { digest: Digest }): void {
    if (!this.blobs.delete(pathOf(descriptor))) throw new Error(`no blob ${descriptor.digest}`);
  }

  /** The entries of the tar: blobs sorted by name, then index.json and oci-layout; with manifest.json for `docker`. */
  entries(docker?: readonly DockerSaveImage[]): TarWriterEntry[] {
    const sorted = [...this.blobs].sort(([a], [b]) => a < b ? -1 : 1);
    const entries: TarWriterEntry[] = [
      { path: "blobs/", type: "directory" },
      { path: "blobs/sha256/", type: "directory" },
      ...sorted.map(([path, body]) => ({ path, body })),
      {
        path: "index.json",
        body: encodeJson({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: this.index }),
      },
      { path: "oci-layout", body: '{"imageLayoutVersion":"1.0.0"}' },
    ];
    if (docker) entries.splice(-1, 0, { path: "manifest.json", body: hybridManifest(docker) });
    return entries;
  }
}

/** The tar of a layout of one image. */
export async function layoutTar(image: MadeImage, ref = "1"): Promise<Blob> {
  return toBlob((await OciLayout.of(image, { ref })).entries());
}

/**
 * A layout of an index with an image for each platform.
 *
 * @param layersOf The layers of one, in order.
 * @returns The layout, and what the index names: images, each with its attestation behind it where they are attested.
 */
export async function platformLayout(
  layersOf: (platform: string) => Promisable<readonly (MadeLayer | string)[]>,
  { platforms = ["linux/amd64", "linux/arm64"], attested = false } = {},
): Promise<{ layout: OciLayout; children: MadeDescriptor[] }> {
  const layout = new OciLayout();
  const children: MadeDescriptor[] = [];
  for (const platform of platforms) {
    const child = await layout.image(await makeImage(await layersOf(platform), { platform }));
    children.push(withPlatform(child, platform));
    if (attested) children.push(await layout.attestation(child));
  }
  layout.add(await layout.indexOf(children), { ref: "1" });
  return { layout, children };
}

type Promisable<T> = T | Promise<T>;

/** Makes links of the blobs of a layout, as the tar of a folder has it where each is a hard link to an earlier file. */
export function linkBlobs(
  entries: readonly TarWriterEntry[],
  type: "link" | "symlink" = "link",
): TarWriterEntry[] {
  return entries.flatMap((entry, at): TarWriterEntry[] => {
    if (!entry.path.startsWith("blobs/") || entry.body === undefined) return [entry];
    const linkname = `${type === "symlink" ? "../../" : ""}same/${at}`;
    return [{ ...entry, path: `same/${at}` }, { path: entry.path, type, linkname }];
  });
}

/** manifest.json as docker writes it beside an OCI layout: configs and layers are its blobs. */
export function hybridManifest(images: readonly DockerSaveImage[]): Bytes {
  return encodeJson(images.map(({ image, repoTags = null }) => ({
    Config: pathOf({ digest: image.configDigest }),
    RepoTags: repoTags,
    Layers: image.layers.map(pathOf),
  })));
}

/** The path of a blob in a layout. */
export function pathOf({ digest }: { digest: Digest }): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/** A platform as an index entry has it. */
export function withPlatform(descriptor: MadeDescriptor, text: string): MadeDescriptor {
  const [os = "", architecture = "", variant] = text.split("/");
  return {
    ...descriptor,
    platform: { architecture, os, ...(variant ? { variant } : {}) },
  };
}

/** A tar of entries, as a file; names that ustar cannot hold, such as those of sha512 blobs, as GNU tar writes them. */
export function toBlob(entries: readonly TarWriterEntry[]): Blob {
  return new Blob([
    writeTar(entries.map((entry) => entry.path.length > 100 ? { format: "gnu", ...entry } : entry)),
  ]);
}

/** Replaces the content of one entry. */
export function replaceBody(
  entries: readonly TarWriterEntry[],
  path: string,
  body: Bytes | string,
): TarWriterEntry[] {
  if (!entries.some((entry) => entry.path === path)) throw new Error(`no entry ${path}`);
  return entries.map((entry) => entry.path === path ? { ...entry, body } : entry);
}

/** The same bytes with one bit turned. */
export function flipByte(bytes: Uint8Array, at: number): Bytes {
  const copy = new Uint8Array(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** Random bytes: nothing on the way can make them smaller. */
export function randomBytes(size: number): Bytes {
  const bytes = new Uint8Array(size);
  // No more of them at once than there may be.
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

/** Bytes that look random and are the same for the same seed (xorshift32). */
export function seededBytes(seed: number, length: number): Bytes {
  let state = seed | 1;
  return new Uint8Array(length).map(() => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  });
}

/** Content that becomes about half as long when it is compressed. */
export function halfNoise(size: number): Bytes {
  const bytes = randomBytes(size);
  for (let at = 0; at < size; at += 64) bytes.fill(at >> 16, at, at + 32);
  return bytes;
}

export function encode(text: string): Bytes {
  return new TextEncoder().encode(text);
}

export function encodeJson(value: unknown): Bytes {
  return encode(JSON.stringify(value));
}

/** Compresses with gzip. */
export async function gzip(bytes: Bytes): Promise<Bytes> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return await new Response(stream).bytes();
}

/** A zstd frame that stores its content (RFC 8878, "Raw_Block"): valid, and needs no encoder. */
export function storeAsZstd(content: Bytes): Bytes {
  const MAX_BLOCK = 128 * 1024;
  const header = new Uint8Array(9);
  const view = new DataView(header.buffer);
  view.setUint32(0, 0xfd2fb528, true);
  // Single segment, content size in four bytes.
  view.setUint8(4, 0b1010_0000);
  view.setUint32(5, content.length, true);
  const pieces: Uint8Array[] = [header];
  for (let at = 0; at === 0 || at < content.length; at += MAX_BLOCK) {
    const block = content.slice(at, at + MAX_BLOCK);
    const last = at + MAX_BLOCK >= content.length ? 1 : 0;
    const word = (block.length << 3) | last;
    pieces.push(new Uint8Array([word & 0xff, (word >> 8) & 0xff, (word >> 16) & 0xff]), block);
  }
  return join(pieces);
}
