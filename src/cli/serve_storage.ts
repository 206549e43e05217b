import type { Storage } from "../storage.ts";

/** Where a registry that is served keeps its content. */
export interface ServedStorage extends AsyncDisposable {
  storage: Storage;
  /** What is said of it beside the address: `in memory`. */
  kept: string;
}

/** The storage in memory. */
export async function openMemory(): Promise<ServedStorage> {
  const { MemoryStorage } = await import("../server/mod.ts");
  const storage = new MemoryStorage();
  return { storage, kept: "in memory", [Symbol.asyncDispose]: () => Promise.resolve() };
}
