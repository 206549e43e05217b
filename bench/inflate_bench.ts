import { contenders } from "./contenders.ts";
import {
  type BenchOptions,
  formatMebibytes,
  formatPeak,
  formatSeconds,
  type Measurement,
  measureProcess,
  median,
  warmUp,
} from "./measure.ts";
import { type ArchiveForm, FORMS, prepareMixed } from "./mixed_archive.ts";

/** What it costs to read a compressed archive: `inspect` of one with mixed content, a whole process each time. */
export async function benchInflate(options: BenchOptions): Promise<void> {
  const ours = contenders().filter(({ isOurs }) => isOurs);
  for (const form of FORMS) {
    const wanted = ours.filter(({ name }) => options.isWanted(`inflate ${form.name} ${name}`));
    if (wanted.length > 0) await benchForm(form, wanted, options);
  }
}

async function benchForm(
  form: ArchiveForm,
  wanted: ReturnType<typeof contenders>,
  { runs, onRow }: BenchOptions,
): Promise<void> {
  const path = await prepareMixed(form);
  if (path === undefined) return;
  await warmUp([path]);
  const size = formatMebibytes((await Deno.stat(path)).size);
  const measured = new Map<string, Measurement[]>(wanted.map(({ name }) => [name, []]));
  for (let run = 0; run < runs; run++) {
    for (const { name, inspect } of wanted) {
      if (inspect) measured.get(name)?.push(await measureProcess(inspect(path)));
    }
  }
  for (const [name, all] of measured) {
    const cpu = all.flatMap(({ cpuMilliseconds }) => cpuMilliseconds ?? []);
    const cells = {
      size,
      time: formatSeconds(median(all.map(({ milliseconds }) => milliseconds))),
      cpu: cpu.length > 0 ? formatSeconds(median(cpu)) : "-",
      memory: formatPeak(all),
    };
    onRow({ bench: `inflate ${form.name} ${name}`, cells });
  }
}
