/// <reference lib="dom" />
import { ProgressState, timeLeft } from "../src/cli/progress_state.ts";
import type { BlobStatus, PushEvent } from "../src/push/events.ts";
import { element, fill } from "./dom.ts";
import { count, numberText, shortText, sizeText, timeText } from "./words.ts";

/** The bars are drawn anew this often. */
const DRAW_MILLISECONDS = 100;
/** Finished blobs that stay in the list; there may be hundreds. */
const MAX_ROWS = 100;

const STATUS_TEXT: Record<BlobStatus, string> = {
  pushed: "pushed",
  exists: "already there",
  mounted: "from another repository",
};

/** One line of the list: a blob. */
interface Row {
  root: HTMLElement;
  name: HTMLElement;
  bar: HTMLProgressElement;
  state: HTMLElement;
  size: number;
  status: BlobStatus | undefined;
}

/** Bars for a push: one for the whole, one for each blob. */
export class ProgressView {
  readonly root: HTMLElement;
  readonly #state = new ProgressState();
  readonly #rows = new Map<string, Row>();
  readonly #bar = element("progress", { max: 1, "aria-label": "The whole push" });
  readonly #text = element("p", { class: "numbers" });
  readonly #list = element("ul", {
    class: "blobs",
    tabindex: 0,
    role: "list",
    "aria-label": "Layers and configs",
  });
  readonly #warnings = element("div");
  readonly #start = performance.now();
  /** Names that are written, and all that will be. */
  #names = { done: 0, all: 1 };
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(title: string) {
    this.root = element(
      "div",
      { class: "progress" },
      element("h3", {}, title),
      this.#bar,
      this.#text,
      this.#list,
      this.#warnings,
    );
    this.#draw();
  }

  apply(event: PushEvent): void {
    this.#state.apply(event, performance.now());
    if (event.type === "warning") {
      this.#warnings.append(element("p", { class: "box warning" }, event.message));
    }
    if (event.type === "plan") this.#names.all = event.images;
    if (event.type === "tag" && !event.subject) this.#names.done++;
    // What was done for one repository begins anew for another.
    if (event.type === "blob-start") this.#row(event, event.size).status = undefined;
    if (event.type === "blob-done") this.#row(event, event.size).status = event.status;
    if (!this.#isOver) this.#timer ??= setTimeout(() => this.#draw(), DRAW_MILLISECONDS);
  }

  /** Draws what came last, and nothing more; bars of what did not arrive stay where they are, if any ever moved. */
  end(): void {
    this.#draw();
    this.#isOver = true;
    clearTimeout(this.#timer);
    const { settledBytes, doneBlobs } = this.#state;
    if (settledBytes === 0 && doneBlobs === 0) this.root.remove();
  }

  #row({ digest, path }: { digest?: string; path?: string }, size: number): Row {
    // A digest may become known only at the end, a path is there from the start.
    const key = path ?? digest ?? "";
    const found = this.#rows.get(key);
    const text = digest ? shortText(digest) : path ?? "";
    if (found) {
      found.name.textContent = text;
      return found;
    }
    const bar = element("progress", { max: 1, value: 0, "aria-label": `Blob ${text}` });
    const name = element("code", { title: digest ?? path ?? "" }, text);
    const state = element("span", { class: "state" });
    const root = element("li", {}, name, bar, state);
    const row: Row = { root, name, bar, state, size, status: undefined };
    this.#rows.set(key, row);
    this.#list.append(root);
    return row;
  }

  #draw(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const blob of this.#state.inFlight) {
      const row = this.#rows.get(blob.path ?? blob.digest ?? "");
      if (!row) continue;
      row.root.className = "";
      row.bar.value = blob.size > 0 ? blob.sent / blob.size : 0;
      const wait = Math.ceil((blob.resumesAt - now) / 1000);
      row.state.textContent = blob.attempt !== undefined && wait > 0
        ? `attempt ${blob.attempt} in ${wait} s`
        : blob.sent > 0
        ? `${sizeText(blob.sent)} of ${sizeText(blob.size)}`
        : "looking";
    }
    for (const [key, row] of this.#rows) {
      if (!row.status || row.root.classList.contains("done")) continue;
      row.bar.value = 1;
      row.state.textContent = `${sizeText(row.size)}, ${STATUS_TEXT[row.status]}`;
      row.root.classList.add("done", row.status);
      if (this.#rows.size > MAX_ROWS) {
        row.root.remove();
        this.#rows.delete(key);
      }
    }
    this.#drawWhole(now);
    if (this.#state.inFlight.length > 0) {
      this.#timer = setTimeout(() => this.#draw(), 5 * DRAW_MILLISECONDS);
    }
  }

  #drawWhole(now: number): void {
    const { plan, settledBytes, doneBlobs } = this.#state;
    const rate = this.#state.bytesPerSecond(now);
    const left = timeLeft(this.#state, now);
    if (plan) this.#bar.value = this.#done(plan.bytes > 0 ? settledBytes / plan.bytes : 1);
    const isOver = plan !== undefined && doneBlobs === plan.blobs;
    const parts = [
      plan
        ? `${sizeText(settledBytes)} of ${sizeText(plan.bytes)}`
        : `${sizeText(settledBytes)} so far`,
      plan ? `${doneBlobs} of ${count(plan.blobs, "blob")}` : count(doneBlobs, "blob"),
      isOver || rate === undefined ? timeText(now - this.#start) : `${sizeText(rate)}/s`,
    ];
    if (!isOver && left !== undefined) {
      parts.push(left > 0 ? `${timeText(left)} left` : "waiting for the registry");
    }
    const { done, all } = this.#names;
    if (all > 1) parts.unshift(`${numberText(done)} of ${count(all, "name")}`);
    fill(this.#text, ...parts.map((part) => element("span", {}, part)));
  }

  /** How much is done, from 0 to 1: of many images that share their blobs, bytes alone would tell little. */
  #done(bytes: number): number {
    const { done, all } = this.#names;
    const sent = Math.min(1, bytes);
    return all > 1 ? (sent + done / all) / 2 : sent;
  }
}
