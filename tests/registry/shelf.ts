import { type Digest, digestBytes } from "../../src/digest.ts";
import type { RepositoryContext } from "../../src/registry/blobs.ts";
import type { FetchHandler } from "../../src/registry/http/call.ts";
import { type Bytes, encodeJson } from "../helpers/archives.ts";
import { makeRepository } from "./make_http.ts";

/** Content by digest or tag, as a registry that checks nothing has it. */
export class Shelf {
  readonly #documents = new Map<string, { bytes: Bytes; mediaType: string }>();
  /** `METHOD path` of every request. */
  readonly requests: string[] = [];
  /** Answers for it; faults may be laid around it. */
  readonly handler: FetchHandler = (request) => {
    const { pathname } = new URL(request.url);
    this.requests.push(`${request.method} ${pathname}`);
    const found = this.#documents.get(pathname.split("/").at(-1) ?? "");
    const status = found ? 200 : 404;
    const headers = { "content-type": found?.mediaType ?? "text/plain" };
    return Promise.resolve(new Response(found?.bytes ?? null, { status, headers }));
  };
  /** The repository that has it. */
  readonly context: RepositoryContext = makeRepository(this.handler);

  async add(content: unknown, mediaType: string, tag?: string) {
    const bytes = content instanceof Uint8Array ? content as Bytes : encodeJson(content);
    const digest = await digestBytes(bytes);
    this.#documents.set(digest, { bytes, mediaType });
    if (tag) this.#documents.set(tag, { bytes, mediaType });
    return { mediaType, digest, size: bytes.length };
  }

  remove(digest: Digest): void {
    this.#documents.delete(digest);
  }
}
