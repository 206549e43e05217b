import { blobPath, type Digest } from "../../digest.ts";
import { isRepository } from "../../reference.ts";

/** Names in the folder of a repository that are the layout's own (image-spec, image-layout.md). */
const LAYOUT_NAMES = ["blobs", "index.json", "oci-layout"];

/**
 * Where a storage has what in its folder. No repository has a component that starts with a low line: the storage's own
 * names do, and so do components that an OCI layout would have to itself.
 */
export class FolderPaths {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Held by the process that serves the folder; that it is there tells that the folder is one of a storage. */
  get lock(): string {
    return `${this.root}/_lock`;
  }

  /** Files that are not whole yet. */
  get uploads(): string {
    return `${this.root}/_uploads`;
  }

  /** Each blob once, under one more name: so that the next repository that gets it shares it. */
  get shared(): string {
    return `${this.root}/_shared`;
  }

  /** What was found not to have its digest any more. */
  get damaged(): string {
    return `${this.root}/_damaged`;
  }

  /** A name for a file that is not whole yet. */
  newUpload(): string {
    return `${this.uploads}/${crypto.randomUUID()}`;
  }

  /** The OCI layout of a repository. */
  repository(name: string): string {
    return `${this.root}/${name.split("/").map(toFolderName).join("/")}`;
  }

  blob(repository: string, digest: Digest): string {
    return `${this.repository(repository)}/${blobPath(digest)}`;
  }

  /** The shared name of a blob. */
  sharedBlob(digest: Digest): string {
    return `${this.shared}/${blobPath(digest)}`;
  }
}

export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** What a folder stands for in the name of a repository; undefined where it stands for nothing. */
export function toComponent(folderName: string): string | undefined {
  const name = folderName.replace(/^_/, "");
  const isOwn = LAYOUT_NAMES.includes(name);
  return isOwn === folderName.startsWith("_") && isRepository(name) ? name : undefined;
}

function toFolderName(component: string): string {
  return LAYOUT_NAMES.includes(component) ? `_${component}` : component;
}
