import { type FolderPaths, toComponent } from "./folder_paths.ts";
import type { StorageFiles } from "./storage_files.ts";

/** Finds the names of all repositories of a folder. */
export async function findRepositories(
  files: StorageFiles,
  paths: FolderPaths,
): Promise<Set<string>> {
  const names = new Set<string>();
  const walk = async (path: string, name: string) => {
    const entries = await files.list(path);
    if (name !== "" && entries.some((entry) => entry.name === "index.json")) names.add(name);
    for (const entry of entries) {
      // A component of this name has a low line before it.
      if (!entry.isDirectory || entry.name === "blobs") continue;
      const component = toComponent(entry.name);
      if (component === undefined) continue;
      const below = name === "" ? component : `${name}/${component}`;
      await walk(paths.repository(below), below);
    }
  };
  await walk(paths.root, "");
  return names;
}
