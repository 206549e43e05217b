import type { Digest } from "../../digest.ts";
import {
  type Descriptor,
  isAbsent,
  isConfigType,
  type JsonObject,
  type Platform,
} from "../../media_types.ts";
import { quoteName } from "../../quote_name.ts";
import { isArtifact } from "../content.ts";
import { EMPTY_JSON, MAX_BLOBS } from "../documents.ts";
import type { CheckedFile } from "./checked_file.ts";
import {
  checkBlob,
  checkMediaType,
  findBlob,
  readDescriptor,
  readDescriptors,
  reportMissingBlob,
} from "./validate_descriptors.ts";
import { checkLayers, type LayerFacts, readConfig } from "./validate_image.ts";
import type { Role, Validation } from "./validation.ts";

/** What a manifest was found to be. */
export interface ManifestFacts {
  /** All that it names, where the archive has nothing of it; none of that has been reported then. */
  missing: readonly Descriptor[];
  /** Of an image, from its config. */
  platform?: Platform | undefined;
}

/** Checks the manifests of an OCI layout, each with its config and its layers. */
export class Manifests {
  /** For each config, the layers of the manifests that name it. */
  readonly images = new Map<Digest, Digest[][]>();
  readonly #validation: Validation;
  readonly #dockerLayers: ReadonlyMap<Digest, number>;

  /** @param dockerLayers Number of layers that manifest.json has for a config. */
  constructor(validation: Validation, dockerLayers: ReadonlyMap<Digest, number>) {
    this.#validation = validation;
    this.#dockerLayers = dockerLayers;
  }

  async check(path: string, json: JsonObject, role: Role): Promise<ManifestFacts> {
    const validation = this.#validation;
    const place = { path, member: "layers", most: MAX_BLOBS };
    const list = readDescriptors(validation, json.layers ?? json.blobs, place, role);
    const layers = list.descriptors;
    const config = isAbsent(json.config)
      ? undefined
      : readDescriptor(validation, json.config, path, "config", role);
    this.#remember(config, layers);
    const blobs = [...(config ? [config] : []), ...layers];
    const files = new Map<Digest, CheckedFile | undefined>();
    for (const { digest } of blobs) {
      if (!files.has(digest)) files.set(digest, findBlob(validation, digest, role));
    }
    const missing = blobs.filter((blob) => !files.get(blob.digest));
    const isKnown = ({ digest }: Descriptor) => digest === EMPTY_JSON;
    if (layers.length > 0 && missing.length === blobs.length && !missing.some(isKnown)) {
      return { missing };
    }
    for (const [at, blob] of blobs.entries()) {
      const index = config ? at : at + 1;
      const blobRole = { ...role, what: index === 0 ? "config" : `layer ${index}` };
      const file = files.get(blob.digest);
      if (file) {
        checkMediaType(validation, blob, path, blobRole);
        checkBlob(validation, file, blob, path, blobRole);
      } else reportMissingBlob(validation, blob, blobRole);
    }
    const facts = layers.map(({ digest, mediaType }) => ({ file: files.get(digest), mediaType }));
    // Where one could not be read, the others are in the wrong places.
    if (layers.length !== list.count) return { missing: [] };
    const image = config && files.get(config.digest);
    const { artifactType } = json;
    const platform = await this.#checkImage({ config, artifactType }, image, facts, role);
    return { missing: [], platform };
  }

  /** Reports what a manifest names, where the archive has nothing of it. */
  reportMissing(missing: ManifestFacts["missing"], role: Role): void {
    for (const blob of missing) {
      const what = isConfigType(blob.mediaType) ? "config" : "layer";
      reportMissingBlob(this.#validation, blob, { ...role, what });
    }
  }

  #remember(config: Descriptor | undefined, layers: readonly Descriptor[]): void {
    if (!config) return;
    const digests = layers.map(({ digest }) => digest);
    const known = this.images.get(config.digest);
    if (known) known.push(digests);
    else this.images.set(config.digest, [digests]);
  }

  /** Compares layers with their config; returns the platform that this names. */
  async #checkImage(
    manifest: { config: Descriptor | undefined; artifactType: unknown },
    file: CheckedFile | undefined,
    layers: LayerFacts[],
    role: Role,
  ): Promise<Platform | undefined> {
    const { config } = manifest;
    const facts = config && file && isConfigType(config.mediaType)
      ? await readConfig(this.#validation, file, { ...role, what: "config" })
      : undefined;
    const count = config && this.#dockerLayers.get(config.digest);
    if (layers.length === 0 && count && facts?.diffIds?.length === count) {
      this.#validation.findings.warning(
        "layer-count",
        `The manifest of ${
          quoteName(role.image)
        } names no layers, and manifest.json names ${count}: ` +
          "tools that read index.json get an empty image",
        { path: facts.path, expected: `${count}`, actual: "0", image: role.image },
      );
      return undefined;
    }
    // What an artifact holds is its own affair: oras calls any file a tar, and writes a config for a platform alone.
    const isOpaque = isArtifact(manifest) && !facts?.diffIds;
    if (!isOpaque) checkLayers(this.#validation, layers, facts, role);
    return facts?.platform;
  }
}
