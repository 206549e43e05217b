import { parseDigest } from "../digest.ts";
import type { Descriptor } from "../media_types.ts";
import type { RepositoryContext } from "./blobs.ts";
import { type ImageInfo, readImage } from "./image.ts";
import { listReferrers, listTags } from "./listing.ts";
import type { CallOptions, ListNamesOptions, RepositoryServices } from "./call_options.ts";
import { RepositoryBlobs } from "./repository_blobs.ts";
import { checkReference, RepositoryManifests } from "./repository_manifests.ts";

/** One repository of a registry, made by `RegistryClient.repository()`. Nothing is asked before a method is called. */
export class Repository {
  /** Its name below the registry, such as `team/app`. */
  readonly name: string;
  /** Its blobs: configs and layers. */
  readonly blobs: RepositoryBlobs;
  /** Its manifests and indexes. */
  readonly manifests: RepositoryManifests;
  readonly #context: RepositoryContext;
  readonly #services: RepositoryServices;

  /**
   * Made by `RegistryClient.repository()`.
   *
   * @param context Registry and name.
   * @param services What all repositories of a client share.
   */
  constructor(context: RepositoryContext, services: RepositoryServices) {
    this.name = context.repository;
    this.#context = context;
    this.#services = services;
    this.blobs = new RepositoryBlobs(context, services);
    this.manifests = new RepositoryManifests(context, services);
  }

  /**
   * Lists the tags page by page, in the registry's order: the first come before the last were sent.
   *
   * @param options Signal, size of pages, and where to begin.
   * @returns The tags; to leave the loop ends the request.
   * @throws {RegistryError} 404 where there is no such repository.
   */
  tags(options: ListNamesOptions = {}): AsyncIterable<string> {
    const { pageSize, last, onWarning } = options;
    const hooks = this.#services.hooks(options);
    return listTags(this.#context, { pageSize, last, onWarning, ...hooks });
  }

  /**
   * Lists what refers to a manifest, such as signatures and SBOMs; also where the registry has no referrers API.
   *
   * @param digest The manifest referred to.
   * @param options Signal, and the type of the referrers wanted.
   * @returns Their descriptors.
   */
  referrers(
    digest: string,
    options: CallOptions & { artifactType?: string | undefined } = {},
  ): AsyncIterable<Descriptor> {
    const hooks = this.#services.hooks(options);
    return listReferrers(this.#context, parseDigest(digest), hooks, options.artifactType);
  }

  /**
   * Reads what an image is made of: manifest, config, platform, layers, sizes; for an index, all of its images.
   *
   * @param reference Tag or digest.
   * @param options Signal.
   * @returns Its parts; layers are not read.
   * @throws {RegistryError} 404 where it is not there.
   * @throws {DigestMismatchError} If a document has another digest.
   */
  image(reference: string, options: CallOptions = {}): Promise<ImageInfo> {
    return readImage(this.#context, checkReference(reference), this.#services.hooks(options));
  }
}
