import { findProgram } from "../tests/helpers/programs.ts";
import { type BenchOptions, measureProcess, median } from "./measure.ts";

const PROGRAM = decodeURIComponent(new URL("std.ts", import.meta.url).pathname);

/** Megabytes that a hash is given; the rest is told in milliseconds. */
const HASHED_MEGABYTES = 256 * 1.048576;

const SUBJECTS = [
  ...["own", "hash-wasm", "web-crypto", "@std/crypto"].map((name) => `hash ${name}`),
  ...["collect", "limit", "concat"].flatMap((what) => [`${what} own`, `${what} @std/streams`]),
];

/** What packages of @std cost beside what stands in their place here; see docs/decisions/std_packages.md. */
export async function benchStd({ runs, isWanted, onRow }: BenchOptions): Promise<void> {
  const runtimes: [string, string[]][] = [["deno", [Deno.execPath(), "run", "-A"]]];
  if (findProgram("bun")) runtimes.push(["bun", ["bun"]]);
  for (const [runtime, command] of runtimes) {
    for (const subject of SUBJECTS.filter((subject) => isWanted(`std ${subject} ${runtime}`))) {
      const lines: string[] = [];
      for (let run = 0; run < runs; run++) {
        const { stdout } = await measureProcess([...command, PROGRAM, subject]);
        lines.push(stdout.trim());
      }
      onRow({ bench: `std ${subject} ${runtime}`, cells: { time: format(subject, lines) } });
    }
  }
}

function format(subject: string, lines: string[]): string {
  const milliseconds = median(lines.map(Number));
  if (Number.isNaN(milliseconds)) return lines[0] ?? "";
  if (!subject.startsWith("hash ")) return `${Math.round(milliseconds)} ms`;
  return `${Math.round(HASHED_MEGABYTES / milliseconds * 1000)} MB/s`;
}
