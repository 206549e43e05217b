import { asyncDispose } from "../async_dispose.ts";
import { anySignal } from "../concurrency.ts";
import type { Hasher } from "../incremental_hash.ts";
import { isRepository, parseTarget, registryOrigin } from "../reference.ts";
import type { CallOptions, ListNamesOptions } from "./call_options.ts";
import type { Http } from "./http/call.ts";
import { httpFor, type RequestOptions, resolveRequestOptions } from "./http/request_options.ts";
import { listRepositories } from "./listing.ts";
import type { PingResult } from "./ping.ts";
import { Repository } from "./repository.ts";

/** Options for {@linkcode RegistryClient}. */
export interface RegistryClientOptions extends RequestOptions {
  /** Aborts every call of the client. */
  signal?: AbortSignal;
}

/**
 * A client for one registry: what is there, what it is made of, and what shall go. Nothing is sent before a method is
 * called. Disposing of it aborts what is under way.
 *
 * @example Listing what a registry has
 * ```ts
 * import { RegistryClient } from "@tarpush/tarpush";
 * import { createRegistry } from "@tarpush/tarpush/registry";
 *
 * await using client = new RegistryClient("localhost:5000", { fetch: createRegistry() });
 * const { state } = await client.ping();
 * if (state !== "registry") throw new Error("unreachable");
 * for await (const name of client.repositories()) {
 *   for await (const tag of client.repository(name).tags()) console.log(`${name}:${tag}`);
 * }
 * ```
 */
export class RegistryClient implements AsyncDisposable {
  /** Scheme, host and port. */
  readonly origin: string;
  readonly #http: Http;
  readonly #hasher: Hasher;
  readonly #closed = new AbortController();
  readonly #signal: AbortSignal;

  /**
   * Makes one.
   *
   * @param address `[http://|https://]HOST[:PORT]`.
   * @param options Options.
   * @throws {SyntaxError} If the address is none, or has a path.
   * @throws {RangeError} If a number is out of range.
   */
  constructor(address: string, options: RegistryClientOptions = {}) {
    const resolved = resolveRequestOptions(options);
    const target = parseTarget(address);
    if (target.kind === "reference" || target.place.prefix !== "") {
      const shown = JSON.stringify(address.slice(0, 300));
      throw new SyntaxError(
        `Cannot use ${shown} as a registry: it has a path, expected HOST[:PORT]`,
      );
    }
    this.origin = registryOrigin(target.place, resolved.plainHttp);
    this.#http = httpFor(this.origin, resolved);
    this.#hasher = resolved.hasher;
    this.#signal = anySignal(options.signal, this.#closed.signal);
  }

  /**
   * Asks once whether there is a registry, and tells what else is there.
   *
   * @param options Signal.
   * @returns What was found; that nobody answers is a result, too.
   */
  async ping(options: CallOptions = {}): Promise<PingResult> {
    const { pingRegistry } = await import("./ping.ts");
    return await pingRegistry(this.#http, this.#hooks(options));
  }

  /**
   * Lists the repositories page by page, in the registry's order: the first come before the last were sent.
   *
   * @param options Signal, size of pages, and where to begin.
   * @returns Their names; to leave the loop ends the request.
   * @throws {RegistryError} If the registry has no catalog.
   */
  repositories(options: ListNamesOptions = {}): AsyncIterable<string> {
    const { pageSize, last, onWarning } = options;
    return listRepositories(this.#http, { pageSize, last, onWarning, ...this.#hooks(options) });
  }

  /**
   * One repository; it need not exist yet.
   *
   * @param name Its path below the registry, such as `team/app`.
   * @returns The repository; nothing is asked.
   * @throws {SyntaxError} If it is no name of a repository.
   */
  repository(name: string): Repository {
    if (!isRepository(name)) {
      throw new SyntaxError(
        `Cannot use ${JSON.stringify(name.slice(0, 300))} as a repository: it is no valid name`,
      );
    }
    const context = { http: this.#http, repository: name };
    return new Repository(context, {
      hasher: this.#hasher,
      hooks: (options) => this.#hooks(options),
    });
  }

  /** Aborts what is under way; every later call rejects. */
  [asyncDispose](): Promise<void> {
    this.#closed.abort(new DOMException("The registry client was disposed of", "AbortError"));
    return Promise.resolve();
  }

  #hooks({ signal }: CallOptions): { signal: AbortSignal } {
    return { signal: anySignal(signal, this.#signal) };
  }
}
