import { assert, assertEquals } from "@std/assert";
import { test } from "../helpers/test.ts";
import { SUBJECTS } from "./subjects.ts";

/** The same inputs in every run: `deno task fuzz` is for new ones. */
const SEED = 20261124;

for (const subject of SUBJECTS) {
  test(`${subject.name} holds for ${subject.testRuns} inputs`, async () => {
    const { failure, inputs, tally } = await subject.fuzz({ runs: subject.testRuns, seed: SEED });
    assertEquals(failure, undefined, failure);
    assertEquals(inputs, subject.testRuns);
    assert(tally.size > 0, "no input got anywhere");
  });
}
