import type { FetchHandler } from "../../src/registry/http/call.ts";

/** A registry that tells of the uploads which it has open. */
export interface WatchedUploads {
  fetch: FetchHandler;
  /** Where those are that were opened and neither committed nor cancelled. */
  open(): Promise<string[]>;
}

export function watchUploads(registry: FetchHandler): WatchedUploads {
  const locations = new Set<string>();
  return {
    async fetch(request) {
      const response = await registry(request);
      const location = response.headers.get("location");
      if (request.method === "POST" && response.status === 202 && location) {
        locations.add(new URL(location, request.url).href);
      }
      return response;
    },
    async open() {
      const open: string[] = [];
      for (const location of locations) {
        const response = await registry(new Request(location));
        await response.body?.cancel();
        if (response.status !== 404) open.push(location);
      }
      return open;
    },
  };
}
