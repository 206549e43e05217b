import { type Digest, shortDigest } from "../digest.ts";
import {
  type Descriptor,
  DOCKER_CONFIG,
  formatPlatform,
  isForeignLayer,
  isIndexType,
  isJsonObject,
  type JsonObject,
  MAX_MANIFEST_BYTES,
  OCI_CONFIG,
  OCI_INDEX,
  parseDescriptor,
} from "../media_types.ts";
import { isTag, parseImageName } from "../reference.ts";
import { quoteName } from "../quote_name.ts";
import { namesOf } from "./archive.ts";
import type { CheckedFile } from "./checked_file.ts";
import { isAttestation, malformed, parseJson } from "./content.ts";
import {
  EMPTY_JSON,
  isDocumentType,
  MAX_BLOBS,
  MAX_ENTRIES,
  MAX_INDEX_DEPTH,
  typeOf,
} from "./documents.ts";
import { checkLayers, type Configs, type LayerFacts } from "./validate_image.ts";
import { detailsOf, type Role, roleText, type Validation, WHOLE } from "./validation.ts";

/** What an OCI layout was found to hold. */
export interface LayoutFacts {
  /** Entries of index.json. */
  entries: number;
  /** For each config, the layers of the manifests that name it. */
  images: ReadonlyMap<Digest, readonly (readonly Digest[])[]>;
}

const PATH = "index.json";

/**
 * Checks index.json and everything below it.
 *
 * @param validation The check.
 * @param configs Configs that were read.
 * @param dockerLayers Number of layers that manifest.json has for a config.
 * @returns What it holds; undefined where there is no index.json.
 */
export async function validateLayout(
  validation: Validation,
  configs: Configs,
  dockerLayers: ReadonlyMap<Digest, number>,
): Promise<LayoutFacts | undefined> {
  const file = validation.find(PATH, WHOLE);
  if (!file) return undefined;
  await checkVersion(validation);
  const walk = new LayoutWalk(validation, configs, dockerLayers);
  const json = await validation.jsonObject(file, MAX_MANIFEST_BYTES, WHOLE);
  if (!json) return { entries: 0, images: walk.images };
  const { mediaType } = json;
  if (mediaType !== undefined && mediaType !== OCI_INDEX) {
    const said = typeof mediaType === "string" ? quoteName(mediaType) : "of a wrong type";
    validation.findings.warning(
      "media-type",
      `"index.json" has media type ${said}, expected ${OCI_INDEX}`,
      { path: PATH, expected: OCI_INDEX },
    );
  }
  return { entries: await walk.root(json), images: walk.images };
}

/** image-spec, image-layout.md, "oci-layout file": it must be there. */
async function checkVersion(validation: Validation): Promise<void> {
  const path = "oci-layout";
  const file = validation.find(path, WHOLE);
  const expected = '{"imageLayoutVersion":"1.0.0"}';
  if (!file) {
    return validation.findings.warning(
      "bad-oci-layout",
      `"${path}" is not in the archive, expected a file with ${expected} beside index.json`,
      { path, expected },
    );
  }
  let version: unknown;
  try {
    version = parseJson(file, await file.bytes(MAX_MANIFEST_BYTES));
  } catch {
    // Said below: it is not what it should be.
  }
  if (isJsonObject(version) && version.imageLayoutVersion === "1.0.0") return;
  validation.findings.warning("bad-oci-layout", `"${path}" is not as expected: ${expected}`, {
    path,
    expected,
  });
}

/**
 * What became of a document: `absent` from the archive; `hollow`, where it is there and nothing it names is, as exports of some
 * platforms have it; `present` otherwise.
 */
type State = "absent" | "hollow" | "present";

interface Node {
  state: State;
  /** Of an image, from its config. */
  platform?: string | undefined;
  /** How many documents stand above each other from here. */
  height: number;
  /** What it names and the archive lacks, for a hollow one. */
  missing: readonly Descriptor[];
}

class LayoutWalk {
  readonly images = new Map<Digest, Digest[][]>();
  readonly #validation: Validation;
  readonly #configs: Configs;
  readonly #dockerLayers: ReadonlyMap<Digest, number>;
  readonly #nodes = new Map<Digest, Node>();
  readonly #names = new Map<string, { digest: Digest; isIndex: boolean }>();

  constructor(
    validation: Validation,
    configs: Configs,
    dockerLayers: ReadonlyMap<Digest, number>,
  ) {
    this.#validation = validation;
    this.#configs = configs;
    this.#dockerLayers = dockerLayers;
  }

  /** Checks index.json; returns how many entries it has. */
  async root(json: JsonObject): Promise<number> {
    const list = this.#list(json.manifests, "manifests", PATH, MAX_ENTRIES, WHOLE);
    for (const descriptor of this.#descriptors(list, PATH, "manifests", WHOLE)) {
      const names = namesOf(descriptor);
      names.forEach((name) => this.#checkName(name, descriptor));
      const image = names[0] ?? shortDigest(descriptor.digest);
      const role = { image, what: isIndexType(descriptor.mediaType) ? "index" : "manifest" };
      if (!isDocumentType(descriptor.mediaType)) {
        this.#blobEntry(descriptor, PATH, { ...role, what: "entry" });
        continue;
      }
      const node = await this.#node(descriptor, PATH, 0, role);
      if (node?.state === "absent") this.#reportMissing(descriptor, role);
      if (node?.state === "hollow") this.#reportHollow(node, role);
    }
    return list.length;
  }

  #checkName(name: string, { digest, mediaType }: Descriptor): void {
    const { findings } = this.#validation;
    const isIndex = isIndexType(mediaType);
    if (!isTag(name) && !parseImageName(name)) {
      findings.note(
        "bad-name",
        `index.json has the name ${quoteName(name)}, which is no image name: a push leaves it out`,
        { path: PATH, image: name, digest },
      );
    }
    const known = this.#names.get(name);
    // A name on both an index and an image means the index.
    if (known && known.digest !== digest && known.isIndex === isIndex) {
      findings.warning(
        "duplicate-name",
        `index.json has the name ${quoteName(name)} for ${known.digest} and for ${digest}`,
        { path: PATH, image: name, digest },
      );
    } else this.#names.set(name, { digest, isIndex });
  }

  /** Checks a manifest or index; undefined where nothing can be said of it. */
  async #node(
    descriptor: Descriptor,
    parent: string,
    depth: number,
    role: Role,
  ): Promise<Node | undefined> {
    const { digest } = descriptor;
    const known = this.#nodes.get(digest);
    if (depth + (known?.height ?? 1) > MAX_INDEX_DEPTH) {
      const problem = `it is nested more than ${MAX_INDEX_DEPTH} indexes deep`;
      this.#validation.malformed(parent, problem, role);
      return undefined;
    }
    if (known) return known;
    const path = pathOf(digest);
    const file = this.#validation.find(path, role);
    if (!file) return { state: "absent", height: 1, missing: [] };
    this.#checkDescriptor(descriptor, parent, role);
    this.#checkBlob(file, descriptor, parent, role);
    // Set first: what names itself, under a wrong digest, is not read again.
    this.#nodes.set(digest, { state: "present", height: 1, missing: [] });
    const node = await this.#document(file, descriptor, depth, role);
    if (node) this.#nodes.set(digest, node);
    return node;
  }

  async #document(
    file: CheckedFile,
    descriptor: Descriptor,
    depth: number,
    role: Role,
  ): Promise<Node | undefined> {
    const validation = this.#validation;
    const json = await validation.jsonObject(file, MAX_MANIFEST_BYTES, role);
    if (!json) return undefined;
    const mediaType = await validation.attempt(role, () =>
      typeOf({
        json,
        mediaType: descriptor.mediaType,
        malformed: (problem, cause) => malformed(file.path, problem, cause),
      }));
    if (mediaType === undefined) return undefined;
    if (descriptor.mediaType && descriptor.mediaType !== mediaType) {
      validation.findings.warning(
        "media-type",
        `${quoteName(file.path)} says that its media type is ${mediaType}, its descriptor says ${
          quoteName(descriptor.mediaType)
        }${roleText(role)}`,
        detailsOf(role, { path: file.path, expected: descriptor.mediaType, actual: mediaType }),
      );
    }
    if (json.schemaVersion !== 2) {
      validation.malformed(file.path, "its schemaVersion is not 2, which registries require", role);
    }
    return isIndexType(mediaType)
      ? await this.#index(file, json, depth, role)
      : await this.#manifest(file, json, role);
  }

  async #index(
    { path }: CheckedFile,
    json: JsonObject,
    depth: number,
    role: Role,
  ): Promise<Node> {
    const list = this.#list(json.manifests, "manifests", path, MAX_ENTRIES, role);
    const children: { descriptor: Descriptor; node: Node; role: Role }[] = [];
    for (const descriptor of this.#descriptors(list, path, "manifests", role)) {
      if (!isDocumentType(descriptor.mediaType)) {
        this.#blobEntry(descriptor, path, { image: role.image, what: "entry" });
        continue;
      }
      const attestation = isAttestation({ descriptor, raw: {} });
      const platform = descriptor.platform && !attestation
        ? formatPlatform(descriptor.platform)
        : undefined;
      const childRole = {
        image: role.image,
        platform,
        what: attestation ? "attestation" : "manifest",
      };
      const node = await this.#node(descriptor, path, depth + 1, childRole);
      if (!node) continue;
      children.push({ descriptor, node, role: childRole });
      this.#comparePlatforms(descriptor, node, path, childRole);
    }
    const hasImage = children.some(({ node, role }) =>
      node.state === "present" && role.what !== "attestation"
    );
    for (const { descriptor, node, role } of children) {
      if (node.state === "present") continue;
      if (hasImage) this.#noteAbsent(descriptor, path, node, role);
      else if (node.state === "absent") this.#reportMissing(descriptor, role);
      else this.#reportHollow(node, role);
    }
    const height = 1 + Math.max(0, ...children.map(({ node }) => node.height));
    return { state: "present", height, missing: [] };
  }

  /** BuildKit's cache lists layers in an index. */
  #blobEntry(descriptor: Descriptor, parent: string, role: Role): void {
    const file = this.#validation.find(pathOf(descriptor.digest), role);
    if (file) this.#checkBlob(file, descriptor, parent, role);
    else this.#reportMissing(descriptor, role);
  }

  async #manifest({ path }: CheckedFile, json: JsonObject, role: Role): Promise<Node> {
    const list = this.#list(json.layers ?? json.blobs, "layers", path, MAX_BLOBS, role);
    const layers = this.#descriptors(list, path, "layers", role);
    const [config] = json.config === undefined || json.config === null
      ? []
      : this.#descriptors([json.config], path, "config", role);
    this.#remember(config, layers);
    const blobs = [...(config ? [config] : []), ...layers];
    const files = new Map<Digest, CheckedFile | undefined>();
    for (const { digest } of blobs) {
      if (!files.has(digest)) files.set(digest, this.#validation.find(pathOf(digest), role));
    }
    const missing = blobs.filter((blob) => !files.get(blob.digest));
    const isKnown = ({ digest }: Descriptor) => digest === EMPTY_JSON;
    if (layers.length > 0 && missing.length === blobs.length && !missing.some(isKnown)) {
      return { state: "hollow", height: 1, missing };
    }
    for (const [at, blob] of blobs.entries()) {
      const index = config ? at : at + 1;
      const blobRole = { ...role, what: index === 0 ? "config" : `layer ${index}` };
      const blobFile = files.get(blob.digest);
      if (blobFile) {
        this.#checkDescriptor(blob, path, blobRole);
        this.#checkBlob(blobFile, blob, path, blobRole);
      } else this.#reportMissing(blob, blobRole);
    }
    const facts = layers.map((layer) => ({
      file: files.get(layer.digest),
      mediaType: layer.mediaType,
    }));
    // Where one could not be read, the others are in the wrong places.
    const platform = layers.length === list.length
      ? await this.#image(config, config && files.get(config.digest), facts, role)
      : undefined;
    return { state: "present", height: 1, missing: [], platform };
  }

  async #image(
    config: Descriptor | undefined,
    file: CheckedFile | undefined,
    layers: LayerFacts[],
    role: Role,
  ): Promise<string | undefined> {
    const isImage = config?.mediaType === OCI_CONFIG || config?.mediaType === DOCKER_CONFIG;
    const facts = file && isImage
      ? await this.#configs.read(file, { ...role, what: "config" })
      : undefined;
    const count = config && this.#dockerLayers.get(config.digest);
    if (layers.length === 0 && count && facts?.diffIds?.length === count) {
      this.#validation.findings.warning(
        "layer-count",
        `The manifest of ${
          quoteName(role.image)
        } names no layers, and manifest.json names ${count}: ` +
          "tools that read index.json get an empty image",
        detailsOf(role, { path: facts.path, expected: `${count}`, actual: "0" }),
      );
      return undefined;
    }
    checkLayers(this.#validation, layers, facts, role);
    return facts?.platform && formatPlatform(facts.platform);
  }

  #remember(config: Descriptor | undefined, layers: readonly Descriptor[]): void {
    if (!config) return;
    const digests = layers.map(({ digest }) => digest);
    const known = this.images.get(config.digest);
    if (known) known.push(digests);
    else this.images.set(config.digest, [digests]);
  }

  #comparePlatforms({ platform }: Descriptor, node: Node, path: string, role: Role): void {
    if (!platform || !node.platform || role.what === "attestation") return;
    const { os, architecture } = platform;
    const said = `${os}/${architecture}`;
    if (node.platform === said || node.platform.startsWith(`${said}/`)) return;
    this.#validation.findings.warning(
      "platform",
      `${
        quoteName(path)
      } says that the platform is ${said}, the config of the image says ${node.platform}${
        roleText(role)
      }`,
      detailsOf(role, { path, expected: said, actual: node.platform }),
    );
  }

  #checkDescriptor({ digest, mediaType }: Descriptor, path: string, role: Role): void {
    if (mediaType) return;
    this.#validation.findings.warning(
      "media-type",
      `${quoteName(path)} names ${digest} without a media type, which the specification requires${
        roleText(role)
      }`,
      detailsOf(role, { path, digest }),
    );
  }

  #checkBlob(file: CheckedFile, { digest, size }: Descriptor, parent: string, role: Role): void {
    const path = pathOf(digest);
    if (file.size !== size) {
      this.#validation.findings.error(
        "wrong-size",
        `${quoteName(path)} has ${file.size} bytes, expected ${size} as ${quoteName(parent)} says${
          roleText(role)
        }`,
        detailsOf(role, { path, digest, expected: `${size}`, actual: `${file.size}` }),
      );
    }
    this.#validation.isWrong(file, digest, role, path);
  }

  #reportMissing({ digest, mediaType }: Descriptor, role: Role): void {
    const { findings } = this.#validation;
    const path = pathOf(digest);
    const details = detailsOf(role, { path, digest });
    if (isForeignLayer(mediaType)) {
      const message = `${
        quoteName(path)
      } is not in the archive, and need not be: it is not to be distributed`;
      return findings.note("absent-blob", `${message}${roleText(role)}`, details);
    }
    if (digest === EMPTY_JSON) {
      const message = `${
        quoteName(path)
      } is not in the archive: it is the empty document, which a push supplies`;
      return findings.note("absent-blob", `${message}${roleText(role)}`, details);
    }
    this.#validation.reportMissing(path, role, digest);
  }

  #reportHollow({ missing }: Node, role: Role): void {
    for (const blob of missing) {
      const what = blob.mediaType === OCI_CONFIG || blob.mediaType === DOCKER_CONFIG
        ? "config"
        : "layer";
      this.#reportMissing(blob, { ...role, what });
    }
  }

  #noteAbsent({ digest }: Descriptor, path: string, { state }: Node, role: Role): void {
    const what = role.platform ?? `The ${role.what} ${shortDigest(digest)}`;
    const lacks = state === "absent"
      ? "is not in the archive"
      : "has its manifest in the archive and no layers";
    this.#validation.findings.note(
      "absent-platform",
      `${what} of ${quoteName(role.image)} ${lacks}: the index names more than was saved`,
      detailsOf(role, { path, digest }),
    );
  }

  #list(value: unknown, member: string, path: string, most: number, role: Role): unknown[] {
    // containerd and dockerd have written null for an empty list.
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) {
      this.#validation.malformed(path, `its member "${member}" is not a list`, role);
      return [];
    }
    if (value.length <= most) return value;
    this.#validation.isIncomplete = true;
    this.#validation.findings.error(
      "limit",
      `${
        quoteName(path)
      } has ${value.length} ${member}, expected at most ${most}: the first are checked${
        roleText(role)
      }`,
      detailsOf(role, { path, expected: `${most}`, actual: `${value.length}` }),
    );
    return value.slice(0, most);
  }

  #descriptors(list: readonly unknown[], path: string, member: string, role: Role): Descriptor[] {
    const descriptors: Descriptor[] = [];
    for (const [index, value] of list.entries()) {
      try {
        descriptors.push(parseDescriptor(value));
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        const place = member === "config" ? member : `${member}[${index}]`;
        this.#validation.malformed(path, `${place}: ${error.message}`, role);
      }
    }
    return descriptors;
  }
}

function pathOf(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}
