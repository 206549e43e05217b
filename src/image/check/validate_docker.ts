import { type Digest, digestOfName, digestOfPath, shortDigest } from "../../digest.ts";
import { OciError } from "../../errors.ts";
import { goMember, goStrings } from "../../go_json.ts";
import { isJsonObject, type JsonObject } from "../../media_types.ts";
import { quoteName } from "../../quote_name.ts";
import { formatImageName, parseImageName } from "../../reference.ts";
import { isArtifact } from "../content.ts";
import {
  foreignText,
  MAX_IMAGES,
  MAX_LAYERS,
  MAX_MANIFEST_JSON_BYTES,
  nameForeign,
  nodeOfPaths,
} from "../docker_save.ts";
import { cleanPath } from "../files.ts";
import { LayoutManifests } from "../layout_manifests.ts";
import { readLayout } from "../oci_layout.ts";
import type { CheckedFile } from "./checked_file.ts";
import { checkLayers, readConfig } from "./validate_image.ts";
import { type ConfigFacts, type Role, type Validation, WHOLE } from "./validation.ts";

/** One image of manifest.json, as far as it could be read. */
export interface DockerFacts {
  image: string;
  config: Digest | undefined;
  /** Digests of its layers; undefined where the archive lacks one. */
  layers: (Digest | undefined)[];
}

const PATH = "manifest.json";

/**
 * Checks manifest.json and what it names.
 *
 * @returns Its images; undefined where there is no manifest.json.
 */
export async function validateDocker(validation: Validation): Promise<DockerFacts[] | undefined> {
  const file = validation.find(PATH, WHOLE);
  if (!file) return undefined;
  const list = await validation.json(file, MAX_MANIFEST_JSON_BYTES, WHOLE);
  // Go writes an empty list as null.
  if (list === undefined || list === null) return [];
  const foreign = await nameForeign(list);
  if (foreign && validation.find("index.json", WHOLE)) {
    validation.findings.warning("malformed", foreignText(foreign), { path: PATH });
    return undefined;
  }
  if (foreign) {
    validation.isIncomplete = true;
    validation.findings.error("malformed", foreignText(foreign), { path: PATH });
    return [];
  }
  if (!Array.isArray(list)) {
    validation.malformed(PATH, "it is no list of images, expected a JSON array", WHOLE);
    return [];
  }
  if (list.length > MAX_IMAGES) {
    validation.tooMany(PATH, "images", list.length, MAX_IMAGES, WHOLE);
  }
  const images: DockerFacts[] = [];
  const names = new Map<string, Digest | string>();
  const layout = await readManifests(validation);
  for (const [index, item] of list.slice(0, MAX_IMAGES).entries()) {
    if (!isJsonObject(item)) {
      validation.malformed(PATH, `item ${index} is not a JSON object`, WHOLE);
      continue;
    }
    const image = await checkImage(validation, layout, item, index);
    images.push(image);
    const tags = strings(validation, item, "RepoTags", index, "");
    for (const tag of tags) checkTag(validation, tag, image.config ?? `item ${index}`, names);
  }
  return images;
}

/** The manifests of index.json; undefined where there are none, or they cannot be read, which its own check tells. */
async function readManifests({ archive }: Validation): Promise<LayoutManifests | undefined> {
  try {
    const entries = await readLayout(archive.files);
    return entries && new LayoutManifests(entries);
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    return undefined;
  }
}

async function checkImage(
  validation: Validation,
  layout: LayoutManifests | undefined,
  item: JsonObject,
  index: number,
): Promise<DockerFacts> {
  const image = labelOf(item, index);
  const all = strings(validation, item, "Layers", index);
  if (all.length > MAX_LAYERS) {
    const role = { what: `item ${index}`, image };
    validation.tooMany(PATH, "layers", all.length, MAX_LAYERS, role);
  }
  const paths = all.slice(0, MAX_LAYERS);
  const path = goMember(item, "Config");
  const named = typeof path === "string" ? nodeOfPaths({ config: path, layers: paths }) : undefined;
  const manifest = named && layout?.find(named)?.manifest;
  if (named && manifest && isArtifact(manifest)) {
    // containerd lists artifacts, too: their config says nothing of layers, and index.json has their manifest.
    const layers = named.layers.map(({ digest }) => digest);
    return { image, config: named.config.digest, layers };
  }
  const { config, facts } = await checkConfig(validation, item, index, image);
  const layers = paths.map((path, at) => {
    const role = { what: `layer ${at + 1}`, image };
    const file = validation.find(path, role);
    if (!file) validation.reportMissing(cleanPath(path) ?? path, role);
    return { file, mediaType: undefined };
  });
  if (all.length === paths.length) checkLayers(validation, layers, facts, { image });
  for (const [at, { file }] of layers.entries()) {
    if (file) checkHint(validation, file, { what: `layer ${at + 1}`, image });
  }
  return {
    image,
    config: config && digestNamed(config),
    layers: layers.map(({ file }) => file && digestNamed(file)),
  };
}

/** What a manifest calls a file: wrong content is reported as such. */
function digestNamed(file: CheckedFile): Digest {
  return digestOfPath(file.path) ?? file.digest;
}

async function checkConfig(
  validation: Validation,
  item: JsonObject,
  index: number,
  image: string,
): Promise<{ config?: CheckedFile; facts?: ConfigFacts | undefined }> {
  const role = { what: "config", image };
  const path = goMember(item, "Config");
  if (typeof path !== "string") {
    validation.malformed(PATH, `item ${index} names no Config`, role);
    return {};
  }
  const config = validation.find(path, role);
  if (!config) {
    validation.reportMissing(cleanPath(path) ?? path, role);
    return {};
  }
  const named = digestOfPath(path) ?? digestOfName(config.path) ?? digestOfName(path);
  if (named) validation.isWrong(config, named, role);
  const facts = await readConfig(validation, config, role);
  if (facts && !facts.platform) {
    const state = "names no architecture and os, which the specification requires";
    validation.report("warning", "platform", role, state, { path: config.path });
  }
  return { config, facts };
}

/** `HEX.tar.gz` in the archives of crane and jib, `HEX.tar` in those of podman: nothing but a habit. */
function checkHint(validation: Validation, file: CheckedFile, role: Role): void {
  const named = digestOfPath(file.path) ? undefined : digestOfName(file.path);
  if (!named || named === file.digest || named === file.diffId || file.problem) return;
  const { path, digest: actual } = file;
  const state = `is called after a digest that is not its own, ${actual}`;
  const details = { path, digest: actual, expected: named, actual };
  validation.report("warning", "wrong-name", role, state, details);
}

function checkTag(
  { findings }: Validation,
  tag: string,
  image: Digest | string,
  names: Map<string, Digest | string>,
): void {
  const name = parseImageName(tag);
  if (!name) {
    return findings.warning(
      "bad-name",
      `manifest.json has the name ${quoteName(tag)} in RepoTags, expected one such as team/app:1.0`,
      { path: PATH, image: tag },
    );
  }
  const key = formatImageName(name);
  const known = names.get(key);
  if (known !== undefined && known !== image) {
    findings.warning(
      "duplicate-name",
      `manifest.json has the name ${quoteName(tag)} for two images, expected one`,
      { path: PATH, image: tag },
    );
  } else names.set(key, image);
}

function labelOf(item: JsonObject, index: number): string {
  const [tags, config] = [goMember(item, "RepoTags"), goMember(item, "Config")];
  if (Array.isArray(tags) && typeof tags[0] === "string") return tags[0];
  const digest = typeof config === "string" ? digestOfName(config) : undefined;
  return digest ? shortDigest(digest) : `item ${index} of manifest.json`;
}

function strings(
  validation: Validation,
  item: JsonObject,
  name: string,
  index: number,
  ifNull?: string,
): string[] {
  const found = goStrings(item, name, ifNull);
  if (found) return found;
  validation.malformed(PATH, `${name} of item ${index} is not a list of strings`, WHOLE);
  return [];
}
