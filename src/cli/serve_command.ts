import { isBlockedPort } from "../blocked_ports.ts";
import { sleep } from "../concurrency.ts";
import type { Host, ListeningServer, ListenOptions } from "../runtime/host.ts";
import { createRegistry } from "../server/mod.ts";
import { RegistryObserver } from "../server/observer.ts";
import { Problem, problemResponse } from "../server/problem.ts";
import type { ServeCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import { requireCertificate, requireKey } from "./pem.ts";
import type { ServedStorage } from "./serve_archives.ts";
import { createServeLog, errorText, type ServeLog } from "./serve_log.ts";
import { openServedStorage, scrub } from "./serve_storage.ts";

/** How long uploads and downloads may take to come to an end after the first interrupt. */
const END_SECONDS = 30;
/** An upload between two requests is waited for where something of it came so short a time ago. */
const QUIET_SECONDS = 10;

/** What nobody reads of the log is not waited for longer than this. */
const LOG_MILLISECONDS = 500;

/** `tarpush serve`: a registry, until it is interrupted. */
export async function runServe(
  command: ServeCommand,
  host: Host,
  signal: AbortSignal,
): Promise<number> {
  const log = createServeLog(command, host);
  if (command.scrub && command.dir !== undefined) {
    return await scrub(command.dir, command, host, signal);
  }
  const options = await listenOptions(command, host);
  await using served = await openServedStorage(command, host, log, signal);
  const observer = new RegistryObserver(log.request);
  const answer = createAnswer(command, served, observer, log, signal);
  const server = await host.serve(answer, options);
  await tellAddress(command, server.port, served, log);
  await aborted(signal);
  await end(server, observer, log);
  return EXIT.done;
}

/** The registry with what stands beside it: a page for browsers, and what watches over servers asks for. */
function createAnswer(
  command: ServeCommand,
  { storage }: ServedStorage,
  observer: RegistryObserver,
  log: ServeLog,
  ending: AbortSignal,
): (request: Request, client: string) => Promise<Response> {
  const { allowDelete, cors, maxBlobBytes } = command;
  const readOnly = command.readOnly || storage.readOnly === true;
  const onError = (error: unknown, { method, url }: Request) => {
    observer.countError();
    log.error(`Cannot answer ${method} ${url}: ${errorText(error)}`);
  };
  const registry = createRegistry({
    storage: observer.watch(storage),
    ...{ readOnly, allowDelete, cors, onError },
    ...(maxBlobBytes !== undefined && { maxBlobBytes }),
  });
  const observed = observer.observe((request) =>
    ending.aborted && isNewUpload(request) ? Promise.resolve(endingAnswer()) : registry(request)
  );
  return async (request, client) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return await answerPage(request, { readOnly, allowDelete });
    if (pathname === "/healthz") return answerHealth(ending);
    if (pathname === "/metrics") return answerText(observer.metrics());
    return await observed(request, client);
  };
}

async function answerPage(
  request: Request,
  registry: { readOnly: boolean; allowDelete: boolean },
): Promise<Response> {
  const { readPage, servePage } = await import("../edge/page.ts");
  return servePage(request, await readPage(), { registry });
}

function answerHealth(ending: AbortSignal): Response {
  return ending.aborted ? answerText("ending\n", 503) : answerText("ok\n");
}

function answerText(text: string, status = 200): Response {
  return new Response(text, { status, headers: { "content-type": "text/plain; version=0.0.4" } });
}

function isNewUpload({ method, url }: Request): boolean {
  return method === "POST" && /\/blobs\/uploads\/?$/.test(new URL(url).pathname);
}

function endingAnswer(): Response {
  const message = "the registry is about to end: it takes no more uploads";
  const headers = { "Retry-After": "5" };
  return problemResponse(new Problem(503, { code: "UNAVAILABLE", message }, { headers }));
}

async function listenOptions(
  { hostname, port, cert, key }: ServeCommand,
  host: Host,
): Promise<ListenOptions> {
  if (cert === undefined || key === undefined) return { hostname, port };
  const tls = {
    cert: requireCertificate(cert, await host.readTextFile(cert), "a certificate"),
    key: requireKey(key, await host.readTextFile(key)),
  };
  return { hostname, port, tls };
}

async function tellAddress(
  { hostname, cert }: ServeCommand,
  port: number,
  { kept, notes = [] }: ServedStorage,
  log: ServeLog,
): Promise<void> {
  const address = hostname.includes(":") ? `[${hostname}]` : hostname;
  const url = `${cert === undefined ? "http" : "https"}://${address}:${port}`;
  await log.listening(`Registry on ${url}, kept ${kept}; Ctrl-C ends it`, { url, kept });
  for (const line of notes) log.note(line);
  if (!isBlockedPort(port)) return;
  log.note(
    `warning: browsers and Deno do not connect to port ${port}: choose another, such as --port 5000`,
  );
}

/** Lets uploads that have begun, and answers, come to their end before the server does. */
async function end(
  server: ListeningServer,
  observer: RegistryObserver,
  log: ServeLog,
): Promise<void> {
  const uploads = observer.activeUploads(QUIET_SECONDS * 1000);
  if (uploads.length > 0) {
    const what = uploads.length === 1 ? "an upload" : `${uploads.length} uploads`;
    log.note(`Waiting for ${what}, at most ${END_SECONDS} s; Ctrl-C again ends at once`);
  }
  await within(END_SECONDS * 1000, Promise.all(uploads).then(() => server.finish()));
  await server.stop();
  await within(LOG_MILLISECONDS, log.written());
}

/** Settled when the work has been done, or the time is over. */
async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  const over = new AbortController();
  await Promise.race([work, sleep(milliseconds, over.signal).catch(() => {})]);
  over.abort();
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true })
  );
}
