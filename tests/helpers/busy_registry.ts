import type { FetchHandler } from "../../src/registry/http/call.ts";

/**
 * Makes a registry as that of go-containerregistry, which mounts nothing, and answers nobody while it takes a body: what would
 * wait for ever gets 400, and is in `refused`.
 */
export function busyWhileTaking(registry: FetchHandler): {
  fetch: FetchHandler;
  refused: string[];
} {
  const refused: string[] = [];
  let takes = 0;
  const fetch: FetchHandler = async (request) => {
    const { method, url } = request;
    const { origin, pathname } = new URL(url);
    if (method === "POST") return await registry(new Request(origin + pathname, request));
    if (["PUT", "PATCH"].includes(method) && !pathname.includes("/manifests/")) {
      takes++;
      return await registry(request).finally(() => takes--);
    }
    if (takes === 0) return await registry(request);
    refused.push(`${method} ${pathname}`);
    return new Response(null, { status: 400 });
  };
  return { fetch, refused };
}
