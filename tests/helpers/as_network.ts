import type { Bytes } from "../../src/bytes.ts";
import type { NetworkFetch } from "../../src/network_fetch.ts";

/** A registry that passes for one behind a network: the pieces of its blobs are copies, which are kept in a list. */
export function asNetwork(
  registry: (request: Request) => Promise<Response>,
  pieces: Bytes[] = [],
): NetworkFetch {
  const fetch = async (input: string | URL | Request, init?: RequestInit) => {
    const request = new Request(input, init);
    const response = await registry(request);
    if (!response.body || !request.url.includes("/blobs/")) return response;
    const copies = new TransformStream<Uint8Array, Bytes>({
      transform(bytes, controller) {
        const piece = bytes.slice();
        pieces.push(piece);
        controller.enqueue(piece);
      },
    });
    return new Response(response.body.pipeThrough(copies), response);
  };
  return Object.assign(fetch, { proxyFor: () => undefined });
}
