/**
 * A gateway for edge workers and servers: whoever can send a file over HTTP pushes an image with it.
 *
 * @example A worker that pushes to one registry
 * ```ts
 * import { createGateway } from "@tarpush/tarpush/edge";
 *
 * const gateway = createGateway({ allow: ["registry.example.com"] });
 * // docker save app | curl -T - https://gateway.example.com/v2push/registry.example.com/team/app:1.0
 * const worker = { fetch: (request: Request) => gateway(request) };
 * const answer = await worker.fetch(new Request("https://gateway.example.com/v2push/elsewhere.test/app"));
 * if (answer.status !== 405) throw new Error("unreachable: a push is a PUT");
 * ```
 *
 * @module
 */
export { type DecoderKind, provideDecoder, readDecoder } from "../codec/decoders.ts";
export { createGateway, type GatewayContext, type GatewayOptions } from "./gateway.ts";
export type { FailureCode } from "./failures.ts";
export { readPage } from "./page.ts";
