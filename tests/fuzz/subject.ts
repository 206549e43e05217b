import fc from "fast-check";

/** Counts what became of the inputs, so that a report shows whether they got anywhere: `tally("accepted")`. */
export type Tally = (outcome: string) => void;

/** How a subject is examined. */
export interface FuzzOptions {
  /** Inputs to try. */
  runs: number;
  /** Where the inputs come from: the same seed gives the same ones. */
  seed: number;
  /** Leads to one input of a seed, as a failure prints it. */
  path?: string | undefined;
  /** Ends the run, well before `runs` inputs maybe. */
  milliseconds?: number | undefined;
}

/** What a run has found. */
export interface FuzzOutcome {
  /** Inputs tried. */
  inputs: number;
  /** How often each outcome was counted. */
  tally: ReadonlyMap<string, number>;
  /** What the smallest failing input is, how it fails, and how to repeat it. */
  failure: string | undefined;
}

/** Something that takes hostile input, with inputs for it and what must be true of each. */
export interface Subject {
  readonly name: string;
  /** Inputs in a run of the tests, a fraction of a second. */
  readonly testRuns: number;
  fuzz(options: FuzzOptions): Promise<FuzzOutcome>;
}

/** Longest time for one input: none needs a second, and one that hangs is a failure. */
const INPUT_MILLISECONDS = 20_000;

/**
 * Makes a subject.
 *
 * @param name Its name in commands and reports.
 * @param testRuns Inputs in a run of the tests.
 * @param inputs Where inputs come from.
 * @param examine Checks one; what it throws is a finding.
 */
export function subject<T>(
  name: string,
  testRuns: number,
  inputs: fc.Arbitrary<T>,
  examine: (input: T, tally: Tally) => void | Promise<void>,
): Subject {
  const fuzz = async ({ runs, seed, path, milliseconds }: FuzzOptions): Promise<FuzzOutcome> => {
    const counts = new Map<string, number>();
    const tally: Tally = (outcome) => void counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    const details = await fc.check(
      fc.asyncProperty(inputs, async (input) => await examine(input, tally)),
      {
        numRuns: runs,
        seed,
        timeout: INPUT_MILLISECONDS,
        ...(path !== undefined && { path }),
        ...(milliseconds !== undefined && { interruptAfterTimeLimit: milliseconds }),
      },
    );
    const failure = details.failed && !(details.interrupted && details.counterexample === null)
      ? describe(name, details)
      : undefined;
    return { inputs: details.numRuns, tally: counts, failure };
  };
  return { name, testRuns, fuzz };
}

/** Characters of an input or an error that are shown. */
const MOST_SHOWN = 4000;

function describe<T>(name: string, details: fc.RunDetails<T>): string {
  const { seed, counterexamplePath } = details;
  const path = counterexamplePath ? ` --path=${counterexamplePath}` : "";
  return [
    `${name} fails; repeat it with: deno task fuzz ${name} --seed=${seed}${path}`,
    `Input: ${fc.stringify(details.counterexample).slice(0, MOST_SHOWN)}`,
    `Finding: ${`${details.errorInstance}`.slice(0, MOST_SHOWN)}`,
  ].join("\n");
}
