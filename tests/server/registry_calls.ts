import { assertEquals } from "@std/assert";
import type { Bytes } from "../../src/bytes.ts";
import { type Digest, digestBytes } from "../../src/digest.ts";
import { OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from "../../src/media_types.ts";

/** The handler under test. */
export type Registry = (request: Request) => Promise<Response>;

/** Sends one request to a registry; `path` may be a Location. */
export function call(
  registry: Registry,
  method: string,
  path: string,
  body?: BodyInit | null,
  headers: Record<string, string> = {},
): Promise<Response> {
  const url = new URL(path, "http://registry.test");
  const init = { method, headers, body: body ?? null, duplex: "half" };
  return registry(new Request(url, init));
}

/** The error codes of an answer, after checking its status. */
export async function codes(response: Response, status: number): Promise<string[]> {
  const text = await response.text();
  assertEquals(response.status, status, text);
  return JSON.parse(text).errors.map((error: { code: string }) => error.code);
}

/** The header Location of an answer. */
export function location(response: Response): string {
  return response.headers.get("Location") ?? "";
}

export function bytesOf(text: string): Bytes {
  return new TextEncoder().encode(text);
}

/** Opens an upload session and returns its location. */
export async function open(registry: Registry, repository = "app"): Promise<string> {
  const response = await call(registry, "POST", `/v2/${repository}/blobs/uploads/`);
  assertEquals(response.status, 202);
  return location(response);
}

/** Pushes a blob in one PUT and returns its digest. */
export async function pushBlob(
  registry: Registry,
  content: string | Bytes,
  repository = "app",
): Promise<Digest> {
  const bytes = typeof content === "string" ? bytesOf(content) : content;
  const digest = await digestBytes(bytes);
  const upload = await open(registry, repository);
  assertEquals((await call(registry, "PUT", `${upload}?digest=${digest}`, bytes)).status, 201);
  return digest;
}

/** A manifest with a config and one layer, both pushed first. */
export async function makeManifest(
  registry: Registry,
  extra: Record<string, unknown> = {},
  repository = "app",
): Promise<Record<string, unknown>> {
  const config = await pushBlob(registry, "{}", repository);
  const layer = await pushBlob(registry, "layer", repository);
  return {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: config, size: 2 },
    layers: [{ mediaType: OCI_LAYER, digest: layer, size: 5 }],
    ...extra,
  };
}

/** PUTs a manifest under its mediaType. */
export function putManifest(
  registry: Registry,
  reference: string,
  document: Record<string, unknown>,
  repository = "app",
): Promise<Response> {
  return call(
    registry,
    "PUT",
    `/v2/${repository}/manifests/${reference}`,
    JSON.stringify(document),
    {
      "Content-Type": String(document.mediaType),
    },
  );
}

/** Pushes a small image and returns its digest. */
export async function pushImage(
  registry: Registry,
  tag: string,
  extra: Record<string, unknown> = {},
  repository = "app",
): Promise<Digest> {
  const document = await makeManifest(registry, extra, repository);
  const response = await putManifest(registry, tag, document, repository);
  assertEquals(response.status, 201, await response.clone().text());
  return await digestBytes(bytesOf(JSON.stringify(document)));
}

/** A body that yields `pieces`, then fails. */
export function brokenBody(...pieces: string[]): ReadableStream<Uint8Array> {
  const rest = pieces.map(bytesOf);
  return new ReadableStream({
    pull(controller) {
      const piece = rest.shift();
      if (piece) controller.enqueue(piece);
      else controller.error(new Error("the connection broke"));
    },
  }, { highWaterMark: 0 });
}

/** A body that yields `pieces`, one per read. */
export function streamOf(...pieces: Uint8Array[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(pieces);
}
