/// <reference lib="dom" />
import { copyLine, element } from "./dom.ts";
import { isLong, longList } from "./long_list.ts";
import { count, timeText } from "./words.ts";

/** A name that stands. */
export interface Tag {
  reference: string;
  digest: string;
}

/** Each takes three lines. */
const FIRST_SHOWN = 10;

/** What a push has brought, to be copied. */
export function pushedView(tags: readonly Tag[], milliseconds: number): Element {
  const time = timeText(milliseconds);
  const what = isLong(tags)
    ? `Pushed in ${time}: ${count(tags.length, "name")}`
    : `Pushed in ${time}`;
  const list = longList(tags, {
    what: ["name", "names"],
    nameOf: ({ reference }) => reference,
    first: FIRST_SHOWN,
    show: ({ reference, digest }) =>
      element(
        "div",
        { class: "pushed" },
        element("strong", {}, reference),
        copyLine(digest, `digest of ${reference}`),
        copyLine(`docker pull ${reference}`, `pull command of ${reference}`),
      ),
  });
  return element("div", { class: "box good" }, element("p", {}, what), list);
}
