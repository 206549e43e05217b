import { assertEquals } from "@std/assert";
import { decompress } from "../../src/codec/decompress.ts";
import { type Compression, sniffCompression } from "../../src/codec/magic.ts";
import { type Digest, digestBytes } from "../../src/digest.ts";
import { isIndexType } from "../../src/media_types.ts";
import { diffIdsOf, type ReadManifest } from "../helpers/expected.ts";
import { runProcess, type TemporaryFolder } from "../helpers/process.ts";
import { requireProgram } from "../helpers/programs.ts";

/** The program that reads what was pushed, and has no code in common with this project. */
export const skopeo = requireProgram("skopeo");

/** An image for comparing: its config, and what its layers are when they are inflated. */
export interface Content {
  config: Digest | undefined;
  diffIds: Digest[];
}

/** Runs skopeo and returns what it prints; fails with its messages. */
export async function runSkopeo(...args: string[]): Promise<Uint8Array<ArrayBuffer>> {
  const { code, stdoutBytes, stderr } = await runProcess(skopeo.path, [
    "--insecure-policy",
    ...args,
  ]);
  assertEquals(code, 0, `skopeo ${args.join(" ")}: ${stderr}`);
  return new Uint8Array(stdoutBytes);
}

/**
 * Has skopeo read an image from a registry: the manifest's bytes, the config's, and the whole into an OCI layout.
 *
 * @param reference `HOST/REPOSITORY:TAG`.
 * @param folder Where the layout goes, under `name`.
 * @param read The image as this project's helpers read it, to be compared with.
 */
export async function assertSkopeoReads(
  reference: string,
  folder: TemporaryFolder,
  name: string,
  read: ReadManifest,
): Promise<void> {
  const source = `docker://${reference}`;
  const raw = await runSkopeo("inspect", "--raw", "--tls-verify=false", source);
  assertEquals(await digestBytes(raw), read.digest, reference);
  // Of an index skopeo takes the image for this machine, which it may not have.
  if (!isIndexType(read.mediaType)) {
    const config = await runSkopeo("inspect", "--config", "--raw", "--tls-verify=false", source);
    assertEquals(await digestBytes(config), read.config?.digest, reference);
  }
  const place = `oci:${folder.path}/${name}:copy`;
  await runSkopeo("copy", "--all", "--src-tls-verify=false", "--quiet", source, place);
  const [copied, pushed] = [await readLayout(folder, name), await contentOf(read)];
  // A Docker image becomes an OCI image in a layout, and skopeo writes another config for that.
  const isDocker = read.mediaType.includes("docker");
  assertEquals(
    isDocker ? copied.map(({ diffIds }) => diffIds) : copied,
    isDocker ? pushed.map(({ diffIds }) => diffIds) : pushed,
    reference,
  );
}

/** The images below a manifest, in order. */
export async function contentOf(read: ReadManifest): Promise<Content[]> {
  if (isIndexType(read.mediaType)) {
    const below: Content[] = [];
    for (const child of read.children) below.push(...await contentOf(child));
    return below;
  }
  return [{ config: read.config?.digest, diffIds: await diffIdsOf(read) }];
}

/** The images of an OCI layout, in order. */
export async function readLayout(folder: TemporaryFolder, name: string): Promise<Content[]> {
  const index = JSON.parse(text(await folder.read(`${name}/index.json`)));
  return await readManifests(folder, name, index);
}

interface Document {
  mediaType?: string;
  manifests?: Descriptor[];
  config?: Descriptor;
  layers?: Descriptor[];
}

interface Descriptor {
  digest: Digest;
}

async function readManifests(
  folder: TemporaryFolder,
  name: string,
  { manifests, config, layers = [] }: Document,
): Promise<Content[]> {
  const blob = ({ digest }: Descriptor) => folder.read(`${name}/blobs/${digest.replace(":", "/")}`);
  if (!manifests) {
    const diffIds: Digest[] = [];
    for (const layer of layers) diffIds.push(await inflatedDigest(await blob(layer)));
    return [{ config: config?.digest, diffIds }];
  }
  const contents: Content[] = [];
  for (const descriptor of manifests) {
    contents.push(...await readManifests(folder, name, JSON.parse(text(await blob(descriptor)))));
  }
  return contents;
}

async function inflatedDigest(bytes: Uint8Array): Promise<Digest> {
  const compression: Compression | undefined = sniffCompression(bytes);
  const stream = new Blob([new Uint8Array(bytes)]).stream();
  const inflated = compression ? decompress(stream, compression, "a layer") : stream;
  return await digestBytes(await new Response(inflated).bytes());
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
