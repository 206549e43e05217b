import { assert, assertEquals, assertRejects } from "@std/assert";
import { decompress } from "../../src/codec/decompress.ts";
import { sniffCompression } from "../../src/codec/magic.ts";
import { type Digest, digestAlgorithm, digestBytes, parseDigest } from "../../src/digest.ts";
import { openArchive } from "../../src/image/archive.ts";
import { isIndexType, MANIFEST_TYPES } from "../../src/media_types.ts";
import type { PushOptions } from "../../src/push/options.ts";
import { pushImage, type PushResult } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import type { BlobSource } from "../../src/source/blob_source.ts";
import expected from "../fixtures/expected.json" with { type: "json" };
import { type Bytes, toBlob } from "./archives.ts";
import type { TarWriterEntry } from "./tar_writer.ts";

/** What a push must leave: this manifest, or one with this config and these layers. */
export interface Outcome {
  manifest?: string;
  config?: string;
  diff_ids?: string[];
}

/** One archive of tests/fixtures; see its README. */
export interface Fixture {
  producer: string;
  command: string;
  size: number;
  sha256: string;
  docker: FixtureImage[] | null;
  oci: {
    ref_name: string | null;
    image_name: string | null;
    digest: string;
    media_type: string;
    kind: string;
    /** Signatures and the like: no image of their own. */
    beside?: boolean;
  }[] | null;
  push: { expect: string; any_of: Outcome[] };
}

/** One image of a fixture's manifest.json. */
export interface FixtureImage {
  tags: string[] | null;
  config_digest: string;
  diff_ids: string[];
}

/** The archives of tests/fixtures by file name. */
export const FIXTURES: ReadonlyMap<string, Fixture> = new Map(
  Object.entries(expected.archives as Record<string, Fixture>),
);

/** Digests of the images of an archive; false for those without a manifest. */
export async function archiveDigests(archive: BlobSource): Promise<unknown[]> {
  const { images } = await openArchive(archive);
  return images.map(({ node }) => node.kind !== "docker" && node.digest);
}

/** Reads an archive of tests/fixtures. */
export async function readFixture(name: string): Promise<Blob> {
  const response = await fetch(new URL(`../fixtures/${name}`, import.meta.url));
  return await response.blob();
}

/** The tar of an archive of tests/fixtures, which may be compressed. */
export async function readFixtureTar(name: string): Promise<Bytes> {
  return await inflate(await (await readFixture(name)).bytes());
}

/** Whether two images of an archive have one name, so that only a number chooses between them. */
export function isContested({ docker, oci, push }: Fixture): boolean {
  return push.expect === "ambiguous" && docker !== null && oci !== null;
}

/** The tags that signatures of an archive stand under beside its image, and their digests. */
export function signaturesOf({ oci }: Fixture): { tag: string; digest: string }[] {
  const image = oci?.find(({ beside }) => !beside);
  return (oci ?? []).filter(({ beside }) => beside).map(({ digest }) => ({
    tag: `${image?.digest.replace(":", "-")}.sig`,
    digest,
  }));
}

/** A registry as tests read it back. */
export type Registry = (request: Request) => Promise<Response>;

/** A manifest or index as a registry has it, with all that is below it. */
export interface ReadManifest {
  digest: Digest;
  mediaType: string;
  bytes: Bytes;
  // deno-lint-ignore no-explicit-any
  json: any;
  config?: ReadBlob;
  layers: ReadBlob[];
  children: ReadManifest[];
}

/** A blob as a registry has it. */
export interface ReadBlob {
  digest: Digest;
  mediaType: string;
  bytes: Bytes;
}

/**
 * Reads an image back and checks that it is whole: every manifest and blob is there, has the digest and the size under
 * which it is named.
 */
export async function readBack(
  registry: Registry,
  repository: string,
  reference: string,
): Promise<ReadManifest> {
  const response = await get(registry, `${repository}/manifests/${reference}`);
  const text = await response.bytes();
  assertEquals(
    response.status,
    200,
    `${repository}:${reference} ${new TextDecoder().decode(text)}`,
  );
  const digest = parseDigest(
    reference.includes(":") ? reference : response.headers.get("Docker-Content-Digest") ?? "",
  );
  assertEquals(await digestBytes(text, digestAlgorithm(digest)), digest);
  const mediaType = response.headers.get("Content-Type") ?? "";
  const json = JSON.parse(new TextDecoder().decode(text));
  const read: ReadManifest = { digest, mediaType, bytes: text, json, layers: [], children: [] };
  for (const child of isIndexType(mediaType) ? json.manifests ?? [] : []) {
    const below = await readBack(registry, repository, child.digest);
    assertEquals([below.bytes.length, below.mediaType], [child.size, child.mediaType]);
    read.children.push(below);
  }
  if (json.config) read.config = await readBlob(registry, repository, json.config);
  for (const layer of json.layers ?? []) {
    read.layers.push(await readBlob(registry, repository, layer));
  }
  return read;
}

/** Checks that `app:1` has these layers, all of them whole. */
export async function assertLayers(
  registry: Parameters<typeof readBack>[0],
  layers: readonly { digest: Digest }[],
): Promise<void> {
  const { layers: there } = await readBack(registry, "app", "1");
  assertEquals(there.map(({ digest }) => digest), layers.map(({ digest }) => digest));
}

/** Whether a tag or digest is there. */
export async function hasManifest(
  registry: Registry,
  repository: string,
  reference: string,
): Promise<boolean> {
  const response = await get(registry, `${repository}/manifests/${reference}`);
  await response.body?.cancel();
  assert(response.status === 200 || response.status === 404, `status ${response.status}`);
  return response.status === 200;
}

/** The tags of a repository; none where there is no such repository. */
export async function tagsOf(registry: Registry, repository: string): Promise<string[]> {
  const response = await get(registry, `${repository}/tags/list`);
  return response.status === 200 ? (await response.json()).tags ?? [] : [];
}

/** All references `repository:tag` of a registry, sorted. */
export async function allTags(registry: Registry): Promise<string[]> {
  const response = await get(registry, "_catalog");
  const names: string[] = [];
  for (const repository of (await response.json()).repositories) {
    names.push(...(await tagsOf(registry, repository)).map((tag) => `${repository}:${tag}`));
  }
  return names.sort();
}

/** Digests of the layers when they are inflated. */
export async function diffIdsOf({ layers }: ReadManifest): Promise<Digest[]> {
  const diffIds: Digest[] = [];
  for (const { bytes } of layers) diffIds.push(await digestBytes(await inflate(bytes)));
  return diffIds;
}

/** Checks that what stands under a reference is one of the outcomes. */
export async function assertOutcome(
  registry: Registry,
  repository: string,
  reference: string,
  outcomes: readonly Outcome[],
): Promise<ReadManifest> {
  const read = await readBack(registry, repository, reference);
  if (outcomes.some(({ manifest }) => manifest === read.digest)) return read;
  const config = read.config?.digest ?? "";
  const outcome = outcomes.find((outcome) => outcome.config === config);
  assert(outcome, `${repository}:${reference} is ${read.digest} with config ${config}`);
  assertEquals(await diffIdsOf(read) as string[], outcome.diff_ids ?? []);
  return read;
}

async function readBlob(
  registry: Registry,
  repository: string,
  { digest, size, mediaType }: { digest: Digest; size: number; mediaType: string },
): Promise<ReadBlob> {
  const response = await get(registry, `${repository}/blobs/${digest}`);
  const bytes = await response.bytes();
  assertEquals([response.status, bytes.length], [200, size], digest);
  assertEquals(await digestBytes(bytes, digestAlgorithm(digest)), digest);
  return { digest, mediaType, bytes };
}

async function inflate(bytes: Bytes): Promise<Bytes> {
  const compression = sniffCompression(bytes);
  if (compression === undefined) return bytes;
  const pieces = decompress(new Blob([bytes]).stream(), compression, "a layer");
  return await new Response(pieces).bytes();
}

function get(registry: Registry, path: string): Promise<Response> {
  const accept = MANIFEST_TYPES.join(", ");
  return registry(new Request(`http://registry.test/v2/${path}`, { headers: { accept } }));
}

/**
 * Checks that an error can be shown to people: one line, no control characters (which a terminal would obey), not
 * endless, and with nothing in it that slipped through a template.
 */
export function assertClear(error: Error): void {
  const { message } = error;
  assert(!/\p{Cc}/u.test(message), `control characters in ${JSON.stringify(message)}`);
  assert(message.length <= 1000, `a message of ${message.length} characters`);
  assert(!/undefined|\[object|NaN/.test(message), message);
}

/** What {@linkcode pushTo} did. */
export interface Pushed {
  registry: Registry;
  result: PushResult;
  /** Messages of the events of type `warning`. */
  warnings: string[];
}

/** Pushes an archive to an embedded registry: a new one, unless the options have a `fetch`. */
export async function pushTo(
  archive: Blob | ReadableStream<Uint8Array> | readonly TarWriterEntry[],
  target: string | readonly string[],
  options: PushOptions = {},
): Promise<Pushed> {
  const registry = options.fetch ?? createRegistry();
  const warnings: string[] = [];
  const isMade = archive instanceof Blob || archive instanceof ReadableStream;
  const result = await pushImage(isMade ? archive : toBlob(archive), target, {
    ...options,
    fetch: registry,
    onEvent: (event) => void (event.type === "warning" && warnings.push(event.message)),
  });
  return { registry, result, warnings };
}

/**
 * Pushes an archive that must be refused: the error is clear, and no tag was written.
 *
 * @returns The error.
 */
export async function pushFails<E extends Error>(
  archive: Blob | readonly TarWriterEntry[],
  // deno-lint-ignore no-explicit-any
  errorClass: abstract new (...args: any[]) => E,
  message: string,
  { target = "localhost:5000/app:1", ...options }: PushOptions & { target?: string | string[] } =
    {},
): Promise<E> {
  const registry = options.fetch ?? createRegistry();
  const before = await allTags(registry);
  const error = await assertRejects(
    () => pushTo(archive, target, { ...options, fetch: registry }),
    errorClass,
    message,
  );
  assertClear(error);
  assertEquals(await allTags(registry), before);
  return error;
}
