import { mapAll } from "../concurrency.ts";
import { digestBytes } from "../digest.ts";
import type { Shard } from "./option_values.ts";

/** Names hashed at once: a hundred thousand of them take Deno 20 times as long as one after the other. */
const HASH_CONCURRENCY = 8;

/**
 * Keeps what belongs to a shard. Each name belongs to one, on every machine and in every version: the one whose index is
 * what the first 32 bits of the name's SHA-256 leave when they are divided by the number of shards.
 */
export async function takeShard<Named extends { name: string }>(
  items: readonly Named[],
  { index, count }: Shard,
): Promise<Named[]> {
  const encoder = new TextEncoder();
  const indexes = await mapAll(items, HASH_CONCURRENCY, async ({ name }) => {
    const digest = await digestBytes(encoder.encode(name));
    return parseInt(digest.slice("sha256:".length).slice(0, 8), 16) % count;
  });
  return items.filter((_, at) => indexes[at] === index);
}
