import type { Digest } from "../digest.ts";
import {
  type DockerNode,
  type IndexEntry,
  type IndexNode,
  type ManifestNode,
  walk,
  walkUnseen,
} from "./content.ts";
import { keyOf, namesOf } from "./entry_names.ts";

/** A manifest, and the entry of index.json that it belongs to. */
export interface Placed {
  root: ManifestNode | IndexNode;
  manifest: ManifestNode;
}

/** The manifests of index.json, to be found by what manifest.json says of an image. */
export class LayoutManifests {
  readonly #byConfig = new Map<Digest, Placed[]>();
  readonly #byName = new Map<string, (ManifestNode | IndexNode)[]>();

  constructor(entries: readonly IndexEntry[]) {
    const seen = new Set<Digest>();
    // A name on both an index and an image means the index, so an image in both belongs to that.
    for (const kind of ["index", "manifest"]) {
      for (const { node, descriptor } of entries) {
        if (node?.kind !== kind) continue;
        for (const name of namesOf(descriptor)) append(this.#byName, keyOf(name), node);
        for (const manifest of walkUnseen(node, seen)) {
          const config = manifest.kind === "manifest" && manifest.config?.digest;
          if (config) append(this.#byConfig, config, { root: node, manifest });
        }
      }
    }
  }

  /** The manifest of an image: where a name is given, in what index.json calls so, since several indexes may have it. */
  find(image: DockerNode, name?: string): Placed | undefined {
    if (name === undefined) {
      return this.#byConfig.get(image.config.digest)?.find(({ manifest }) =>
        isSame(image, manifest)
      );
    }
    for (const root of this.#byName.get(keyOf(name)) ?? []) {
      const isImage = (node: ManifestNode | IndexNode): node is ManifestNode =>
        node.kind === "manifest" && isSame(image, node);
      const manifest = walk(root).find(isImage);
      if (manifest) return { root, manifest };
    }
    return undefined;
  }
}

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list) list.push(item);
  else lists.set(key, [item]);
}

function isSame(docker: DockerNode, manifest: ManifestNode): boolean {
  return manifest.config?.digest === docker.config.digest &&
    manifest.layers.length === docker.layers.length &&
    manifest.layers.every(({ digest }, index) => digest === docker.layers[index]?.digest);
}
