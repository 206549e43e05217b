import { type Bytes, tap, toBytes } from "../bytes.ts";
import { type Digest, digestAlgorithm, parseDigest } from "../digest.ts";
import { DigestMismatchError } from "../errors.ts";
import { hashAll } from "../incremental_hash.ts";
import type { BlobSource } from "../source/blob_source.ts";
import { type BlobContent, getBlob } from "./blob_content.ts";
import { headBlob, nameOf, type ReadHooks, type RepositoryContext } from "./blobs.ts";
import type { CallOptions, RepositoryServices } from "./call_options.ts";
import { deleteBlob } from "./deletion.ts";
import { uploadBlob } from "./upload/upload_blob.ts";
import { chunkSizeFor, DEFAULT_CHUNK_BYTES, wantsLength } from "./upload/body_limits.ts";
import { commitUpload } from "./upload/close_upload.ts";
import { sendBody } from "./upload/send_body.ts";
import {
  cancelUpload,
  openUpload,
  startUpload,
  type UploadSession,
} from "./upload/upload_session.ts";

/** What {@linkcode RepositoryBlobs.push} takes: bytes, anything with `size` and `slice`, or a stream that comes once. */
export type BlobInput = Uint8Array | BlobSource | ReadableStream<Uint8Array>;

/** The blobs of a repository. */
export class RepositoryBlobs {
  readonly #context: RepositoryContext;
  readonly #services: RepositoryServices;

  /**
   * Made with its {@linkcode Repository}.
   *
   * @param context Registry and name.
   * @param services What all repositories of a client share.
   */
  constructor(context: RepositoryContext, services: RepositoryServices) {
    this.#context = context;
    this.#services = services;
  }

  /**
   * Asks whether a blob is there.
   *
   * @param digest The blob.
   * @param options Signal.
   * @returns Its size in bytes, undefined where the registry does not tell; nothing at all where it is not there.
   * @throws {DigestMismatchError} If the registry names another digest.
   */
  async head(
    digest: string,
    options: CallOptions = {},
  ): Promise<{ size: number | undefined } | undefined> {
    const hooks = this.#services.hooks(options);
    const size = await headBlob(this.#context, parseDigest(digest), hooks);
    return size === undefined ? undefined : { size: size < 0 ? undefined : size };
  }

  /**
   * Reads a blob, or a part of it. The whole is hashed on the way: the stream fails at its end where the digest is wrong.
   * A connection that breaks is opened again where it broke.
   *
   * @param digest The blob.
   * @param options Signal; `start`, the first byte; `end`, one past the last.
   * @returns Length and content; whoever does not read it to its end cancels it.
   * @throws {RangeError} If `start` and `end` make no part.
   * @throws {RegistryError} 404 where it is not there.
   */
  get(
    digest: string,
    options: CallOptions & { start?: number | undefined; end?: number | undefined } = {},
  ): Promise<BlobContent> {
    const { start, end } = options;
    const { hasher } = this.#services;
    const hooks = this.#services.hooks(options);
    return getBlob(this.#context, parseDigest(digest), { start, end, hasher, ...hooks });
  }

  /**
   * Uploads a blob unless it is there. What can be read twice is hashed first, and sent again after a failure that may
   * pass; a stream is hashed on the way and sent once.
   *
   * @param content The content.
   * @param options Signal, and the digest where it is known: it is not computed then, and the registry verifies it.
   * @returns Digest, length, and whether it had to be sent.
   * @throws {RegistryError} If the registry refuses it, also because the content has another digest.
   */
  async push(
    content: BlobInput,
    options: CallOptions & { digest?: string | undefined } = {},
  ): Promise<{ digest: Digest; size: number; status: "pushed" | "exists" }> {
    const hooks = this.#services.hooks(options);
    const named = options.digest === undefined ? undefined : parseDigest(options.digest);
    if (content instanceof ReadableStream) return await this.#pushStream(content, named, hooks);
    const source = content instanceof Uint8Array ? new Blob([toBytes(content)]) : content;
    const open = () => source.slice(0, source.size).stream() as ReadableStream<Bytes>;
    const digest = named ?? await this.#hash(open(), hooks.signal);
    const { size } = source;
    if (await headBlob(this.#context, digest, hooks) === size) {
      return { digest, size, status: "exists" };
    }
    await uploadBlob(this.#context, { digest, size, open }, hooks);
    return { digest, size, status: "pushed" };
  }

  /**
   * Has the registry take a blob from another of its repositories, with nothing sent.
   *
   * @param digest The blob.
   * @param from The repository that has it.
   * @param options Signal.
   * @returns Whether the blob is here now; false where the registry would have it uploaded.
   */
  async mount(digest: string, from: string, options: CallOptions = {}): Promise<boolean> {
    const hooks = this.#services.hooks(options);
    const session = await startUpload(this.#context, hooks, { digest: parseDigest(digest), from });
    if (session) await cancelUpload(session);
    return session === undefined;
  }

  /**
   * Deletes a blob. Registries do not ask whether a manifest needs it.
   *
   * @param digest The blob.
   * @param options Signal.
   * @throws {RegistryError} 404 where it is not there, 405 where deletion is switched off.
   */
  delete(digest: string, options: CallOptions = {}): Promise<void> {
    return deleteBlob(this.#context, parseDigest(digest), this.#services.hooks(options));
  }

  async #hash(stream: ReadableStream<Bytes>, signal?: AbortSignal): Promise<Digest> {
    return await hashAll(stream, await this.#services.hasher("sha256"), signal);
  }

  async #pushStream(
    stream: ReadableStream<Uint8Array>,
    named: Digest | undefined,
    hooks: ReadHooks,
  ): Promise<{ digest: Digest; size: number; status: "pushed" }> {
    const hash = await this.#services.hasher(named ? digestAlgorithm(named) : "sha256");
    let size = 0;
    const session = await openUpload(this.#context, hooks);
    try {
      const hashing = tap(stream, (piece) => {
        size += piece.length;
        return hash.update(piece);
      });
      await this.#sendOnce(session, hashing, hooks);
      const digest = await hash.digest();
      if (named && named !== digest) {
        throw new DigestMismatchError(
          `Cannot push blob to ${
            nameOf(this.#context)
          }: it has digest ${digest}, expected ${named}`,
          { expected: named, actual: digest },
        );
      }
      await commitUpload(session, { digest, size }, hooks);
      return { digest, size, status: "pushed" };
    } catch (error) {
      await cancelUpload(session);
      throw error;
    }
  }

  async #sendOnce(
    session: UploadSession,
    body: ReadableStream<Bytes>,
    hooks: ReadHooks,
  ): Promise<void> {
    const { http } = this.#context;
    const isWhole = !wantsLength(session) && http.seen.chunkSize === undefined;
    if (isWhole) return await sendBody(session, body, hooks);
    const { sendChunks } = await import("./upload/chunks.ts");
    const chunkSize = chunkSizeFor(session, Infinity) ?? DEFAULT_CHUNK_BYTES;
    await sendChunks(session, body, chunkSize, hooks);
  }
}
