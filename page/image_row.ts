/// <reference lib="dom" />
import type { ImageSummary } from "../src/image/inspect.ts";
import { parseImageName } from "../src/reference.ts";
import { element } from "./dom.ts";
import { layerTable } from "./layer_table.ts";
import { count, shortText, sizeText } from "./words.ts";

/** What is to be pushed of one image. */
export interface Chosen {
  image: ImageSummary;
  /** `repository:tag`, each. */
  names: string[];
  /** Platforms of an index; undefined for all that there are. */
  platforms: string[] | undefined;
}

/** How an image is shown: alone, as one of some, or as one of so many that a line has to do until more is asked for. */
export type RowForm = "alone" | "whole" | "line";

/** More than anybody reads. */
const MAX_LAYERS = 200;
/** So many names are seen at once. */
const MAX_NAME_LINES = 8;

/** An image of an archive, with what is chosen of it. It is made of elements when it is shown first: there may be thousands. */
export class ImageRow {
  readonly title: string;
  readonly #image: ImageSummary;
  readonly #ownNames: string[];
  readonly #onChange: () => void;
  #isTaken = true;
  #box: HTMLInputElement | undefined;
  #names: HTMLInputElement | HTMLTextAreaElement | undefined;
  #platforms: (() => string[] | undefined) | undefined;

  /**
   * @param image What the archive has.
   * @param fileName The archive's, for an image that has no name.
   * @param onChange Told when the image is chosen or left out.
   */
  constructor(image: ImageSummary, fileName: string, onChange: () => void) {
    this.#image = image;
    this.#ownNames = ownNames(image, fileName);
    this.#onChange = onChange;
    this.title = image.primaryTag ?? (image.digest ? shortText(image.digest) : image.id);
  }

  /** Everything that it is called. */
  get text(): string {
    return [this.title, ...this.#ownNames, this.#names?.value].join(" ");
  }

  get isTaken(): boolean {
    return this.#isTaken;
  }

  set isTaken(isTaken: boolean) {
    this.#isTaken = isTaken;
    if (this.#box) this.#box.checked = isTaken;
  }

  chosen(): Chosen | undefined {
    if (!this.#isTaken) return undefined;
    const names = this.#names ? split(this.#names.value) : this.#ownNames;
    return { image: this.#image, names, platforms: this.#platforms?.() };
  }

  show(form: RowForm): HTMLElement {
    const size = element("span", { class: "size" }, sizeText(this.#image.size));
    const title = element("div", { class: "title" }, this.#heading(form), size);
    if (form !== "line") return element("section", { class: "image" }, title, ...this.#parts());
    const more = element("details", {
      ontoggle: () => {
        if (more.childElementCount === 1) {
          more.append(element("div", { class: "parts" }, ...this.#parts()));
        }
      },
    }, element("summary", { "aria-label": `${this.#summary}, ${this.title}` }, this.#summary));
    return element("div", { class: "line" }, title, more);
  }

  /** What stands behind a line, and the name that it gets where that is another. */
  get #summary(): string {
    const [name, ...others] = this.#ownNames;
    const isOther = name !== this.title || others.length > 0;
    const rest = others.length > 0 ? ` and ${others.length} more` : "";
    return isOther ? `Name and layers: ${name}${rest}` : "Name and layers";
  }

  #heading(form: RowForm): HTMLElement {
    if (form === "alone") return element("h3", {}, this.title);
    const box = element("input", {
      type: "checkbox",
      checked: this.#isTaken,
      onchange: () => {
        this.#isTaken = box.checked;
        this.#onChange();
      },
    });
    this.#box = box;
    return element("label", { class: "check" }, box, element("strong", {}, this.title));
  }

  #parts(): HTMLElement[] {
    const platforms = platformChoice(this.#image);
    this.#platforms = platforms.read;
    this.#names = nameField(this.#ownNames);
    const names = element("label", { class: "field" }, "Name and tag", this.#names);
    return [platforms.root, layerList(this.#image), names].filter((part) => part !== undefined);
  }
}

/** Names as they will stand below a registry; what has none is called after its file. */
function ownNames({ names, tags, kind }: ImageSummary, fileName: string): string[] {
  const own = names.map(parseImageName).filter((name) => name !== undefined);
  if (own.length > 0) {
    return [...new Set(own.map(({ repository, tag }) => `${repository}:${tag}`))];
  }
  const repository = fileName.toLowerCase().replace(/(?:\.(?:oci|tar|tgz|txz|gz|xz|zst))+$/, "")
    .replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || kind;
  return (tags.length > 0 ? tags : ["latest"]).map((tag) => `${repository}:${tag}`);
}

function nameField(names: readonly string[]): HTMLInputElement | HTMLTextAreaElement {
  const attributes = { spellcheck: "false", autocapitalize: "none", autocomplete: "off" };
  if (names.length < 2) {
    return element("input", { type: "text", value: names.join(), ...attributes });
  }
  const rows = Math.min(names.length, MAX_NAME_LINES);
  return element("textarea", { rows, ...attributes }, names.join("\n"));
}

function split(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean);
}

function platformChoice(
  image: ImageSummary,
): { root: HTMLElement | undefined; read: () => string[] | undefined } {
  const entries = (image.entries ?? [])
    .filter(({ kind, platform, present }) => kind === "image" && platform && present === "whole");
  const all = [...new Set(entries.map(({ platform = "" }) => platform))];
  if (all.length < 2) {
    const texts = image.platforms.map((text) => element("li", {}, text));
    const root = texts.length > 0
      ? element("ul", { class: "chips", "aria-label": "Platforms" }, ...texts)
      : undefined;
    return { root, read: () => undefined };
  }
  const boxes = all.map((platform) => ({
    platform,
    box: element("input", { type: "checkbox", checked: true }),
  }));
  const root = element(
    "fieldset",
    { class: "chips" },
    element("legend", { class: "unseen" }, "Platforms to push"),
    ...boxes.map(({ platform, box }) => element("label", { class: "check" }, box, platform)),
  );
  return {
    root,
    read: () => {
      const taken = boxes.filter(({ box }) => box.checked).map(({ platform }) => platform);
      return taken.length === all.length ? undefined : taken;
    },
  };
}

function layerList({ layers }: ImageSummary): HTMLElement | undefined {
  if (layers.length === 0) return undefined;
  return element(
    "details",
    {},
    element("summary", {}, count(layers.length, "layer")),
    layerTable(layers.slice(0, MAX_LAYERS)),
  );
}
