/// <reference lib="dom" />
import { checkArchive } from "../src/archive/check_archive.ts";
import type { OpenedArchive } from "../src/archive/open_archive.ts";
import type { Finding } from "../src/image/check/findings.ts";
import type { BlobSource } from "../src/source/blob_source.ts";
import { button, element, fill, say } from "./dom.ts";
import { type Chosen, ImageRow } from "./image_row.ts";
import { isLong, longList } from "./long_list.ts";
import { count, failureBox, numberText } from "./words.ts";

/** Archives up to this size are checked when they are chosen: it takes a second or two. */
const CHECKED_BYTES = 256 * 1000 * 1000;
/** More than anybody reads. */
const MAX_SHOWN = 200;
/** Lines of a long list: the button that pushes comes behind them. */
const FIRST_SHOWN = 20;

export interface ShownArchive {
  /** What its file is called. */
  name: string;
  source: BlobSource;
  opened: OpenedArchive;
}

/** What an archive holds, with a choice among it. */
export class ArchiveView {
  readonly root: HTMLElement;
  readonly #rows: ImageRow[];
  readonly #count = element("p", { class: "hint" });

  constructor({ name, source, opened }: ShownArchive, signal: AbortSignal) {
    this.#rows = opened.images.map((image) => new ImageRow(image, name, () => this.#countTaken()));
    this.root = element(
      "div",
      { class: "images" },
      ...opened.notices.map((notice) => element("p", { class: "box warning" }, notice)),
      ...isLong(this.#rows) ? this.#many() : this.#few(),
      checkView(source, signal),
    );
    this.#countTaken();
  }

  /** What is to be pushed. */
  chosen(): Chosen[] {
    return this.#rows.map((row) => row.chosen()).filter((chosen) => chosen !== undefined);
  }

  #few(): HTMLElement[] {
    const form = this.#rows.length === 1 ? "alone" : "whole";
    return this.#rows.map((row) => row.show(form));
  }

  #many(): HTMLElement[] {
    let found: readonly ImageRow[] = this.#rows;
    const take = (isTaken: boolean) => {
      for (const row of found) row.isTaken = isTaken;
      this.#countTaken();
      say(this.#count.innerText);
    };
    const choose = button("Choose all", () => take(true), { kind: "quiet" });
    const leave = button("Choose none", () => take(false), { kind: "quiet" });
    const list = longList(this.#rows, {
      what: ["image", "images"],
      nameOf: ({ text }) => text,
      show: (row) => row.show("line"),
      first: FIRST_SHOWN,
      tools: element("div", { class: "row start" }, choose, leave),
      onFound: (rows, isAll) => {
        found = rows;
        choose.textContent = isAll ? "Choose all" : "Choose these";
        leave.textContent = isAll ? "Choose none" : "Leave these out";
      },
    });
    return [list, this.#count];
  }

  #countTaken(): void {
    const taken = this.#rows.filter(({ isTaken }) => isTaken).length;
    const all = count(this.#rows.length, "image");
    this.#count.textContent = `${numberText(taken)} of ${all} will be pushed`;
  }
}

/** Reads and hashes everything on demand, a small archive at once; shows what is wrong. It ends where another is chosen. */
function checkView(source: BlobSource, gone: AbortSignal): HTMLElement {
  const root = element("div", { class: "findings" });
  const run = async () => {
    const stop = new AbortController();
    const bar = element("progress", { max: 1, value: 0, "aria-label": "Checking the archive" });
    fill(
      root,
      element("div", { class: "row" }, element("span", {}, "Checking"), bar),
      button("Stop", () => stop.abort()),
    );
    const onProgress = ({ bytes, total }: { bytes: number; total?: number }) =>
      void (bar.value = total ? bytes / total : 0);
    const signal = AbortSignal.any([stop.signal, gone]);
    try {
      const { findings } = await checkArchive(source, { signal, onProgress });
      fill(root, findingList(findings));
    } catch (error) {
      if (signal.aborted) offer();
      else fill(root, failureBox(error));
    }
  };
  const offer = () => fill(root, button("Check every byte", run, { kind: "quiet" }));
  if (source.size <= CHECKED_BYTES) run();
  else offer();
  return root;
}

function findingList(findings: readonly Finding[]): HTMLElement {
  const bad = findings.filter(({ severity }) => severity !== "note");
  if (bad.length === 0) {
    say("Checked: nothing is wrong with the archive");
    return element("p", { class: "good" }, "✓ Checked: every digest is right");
  }
  say(`Checked: ${count(bad.length, "finding")}`);
  const items = bad.slice(0, MAX_SHOWN).map(({ severity, message }) =>
    element(
      "li",
      { class: severity },
      element("strong", {}, severity === "error" ? "Error" : "Warning"),
      ` ${message}`,
    )
  );
  return element("ul", { class: "findings", "aria-label": "Findings" }, ...items);
}
