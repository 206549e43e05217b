/**
 * Has what is garbage taken away now, where a runtime lets that be asked for. Bun's engine lets gigabytes gather in a process
 * that runs all tests, until there is no memory for tens of MiB.
 */
export function collectGarbage(): void {
  const { Bun } = globalThis as { Bun?: { gc(isNow: boolean): void } };
  Bun?.gc(true);
}
