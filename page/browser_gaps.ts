/// <reference lib="dom" />

/** Adds what browsers of the last years lack: `URL.parse`. */
export function fillGaps(): void {
  if (!("parse" in URL)) Object.defineProperty(URL, "parse", { value: parseUrl });
}

function parseUrl(url: string, base?: string | URL): URL | null {
  return URL.canParse(url, base) ? new URL(url, base) : null;
}
