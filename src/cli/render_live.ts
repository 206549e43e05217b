import { digestHex } from "../digest.ts";
import { type BlobInFlight, type LiveState, timeLeft } from "./progress_state.ts";
import { formatSeconds, formatSize, type Paint } from "./render.ts";

/** Most bars at once: more are only counted. */
const MOST_BARS = 8;
const LABEL_WIDTH = 12;
const PERCENT_WIDTH = 4;
const SIZES_WIDTH = 19;
const BAR_WIDTH = { least: 8, most: 28 };
const GAP = "  ";

/**
 * The live part of the display: a bar for each blob in flight and a line for the whole.
 *
 * @param now Time on the clock of `state`.
 * @returns Lines that fit the terminal, in width and in number.
 */
export function liveLines(
  state: LiveState,
  now: number,
  size: { columns: number; rows: number },
  paint: Paint,
): string[] {
  const layout = chooseLayout(size.columns);
  const places = Math.max(0, Math.min(MOST_BARS, size.rows - 3));
  const shown = state.inFlight.slice(0, places);
  const hidden = state.inFlight.length - shown.length;
  const lines = shown.map((blob) => blobFields(blob, now, layout, paint));
  if (hidden > 0) lines.push([plain(`and ${hidden} more`)]);
  lines.push(totalFields(state, now, layout, size.columns, paint));
  return lines.map((fields) => joinFields(fields, size.columns));
}

/** A piece of a line: what is painted has a width of its own. */
interface Field {
  text: string;
  painted: string;
}

interface Layout {
  barWidth: number;
  hasSizes: boolean;
}

function plain(text: string): Field {
  return { text, painted: text };
}

// The bar takes the room that is left; where there is none, first the bar goes, then the sizes.
function chooseLayout(columns: number): Layout {
  const label = LABEL_WIDTH + GAP.length + PERCENT_WIDTH;
  const room = columns - 1 - label - GAP.length - SIZES_WIDTH;
  const barWidth = Math.min(BAR_WIDTH.most, room - GAP.length);
  return { barWidth: barWidth < BAR_WIDTH.least ? 0 : barWidth, hasSizes: room >= 0 };
}

function blobFields(blob: BlobInFlight, now: number, layout: Layout, paint: Paint): Field[] {
  const label = blobLabel(blob);
  if (blob.attempt === undefined) return measureFields(label, blob.sent, blob.size, layout, paint);
  // In the place of the sizes: behind them, there is no room for it on most terminals.
  const fields = measureFields(label, blob.sent, blob.size, { ...layout, hasSizes: false }, paint);
  const wait = blob.resumesAt - now;
  const text = `attempt ${blob.attempt}${wait > 0 ? ` in ${formatSeconds(wait)}` : ""}`;
  return [...fields, { text, painted: paint("yellow", text) }];
}

function totalFields(
  state: LiveState,
  now: number,
  layout: Layout,
  columns: number,
  paint: Paint,
): Field[] {
  const fields = state.totalBytes !== undefined
    ? measureFields(state.label, state.settledBytes, state.totalBytes, layout, paint)
    : [plain(state.label.padEnd(LABEL_WIDTH)), plain(formatSize(state.settledBytes).padStart(8))];
  const wait = state.resumesAt - now;
  const rate = state.bytesPerSecond(now);
  const left = timeLeft(state, now);
  const further = [
    wait > 0 ? `next attempt in ${formatSeconds(wait)}` : "",
    rate === undefined ? "" : `${formatSize(Math.round(rate))}/s`.padStart(9),
    left === undefined ? "" : `${formatSeconds(left)} left`,
    state.count,
  ];
  let width = joinedWidth(fields);
  for (const text of further.filter((text) => text !== "")) {
    width += GAP.length + text.length;
    if (width < columns) fields.push(plain(text));
  }
  return fields;
}

function measureFields(
  label: string,
  done: number,
  all: number,
  layout: Layout,
  paint: Paint,
): Field[] {
  const share = all > 0 ? Math.min(1, done / all) : 1;
  const fields = [plain(label.padEnd(LABEL_WIDTH))];
  if (layout.barWidth > 0) fields.push(drawBar(share, layout.barWidth, paint));
  // 100% is for what is finished: a blob whose last byte was sent still waits for the answer.
  fields.push(plain(`${Math.floor(share * 100)}%`.padStart(PERCENT_WIDTH)));
  if (layout.hasSizes) {
    fields.push(plain(`${formatSize(done).padStart(8)} / ${formatSize(all).padEnd(8)}`));
  }
  return fields;
}

function drawBar(share: number, width: number, paint: Paint): Field {
  const halves = Math.floor(share * width * 2);
  const full = "━".repeat(halves >> 1) + (halves % 2 ? "╸" : "");
  const empty = "─".repeat(width - full.length);
  return {
    text: full + empty,
    painted: (full && paint("cyan", full)) + (empty && paint("dim", empty)),
  };
}

// Only printable ASCII: a character of another width would break the lines apart.
function blobLabel({ digest, path }: BlobInFlight): string {
  const name = digest
    ? digestHex(digest)
    : (path ?? "").replace(/^(\.\/)?blobs\/sha(256|512)\//, "");
  return name.slice(0, LABEL_WIDTH).replace(/[^ -~]/g, "?");
}

function joinedWidth(fields: readonly Field[]): number {
  return fields.reduce((sum, field) => sum + field.text.length, GAP.length * (fields.length - 1));
}

function joinFields(fields: readonly Field[], columns: number): string {
  // The last column stays free: some terminals go to the next line when it is written.
  const most = columns - 1;
  if (joinedWidth(fields) <= most) return fields.map((field) => field.painted).join(GAP);
  return fields.map((field) => field.text).join(GAP).slice(0, Math.max(0, most));
}

/** A frame that stands on the terminal: how wide each of its lines is. */
export type Frame = readonly number[];

/**
 * The text that replaces a frame by another, with lines that stay above it. One write: nothing flickers.
 *
 * @param above Lines that scroll away.
 * @param columns Width of the terminal now; where it shrank, the lines of the old frame have been broken.
 */
export function replaceFrame(
  previous: Frame,
  above: readonly string[],
  lines: readonly string[],
  columns: number,
): string {
  const rows = previous.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
  const up = rows > 0 ? `\x1b[${rows}A\r` : "";
  const text = [...above, ...lines].map((line) => `${line}\x1b[K\n`).join("");
  return `${up}${text}\x1b[J`;
}

export function toFrame(lines: readonly string[]): Frame {
  // deno-lint-ignore no-control-regex
  return lines.map((line) => line.replace(/\x1b\[\d*m/g, "").length);
}
