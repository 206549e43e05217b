/**
 * `deno task fuzz`: tries far more inputs than a run of the tests, and tells what became of them.
 *
 * Names of subjects narrow it down (`deno task fuzz tar-header reference`). `--runs=N` inputs for each subject
 * (default: 100 times those of the tests), `--time=SECONDS` for each at most, `--seed=N` to repeat a run, `--path=P` to go
 * straight to an input that failed. `bun tests/fuzz/main.ts` does the same on Bun.
 */
import { currentHost } from "../../src/runtime/mod.ts";
import type { FuzzOptions, FuzzOutcome, Subject } from "./subject.ts";
import { SUBJECTS } from "./subjects.ts";

/** How much more than a run of the tests is tried when nothing is said. */
const DEFAULT_FACTOR = 100;

const host = currentHost();

async function main(): Promise<number> {
  const flags = host.args.filter((argument) => argument.startsWith("--"));
  const names = host.args.filter((argument) => !argument.startsWith("--"));
  const unknown = names.filter((name) => !SUBJECTS.some((subject) => subject.name === name));
  const strange = flags.filter((flag) =>
    !/^--(?:(?:runs|seed|time)=-?\d+|path=[\d:]+)$/.test(flag)
  );
  if (unknown.length + strange.length > 0) {
    await print(`Cannot fuzz ${[...unknown, ...strange].join(" ")}, expected --runs=N, --seed=N,`);
    await print(`--time=SECONDS, --path=P, or of ${SUBJECTS.map(({ name }) => name).join(", ")}`);
    return 2;
  }
  const chosen = SUBJECTS.filter(({ name }) => names.length === 0 || names.includes(name));
  const value = (name: string) =>
    flags.find((flag) => flag.startsWith(`--${name}=`))?.slice(name.length + 3);
  const seed = Number(value("seed") ?? Math.floor(Math.random() * 2 ** 31));
  const seconds = value("time");
  await print(`seed ${seed}, ${host.name}`);
  let failures = 0;
  for (const subject of chosen) {
    const outcome = await report(subject, {
      runs: Number(value("runs") ?? DEFAULT_FACTOR * subject.testRuns),
      seed,
      path: value("path"),
      milliseconds: seconds === undefined ? undefined : 1000 * Number(seconds),
    });
    if (outcome.failure !== undefined) failures++;
  }
  await print(`${chosen.length} subjects, ${failures} with findings${await peakMemory()}`);
  return failures > 0 ? 1 : 0;
}

async function report(subject: Subject, options: FuzzOptions): Promise<FuzzOutcome> {
  const start = performance.now();
  const outcome = await subject.fuzz(options);
  const seconds = (performance.now() - start) / 1000;
  const tallies = [...outcome.tally].sort(([a], [b]) => a < b ? -1 : 1)
    .map(([name, count]) => `${count} ${name}`).join(", ");
  await print(
    `${subject.name.padEnd(18)} ${`${outcome.inputs}`.padStart(8)} inputs  ` +
      `${seconds.toFixed(1).padStart(6)} s  ${tallies}`,
  );
  if (outcome.failure !== undefined) await print(outcome.failure);
  return outcome;
}

/** The most memory that the process has had, where the system tells. */
async function peakMemory(): Promise<string> {
  try {
    const status = await host.readTextFile("/proc/self/status");
    const kilobytes = /VmHWM:\s*(\d+) kB/.exec(status)?.[1];
    return kilobytes === undefined
      ? ""
      : `, peak memory ${Math.round(Number(kilobytes) / 1024)} MiB`;
  } catch {
    return ""; // Linux only.
  }
}

async function print(line: string): Promise<void> {
  await host.stdout.write(`${line}\n`);
}

host.exit(await main());
