import { unpackWasm } from "../codec/decoders.ts";

/** What a server tells the web page that it serves. */
export interface PageSettings {
  /** The server is a registry. */
  registry?: { readOnly: boolean; allowDelete: boolean };
  /** The server is a gateway, and where that may push. */
  gateway?: { allow: readonly string[] };
}

/** What is replaced in the page. */
const SETTINGS = /(?<=<script type="application\/json" id="settings">)[^<]*/;

/**
 * The web page that pushes archives and shows what a registry holds: one HTML file that needs nothing else, for the option `page` of a
 * gateway, a server of your own, or a file.
 *
 * @returns HTML.
 */
export async function readPage(): Promise<string> {
  const [{ PACKED_PAGE }, xz, zstd] = await Promise.all([
    import("./page_html.ts"),
    import("../codec/xz_wasm.ts"),
    import("../codec/zstd_wasm.ts"),
  ]);
  const content = await unpackWasm(PACKED_PAGE);
  // After the text comes WebAssembly, which begins with a zero.
  const end = content.indexOf(0);
  const hash = btoa(String.fromCharCode(...content.subarray(end)));
  return new TextDecoder().decode(content.subarray(0, end))
    .replace("XZ_WASM", xz.WASM)
    .replace("ZSTD_WASM", zstd.WASM)
    .replace("HASH_WASM", hash);
}

/**
 * Answers a request for the web page.
 *
 * @param request GET or HEAD; others are refused.
 */
export function servePage({ method }: Request, html: string, settings: PageSettings): Response {
  if (method !== "GET" && method !== "HEAD") {
    return new Response(null, { status: 405, headers: { allow: "GET, HEAD" } });
  }
  // A name may hold what would end the script.
  const json = JSON.stringify(settings).replaceAll("<", "\\u003c");
  const page = new TextEncoder().encode(html.replace(SETTINGS, () => json));
  return new Response(method === "HEAD" ? null : page, {
    headers: {
      "content-length": `${page.length}`,
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-cache",
      "x-content-type-options": "nosniff",
      // No other page may lay itself over the buttons that delete.
      "content-security-policy": "frame-ancestors 'none'",
    },
  });
}
