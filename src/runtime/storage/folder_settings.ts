import type { FolderPaths } from "./folder_paths.ts";
import type { StorageFiles } from "./storage_files.ts";

/** What a storage in a folder is made with. */
export interface FolderSettings {
  files: StorageFiles;
  paths: FolderPaths;
  /** Whether nothing is written at all. */
  readOnly: boolean;
  /** Whether the file system has hard links. */
  hasLinks: boolean;
  /** The clock, in milliseconds. */
  now: () => number;
  /** Told of content that is found to be damaged while it is served. */
  onDamage: (error: Error) => void;
}
