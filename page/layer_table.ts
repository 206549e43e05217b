/// <reference lib="dom" />
import { element } from "./dom.ts";
import { shortText, sizeText } from "./words.ts";

/** A layer, or a blob of an artifact. */
interface Layer {
  /** Absent where only hashing the content would tell. */
  digest?: string;
  /** Where an archive has it. */
  path?: string;
  mediaType: string;
  size: number;
}

/** What each layer is called, its type and size. */
export function layerTable(layers: readonly Layer[]): HTMLElement {
  const rows = layers.map(({ digest, path, mediaType, size }) => {
    const name = digest ? shortText(digest) : path ?? "not in the archive";
    return element(
      "tr",
      {},
      element("td", {}, element("code", { title: digest ?? path ?? "" }, name)),
      element("td", { class: "type" }, mediaType.replace(/^application\/vnd\./, "")),
      element("td", { class: "number" }, sizeText(size)),
    );
  });
  return element(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": "Layers" },
    element("table", {}, element("tbody", {}, ...rows)),
  );
}
