import { assertEquals } from "@std/assert";
import { createAuthority } from "../helpers/certificates.ts";
import { temporaryFolder } from "../helpers/process.ts";
import { test } from "../helpers/test.ts";
import {
  type Bench,
  fillRegistry,
  MORE_STEPS,
  type Step,
  type StepName,
  STEPS,
} from "./commands.ts";
import {
  embeddedPlace,
  frontPlace,
  MAINTAINED_PLACES,
  mirrorPlaces,
  olaregLike,
  type Place,
  REAL_PLACES,
  zotLike,
} from "./places.ts";

const AUTHORITY = await createAuthority();

/** What is special about a place. */
interface Special {
  /** The usual steps that are done, where not all. */
  only?: readonly (keyof typeof STEPS)[];
  /** Steps beside the usual ones. */
  more?: readonly (keyof typeof MORE_STEPS)[];
  /** Steps that must fail, and what the program says then. */
  refused?: Partial<Record<StepName, RegExp>>;
  /** What is saved, copied, shown and removed. */
  subject?: "index" | "docker";
  /** Options of each push. */
  pushArgs?: readonly string[];
}

const BROKEN_LINES = [
  "push from a file over a line that breaks",
  "push from a pipe over a line that breaks",
] as const;
const INDEX_PUSHES = [
  "push an index from a file",
  "push an index from a file again",
  "push an index from a pipe",
  "push an index from a pipe again",
] as const;
const FIRST_PUSHES = [
  "push a docker archive from a file",
  "push a docker archive from a pipe",
] as const;
const NO_DELETION =
  /^exit 1: tarpush: Cannot delete .*: the registry does not allow it \(405\)\nhint: /;
const NO_UPLOADS = /^exit 1: tarpush: .*: it takes no uploads.*\nhint: it is read-only/;
const NO_CATALOG = /^exit 1: tarpush: Cannot list .*: the registry has no catalog \(404\)\nhint: /;

/** A registry that has what is pushed, and takes nothing. */
const READ_ONLY: Special = {
  refused: {
    "push another image over one": NO_UPLOADS,
    "copy": NO_UPLOADS,
    "copy again": NO_UPLOADS,
    "rm": NO_DELETION,
  },
};

for (const place of REAL_PLACES) {
  const isCrane = place.title.startsWith("crane");
  everyCommand(place, isCrane ? { more: ["ls of many tags", ...BROKEN_LINES] } : {});
}
everyCommand(embeddedPlace("the embedded registry"));
everyCommand(embeddedPlace("a registry that takes OCI only", { accept: "oci" }));
everyCommand(embeddedPlace("a registry that takes Docker only", { accept: "docker" }), {
  subject: "docker",
  refused: always(INDEX_PUSHES, /^exit 1: tarpush: .*Docker.*\nhint: /),
});
everyCommand(embeddedPlace("a registry whose tags stay", { immutableTags: true }), {
  refused: {
    "push another image over one":
      /^exit 1: tarpush: .*: it stands and names sha256:.*immutable\nhint: .*--on-existing skip/,
    "rm": /^exit 1: tarpush: Cannot delete .*immutable/,
  },
});
everyCommand(
  embeddedPlace("a registry that is read-only", { readOnly: true }, { before: fillRegistry }),
  READ_ONLY,
);
for (const place of mirrorPlaces(fillRegistry)) everyCommand(place, READ_ONLY);
for (const place of MAINTAINED_PLACES) {
  everyCommand(place, { only: FIRST_PUSHES, refused: always(FIRST_PUSHES, NO_UPLOADS) });
}
everyCommand(embeddedPlace("a registry that deletes nothing", { allowDelete: false }), {
  refused: { "rm": NO_DELETION },
});
for (const requireLength of [400, 411, 500, 501]) {
  everyCommand(
    embeddedPlace(`a registry that answers ${requireLength} without a length`, { requireLength }),
  );
}
everyCommand(
  embeddedPlace("a registry that wants chunks of a length within limits", {
    requireLength: 500,
    chunkLimits: { min: 600_000, max: 1_000_000 },
  }),
);
everyCommand(embeddedPlace("a registry without a catalog", { catalog: false }), {
  refused: { "ls of the registry": NO_CATALOG },
});
everyCommand(
  embeddedPlace("a registry that limits requests", { rateLimit: { requests: 80, seconds: 1 } }),
);
everyCommand(
  embeddedPlace("a registry that fails now and then", {
    failures: (_, number) => number % 60 === 0 ? 503 : undefined,
  }),
);
everyCommand(zotLike(), { more: BROKEN_LINES });
everyCommand(olaregLike(), {
  more: BROKEN_LINES,
  refused: { "ls of the registry": NO_CATALOG },
});
everyCommand(frontPlace("nginx", "nginx"));
everyCommand(frontPlace("HAProxy with TLS", "haproxy", { isSecure: true }));
everyCommand(frontPlace("nginx that drops the port", "nginx", { host: "$host" }), {
  only: FIRST_PUSHES,
  pushArgs: ["--retries", "0"],
  refused: always(
    FIRST_PUSHES,
    /^exit 1: tarpush: .*: http:\/\/127\.0\.0\.1 \(where 127\.0\.0\.1:\d+ leads\): .*\nhint: .*\$http_host/,
  ),
});
everyCommand(frontPlace("Caddy", "caddy"));
everyCommand(frontPlace("Caddy with TLS", "caddy", { isSecure: true }));

/** One test for a place: every step is done, and all that went otherwise than expected is told at once. */
function everyCommand(
  place: Place,
  { only, more = [], refused = {}, subject = "index", pushArgs = [] }: Special = {},
): void {
  test(`every command works with ${place.title}, from file and pipe`, async () => {
    await using running = await place.start(AUTHORITY);
    await using folder = await temporaryFolder();
    const ca = await folder.write("ca.pem", AUTHORITY.cert);
    const chosen: readonly string[] | undefined = only;
    const steps: [string, Step][] = [
      ...Object.entries(STEPS).filter(([name]) => !chosen || chosen.includes(name)),
      ...more.map((name): [string, Step] => [name, MORE_STEPS[name]]),
    ];
    const expected: Partial<Record<string, RegExp>> = refused;
    const surprises: Record<string, string> = {};
    for (const [name, step] of steps) {
      const outcome = await outcomeOf(step, { place: running, folder, ca, subject, pushArgs });
      if (!(expected[name] ?? /^ok$/).test(outcome)) surprises[name] = outcome;
    }
    assertEquals(surprises, {});
  }, { skip: place.skip });
}

/** The same words for all of these steps. */
function always(names: readonly StepName[], words: RegExp): Partial<Record<StepName, RegExp>> {
  return Object.fromEntries(names.map((name) => [name, words]));
}

async function outcomeOf(step: Step, bench: Bench): Promise<string> {
  try {
    await step(bench);
    return "ok";
  } catch (error) {
    return error instanceof Error ? error.message : `${error}`;
  }
}
