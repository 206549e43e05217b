import type { KvEntry } from "@nats-io/kv";
import type { MissingBlob, ShareBlob } from "@tarpush/tarpush";
import { type Fleet, patiently } from "./fleet.ts";

/** What the table says of a blob: the repository that has it, or who is about to send it. */
type Entry = { holder: string } | { sender: string };

/**
 * Lets one worker at a time send a blob, and all others mount it from where that one has put it. A sender renews its claim;
 * one whose claim does not change any more has died, and the next one sends.
 */
export function shareBlobs({ blobs, patience }: Fleet): ShareBlob {
  return async (blob, bring, signal) => {
    const key = keyOf(blob);
    const holder = JSON.stringify({ holder: blob.repository });
    const turn = await waitForTurn(key, crypto.randomUUID(), signal);
    if ("holder" in turn) {
      // Where it was sent all the same, who had it has lost it.
      if (await bring(turn.holder) !== "mounted") await patiently(() => blobs.put(key, holder));
      return;
    }
    const stopRenewing = renew(key, turn);
    try {
      await bring();
      await patiently(() => blobs.put(key, holder));
    } catch (error) {
      await blobs.delete(key).catch(() => {});
      throw error;
    } finally {
      stopRenewing();
    }
  };

  /** Waits until a repository has a blob, or nobody is sending it. */
  async function waitForTurn(
    key: string,
    sender: string,
    signal: AbortSignal,
  ): Promise<{ holder: string } | { claim: string; revision: number }> {
    const claim = JSON.stringify({ sender });
    let found: KvEntry | null = null;
    let since = Date.now();
    for (;;) {
      signal.throwIfAborted();
      if (found?.operation !== "PUT" || Date.now() - since > patience) {
        const options = { previousSeq: found?.revision ?? 0 };
        const revision = await blobs.put(key, claim, options).catch(() => undefined);
        if (revision !== undefined) return { claim, revision };
      } else await new Promise((resolve) => setTimeout(resolve, 100));
      const before = found?.revision;
      found = await patiently(() => blobs.get(key), signal);
      if (found?.operation !== "PUT") continue;
      const entry = found.json<Entry>();
      if ("holder" in entry) return entry;
      // The answer to the claim was lost.
      if (entry.sender === sender) return { claim, revision: found.revision };
      if (found.revision !== before) since = Date.now();
    }
  }

  function renew(key: string, turn: { claim: string; revision: number }): () => void {
    const timer = setInterval(async () => {
      const { claim, revision } = turn;
      turn.revision = await blobs.put(key, claim, { previousSeq: revision }).catch(async () => {
        // The answer alone may have been lost.
        const found = await blobs.get(key).catch(() => null);
        return found?.string() === claim ? found.revision : revision;
      });
    }, patience / 3);
    return () => clearInterval(timer);
  }
}

function keyOf({ registry, digest }: MissingBlob): string {
  return `${encodeURIComponent(registry).replaceAll("%", "=")}.${digest.replace(":", ".")}`;
}
