/** Milliseconds of the processors that this process has taken so far: others that keep the machine busy add nothing. */
export function processorTime(): number {
  const { process } = globalThis as unknown as {
    process: { cpuUsage(): { user: number; system: number } };
  };
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
