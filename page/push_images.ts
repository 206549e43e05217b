import type { PushEvent } from "../src/push/events.ts";
import { resolveOptions } from "../src/push/options.ts";
import type { PushTarget } from "../src/push/plan.ts";
import { Push, pushImage, pushSource } from "../src/push/push.ts";
import { parseReference } from "../src/reference.ts";
import type { BlobSource } from "../src/source/blob_source.ts";

/** An image, and where it goes. */
export interface Job {
  /** Its place in the archive, `#1`; undefined for the only one that there is. */
  id: string | undefined;
  /** `HOST/REPOSITORY:TAG`, each. */
  targets: readonly string[];
  /** Platforms of an index; undefined for all. */
  platforms: readonly string[] | undefined;
}

/** Who may end a push, and who is told of it. */
export interface PushHooks {
  signal: AbortSignal;
  onEvent: (event: PushEvent) => void;
  /** Told before each part of it, of which the next events are. */
  onPart: (jobs: readonly Job[]) => void;
}

/**
 * Pushes images of an archive, which is read once for all of them: one push for those of which the same platforms are
 * wanted, and that is mostly all.
 */
export async function pushImages(
  source: BlobSource,
  jobs: readonly Job[],
  { signal, onEvent, onPart }: PushHooks,
): Promise<void> {
  for (const [platforms, part] of byPlatforms(jobs)) {
    onPart(part);
    const options = { signal, onEvent, ...platforms && { platforms } };
    const [first] = part;
    if (first && first.id === undefined) {
      await pushImage(source, first.targets, options);
      continue;
    }
    await pushSource(source, part.flatMap(targetsOf), new Push(resolveOptions(options)));
  }
}

function byPlatforms(
  jobs: readonly Job[],
): Iterable<[platforms: readonly string[] | undefined, jobs: readonly Job[]]> {
  const parts = Map.groupBy(jobs, ({ platforms }) => platforms?.join());
  return [...parts.values()].map((part) => [part[0]?.platforms, part]);
}

function targetsOf({ id = "", targets }: Job): PushTarget[] {
  return targets.map((text) => ({ kind: "image", id, reference: parseReference(text) }));
}
