import type { Digest } from "../digest.ts";
import {
  type DockerNode,
  type DocumentNode,
  type IndexEntry,
  type ManifestNode,
  walkUnseen,
} from "./content.ts";
import { keyOf, namesOf } from "./entry_names.ts";

/** A manifest, and the entry of index.json that it belongs to. */
export interface Placed {
  root: DocumentNode;
  manifest: ManifestNode;
}

/** Entries of one name that are looked through: an image, its signatures and the like have one name in some archives. */
const MAX_NAMESAKES = 16;

/** The manifests of index.json, to be found by what manifest.json says of an image. */
export class LayoutManifests {
  readonly #placed = new Map<string, Placed>();
  readonly #byName = new Map<string, Set<DocumentNode>>();
  /** What the roots hold that have been looked into. */
  readonly #held = new Map<DocumentNode, ReadonlyMap<string, ManifestNode>>();

  constructor(entries: readonly IndexEntry[]) {
    const seen = new Set<Digest>();
    // A name on both an index and an image means the index, so an image in both belongs to that.
    for (const kind of ["index", "manifest"]) {
      for (const { node, descriptor } of entries) {
        if (node?.kind !== kind) continue;
        for (const name of namesOf(descriptor)) this.#addName(keyOf(name), node);
        for (const manifest of walkUnseen(node, seen)) {
          if (manifest.kind !== "manifest") continue;
          const key = imageKey(manifest);
          if (!this.#placed.has(key)) this.#placed.set(key, { root: node, manifest });
        }
      }
    }
  }

  /** The manifest of an image: where a name is given, in what index.json calls so, since several indexes may have it. */
  find(image: DockerNode, name?: string): Placed | undefined {
    const key = imageKey(image);
    if (name === undefined) return this.#placed.get(key);
    for (const root of this.#byName.get(keyOf(name)) ?? []) {
      const manifest = this.#heldBy(root).get(key);
      if (manifest) return { root, manifest };
    }
    return undefined;
  }

  #addName(key: string, node: DocumentNode): void {
    const nodes = this.#byName.get(key) ?? new Set();
    if (nodes.size < MAX_NAMESAKES) this.#byName.set(key, nodes.add(node));
  }

  /** A manifest itself, or those that an index lists. */
  #heldBy(root: DocumentNode): ReadonlyMap<string, ManifestNode> {
    const known = this.#held.get(root);
    if (known) return known;
    const nodes = root.kind === "index" ? root.entries.map(({ node }) => node) : [root];
    const held = new Map<string, ManifestNode>();
    for (const node of nodes) if (node?.kind === "manifest") held.set(imageKey(node), node);
    this.#held.set(root, held);
    return held;
  }
}

/** What manifest.json says of an image: config and layers. */
function imageKey({ config, layers }: ManifestNode | DockerNode): string {
  return [config?.digest, ...layers.map(({ digest }) => digest)].join(" ");
}
