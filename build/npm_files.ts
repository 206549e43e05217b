/**
 * Which file of the npm package has what.
 *
 * Bundlers keep all of a file that is loaded on demand, and all that this leads to: whoever bundles a push would have the web page
 * and a registry in it, if a file that a push may load had anything of these.
 */

/** A piece that the bundler made, as its metafile tells; each is what the same entry points and `import()`s need. */
export interface Piece {
  bytes: number;
  imports: readonly { path: string; kind: string; external?: boolean }[];
  /** By paths of source files. */
  inputs: Readonly<Record<string, unknown>>;
  /** The source file that it stands for, where that is an entry point or loaded on demand; its code may be in other pieces. */
  entryPoint?: string;
}

const STATIC = "import-statement";

type Pieces = Readonly<Record<string, Piece>>;

/** What is smaller goes with something else: each file has its price in a package. */
const MIN_BYTES = 60_000;

/** Bytes loaded in vain, in all and weighed, that are worth a file less. */
const MAX_COST = 6_000_000;

/** How much more it counts if a command of the program loads something in vain. */
const COMMAND_WEIGHT = 20;

interface File {
  /** Only what is of one kind goes into one file. */
  kind: string;
  paths: string[];
  bytes: number;
}

/** What pieces are sorted by: each text is the path of a source file. */
export interface Sorting {
  /** The first and all that it may ever load is one subject, the second and what it may load beside that is another, and so on. */
  subjects: readonly string[];
  /** What starts together: the first of these and what they import at once, then the second, and so on. */
  stages: readonly (readonly string[])[];
}

/**
 * Sorts pieces into files: none has pieces of two subjects, what a stage needs of a subject is one file, and who needs something
 * else loads as little beside it as may be.
 *
 * @param pieces By their paths.
 * @returns The paths in each file. No two files import each other, unless it is on demand.
 */
export function sortIntoFiles(pieces: Pieces, { subjects, stages }: Sorting): string[][] {
  const seen = new Set<string>();
  const starts = subjects.map((source) => piecesOf(source, pieces));
  const subjectPaths = starts.map((start) => reachedFrom(start, pieces, seen));
  const started = new Set<string>();
  const stagePaths = stages.map((sources) => {
    const start = sources.flatMap((source) => piecesOf(source, pieces));
    return new Set(reachedFrom(start, pieces, started, STATIC));
  });
  const whole = stagePaths.flatMap((stage) =>
    subjectPaths.map((paths) => paths.filter((path) => stage.has(path)))
  ).filter((paths) => paths.length > 0);
  const rest = subjectPaths.flatMap((paths, index) =>
    paths.filter((path) => !started.has(path)).map((path) => toFile(`${index}`, [path], pieces))
  );
  let files = [...whole.map((paths, index) => toFile(`stage ${index}`, paths, pieces)), ...rest];
  for (;;) {
    const pair = cheapestPair(files, new Loading(files, pieces, starts.flat()));
    if (!pair) return files.map(({ paths }) => paths);
    const [file, other] = pair;
    // In its place: what is about the same stands together, and is packed smaller.
    files = files.filter((each) => each !== other)
      .map((each) => each === file ? merge(file, other) : each);
  }
}

function toFile(kind: string, paths: string[], pieces: Pieces): File {
  const bytes = paths.reduce((sum, path) => sum + (pieces[path]?.bytes ?? 0), 0);
  return { kind, paths, bytes };
}

/** The pieces that have a source file or stand for it. */
function piecesOf(source: string, pieces: Pieces): string[] {
  const paths = Object.entries(pieces)
    .filter(([, { inputs, entryPoint }]) => entryPoint === source || source in inputs)
    .map(([path]) => path);
  if (paths.length === 0) throw new Error(`Cannot sort the pieces: ${source} is in none`);
  return paths;
}

/** Pieces and all that they lead to, but what was seen before. */
function reachedFrom(
  paths: readonly string[],
  pieces: Pieces,
  seen: Set<string>,
  kind?: string,
): string[] {
  return paths.flatMap((path) => {
    if (seen.has(path)) return [];
    seen.add(path);
    return [path, ...reachedFrom(importsOf(path, pieces, kind), pieces, seen, kind)];
  });
}

function importsOf(path: string, pieces: Pieces, wanted?: string): string[] {
  return (pieces[path]?.imports ?? [])
    .filter(({ kind, external }) => !external && (wanted === undefined || kind === wanted))
    .map(({ path }) => path);
}

function merge(a: File, b: File): File {
  return { kind: a.kind, paths: [...a.paths, ...b.paths], bytes: a.bytes + b.bytes };
}

/** The two files that it costs least to have in one, if one of them is too small; undefined if all of that costs too much. */
function cheapestPair(files: readonly File[], loading: Loading): [File, File] | undefined {
  let least = MAX_COST;
  let cheapest: [File, File] | undefined;
  for (const file of files.filter(({ bytes }) => bytes < MIN_BYTES)) {
    for (const other of files.filter((other) => other !== file && other.kind === file.kind)) {
      if (loading.isBetween(file, other) || loading.isBetween(other, file)) continue;
      // Of what costs the same the small go together.
      const cost = loading.costOf(file, other) + (file.bytes + other.bytes) / 100;
      if (cost >= least) continue;
      least = cost;
      cheapest = [file, other];
    }
  }
  return cheapest;
}

class Loading {
  /** A file, what it imports, what that imports, and so on. */
  readonly #loaded = new Map<File, Set<File>>();
  readonly #imports = new Map<File, Set<File>>();
  /** For each file what makes it be loaded: entry points, and what is loaded on demand. */
  readonly #causes = new Map<File, Set<string>>();

  readonly #pieces: Pieces;

  constructor(files: readonly File[], pieces: Pieces, starts: readonly string[]) {
    this.#pieces = pieces;
    const fileOf = new Map(files.flatMap((file) => file.paths.map((path) => [path, file])));
    const filesOf = (paths: readonly string[]) => paths.flatMap((path) => fileOf.get(path) ?? []);
    for (const file of files) {
      const paths = file.paths.flatMap((path) => importsOf(path, pieces, STATIC));
      this.#imports.set(file, new Set(filesOf(paths).filter((other) => other !== file)));
    }
    for (const file of files) this.#loaded.set(file, this.#withImports(file));
    const onDemand = Object.keys(pieces).flatMap((path) =>
      importsOf(path, pieces, "dynamic-import")
    );
    for (const cause of new Set([...starts, ...onDemand])) {
      for (const file of filesOf([cause]).flatMap((file) => [...this.loadedBy(file)])) {
        this.#causes.set(file, (this.#causes.get(file) ?? new Set()).add(cause));
      }
    }
  }

  loadedBy(file: File): Set<File> {
    return this.#loaded.get(file) ?? new Set();
  }

  /** Whether a file imports something else that imports the other: they would import each other if they were one. */
  isBetween(file: File, other: File): boolean {
    return [...this.#imports.get(file) ?? []]
      .some((imported) => imported !== other && this.loadedBy(imported).has(other));
  }

  /** Bytes that are loaded in vain, summed over all that needs one of two files and not the other. */
  costOf(a: File, b: File): number {
    const inVain = (needed: File, other: File) => {
      const causes = [...this.#causesOf(needed).difference(this.#causesOf(other))]
        .reduce((sum, cause) => sum + this.#weightOf(cause), 0);
      const bytes = [...this.loadedBy(other).difference(this.loadedBy(needed))]
        .reduce((sum, { bytes }) => sum + bytes, 0);
      return causes * bytes;
    };
    return inVain(a, b) + inVain(b, a);
  }

  /** What a command starts with is waited for each time, the rest hardly ever. */
  #weightOf(cause: string): number {
    return this.#pieces[cause]?.entryPoint?.startsWith("src/cli/") ? COMMAND_WEIGHT : 1;
  }

  #causesOf(file: File): Set<string> {
    return this.#causes.get(file) ?? new Set();
  }

  #withImports(file: File, seen = new Set<File>()): Set<File> {
    if (seen.has(file)) return seen;
    seen.add(file);
    for (const imported of this.#imports.get(file) ?? []) this.#withImports(imported, seen);
    return seen;
  }
}
