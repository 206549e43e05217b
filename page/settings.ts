/// <reference lib="dom" />

/** What the server that the page came from wrote into it; nothing where it is a file. */
export interface Settings {
  registry?: { readOnly: boolean; allowDelete: boolean };
  /** It is a gateway, and where it may push. */
  gateway?: { allow: string[] };
}

/** Reads what the server wrote into the page. */
export function readSettings(): Settings {
  const text = document.getElementById("settings")?.textContent ?? "{}";
  const settings: unknown = JSON.parse(text);
  return typeof settings === "object" && settings !== null ? settings : {};
}

/** The registry that the page came from, as a reference names it. */
export function ownRegistry(): string {
  const { protocol, host, hostname } = location;
  const isLocal = /^(?:127\.[\d.]+|\[::1\]|localhost)$/.test(hostname);
  // Without a scheme it is http for this machine and https for others.
  return isLocal === (protocol === "http:") ? host : `${protocol}//${host}`;
}

/** Where a registry that was typed is kept, for the next time. */
const KEY = "tarpush-registry";

/** The registry to begin with. */
export function rememberedRegistry(): string {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return ""; // A page of a file may have no storage.
  }
}

/** Keeps a registry for the next time. */
export function rememberRegistry(registry: string): void {
  try {
    localStorage.setItem(KEY, registry);
  } catch {
    // It has to be typed again.
  }
}
