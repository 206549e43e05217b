/** Loaded before the blocks of documents: `localhost:5000` is a registry of this process for them, and nothing else is there. */
import { createRegistry } from "../../src/server/mod.ts";

const registry = createRegistry({ allowDelete: true });
globalThis.fetch = async (input, init) => {
  const request = new Request(input, init);
  const { host } = new URL(request.url);
  if (host === "localhost:5000") return await registry(request);
  throw new TypeError(`Cannot reach ${host}: expected localhost:5000`);
};
