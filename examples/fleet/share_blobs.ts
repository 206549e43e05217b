import type { ShareBlob } from "@tarpush/tarpush";
import { type Fleet, patiently } from "./fleet.ts";

/**
 * Lets one worker at a time send a blob, and all others mount it from where that one has put it. The claim of a worker that
 * is heard of no more is forgotten, and the next one sends.
 */
export function shareBlobs({ blobs, claims, patience }: Fleet): ShareBlob {
  return async ({ registry, repository, digest }, bring, signal) => {
    const key = `${encodeURIComponent(registry).replaceAll("%", "=")}.${digest.replace(":", ".")}`;
    const holderOf = async () => (await patiently(() => blobs.get(key), signal))?.string();
    const bringFrom = async (holder: string | undefined) => {
      const status = await bring(holder);
      // Where it was sent all the same, the holder has lost it.
      if (status !== "mounted") await patiently(() => blobs.put(key, repository), signal);
    };
    const own = crypto.randomUUID();
    for (;;) {
      const holder = await holderOf();
      if (holder !== undefined) return await bringFrom(holder);
      if (await claim(key, own)) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
      signal.throwIfAborted();
    }
    const renewal = setInterval(() => claims.put(key, own).catch(() => {}), patience / 3);
    try {
      // Another may have been faster between the question and the claim.
      await bringFrom(await holderOf());
    } finally {
      clearInterval(renewal);
      await claims.purge(key).catch(() => {});
    }
  };

  async function claim(key: string, own: string): Promise<boolean> {
    try {
      await claims.create(key, own);
      return true;
    } catch {
      // It is taken, be it by this worker, where the answer of a server that restarts was lost.
      return (await claims.get(key).catch(() => null))?.string() === own;
    }
  }
}
