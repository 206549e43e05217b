import type { FetchHandler } from "../../src/registry/http/call.ts";
import { createRegistry, MemoryStorage, type RegistryOptions } from "../../src/server/mod.ts";
import { serve, serveRegistry } from "../end_to_end/registry_server.ts";
import type { CertificateAuthority } from "../helpers/certificates.ts";
import type { Registry } from "../helpers/expected.ts";
import { type FrontKind, type FrontOptions, startFront } from "../helpers/front_server.ts";
import { temporaryFolder } from "../helpers/process.ts";
import { requireProgram } from "../helpers/programs.ts";
import {
  realRegistries,
  type RealRegistry,
  type RealRegistryKind,
  type RegistryKind,
  startRealRegistry,
} from "../helpers/real_registry.ts";
import { startServer } from "../helpers/server_process.ts";
import { handlerOf } from "./read_registry.ts";

/** Where images can go: a registry, or what stands in front of one. */
export interface Place {
  /** For people. */
  readonly title: string;
  /** Why it cannot be started here. */
  readonly skip: string | undefined;
  start(authority: CertificateAuthority): Promise<RunningPlace>;
}

/** A place that answers; disposing of it ends it. */
export interface RunningPlace extends AsyncDisposable {
  /** What is typed before `/REPOSITORY`. */
  readonly address: string;
  /** Whether its certificate is one of the authority's. */
  readonly isSecure: boolean;
  /** `HOST:PORT` that takes plain http. */
  readonly host: string;
  /** The registry, past everything that stands in front of it. */
  readonly registry: Registry;
}

/** The real registries. */
export const REAL_PLACES: readonly Place[] = [
  ...realRegistries().map((kind) => realPlace(kind, "", startRealRegistry)),
  cranePlace("crane registry serve", () => []),
  cranePlace("crane registry serve --disk", (folder) => ["--disk", folder]),
];

const DISTRIBUTIONS = realRegistries().filter(({ kind }) => kind !== "zot");

/** Distributions that take nothing for a while. */
export const MAINTAINED_PLACES: readonly Place[] = DISTRIBUTIONS.map((kind) =>
  realPlace(kind, " under maintenance", (kind) => startRealRegistry(kind, { isReadOnly: true }))
);

/** Distributions that get everything from another registry, which `before` fills, and take nothing else. */
export function mirrorPlaces(before: (registry: Registry) => Promise<void>): Place[] {
  return DISTRIBUTIONS.map((kind) =>
    realPlace(kind, " as a mirror", async (kind) => {
      const upstream = await serveRegistry();
      await before(upstream.registry);
      const mirror = await startRealRegistry(kind, { mirrorOf: `http://${upstream.host}` });
      return { ...mirror, [Symbol.asyncDispose]: () => endAll(mirror, upstream) };
    })
  );
}

function realPlace(
  { kind, title, skip }: RealRegistryKind,
  addition: string,
  start: (kind: RegistryKind) => Promise<RealRegistry>,
): Place {
  return {
    title: `${title}${addition}`,
    skip,
    async start() {
      const server = await start(kind);
      return plainPlace(server.host, server);
    },
  };
}

async function endAll(...servers: AsyncDisposable[]): Promise<void> {
  for (const server of servers) await server[Symbol.asyncDispose]();
}

/** A registry of this project with options; `before` fills its storage through one without. */
export function embeddedPlace(
  title: string,
  options: RegistryOptions = {},
  { before, change = (registry) => registry }: {
    before?: (registry: Registry) => Promise<void>;
    change?: (registry: FetchHandler) => FetchHandler;
  } = {},
): Place {
  return {
    title,
    skip: undefined,
    async start() {
      const storage = new MemoryStorage();
      await before?.(createRegistry({ storage }));
      const server = await serve(
        change(createRegistry({ storage, allowDelete: true, ...options })),
      );
      return { ...plainPlace(server.host, server), registry: createRegistry({ storage }) };
    },
  };
}

/**
 * What zot does (main of 2026-08), which cannot be installed: OCI only, an upload whose body broke off is gone, and a PUT
 * without a length is one without a body.
 */
export function zotLike(): Place {
  const change = (registry: FetchHandler): FetchHandler => async (request) => {
    const { method, url, headers } = request;
    const isUpload = /^P(ATCH|UT)$/.test(method) && url.includes("/blobs/uploads/");
    if (isUpload && method === "PUT" && !headers.has("content-length")) {
      await request.body?.cancel();
      return await registry(new Request(url, { method }));
    }
    const response = await registry(request);
    if (isUpload && response.status === 400) {
      await registry(new Request(url, { method: "DELETE" }));
    }
    return response;
  };
  return embeddedPlace("what acts as zot", { accept: "oci" }, { change });
}

/** What olareg does (2026-07): no catalog, and the state of an upload in its Location. */
export function olaregLike(): Place {
  const change = (registry: FetchHandler): FetchHandler => async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    if (/\/blobs\/uploads\/./.test(pathname) && !searchParams.has("state")) {
      return new Response(null, { status: 400 });
    }
    const response = await registry(request);
    const location = response.headers.get("Location");
    if (location?.includes("/blobs/uploads/")) {
      response.headers.set("Location", `${location}?state=eyJvZmZzZXQiOjB9%3D`);
    }
    return response;
  };
  return embeddedPlace("what acts as olareg", { catalog: false }, { change });
}

/** A front before distribution 3, whose Location names the host that it was asked by. */
export function frontPlace(
  title: string,
  kind: FrontKind,
  { isSecure = false, ...options }: { isSecure?: boolean } & Pick<FrontOptions, "host"> = {},
): Place {
  return {
    title,
    skip: requireProgram(kind).skip ?? requireProgram("registry").skip,
    async start(authority) {
      const upstream = await startRealRegistry("registry");
      try {
        const tls = isSecure ? { tls: await authority.issue() } : {};
        const front = await startFront(kind, { ...options, ...tls, upstream: upstream.host });
        return {
          address: isSecure ? front.secure : front.host,
          isSecure,
          host: front.host,
          registry: handlerOf(upstream.host),
          [Symbol.asyncDispose]: () => endAll(front, upstream),
        };
      } catch (error) {
        await upstream[Symbol.asyncDispose]();
        throw error;
      }
    },
  };
}

function cranePlace(title: string, moreArgs: (folder: string) => string[]): Place {
  const crane = requireProgram("crane");
  return {
    title,
    skip: crane.skip,
    async start() {
      const folder = await temporaryFolder();
      const args = ["registry", "serve", "--address", "127.0.0.1:0", ...moreArgs(folder.path)];
      const server = await startServer(crane.path, args, { listening: /serving on port (\d+)/ });
      return {
        ...plainPlace(`127.0.0.1:${server.port}`, server),
        [Symbol.asyncDispose]: () => endAll(server, folder),
      };
    },
  };
}

function plainPlace(host: string, server: AsyncDisposable): RunningPlace {
  return {
    address: host,
    isSecure: false,
    host,
    registry: handlerOf(host),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
