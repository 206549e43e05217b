import type { Bytes } from "../../bytes.ts";
import { type Digest, isDigest, shortDigest } from "../../digest.ts";
import {
  type Descriptor,
  formatPlatform,
  isAttestation,
  isDocumentType,
  isIndexType,
  isJsonObject,
  type JsonObject,
  MAX_MANIFEST_BYTES,
  OCI_INDEX,
  type Platform,
} from "../../media_types.ts";
import { misfitOf } from "../../member_kinds.ts";
import { quoteName } from "../../quote_name.ts";
import { namesOf } from "../entry_names.ts";
import { malformed, parseJson } from "../content.ts";
import { faultOf } from "../document_fault.ts";
import { MAX_ENTRIES, MAX_INDEX_DEPTH, typeOf } from "../documents.ts";
import { mayLackReferrers, unlistedReferrers } from "../oci_layout.ts";
import type { CheckedFile } from "./checked_file.ts";
import { checkEntryNames, type EntryNames } from "./layout_names.ts";
import {
  checkBlob,
  checkMediaType,
  type DescriptorList,
  findBlob,
  readDescriptors,
  reportMissingBlob,
} from "./validate_descriptors.ts";
import { Manifests } from "./validate_manifest.ts";
import { type Role, type Validation, WHOLE } from "./validation.ts";

/** What an OCI layout was found to hold. */
export interface LayoutFacts {
  entries: number;
  /** For each config, the layers of the manifests that name it. */
  images: ReadonlyMap<Digest, readonly (readonly Digest[])[]>;
}

const PATH = "index.json";

/**
 * Checks index.json and everything below it.
 *
 * @param dockerLayers Number of layers that manifest.json has for a config.
 * @returns What it holds; undefined where there is no index.json.
 */
export async function validateLayout(
  validation: Validation,
  dockerLayers: ReadonlyMap<Digest, number>,
): Promise<LayoutFacts | undefined> {
  const file = validation.find(PATH, WHOLE);
  if (!file) return undefined;
  await checkVersion(validation);
  const manifests = new Manifests(validation, dockerLayers);
  const { images } = manifests;
  const json = await validation.jsonObject(file, MAX_MANIFEST_BYTES, WHOLE);
  if (!json) return { entries: 0, images };
  const { mediaType } = json;
  if (mediaType !== undefined && mediaType !== OCI_INDEX) {
    const said = typeof mediaType === "string" ? quoteName(mediaType) : "of a wrong type";
    validation.findings.warning(
      "media-type",
      `"index.json" has media type ${said}, expected ${OCI_INDEX}`,
      { path: PATH, expected: OCI_INDEX },
    );
  }
  const bytes = await file.bytes(MAX_MANIFEST_BYTES);
  return { entries: await new LayoutWalk(validation, manifests).root(json, bytes), images };
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
  platform?: Platform | undefined;
  /** How many documents stand above each other from here. */
  height: number;
  /** What it names and the archive lacks, for a hollow one. */
  missing: readonly Descriptor[];
  /** What it refers to. */
  subject?: Digest | undefined;
}

class LayoutWalk {
  readonly #validation: Validation;
  readonly #manifests: Manifests;
  readonly #nodes = new Map<Digest, Node>();

  constructor(validation: Validation, manifests: Manifests) {
    this.#validation = validation;
    this.#manifests = manifests;
  }

  /** Checks index.json; returns how many entries it has. */
  async root(json: JsonObject, bytes: Bytes): Promise<number> {
    const { descriptors, count } = this.#entries(json, PATH, WHOLE);
    // Of those that cannot be read more was said.
    const isReadable = count > 0 && descriptors.length === count;
    const misfit = isReadable ? misfitOf(json, bytes) : undefined;
    if (misfit) this.#validation.malformed(PATH, misfit, WHOLE);
    const names: EntryNames = new Map();
    const { findings } = this.#validation;
    for (const descriptor of descriptors) {
      const image = namesOf(descriptor)[0] ?? shortDigest(descriptor.digest);
      const role = { image, what: isIndexType(descriptor.mediaType) ? "index" : "manifest" };
      if (!isDocumentType(descriptor.mediaType)) {
        checkEntryNames(findings, names, descriptor);
        this.#blobEntry(descriptor, PATH, { ...role, what: "entry" });
        continue;
      }
      const node = await this.#node(descriptor, PATH, 0, role);
      checkEntryNames(findings, names, descriptor, node?.subject);
      if (node) this.#reportAbsence(descriptor, node, role);
    }
    if (mayLackReferrers(descriptors)) await this.#checkUnlisted();
    return count;
  }

  async #checkUnlisted(): Promise<void> {
    const { archive: { files }, used } = this.#validation;
    const list = unlistedReferrers(files, ({ path }) => used.has(path));
    for await (const { subject, ...descriptor } of list) {
      if (!this.#nodes.has(subject)) continue;
      const role = { image: shortDigest(subject), what: "referrer" };
      const node = await this.#node(descriptor, PATH, 0, role);
      if (node) this.#reportAbsence(descriptor, node, role);
    }
  }

  #entries(json: JsonObject, path: string, role: Role): DescriptorList {
    const place = { path, member: "manifests", most: MAX_ENTRIES };
    return readDescriptors(this.#validation, json.manifests, place, role);
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
    const file = findBlob(this.#validation, digest, role);
    if (!file) return { state: "absent", height: 1, missing: [] };
    checkMediaType(this.#validation, descriptor, parent, role);
    checkBlob(this.#validation, file, descriptor, parent, role);
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
      const { path } = file;
      const said = quoteName(descriptor.mediaType);
      const state = `says that its media type is ${mediaType}, its descriptor says ${said}`;
      const details = { path, expected: descriptor.mediaType, actual: mediaType };
      validation.report("warning", "media-type", role, state, details);
    }
    const fault = faultOf(json, mediaType, await file.bytes(MAX_MANIFEST_BYTES));
    if (fault) validation.malformed(file.path, fault, role);
    const node = isIndexType(mediaType)
      ? await this.#index(file, json, depth, role)
      : await this.#manifest(file, json, role);
    const subject = isJsonObject(json.subject) ? json.subject.digest : undefined;
    return isDigest(subject) ? { ...node, subject } : node;
  }

  async #index(
    { path }: CheckedFile,
    json: JsonObject,
    depth: number,
    role: Role,
  ): Promise<Node> {
    const children: { descriptor: Descriptor; node: Node; role: Role }[] = [];
    for (const descriptor of this.#entries(json, path, role).descriptors) {
      if (!isDocumentType(descriptor.mediaType)) {
        this.#blobEntry(descriptor, path, { image: role.image, what: "entry" });
        continue;
      }
      const attestation = isAttestation(descriptor);
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
      else this.#reportAbsence(descriptor, node, role);
    }
    const height = 1 + Math.max(0, ...children.map(({ node }) => node.height));
    return { state: "present", height, missing: [] };
  }

  /** BuildKit's cache lists layers in an index. */
  #blobEntry(descriptor: Descriptor, parent: string, role: Role): void {
    const validation = this.#validation;
    const file = findBlob(validation, descriptor.digest, role);
    if (file) checkBlob(validation, file, descriptor, parent, role);
    else reportMissingBlob(validation, descriptor, role);
  }

  async #manifest({ path }: CheckedFile, json: JsonObject, role: Role): Promise<Node> {
    const { missing, platform } = await this.#manifests.check(path, json, role);
    return { state: missing.length > 0 ? "hollow" : "present", height: 1, missing, platform };
  }

  #comparePlatforms({ platform }: Descriptor, node: Node, path: string, role: Role): void {
    if (!platform || !node.platform || role.what === "attestation") return;
    const { os, architecture } = platform;
    const said = `${os}/${architecture}`;
    if (node.platform.os === os && node.platform.architecture === architecture) return;
    const actual = formatPlatform(node.platform);
    const state = `says that the platform is ${said}, the config of the image says ${actual}`;
    this.#validation.report("warning", "platform", role, state, { path, expected: said, actual });
  }

  #reportAbsence(descriptor: Descriptor, { state, missing }: Node, role: Role): void {
    if (state === "absent") reportMissingBlob(this.#validation, descriptor, role);
    if (state === "hollow") this.#manifests.reportMissing(missing, role);
  }

  #noteAbsent({ digest }: Descriptor, path: string, { state }: Node, role: Role): void {
    const what = role.platform ?? `The ${role.what} ${shortDigest(digest)}`;
    const lacks = state === "absent"
      ? "is not in the archive"
      : "has its manifest in the archive and no layers";
    this.#validation.findings.note(
      "absent-platform",
      `${what} of ${quoteName(role.image)} ${lacks}: the index names more than was saved`,
      { path, digest, image: role.image },
    );
  }
}
