import { failureDocument, memberOf, messageOf } from "../failure_document.ts";
import type { PushEvent } from "../push/events.ts";
import type { PushedImage } from "../push/image_push.ts";
import type { ArchiveName, ArchiveResult, FailedArchive } from "../push/push_all.ts";
import { parseReference } from "../reference.ts";
import type { Host } from "../runtime/host.ts";
import { ArchivesState } from "./archives_state.ts";
import type { Display } from "./plain_lines.ts";
import {
  counted,
  eventLines,
  formatDuration,
  formatSize,
  jsonLine,
  linesText,
  type Paint,
  printable,
  resultLine,
} from "./render.ts";
import { choosePaint, createDisplay, DONE, isResult, type ReporterOptions } from "./reporter.ts";
import { NOUNS } from "./source_list.ts";

type ManyOptions = ReporterOptions<"push" | "copy">;

/** Shows a push of many archives, or a copy of many images: names that stand on stdout, a line an archive, bars and a table at the end on stderr. */
export class ArchivesReporter {
  readonly #host: Host;
  readonly #options: ManyOptions;
  readonly #paint: Paint;
  readonly #state: ArchivesState;
  readonly #display: Display;
  readonly #counts = { pushed: 0, exists: 0, left: 0, failed: 0 };
  readonly #failures: FailedArchive[] = [];

  private constructor(
    host: Host,
    options: ManyOptions,
    paint: Paint,
    state: ArchivesState,
    display: Display,
  ) {
    this.#host = host;
    this.#options = options;
    this.#paint = paint;
    this.#state = state;
    this.#display = display;
  }

  /** @param sizes Sizes of the archives, as far as they are known; undefined where nobody knows how many there are. */
  static async create(
    host: Host,
    options: ManyOptions,
    sizes: readonly (number | undefined)[] | undefined,
  ): Promise<ArchivesReporter> {
    const paint = await choosePaint(host, host.stderr);
    const state = new ArchivesState(NOUNS[options.verb], sizes);
    const display = await createDisplay(host, state, paint, options.quiet);
    return new ArchivesReporter(host, options, paint, state, display);
  }

  get ended(): number {
    return this.#state.ended;
  }

  get hasFailed(): boolean {
    return this.#failures.length > 0;
  }

  /** Takes an event in; to be awaited, so that a slow reader slows the push. */
  async handle(event: PushEvent, archive: ArchiveName): Promise<void> {
    this.#state.apply(event, archive, performance.now());
    if (event.type === "warning" || event.type === "retry") {
      const lines = eventLines(event, this.#paint);
      await this.note(...lines.map((line) => `${line} (${printable(archive.name)})`));
    }
    if (!isResult(event, this.#options)) return;
    await this.print(resultLine(event.reference, event.digest));
  }

  /** Writes lines to stdout. */
  async print(...lines: readonly string[]): Promise<void> {
    await this.#display.print(linesText(lines));
  }

  /** Takes in that an archive has ended. */
  async end(result: ArchiveResult): Promise<void> {
    this.#state.end(result);
    this.#counts[outcomeOf(result)]++;
    if (result.status === "failed") this.#failures.push(result);
    await this.note(archiveLine(result, this.#options, this.#paint));
  }

  /** Writes lines for people. */
  async note(...lines: readonly string[]): Promise<void> {
    if (!this.#options.quiet) await this.#display.add(...lines);
  }

  /**
   * Ends the display with a table.
   *
   * @param skipped Archives that were done before.
   * @param left Archives that nobody came to.
   */
  async finish(milliseconds: number, skipped: number, left: number): Promise<void> {
    await this.#display.finish();
    const { quiet, dryRun, verb } = this.#options;
    const { pushed, exists, left: leftAlone, failed } = this.#counts;
    const { blobs, sentBytes } = this.#state;
    const mounted = `${blobs.mounted} mounted`;
    const sent = `${counted(blobs.pushed, "blob")} sent (${formatSize(sentBytes)}), ${mounted}`;
    const missing = `${counted(blobs.pushed, "blob")} missing, ${mounted}`;
    const rows: [number, string, string][] = [
      [pushed, dryRun ? `to ${verb}` : DONE[verb], dryRun ? missing : sent],
      [exists, "already there", ""],
      [leftAlone, "left alone", "their names have other images"],
      [skipped, "done before", ""],
      [failed, "failed", ""],
      [left, "not done", ""],
    ];
    const lines = quiet ? [] : [
      `${counted(pushed + exists + leftAlone + skipped + failed + left, NOUNS[verb])} in ${
        formatDuration(milliseconds)
      }`,
      ...rows.filter(([count]) => count > 0).map(([count, what, more]) =>
        `${String(count).padStart(8)}  ${more ? `${what}: ${more}` : what}`
      ),
    ];
    for (const { name, error } of this.#failures) {
      lines.push(
        `${this.#paint("red", "failed")}: ${printable(name)}: ${printable(messageOf(error))}`,
      );
      const hint = memberOf(error, "hint");
      if (typeof hint === "string") {
        lines.push(`${this.#paint("yellow", "hint")}: ${printable(hint)}`);
      }
    }
    await this.#host.stderr.write(linesText(lines));
  }
}

/** What became of an archive, for programs, behind what names it. */
export function resultDocument(result: ArchiveResult, named: object, dryRun: boolean): string {
  const { index: _index, name: _name, ...told } = result;
  const failure = result.status === "failed" ? { error: failureDocument(result.error) } : {};
  return jsonLine({ ...named, ...dryRun && { dryRun }, ...told, ...failure });
}

/** What became of an archive, for people: one whose names all have another image and keep it was neither pushed, nor is it there. */
function outcomeOf({ status, images }: ArchiveResult): ArchiveResult["status"] | "left" {
  return status !== "failed" && images.length === 0 ? "left" : status;
}

function archiveLine(result: ArchiveResult, { verb, dryRun }: ManyOptions, paint: Paint): string {
  const name = printable(result.name);
  if (result.status === "failed") {
    return `${paint("red", "failed")}   ${name}: ${printable(messageOf(result.error))}`;
  }
  const outcome = outcomeOf(result);
  if (outcome === "exists") return `${paint("dim", "exists")}   ${name}`;
  if (outcome === "left") return `${paint("dim", "left")}     ${name}`;
  const { images, bytesUploaded, milliseconds } = result;
  const pushed = countBlobs(images, "pushed");
  const mounted = countBlobs(images, "mounted");
  const parts = [`${counted(pushed, "blob")} ${dryRun ? "missing" : "sent"}`];
  if (bytesUploaded > 0) parts[0] += ` (${formatSize(bytesUploaded)})`;
  if (mounted > 0) parts.push(`${mounted} mounted`);
  const word = dryRun ? `to ${verb}` : `${DONE[verb]} `;
  return `${paint("green", word)}  ${name}  ${parts.join(", ")} in ${formatDuration(milliseconds)}`;
}

/** How many blobs came to repositories in a way: each name of an image tells of all its blobs. */
function countBlobs(images: readonly PushedImage[], way: PushedImage["blobs"][number]["status"]) {
  const came = images.flatMap(({ reference, blobs }) => {
    const { registry, repository } = parseReference(reference);
    return blobs.filter(({ status }) => status === way)
      .map(({ digest }) => `${registry}/${repository}@${digest}`);
  });
  return new Set(came).size;
}
