import { closedPort } from "../end_to_end/registry_server.ts";
import type { ServerCertificate } from "./certificates.ts";
import { type TemporaryFolder, temporaryFolder } from "./process.ts";
import { requireProgram } from "./programs.ts";
import { type ServerProcess, startServer } from "./server_process.ts";

/** A server that stands before registries in the world, by the name of its program. */
export type FrontKind = "nginx" | "haproxy" | "caddy";

/** How a front is set up. */
export interface FrontOptions {
  /** `HOST:PORT` of what stands behind it. */
  upstream: string;
  /** Serves https, and HTTP/2 with it; nginx does not here. */
  tls?: ServerCertificate;
  /**
   * What nginx sends upstream as the header Host: what the client sent, or that without its port.
   * @default {"$http_host"}
   */
  host?: "$http_host" | "$host";
  /** nginx answers 429 to what comes sooner than so many requests a second allow. */
  requestsPerSecond?: number;
}

/** A front that runs; disposing of it ends it. */
export interface FrontServer extends AsyncDisposable {
  /** `127.0.0.1:PORT`, in plain http. */
  readonly host: string;
  /** `https://localhost:PORT`, where it was given a certificate. */
  readonly secure: string;
}

/** Ports are free when they are looked for, and may be taken when a server wants them. */
const ATTEMPTS = 3;

/** Starts a front with what is its default but for the place where it listens and the one that it leads to. */
export async function startFront(kind: FrontKind, options: FrontOptions): Promise<FrontServer> {
  for (let attempt = 1;; attempt++) {
    try {
      return await start(kind, options);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

async function start(kind: FrontKind, options: FrontOptions): Promise<FrontServer> {
  const [plain, secure] = [await freePort(), await freePort()];
  const ready = `/ready-${crypto.randomUUID()}`;
  const folder = await temporaryFolder();
  let server: ServerProcess;
  try {
    const args = await ARGUMENTS[kind](folder, { plain, secure, ready }, options);
    server = await startServer(requireProgram(kind).path, args, {
      port: plain,
      path: ready,
      status: 204,
      env: { HOME: folder.path, XDG_DATA_HOME: folder.path, XDG_CONFIG_HOME: folder.path },
    });
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
  return {
    host: `127.0.0.1:${plain}`,
    secure: `https://localhost:${secure}`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function freePort(): Promise<string> {
  return (await closedPort()).split(":")[1] ?? "";
}

/** The ports that a front listens on, and the path at which it answers 204 by itself. */
interface Listening {
  plain: string;
  secure: string;
  ready: string;
}

type Arguments = (
  folder: TemporaryFolder,
  listening: Listening,
  options: FrontOptions,
) => Promise<string[]>;

/** Writes the configuration of each, and returns how it is started with it. */
const ARGUMENTS: Record<FrontKind, Arguments> = {
  async nginx(folder, { plain, ready }, { upstream, host = "$http_host", requestsPerSecond }) {
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${folder.path}/${name};`);
    const limit = requestsPerSecond === undefined
      ? ""
      : `limit_req_zone $server_port zone=all:1m rate=${requestsPerSecond}r/s; limit_req zone=all; limit_req_status 429;`;
    const config = await folder.write(
      "nginx.conf",
      `daemon off; master_process off; pid ${folder.path}/pid; error_log stderr;
events {}
http {
  access_log off; ${temporary.join(" ")} ${limit}
  server {
    listen 127.0.0.1:${plain};
    location = ${ready} { return 204; }
    location / { proxy_pass http://${upstream}; proxy_set_header Host ${host}; }
  }
}
`,
    );
    return ["-c", config, "-e", "stderr"];
  },
  async haproxy(folder, { plain, secure, ready }, { upstream, tls }) {
    if (tls) await folder.write("site.pem", `${tls.cert}\n${tls.key}`);
    const bindTls = `bind 127.0.0.1:${secure} ssl crt ${folder.path}/site.pem alpn h2,http/1.1`;
    const config = await folder.write(
      "haproxy.cfg",
      `defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:${plain}
  ${tls ? bindTls : ""}
  http-request return status 204 if { path ${ready} }
  default_backend back
backend back
  server registry ${upstream}
`,
    );
    return ["-f", config];
  },
  async caddy(folder, { plain, secure, ready }, { upstream, tls }) {
    const site = (address: string, tls = "") =>
      `${address} {\n  bind 127.0.0.1\n  ${tls}\n  respond ${ready} 204\n  reverse_proxy ${upstream}\n}\n`;
    const files = tls && [
      await folder.write("cert.pem", tls.cert),
      await folder.write("key.pem", tls.key),
    ];
    const config = await folder.write(
      "Caddyfile",
      `{\n  admin off\n  auto_https off\n}\n${site(`http://127.0.0.1:${plain}`)}${
        files ? site(`https://localhost:${secure}`, `tls ${files.join(" ")}`) : ""
      }`,
    );
    return ["run", "--adapter", "caddyfile", "--config", config];
  },
};
