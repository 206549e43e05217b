import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { openArchives } from "../../src/archive/served/open_archives.ts";
import { inspectLines } from "../../src/cli/inspect_table.ts";
import { paintNothing } from "../../src/cli/render.ts";
import { digestAlgorithm, digestBytes, isDigest } from "../../src/digest.ts";
import { DigestMismatchError, OciError, PushError } from "../../src/errors.ts";
import { openArchive } from "../../src/image/archive.ts";
import { summarizeArchive } from "../../src/image/inspect.ts";
import {
  isDocumentType,
  isForeignLayer,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
} from "../../src/media_types.ts";
import type { PushOptions } from "../../src/push/options.ts";
import type { PushSource } from "../../src/source/open_source.ts";
import { pushImage } from "../../src/push/push.ts";
import { createRegistry } from "../../src/server/mod.ts";
import { bytesSource } from "../../src/source/blob_source.ts";
import { scanTar } from "../../src/tar/scan.ts";
import {
  encode,
  gzip,
  type MadeDescriptor,
  type MadeImage,
  makeImage,
  makeLayer,
  OciLayout,
  pathOf,
} from "../helpers/archives.ts";
import {
  allTags,
  assertClear,
  FIXTURES,
  readFixtureTar,
  type Registry,
} from "../helpers/expected.ts";
import { join, type TarWriterEntry, writeTar } from "../helpers/tar_writer.ts";
import {
  anyBytesMutation,
  type ByteMutation,
  type Bytes,
  chunkSizes,
  type JsonMutation,
  jsonMutation,
  mutate,
  mutateJson,
  streamOf,
  tarMutation,
} from "./mutations.ts";
import { subject, type Tally } from "./subject.ts";

/** What became of a push: its error, or the tags that it left with the digests under them. */
interface Outcome {
  error: Error | undefined;
  tags: string[];
  /** Whether only a part of what was asked for is in the archive, which a warning tells. */
  isPartial: boolean;
}

/**
 * Pushes to a registry of its own, and checks what must be true however it ends: the error is one of the package and
 * clear, every tag is whole, and a failed push to one reference leaves none.
 */
async function push(
  source: PushSource,
  target: string,
  options: PushOptions,
): Promise<Outcome> {
  const faults: unknown[] = [];
  const registry = createRegistry({ onError: (error) => void faults.push(error) });
  const warnings: string[] = [];
  let error: Error | undefined;
  try {
    await pushImage(source, target, {
      ...options,
      fetch: registry,
      retry: { attempts: 1 },
      onEvent: (event) => void (event.type === "warning" && warnings.push(event.message)),
    });
  } catch (thrown) {
    assert(thrown instanceof OciError, `${thrown instanceof Error ? thrown.stack : thrown}`);
    assertClear(thrown);
    error = thrown;
  }
  assertEquals(faults, [], "the registry has failed");
  for (const message of warnings) assert(!/\p{Cc}/u.test(message), JSON.stringify(message));
  const tags = await wholeTags(registry);
  if (error && !options.allTags) assertEquals(tags, [], `a tag in spite of ${error}`);
  if (!error) assert(tags.length > 0, "no tag and no error");
  return { error, tags, isPartial: warnings.some((message) => /\blacks\b/.test(message)) };
}

/** The tags of a registry with their digests; everything below them is there. */
async function wholeTags(registry: Registry): Promise<string[]> {
  const tags: string[] = [];
  for (const name of await allTags(registry)) {
    const colon = name.lastIndexOf(":");
    const repository = name.slice(0, colon);
    tags.push(`${name}@${await readWhole(registry, repository, name.slice(colon + 1))}`);
  }
  return tags;
}

/** Reads a manifest and checks that all that it names is there, whatever else it says. */
async function readWhole(
  registry: Registry,
  repository: string,
  reference: string,
): Promise<string> {
  const bytes = await fetchBytes(registry, `${repository}/manifests/${reference}`);
  const digest = await digestBytes(bytes);
  const { config, layers, manifests } = JSON.parse(new TextDecoder().decode(bytes));
  const isBlob = ({ mediaType }: { mediaType?: unknown }) =>
    typeof mediaType === "string" && !isDocumentType(mediaType);
  for (const child of manifests ?? []) {
    if (isBlob(child)) continue;
    assertEquals(await readWhole(registry, repository, child.digest), child.digest);
  }
  // BuildKit's cache lists layers in an index.
  const blobs = [config, ...layers ?? [], ...(manifests ?? []).filter(isBlob)].filter(Boolean);
  for (const { digest, size, mediaType } of blobs) {
    if (typeof mediaType === "string" && isForeignLayer(mediaType)) continue;
    const blob = await fetchBytes(registry, `${repository}/blobs/${digest}`);
    assertEquals([await digestBytes(blob, digestAlgorithm(digest)), blob.length], [digest, size]);
  }
  return digest;
}

async function fetchBytes(registry: Registry, path: string): Promise<Bytes> {
  const response = await registry(new Request(`http://localhost:5000/v2/${path}`));
  const bytes = await response.bytes();
  assertEquals(response.status, 200, `${path}: ${new TextDecoder().decode(bytes.slice(0, 300))}`);
  return bytes;
}

/** Pushes the same bytes as a file and as a pipe, which must end alike. */
async function pushBoth(
  tar: Bytes,
  sizes: readonly number[],
  allTags: boolean,
  tally: Tally,
  source = tar,
): Promise<void> {
  const target = allTags ? "localhost:5000/app" : "localhost:5000/app:1";
  const file = await push(bytesSource(source), target, { allTags });
  const pipe = await push(streamOf(source, sizes), target, { allTags });
  if (Boolean(file.error) !== Boolean(pipe.error)) {
    // The pipe has sent what stands under a digest before it meets other content under the same name.
    if (file.error instanceof DigestMismatchError && await hasPathTwice(tar)) {
      return tally("pushed by the pipe alone, a blob being there twice");
    }
    // It sends what looks like a layer, and so finds one that stands under a wrong name.
    if (file.error instanceof PushError && LACKS.test(file.error.message)) {
      return tally("pushed by the pipe alone, a blob having another name");
    }
    // It asks for a layer by the diff_id of the config, and does not read what the registry has.
    if (pipe.error instanceof DigestMismatchError) {
      return tally("pushed by the file alone, the registry having the right blob");
    }
    throw new Error(`file: ${file.error ?? file.tags}\npipe: ${pipe.error ?? pipe.tags}`);
  }
  // The pipe may find more of an index than the file, as above.
  if (file.isPartial || pipe.isPartial) return tally("pushed in part");
  if (!file.error) assertEquals(pipe.tags, file.tags);
  tally(file.error ? `refused with ${file.error.name}` : "pushed");
}

/** What is said about a blob, or a whole image of an index, that is not where it should be. */
const LACKS = /in neither the archive nor the registry|which the registry has not either/;

async function hasPathTwice(tar: Bytes): Promise<boolean> {
  const paths = new Set<string>();
  for await (const { path } of scanTar(bytesSource(tar))) {
    if (paths.has(path)) return true;
    paths.add(path);
  }
  return false;
}

/** What `inspect` makes of the archive has nothing that a terminal acts upon. */
async function inspect(tar: Bytes): Promise<void> {
  try {
    const lines = inspectLines(
      await summarizeArchive(await openArchive(bytesSource(tar))),
      paintNothing,
    );
    for (const line of lines) assert(!/\p{Cc}/u.test(line), JSON.stringify(line));
  } catch (error) {
    assert(error instanceof OciError, `${error}`);
  }
}

/** A registry that shows the archive never fails, and has every document under its digest. */
async function serve(tar: Bytes): Promise<void> {
  const opened = await openArchives([{ source: bytesSource(tar), name: "x.tar" }])
    .catch((error: unknown) => {
      assert(error instanceof OciError || error instanceof TypeError, `${error}`);
      assertClear(error);
    });
  if (!opened) return;
  for (const notice of opened.notices) assert(!/\p{Cc}/u.test(notice), JSON.stringify(notice));
  const faults: unknown[] = [];
  const { storage } = opened;
  const registry = createRegistry({ storage, onError: (error) => void faults.push(error) });
  for (const name of await allTags(registry)) {
    const [repository = "", tag = ""] = name.split(":");
    await readShown(registry, repository, tag);
  }
  assertEquals(faults, [], "the registry has failed");
}

/** Reads what an archive shows of an image, which may be a part of it. */
async function readShown(registry: Registry, repository: string, reference: string): Promise<void> {
  const get = (path: string) =>
    registry(new Request(`http://localhost:5000/v2/${repository}/${path}`));
  const response = await get(`manifests/${reference}`);
  const digest = response.headers.get("Docker-Content-Digest");
  const bytes = await response.bytes();
  if (reference.includes(":") && response.status === 404) return;
  assert(isDigest(digest) && response.status === 200, `${reference}: ${response.status}`);
  assertEquals(await digestBytes(bytes, digestAlgorithm(digest)), digest);
  const referrers = await get(`referrers/${digest}`);
  assertEquals(referrers.status, 200, await referrers.text());
  const { config, layers, manifests } = JSON.parse(new TextDecoder().decode(bytes));
  for (const child of manifests ?? []) await readShown(registry, repository, child.digest);
  for (const blob of [config, ...layers ?? []].filter(Boolean)) {
    const { status, headers } = await get(`blobs/${blob.digest}`);
    assert(status === 404 || headers.get("Content-Length") === `${blob.size}`, `${status}`);
  }
}

const layers = [
  await makeLayer("one"),
  await makeLayer("two", "gzip"),
  await makeLayer("three", "zstd"),
];
const image = await makeImage(layers.slice(0, 2));
const other = await makeImage([layers[0] ?? "", layers[2] ?? ""], { platform: "linux/arm64/v8" });

/** An archive whose documents were changed before their digests were computed, so that the changes are read. */
interface DocumentRecipe {
  dialect: "docker" | "oci" | "docker+oci";
  changes: {
    config: JsonMutation[];
    manifest: JsonMutation[];
    index: JsonMutation[];
    indexJson: JsonMutation[];
    manifestJson: JsonMutation[];
  };
  /** An index around the two images. */
  hasIndex: boolean;
  isReversed: boolean;
  /** Files that are left out. */
  removed: number[];
  /** Changes of one document as bytes: its place, and what becomes of it. */
  damage: { at: number; mutations: ByteMutation[] } | null;
}

const changes = fc.oneof(
  { arbitrary: fc.constant<never[]>([]), weight: 2 },
  { arbitrary: fc.array(jsonMutation, { minLength: 1, maxLength: 3 }), weight: 1 },
);

const documentRecipe: fc.Arbitrary<DocumentRecipe> = fc.record({
  dialect: fc.constantFrom("docker", "oci", "docker+oci"),
  changes: fc.record({
    config: changes,
    manifest: changes,
    index: changes,
    indexJson: changes,
    manifestJson: changes,
  }),
  hasIndex: fc.boolean(),
  isReversed: fc.boolean(),
  removed: fc.oneof(
    { arbitrary: fc.constant<never[]>([]), weight: 4 },
    fc.array(fc.nat(), { maxLength: 2 }),
  ),
  damage: fc.option(
    fc.record({
      at: fc.nat(),
      mutations: fc.array(anyBytesMutation, { minLength: 1, maxLength: 2 }),
    }),
    { freq: 2 },
  ),
});

async function makeDocuments(recipe: DocumentRecipe): Promise<Bytes> {
  const { dialect, changes, removed, damage, isReversed } = recipe;
  const layout = new OciLayout();
  const configs = [image, other].map(({ config }) =>
    encodeJson(mutateJson(JSON.parse(new TextDecoder().decode(config)), changes.config))
  );
  const descriptors: MadeDescriptor[] = [];
  for (const [at, { layers }] of [image, other].entries()) {
    descriptors.push(await addImage(layout, layers, configs[at] ?? encode("{}"), changes.manifest));
  }
  if (recipe.hasIndex) {
    const manifests = descriptors.map((descriptor, at) => ({
      ...descriptor,
      platform: { os: "linux", architecture: at === 0 ? "amd64" : "arm64" },
    }));
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
    layout.add(await addDocument(layout, mutateJson(index, changes.index), OCI_INDEX), {
      ref: "1",
    });
  } else descriptors.forEach((descriptor, at) => layout.add(descriptor, { ref: `v${at}` }));
  const indexJson = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: layout.index };
  const manifestJson = [{
    Config: pathOf(descriptorsOf(configs[0], layout)),
    RepoTags: ["app:1"],
    Layers: image.layers.map(pathOf),
  }];
  let entries: TarWriterEntry[] = [...layout.blobs].map(([path, body]) => ({ path, body }));
  if (dialect !== "docker") {
    entries.push({
      path: "index.json",
      body: encodeJson(mutateJson(indexJson, changes.indexJson)),
    });
  }
  if (dialect !== "oci") {
    const body = encodeJson(mutateJson(manifestJson, changes.manifestJson));
    entries.push({ path: "manifest.json", body });
  }
  for (const place of removed) entries.splice(place % entries.length, 1);
  const hurt = damage && entries[damage.at % entries.length];
  if (damage && hurt) hurt.body = mutate(toBytes(hurt.body), damage.mutations);
  if (isReversed) entries = entries.reverse();
  return writeTar(entries);
}

/** A config is among the blobs under its digest. */
function descriptorsOf(
  config: Bytes | undefined,
  layout: OciLayout,
): { digest: `sha256:${string}` } {
  const path = [...layout.blobs].find(([, bytes]) => bytes === config)?.[0] ?? "";
  return { digest: `sha256:${path.slice("blobs/sha256/".length)}` };
}

async function addImage(
  layout: OciLayout,
  layers: MadeImage["layers"],
  config: Bytes,
  changes: readonly JsonMutation[],
): Promise<MadeDescriptor> {
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: await layout.blob(config, OCI_CONFIG),
    layers: [] as MadeDescriptor[],
  };
  for (const { bytes, compression } of layers) {
    const mediaType = compression ? `${OCI_LAYER}+${compression}` : OCI_LAYER;
    manifest.layers.push(await layout.blob(bytes, mediaType));
  }
  return await addDocument(layout, mutateJson(manifest, changes), OCI_MANIFEST);
}

function addDocument(layout: OciLayout, json: unknown, type: string): Promise<MadeDescriptor> {
  return layout.blob(encodeJson(json), type);
}

/** What a change has left of a document may be nothing. */
function encodeJson(value: unknown): Bytes {
  return encode(JSON.stringify(value) ?? "");
}

function toBytes(body: Uint8Array | string | undefined): Uint8Array {
  return typeof body === "string" ? encode(body) : body ?? new Uint8Array(0);
}

const documents = subject(
  "documents",
  30,
  fc.record({ recipe: documentRecipe, sizes: chunkSizes, allTags: fc.boolean() }),
  async ({ recipe, sizes, allTags }, tally) => {
    const tar = await makeDocuments(recipe);
    await inspect(tar);
    await serve(tar);
    await pushBoth(tar, sizes, allTags, tally);
  },
);

const fixtures = await Promise.all(
  [...FIXTURES.keys()].map(readFixtureTar),
);

const realArchives = subject(
  "real-archives",
  40,
  fc.record({
    fixture: fc.nat(fixtures.length - 1),
    splice: fc.option(
      fc.record({ fixture: fc.nat(fixtures.length - 1), from: fc.nat(), to: fc.nat() }),
      { freq: 2 },
    ),
    mutations: fc.array(tarMutation, { minLength: 1, maxLength: 3 }),
    isCompressed: fc.nat(9).map((chance) => chance === 0),
    sizes: chunkSizes,
    allTags: fc.boolean(),
  }),
  async ({ fixture, splice, mutations, isCompressed, sizes, allTags }, tally) => {
    const whole = fixtures[fixture] ?? new Uint8Array(0);
    const end = fixtures[splice?.fixture ?? -1];
    const blocks = (bytes: Uint8Array, at: number) => at % (bytes.length / 512) * 512;
    const spliced = splice && end
      ? join([whole.subarray(0, blocks(whole, splice.to)), end.subarray(blocks(end, splice.from))])
      : whole;
    const tar = mutate(spliced, mutations);
    await inspect(tar);
    await serve(tar);
    await pushBoth(tar, sizes, allTags, tally, isCompressed ? await gzip(tar) : tar);
  },
);

/** What reads and pushes whole archives. */
export const archiveSubjects = [documents, realArchives];
