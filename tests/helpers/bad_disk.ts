import { type Digest, isDigest } from "../../src/digest.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry } from "../../src/server/mod.ts";

/** What a disk has in place of what was written to it. */
type Fault =
  /** Nothing; the registry says so. */
  | { kind: "lost" }
  /** Nothing; the registry remembers it, and sends no byte of it. */
  | { kind: "remembered" }
  /** Other bytes, which stay whatever is written. */
  | { kind: "damaged"; bytes: Uint8Array<ArrayBuffer> }
  /** A manifest that is none any more, and stays so whatever is written. */
  | { kind: "unreadable" };

/** A registry whose disk loses and damages content, as distribution 2.8 and 3 behave then. */
export interface BadDisk {
  fetch: FetchHandler;
  /** What was asked: `METHOD PATH`, without queries. */
  readonly requests: string[];
  /** Takes content away; another upload heals that. */
  lose(digest: string, options?: { isRemembered?: boolean }): void;
  /** Puts other content in the place of some; another upload is taken, and heals nothing. */
  damage(digest: string, bytes: Uint8Array<ArrayBuffer>): void;
  /** Makes a manifest unreadable; writing it again is taken, and heals nothing. */
  spoil(digest: string): void;
}

/** Makes a {@linkcode BadDisk} around an empty registry. */
export function badDisk(): BadDisk {
  const registry = createRegistry();
  const faults = new Map<Digest, Fault>();
  const requests: string[] = [];
  return {
    requests,
    lose: (digest, { isRemembered = false } = {}) =>
      set(digest, { kind: isRemembered ? "remembered" : "lost" }),
    damage: (digest, bytes) => set(digest, { kind: "damaged", bytes }),
    spoil: (digest) => set(digest, { kind: "unreadable" }),
    async fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      requests.push(`${request.method} ${pathname}`);
      const isManifest = request.method === "PUT" && pathname.includes("/manifests/");
      const lost = isManifest ? await lostBelow(request.clone()) : undefined;
      if (lost !== undefined) return refusal("MANIFEST_BLOB_UNKNOWN", 400, lost);
      const response = await registry(request);
      const written = response.headers.get("docker-content-digest") ?? searchParams.get("digest");
      if (request.method === "PUT" && response.status === 201) {
        const kind = isDigest(written) ? faults.get(written)?.kind : undefined;
        if (isDigest(written) && (kind === "lost" || kind === "remembered")) faults.delete(written);
      }
      const isContent = /\/(?:blobs|manifests)\/[^/]+$/.test(pathname);
      const isRead = request.method === "GET" || request.method === "HEAD";
      const fault = isContent && isRead && isDigest(written) ? faults.get(written) : undefined;
      return fault ? answer(request, response, fault) : response;
    },
  };

  /** What a manifest names that is not there. */
  async function lostBelow(request: Request): Promise<string | undefined> {
    const { config, layers = [], manifests = [] } = await request.json();
    const named: { digest: Digest }[] = [...config ? [config] : [], ...layers, ...manifests];
    return named.find(({ digest }) => faults.get(digest)?.kind === "lost")?.digest;
  }

  function set(digest: string, fault: Fault): void {
    if (!isDigest(digest)) throw new TypeError(`no digest: ${digest}`);
    faults.set(digest, fault);
  }
}

function refusal(code: string, status: number, detail?: string): Response {
  return Response.json({ errors: [{ code, message: "unknown", detail }] }, { status });
}

function answer(request: Request, { headers, status }: Response, fault: Fault): Response {
  const isHead = request.method === "HEAD";
  if (fault.kind === "lost") {
    const code = request.url.includes("/blobs/") ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN";
    const { body, headers } = refusal(code, 404);
    return new Response(isHead ? null : body, { status: 404, headers });
  }
  if (fault.kind === "unreadable") return new Response(null, { status: 500 });
  if (fault.kind === "damaged") {
    const changed = new Headers(headers);
    changed.set("content-length", `${fault.bytes.length}`);
    changed.delete("content-range");
    return new Response(isHead ? null : fault.bytes, { status: 200, headers: changed });
  }
  const broken = new ReadableStream({
    start: (controller) => controller.error(new Error("reset")),
  });
  return new Response(isHead ? null : broken, { status, headers });
}
