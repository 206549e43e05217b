import { createRegistry } from "../../src/server/mod.ts";
const registry = createRegistry();
globalThis.fetch = (input, init) => registry(new Request(input, init));
