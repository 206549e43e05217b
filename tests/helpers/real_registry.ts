import type { ServerCertificate } from "./certificates.ts";
import { findProgram, requireProgram } from "./programs.ts";
import { type TemporaryFolder, temporaryFolder } from "./process.ts";
import { startServer } from "./server_process.ts";

/** A real registry, by the name of its program. */
export type RegistryKind = "docker-registry" | "registry" | "zot";

/** What a test needs to know of a kind of registry. */
export interface RealRegistryKind {
  readonly kind: RegistryKind;
  /** For people. */
  readonly title: string;
  /** For the options of the test: why it cannot be started here. */
  readonly skip: string | undefined;
}

/** A registry that runs; disposing of it ends it and removes its folder. */
export interface RealRegistry extends AsyncDisposable {
  readonly kind: RegistryKind;
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** `http://127.0.0.1:PORT`, or the same with https. */
  readonly origin: string;
  readonly pid: number;
  /** Where it keeps its data. */
  readonly folder: string;
  /** The end of what it has logged. */
  log(): string;
  /** Ends it in the middle of whatever it does. */
  kill(): Promise<void>;
  /** Starts it again after that, at the same place with the same data. */
  startAgain(): Promise<void>;
}

/** How a registry is started. */
export interface RealRegistryOptions {
  /** Serves https with it. */
  tls?: ServerCertificate | undefined;
  /** `http://HOST:PORT` of the registry that it gets everything from: it takes nothing from others then. */
  mirrorOf?: string | undefined;
  /** Headers that it answers with: what lets pages in. */
  headers?: Record<string, string> | undefined;
  /** Whether it takes nothing, for maintenance. */
  isReadOnly?: boolean | undefined;
  /** Whether distribution remembers lengths of blobs, as the images of it do. */
  isCaching?: boolean | undefined;
}

/**
 * The kinds of registry that a test runs against. The two that CI installs are required there; zot is used where
 * somebody has it.
 */
export function realRegistries(): RealRegistryKind[] {
  return [
    required("docker-registry", "distribution 2"),
    required("registry", "distribution 3"),
    { kind: "zot", title: "zot", skip: findProgram("zot") ? undefined : "no zot on PATH" },
  ];
}

/**
 * Starts a registry on a free port of 127.0.0.1 with an empty temporary folder and deletion enabled.
 *
 * @param kind Which.
 * @param options TLS.
 * @returns The registry, which answers already.
 * @throws {Error} If it does not start; with its log.
 */
export async function startRealRegistry(
  kind: RegistryKind,
  options: RealRegistryOptions = {},
): Promise<RealRegistry> {
  const folder = await temporaryFolder();
  try {
    return await start(kind, folder, options);
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

function required(kind: RegistryKind, title: string): RealRegistryKind {
  return { kind, title, skip: requireProgram(kind).skip };
}

async function start(
  kind: RegistryKind,
  folder: TemporaryFolder,
  { tls, ...options }: RealRegistryOptions,
): Promise<RealRegistry> {
  const isZot = kind === "zot";
  const files = tls && {
    cert: await folder.write("cert.pem", tls.cert),
    key: await folder.write("key.pem", tls.key),
  };
  async function startAt(port: string) {
    const config = isZot
      ? await folder.write("config.json", zotConfig(folder.path, port, files))
      : await folder.write(
        "config.yml",
        distributionConfig(folder.path, port, { ...options, tls: files }),
      );
    return await startServer(requireProgram(kind).path, ["serve", config], {
      listening: isZot ? /kernel chosen port.*"port":(\d+)/ : /listening on 127\.0\.0\.1:(\d+)/,
      // On a TLS port the answer to plain http is 400.
      status: tls ? 400 : 200,
      // Distribution 3 sends traces to a collector on this machine unless told not to.
      env: { OTEL_TRACES_EXPORTER: "none" },
    });
  }
  // They take port 0 and log the port that they got: no other process can take it in between.
  let server = await startAt("0");
  const host = `127.0.0.1:${server.port}`;
  return {
    kind,
    host,
    origin: `${tls ? "https" : "http"}://${host}`,
    pid: server.pid,
    folder: folder.path,
    log: () => server.log(),
    async kill() {
      await server[Symbol.asyncDispose]();
    },
    async startAgain() {
      server = await startAt(server.port);
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function distributionConfig(
  folder: string,
  port: string,
  { tls, mirrorOf, headers = {}, isReadOnly = false, isCaching = false }: RealRegistryOptions,
): string {
  const files = tls && { certificate: tls.cert, key: tls.key };
  const lists = Object.entries(headers).map(([name, value]) => [name, [value]]);
  const http = {
    addr: `127.0.0.1:${port}`,
    // Without it uploads would not outlive the process.
    secret: "tests",
    ...(files && { tls: files }),
    ...(lists.length > 0 && { headers: Object.fromEntries(lists) }),
  };
  return `version: 0.1
log: { level: info, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: ${JSON.stringify(`${folder}/data`)} }
  delete: { enabled: true }
  maintenance: { readonly: { enabled: ${isReadOnly} } }
  ${isCaching ? "cache: { blobdescriptor: inmemory }" : ""}
${mirrorOf ? `proxy: { remoteurl: ${mirrorOf} }` : ""}
http: ${JSON.stringify(http)}
`;
}

/** Docker's types are taken, as distribution takes them; a blob is there alone where it was sent, and cannot be mounted. */
function zotConfig(folder: string, port: string, tls?: ServerCertificate): string {
  return JSON.stringify({
    distSpecVersion: "1.1.1",
    storage: { rootDirectory: `${folder}/data`, dedupe: false },
    http: { address: "127.0.0.1", port, compat: ["docker2s2"], ...(tls && { tls }) },
    log: { level: "info" },
  });
}
