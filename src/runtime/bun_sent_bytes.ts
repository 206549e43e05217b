import type { BunGlobals } from "./bun_globals.ts";

const { Bun } = globalThis as unknown as BunGlobals;

/**
 * Counts what the system sends of files for this process (`sendfile`), which Linux adds to what the process read and to
 * what it wrote; what goes by `read` or `send` it adds to one of them at most.
 *
 * @returns Tells how many bytes it was so far, give or take a few hundred a call; undefined where the system counts nothing.
 */
export async function countSentBytes(): Promise<(() => Promise<number>) | undefined> {
  let last = await readCounts();
  let total = 0;
  if (!last) return undefined;
  return async () => {
    const now = await readCounts();
    if (now && last && now.read >= last.read) {
      total += Math.min(now.read - last.read, now.written - last.written);
      last = now;
    }
    return total;
  };
}

async function readCounts(): Promise<{ read: number; written: number } | undefined> {
  const text = await Bun.file("/proc/self/io").text().catch(() => "");
  const [, read, written] = /^rchar: (\d+)\nwchar: (\d+)$/m.exec(text) ?? [];
  return written === undefined ? undefined : { read: Number(read), written: Number(written) };
}
