import type { Digest } from "../digest.ts";
import type { ArchiveFile } from "../image/files.ts";
import type { UploadHooks } from "../registry/blobs.ts";
import type { Compressing } from "./compression/compressing.ts";
import type { ResolvedOptions } from "./options.ts";

/** Progress events of one blob are at least this far apart, in milliseconds. */
const PROGRESS_INTERVAL = 100;

/** What all uploads of one push share. */
export interface UploadSettings extends Omit<ResolvedOptions, "compression"> {
  /** Gives what compresses layers; absent where they stay as they are. */
  compressing?: (() => Promise<Compressing>) | undefined;
  /** Told how many bytes of blobs went to a registry. */
  onUploaded: (bytes: number) => void;
  /** Told that a manifest was written, under a digest or a tag, or would be in a dry run. */
  onWritten: () => void;
}

/** What stands under a reference, and the archive that it comes from. */
export interface Claim {
  digest: Digest;
  archive: string;
}

/** What a push is called in messages, and the place that its content comes from. */
export interface PushWords {
  verb: "push" | "copy";
  done: "pushed" | "copied";
  place: "archive" | "source";
}

/** An archive is pushed. */
export const PUSH_WORDS: PushWords = { verb: "push", done: "pushed", place: "archive" };
/** An image of a registry is copied. */
export const COPY_WORDS: PushWords = { verb: "copy", done: "copied", place: "source" };

/** What all images of one push share. */
export interface PushSettings extends UploadSettings {
  words: PushWords;
  /** Layers that a warning has named already. */
  toldLayers: Set<Digest>;
  /** Of several archives: what the one is called that the images come from. */
  archive: string | undefined;
  /** What the archives of a call put under each reference. */
  claims: Map<string, Claim>;
  /** Whether the image that all of this belongs to stands under its tag, so that lists of referrers are complete. */
  isStanding: boolean;
}

/** Tells what a person should know. */
export async function warn({ emit }: Pick<UploadSettings, "emit">, message: string): Promise<void> {
  await emit({ type: "warning", message });
}

/** What is known of a blob by which events name it. */
interface NamedBlob {
  digest?: Digest | undefined;
  file?: Pick<ArchiveFile, "path"> | undefined;
}

/** Signal and listeners of the requests for one blob, or for manifests. */
export function hooksFor(settings: UploadSettings, blob?: NamedBlob): UploadHooks {
  const { signal, emit } = settings;
  const identity = blob ? identityOf(blob) : {};
  let next = 0;
  const hooks: UploadHooks = {
    signal,
    onRetry: (attempt, delay, error) =>
      emit({ type: "retry", ...identity, attempt, delay, reason: error.message }),
  };
  if (blob) {
    hooks.onProgress = async (sent) => {
      const now = performance.now();
      if (now < next && sent !== 0) return;
      next = now + PROGRESS_INTERVAL;
      await emit({ type: "blob-progress", ...identity, sent });
    };
  }
  return hooks;
}

/** What a blob is called in events. */
export function identityOf({ digest, file }: NamedBlob): { digest?: Digest; path?: string } {
  return { ...digest && { digest }, ...pathOf({ file }) };
}

/** The path of a blob in the archive, for events. */
export function pathOf({ file }: Pick<NamedBlob, "file">): { path?: string } {
  return file ? { path: file.path } : {};
}
