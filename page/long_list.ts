/// <reference lib="dom" />
import { button, element, fill, say } from "./dom.ts";
import { count, numberText } from "./words.ts";

/** As many are shown more each time: a browser stays quick, and nobody reads more at once. */
const PAGE_ITEMS = 100;
/** Lists longer than this have a filter. */
const FILTERED_FROM = 8;

export interface ListOptions<T> {
  /** What one of them is called, such as `tag`. */
  what: [one: string, many: string];
  /** What a filter looks in. */
  nameOf: (item: T) => string;
  /** Shows one: what stands in an item of the list. */
  show: (item: T) => HTMLElement;
  /**
   * How many are shown at first: fewer where something comes behind the list.
   * @default {100}
   */
  first?: number;
  /** What can be done with those that the filter has found; it stands before them. */
  tools?: HTMLElement;
  /** Told what the filter has found, and whether that is all there is. */
  onFound?: (found: readonly T[], isAll: boolean) => void;
}

/** Whether a list of so many has a filter. */
export function isLong({ length }: { length: number }): boolean {
  return length > FILTERED_FROM;
}

/** A list of any length, of which a part is shown: it has a filter by name, and a button that shows more. */
export function longList<T>(
  items: readonly T[],
  { what: [one, many], nameOf, show, first = PAGE_ITEMS, tools, onFound }: ListOptions<T>,
): HTMLElement {
  const list = element("ul", { class: "list", role: "list", "aria-label": many });
  const rest = element("div", { class: "row" });
  const made = new Map<T, HTMLElement>();
  let found = items;
  const draw = (shown: number) => {
    const rows = found.slice(0, shown).map((item) => {
      const row = made.get(item) ?? element("li", {}, show(item));
      made.set(item, row);
      return row;
    });
    fill(list, ...rows);
    const left = found.length - rows.length;
    const next = Math.min(left, PAGE_ITEMS);
    const more = button(`Show ${next} more`, () => {
      draw(shown + PAGE_ITEMS);
      // The button is gone, and what it was pressed for comes after the last that was there.
      list.children[shown]?.querySelector<HTMLElement>("a, input, button, summary")?.focus();
    }, { kind: "quiet", label: `Show ${next} more ${many}` });
    const text = found.length === 0
      ? `No ${one} has that in its name.`
      : left > 0 && `${numberText(rows.length)} of ${numberText(found.length)} are shown`;
    fill(rest, text && element("span", { class: "hint" }, text), left > 0 && more);
    onFound?.(found, found.length === items.length);
  };
  draw(first);
  if (!isLong(items)) return element("div", {}, list);
  const field = element("input", {
    type: "search",
    spellcheck: "false",
    autocapitalize: "none",
    oninput: () => {
      const text = field.value.trim().toLowerCase();
      found = items.filter((item) => nameOf(item).toLowerCase().includes(text));
      draw(first);
      say(`${count(found.length, one, many)} found`);
    },
    onkeydown: (event) => {
      // In a form, Enter would send that.
      if (event instanceof KeyboardEvent && event.key === "Enter") event.preventDefault();
    },
  });
  const label = `Filter ${numberText(items.length)} ${many}`;
  return element("div", {}, element("label", { class: "field" }, label, field), tools, list, rest);
}
