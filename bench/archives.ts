import { createSHA256 } from "hash-wasm";
import { digestBytes } from "../src/digest.ts";
import { encode } from "../tests/helpers/archives.ts";
import { header, pad } from "../tests/helpers/tar_writer.ts";

export interface ImageShape {
  /** File name in the cache, and repository. */
  name: string;
  layers: number;
  /** Bytes of each layer, a multiple of 512. */
  layerBytes: number;
}

export interface BlobFile {
  path: string;
  digest: string;
  size: number;
}

/** An image as a `docker save` archive, and the same image taken apart for clients that know nothing of archives. */
export interface PreparedImage {
  shape: ImageShape;
  tar: string;
  tarBytes: number;
  /** Layers in order, then the config. */
  blobs: BlobFile[];
  manifest: BlobFile;
}

export const MIB = 1024 * 1024;

/** Where archives are kept between runs. */
export const CACHE = new URL("../.bench/", import.meta.url);
const BLOCK_BYTES = 512;
const MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPE = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar";

/** Makes an image, or takes it from the cache. */
export async function prepareImage(shape: ImageShape): Promise<PreparedImage> {
  const folder = new URL(`${shape.name}/`, CACHE);
  const description = new URL("image.json", folder);
  const known = await Deno.readTextFile(description).catch(() => undefined);
  if (known !== undefined) {
    const image: PreparedImage = JSON.parse(known); // Written by the lines below.
    if (JSON.stringify(image.shape) === JSON.stringify(shape)) return image;
    await Deno.remove(folder, { recursive: true });
  }
  await Deno.mkdir(folder, { recursive: true });
  const image = await writeImage(shape, decodeURIComponent(folder.pathname));
  await Deno.writeTextFile(description, JSON.stringify(image));
  return image;
}

/** The same image as an OCI archive with the same plain layers, made on first use. */
export async function prepareLayout(
  { tar, shape, blobs, manifest }: PreparedImage,
): Promise<string> {
  const path = tar.replace(/image\.tar$/, "plain_layout.tar");
  if (await Deno.stat(path).catch(() => undefined)) return path;
  await Deno.writeFile(
    `${path}.partial`,
    ReadableStream.from(layoutPieces(shape, blobs, manifest)),
  );
  await Deno.rename(`${path}.partial`, path);
  return path;
}

async function* layoutPieces(
  { name }: ImageShape,
  blobs: readonly BlobFile[],
  manifest: BlobFile,
): AsyncGenerator<Uint8Array> {
  const { digest, size } = manifest;
  const root = {
    mediaType: MANIFEST_TYPE,
    digest,
    size,
    annotations: {
      "io.containerd.image.name": `bench/${name}:1`,
      "org.opencontainers.image.ref.name": "1",
    },
  };
  yield* file("oci-layout", encode(JSON.stringify({ imageLayoutVersion: "1.0.0" })));
  yield* file("index.json", encode(JSON.stringify({ schemaVersion: 2, manifests: [root] })));
  for (const blob of [...blobs, manifest]) {
    yield header({ name: `blobs/${blob.digest.replace(":", "/")}`, size: blob.size });
    using content = await Deno.open(blob.path);
    const piece = new Uint8Array(MIB);
    for (let count = await content.read(piece); count; count = await content.read(piece)) {
      yield piece.slice(0, count);
    }
    yield new Uint8Array((BLOCK_BYTES - blob.size % BLOCK_BYTES) % BLOCK_BYTES);
  }
  yield new Uint8Array(2 * BLOCK_BYTES);
}

/** The archive alone, made while it is read; nothing is written. */
export function streamArchive(shape: ImageShape): ReadableStream<Uint8Array> {
  return ReadableStream.from(archivePieces(shape, { startBlob() {}, write() {}, endBlob() {} }));
}

async function writeImage(shape: ImageShape, folder: string): Promise<PreparedImage> {
  const tar = `${folder}image.tar`;
  const blobs: BlobFile[] = [];
  let blob: Deno.FsFile | undefined;
  const pieces = archivePieces(shape, {
    startBlob() {
      blob = Deno.openSync(`${folder}partial`, { create: true, write: true, truncate: true });
    },
    write: (bytes) => writeAll(blob, bytes),
    endBlob({ digest, size }) {
      blob?.close();
      const path = `${folder}${digest.slice("sha256:".length)}`;
      Deno.renameSync(`${folder}partial`, path);
      blobs.push({ path, digest, size });
    },
  });
  await Deno.writeFile(tar, ReadableStream.from(pieces));
  return {
    shape,
    tar,
    tarBytes: (await Deno.stat(tar)).size,
    blobs,
    manifest: await writeManifest(folder, blobs),
  };
}

async function writeManifest(folder: string, blobs: BlobFile[]): Promise<BlobFile> {
  const describe = (mediaType: string, { digest, size }: Blob) => ({ mediaType, size, digest });
  const config = blobs.at(-1);
  if (!config) throw new Error("Cannot write manifest: image has no config");
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: describe(CONFIG_TYPE, config),
    layers: blobs.slice(0, -1).map((layer) => describe(LAYER_TYPE, layer)),
  });
  const path = `${folder}manifest.json`;
  await Deno.writeTextFile(path, text);
  return { path, digest: await digestBytes(encode(text)), size: text.length };
}

interface Blob {
  digest: string;
  size: number;
}

/** Told of each blob while the archive passes by. */
interface BlobObserver {
  startBlob(): void;
  write(bytes: Uint8Array): void;
  endBlob(blob: Blob): void;
}

// As docker before 25 writes it: a folder with layer.tar, json and VERSION for each layer, then config and names.
async function* archivePieces(
  { name, layers, layerBytes }: ImageShape,
  observer: BlobObserver,
): AsyncGenerator<Uint8Array> {
  const hasher = await createSHA256();
  const diffIds: string[] = [];
  const folders: string[] = [];
  for (let index = 0; index < layers; index++) {
    const id = (await digestBytes(encode(`${name} ${index}`))).slice("sha256:".length);
    const parent = folders.at(-1);
    folders.push(id);
    yield header({ name: `${id}/`, typeflag: "5", mode: 0o755 });
    yield* file(`${id}/VERSION`, encode("1.0"));
    yield* file(
      `${id}/json`,
      encode(JSON.stringify({ id, ...(parent && { parent }), os: "linux" })),
    );
    yield header({ name: `${id}/layer.tar`, size: layerBytes });
    observer.startBlob();
    hasher.init();
    for (const piece of layerPieces(index, layerBytes)) {
      hasher.update(piece);
      observer.write(piece);
      yield piece;
    }
    const digest = finish(hasher);
    observer.endBlob({ digest, size: layerBytes });
    diffIds.push(digest);
  }
  yield* closingFiles(name, folders, diffIds, observer);
  yield new Uint8Array(2 * BLOCK_BYTES);
}

async function* closingFiles(
  name: string,
  folders: string[],
  diffIds: string[],
  observer: BlobObserver,
): AsyncGenerator<Uint8Array> {
  const config = encode(JSON.stringify({
    architecture: "amd64",
    os: "linux",
    created: "2026-01-01T00:00:00Z",
    config: { Cmd: ["/data"] },
    rootfs: { type: "layers", diff_ids: diffIds },
    history: diffIds.map(() => ({ created: "2026-01-01T00:00:00Z", created_by: "bench" })),
  }));
  const digest = await digestBytes(config);
  observer.startBlob();
  observer.write(config);
  observer.endBlob({ digest, size: config.length });
  const path = `${digest.slice("sha256:".length)}.json`;
  yield* file(path, config);
  const layerPaths = folders.map((folder) => `${folder}/layer.tar`);
  yield* file(
    "manifest.json",
    encode(JSON.stringify([{ Config: path, RepoTags: [`bench/${name}:1`], Layers: layerPaths }])),
  );
  const last = folders.at(-1);
  yield* file("repositories", encode(JSON.stringify({ [`bench/${name}`]: { 1: last } })));
}

// A tar with one file. Every MiB starts with its number, so that no two pieces are alike, neither in a layer nor
// between layers; a whole MiB of fresh random numbers each time would take longer than hashing it.
function* layerPieces(seed: number, size: number): Generator<Uint8Array<ArrayBuffer>> {
  const room = size - 3 * BLOCK_BYTES;
  const piece = new Uint8Array(MIB);
  yield header({ name: "data", size: room });
  let state = seed + 1;
  const words = new Uint32Array(piece.buffer);
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  for (let offset = 0; offset < room; offset += MIB) {
    words[0] = offset / MIB;
    words[1] = seed;
    yield piece.slice(0, Math.min(MIB, room - offset));
  }
  yield new Uint8Array(2 * BLOCK_BYTES);
}

function* file(name: string, content: Uint8Array): Generator<Uint8Array> {
  yield header({ name, size: content.length });
  yield pad(content);
}

function writeAll(file: Deno.FsFile | undefined, bytes: Uint8Array): void {
  let rest = bytes;
  while (file && rest.length > 0) rest = rest.subarray(file.writeSync(rest));
}

function finish(hasher: Awaited<ReturnType<typeof createSHA256>>): string {
  return `sha256:${hasher.digest("hex")}`;
}
