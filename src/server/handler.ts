import { MAX_MANIFEST_BYTES } from "../media_types.ts";
import type { Storage } from "../storage.ts";
import { handleBlob } from "./blobs.ts";
import { releaseBody } from "./body_pieces.ts";
import type { RegistryContext } from "./context.ts";
import { corsHeaders, isPreflight, preflightResponse } from "./cors.ts";
import { listReferrers, listRepositories, listTags } from "./listing.ts";
import { handleManifest } from "./manifests.ts";
import { MemoryStorage } from "./memory.ts";
import { guideOllama } from "./ollama.ts";
import { emptyResponse, jsonResponse, Problem, problemResponse } from "./problem.ts";
import { checkLength, checkQuirks, type RegistryQuirks } from "./quirks.ts";
import { allowedMethods, parseRoute, type Permissions, type Route } from "./routes.ts";
import { Sessions } from "./sessions.ts";
import { createTroubles, type RegistryTroubles, type Troubles } from "./troubles.ts";
import { handleUpload, startUpload } from "./uploads.ts";

/** Options for {@linkcode createRegistry}. */
export interface RegistryOptions extends RegistryQuirks, RegistryTroubles {
  /**
   * Where content is kept.
   * @default {new MemoryStorage()}
   */
  storage?: Storage;
  /**
   * Whether tags, manifests and blobs may be deleted.
   * @default {false}
   */
  allowDelete?: boolean;
  /**
   * Whether pushing and deleting are refused, as by distribution 2.8 and 3 when they mirror another registry.
   * @default {storage.readOnly}
   */
  readOnly?: boolean;
  /**
   * Origins whose pages may use the registry, such as `https://app.example`; `*` stands for all.
   * @default {[]}
   */
  cors?: string | readonly string[];
  /**
   * Largest manifest to take; distribution-spec, "Pushing Manifests", asks for 4 MB at least.
   * @default {4194304}
   */
  maxManifestBytes?: number;
  /**
   * Largest blob to take; a longer one is answered with 413 when it passes the limit.
   * @default {Infinity}
   */
  maxBlobBytes?: number;
  /**
   * Most uploads that are open at a time; one more is answered with 429.
   * @default {512}
   */
  maxUploads?: number;
  /**
   * How long an upload must have been idle to be dropped when the place is needed.
   * @default {3600}
   */
  uploadIdleSeconds?: number;
  /** Told about every failure that is answered with 500 or 507, or breaks an answer off; a 500 says nothing about it. */
  onError?: (error: unknown, request: Request) => void;
  /**
   * The clock, in milliseconds.
   * @default {Date.now}
   */
  now?: () => number;
}

/** Each open upload may hold an open file, of which a process often has 1,024. */
const MAX_UPLOADS = 512;
/** Longer than clients pause within an upload, shorter than anyone waits for a registry to recover. */
const UPLOAD_IDLE_SECONDS = 3600;

/**
 * Makes an OCI registry that is a fetch handler: give it to a server, or to a client in place of `fetch`.
 *
 * It speaks the whole of distribution-spec v1.1, asks for no login and stores manifests byte for byte. It never
 * rejects: a failure inside is answered with 500, a full disk with 507. Blobs are streamed in and out. An upload whose body breaks off stands
 * at the bytes that arrived, and nothing is readable before the closing request has named the right digest.
 *
 * @example Asking for a tag that nobody pushed
 * ```ts
 * import { createRegistry } from "@tarpush/tarpush/registry";
 * const registry = createRegistry();
 * const response = await registry(new Request("http://registry/v2/app/manifests/latest"));
 * if (response.status !== 404) throw new Error("unreachable");
 * ```
 *
 * @example For a test of what must live with a registry that cannot be listed
 * ```ts
 * import { createRegistry } from "@tarpush/tarpush/registry";
 * const registry = createRegistry({ catalog: false });
 * const response = await registry(new Request("http://registry/v2/_catalog"));
 * if (response.status !== 404) throw new Error("unreachable");
 * ```
 *
 * @param options Storage, permissions, limits and habits.
 * @returns The handler. Its `Location` and `Link` headers are paths, so any host name and any proxy will do;
 * ollama gets them with the host, which it needs.
 * @throws {RangeError} If a limit is not a positive number, or a habit is none that a registry can have.
 */
export function createRegistry(
  options: RegistryOptions = {},
): (request: Request) => Promise<Response> {
  const {
    storage = new MemoryStorage() as Storage,
    allowDelete = false,
    readOnly = storage.readOnly ?? false,
    cors = [],
    maxManifestBytes = MAX_MANIFEST_BYTES,
    maxBlobBytes = Infinity,
    maxUploads = MAX_UPLOADS,
    uploadIdleSeconds = UPLOAD_IDLE_SECONDS,
    onError = () => {},
    now = Date.now,
    ...quirks
  } = options;
  requirePositive({
    maxManifestBytes,
    maxBlobBytes,
    maxUploads,
    uploadIdleSeconds,
    ...quirks.chunkLimits,
    ...options.rateLimit,
  });
  checkQuirks(quirks);
  const permissions = { allowDelete, readOnly };
  const sessions = new Sessions(storage, { maxUploads, uploadIdleSeconds }, now);
  const reportError = (error: unknown, request: Request) => {
    try {
      onError(error, request);
    } catch {
      // The handler never rejects, whatever its observer does.
    }
  };
  const limits = { maxManifestBytes, maxBlobBytes };
  const context = { storage, sessions, permissions, ...limits, quirks, reportError };
  const troubles = createTroubles(options, now);
  const origins = typeof cors === "string" ? [cors] : cors;

  return async (request) => {
    const response = await answer(context, request, origins, troubles).catch((error: unknown) => {
      if (!(error instanceof Problem)) reportError(error, request);
      releaseBody(request);
      return problemResponse(error);
    });
    return finish(response, request, origins);
  };
}

async function answer(
  context: RegistryContext,
  request: Request,
  origins: readonly string[],
  troubles: Troubles | undefined,
): Promise<Response> {
  if (origins.length > 0 && isPreflight(request)) return preflightResponse();
  const failure = troubles && await troubles(request);
  if (failure) {
    releaseBody(request);
    return failure;
  }
  const { pathname, searchParams } = new URL(request.url);
  const route = parseRoute(pathname);
  checkMethod(route, request.method, context.permissions);
  checkLength(request, context.quirks);
  const namespace = searchParams.get("ns");
  return await dispatch(namespace ? within(context, namespace) : context, route, request);
}

function within(context: RegistryContext, namespace: string): RegistryContext {
  const { storage } = context;
  return { ...context, storage: storage.inNamespace?.(namespace) ?? storage };
}

async function dispatch(
  context: RegistryContext,
  route: Route,
  request: Request,
): Promise<Response> {
  switch (route.kind) {
    case "base":
      return jsonResponse({});
    case "catalog":
      if (context.quirks.catalog === false) return emptyResponse(404);
      return await listRepositories(context, request);
    case "tags":
      return await listTags(context, route, request);
    case "referrers":
      return await listReferrers(context, route, request);
    case "manifest":
      return await handleManifest(context, route, request);
    case "blob":
      return await handleBlob(context, route, request);
    case "uploads":
      return await startUpload(context, route, request);
    case "upload":
      return await handleUpload(context, route, request);
  }
}

function checkMethod({ kind }: Route, method: string, permissions: Permissions): void {
  const allowed = allowedMethods(kind, permissions);
  if (allowed.includes(method)) return;
  const everything = allowedMethods(kind, { readOnly: false, allowDelete: true });
  const message = everything.includes(method)
    ? `the registry is not set up to take ${method} here`
    : `${method} means nothing here`;
  const headers = { "Allow": allowed.join(", ") };
  throw new Problem(405, { code: "UNSUPPORTED", message }, { headers });
}

/** Adds what every answer has, and takes the body from the answer to a HEAD. */
function finish(response: Response, request: Request, origins: readonly string[]): Response {
  const { headers, status } = response;
  headers.set("Docker-Distribution-API-Version", "registry/2.0");
  // Blobs are whatever somebody pushed: no browser may take one for a page.
  headers.set("X-Content-Type-Options", "nosniff");
  guideOllama(response, request);
  if (origins.length > 0) {
    const cors = corsHeaders(origins, request.headers.get("Origin"));
    for (const [name, value] of Object.entries(cors)) headers.set(name, value);
  }
  // Other answers go as they are: Bun sends the length of a body that it knows to be bytes, and of no other.
  return request.method === "HEAD" ? new Response(null, { status, headers }) : response;
}

function requirePositive(limits: Record<string, number>): void {
  for (const [name, value] of Object.entries(limits)) {
    if (value > 0) continue;
    throw new RangeError(`Cannot create registry: ${name} is ${value}, expected a positive number`);
  }
}
