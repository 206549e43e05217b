import type { DocumentNode } from "../image/content.ts";
import { readRemoteContent } from "../pull/remote_content.ts";
import type { RemoteReadOptions } from "../pull/remote_file.ts";
import {
  formatReference,
  ownRepository,
  parseReference,
  type Reference,
  registryOrigin,
  withTag,
} from "../reference.ts";
import type { RepositoryContext } from "../registry/blobs.ts";
import type { Http } from "../registry/http/call.ts";
import {
  type CopiedBeside,
  type CosignLeft,
  countLeft,
  LEFT_ALONE,
  readBeside,
} from "./copy_beside.ts";
import { parseTargets, type PlannedImage } from "./plan.ts";
import type { Push, PushResult } from "./push.ts";
import type { UploadSettings } from "./upload_settings.ts";
import { httpFor } from "../registry/http/request_options.ts";

/** An image of a registry, and where it is copied to. */
export interface Copy {
  /** The repository that is read. */
  context: RepositoryContext;
  from: Reference;
  references: readonly Reference[];
  /** What becomes of what refers to the image: it is brought along, or asked for and told of, or told of as it is known. */
  beside: "brought" | "told" | CosignLeft;
}

/**
 * Copies an image as a part of a call.
 *
 * @param push What the copy is told and remembers; for this image alone.
 */
export async function copyInto(push: Push, copy: Copy): Promise<PushResult> {
  const start = performance.now();
  const { signal, hasher, emit } = push.settings;
  let bytesRead = 0;
  const reading: RemoteReadOptions = {
    signal,
    hasher,
    isOwn: true,
    onRead: (bytes) => bytesRead += bytes,
    onRetry: (attempt, delay, error, digest) => {
      const reason = error.message;
      return emit({ type: "retry", ...digest && { digest }, attempt, delay, reason });
    },
  };
  const work = async () => {
    const { context, from } = copy;
    const node = await readRemoteContent(context, from.digest ?? withTag(from).tag ?? "", reading);
    await using beside = openBeside(copy, node, reading, push.settings);
    await push.images(...planCopies(node, copy), beside.of);
  };
  return await push.run(work, start, () => bytesRead);
}

/**
 * Where an image goes: to references as they are, or to a place under its own name.
 *
 * @returns Each once.
 * @throws {SyntaxError} If one does not parse.
 * @throws {TypeError} If there is none, or references are mixed with places.
 */
export function referencesFor(
  from: Reference,
  target: string | readonly string[],
): Reference[] {
  const references = parseTargets(target, "copy").map((parsed) => {
    if (parsed.kind === "reference") return parsed.reference;
    const { scheme, registry, prefix } = parsed.place;
    const repository = `${prefix}${ownRepository(from)}`;
    // Parsed again: prefix and name together may be too long.
    const reference = parseReference(`${scheme ? `${scheme}://` : ""}${registry}/${repository}`);
    if (from.tag !== undefined) reference.tag = from.tag;
    else if (from.digest) reference.digest = from.digest;
    return reference;
  });
  return [...new Map(references.map((each) => [`${each.scheme} ${nameOf(each)}`, each])).values()];
}

/** What a reference is called, with the tag that is meant where it has none. */
export function nameOf(reference: Reference): string {
  return formatReference(withTag(reference));
}

/** How the registries of sources are asked. */
export interface SourceAccess {
  /** Headers for them alone. */
  headers: Record<string, string> | undefined;
  /** Those that were asked before, by their origins. */
  known?: Map<string, Http>;
}

/**
 * The repository that is read. Within one registry both sides share what is known of it, and headers unless the source has
 * its own.
 */
export function openSource(
  push: Push,
  from: Reference,
  references: readonly Reference[],
  { headers, known = new Map() }: SourceAccess,
): RepositoryContext {
  const { settings } = push;
  const origin = registryOrigin(from, settings.plainHttp);
  const isShared = references.some((reference) =>
    registryOrigin(reference, settings.plainHttp) === origin
  );
  const shared = isShared ? push.repository(from) : undefined;
  if (shared && !headers) return shared;
  const http = known.get(origin) ??
    httpFor(origin, { ...settings, headers: headers ?? {} }, push.seenOf(origin));
  known.set(origin, http);
  return { http, repository: from.repository };
}

function openBeside(
  { context, references, beside }: Copy,
  node: DocumentNode,
  reading: RemoteReadOptions,
  { plainHttp, emit }: UploadSettings,
): CopiedBeside {
  if (beside === "brought") return readBeside(context, reading, emit);
  if (beside !== "told") return { ...LEFT_ALONE, of: (root) => beside.tell(root, emit) };
  // What stays in the repository is not left behind.
  const { http: { origin }, repository } = context;
  const isElsewhere = references.some((reference) =>
    reference.repository !== repository || registryOrigin(reference, plainHttp) !== origin
  );
  return isElsewhere ? countLeft(context, node, reading, emit) : LEFT_ALONE;
}

function planCopies(
  node: DocumentNode,
  { from, references }: Copy,
): [planned: PlannedImage[], notices: string[]] {
  const image = { id: "#1", names: [], tags: [], pinned: [], aliases: [], node, named: [] };
  const notices: string[] = [];
  const planned = references.map((reference) => {
    const tagged = withTag(reference);
    if (tagged.tag !== reference.tag && from.tag !== undefined && from.tag !== tagged.tag) {
      const name = formatReference(reference);
      notices.push(`${name} has no tag, so it becomes ${name}:latest; the source is ${from.tag}`);
    }
    return { image, reference: tagged };
  });
  return [planned, notices];
}
