/// <reference lib="dom" />
import { checkArchive } from "../src/archive/check_archive.ts";
import type { OpenedArchive } from "../src/archive/open_archive.ts";
import type { Finding } from "../src/image/check/findings.ts";
import type { ImageSummary } from "../src/image/inspect.ts";
import { parseImageName } from "../src/reference.ts";
import { button, element, fill, say } from "./dom.ts";
import { count, failureBox, shortText, sizeText } from "./words.ts";

/** What is to be pushed of one image. */
export interface Chosen {
  image: ImageSummary;
  /** `repository:tag`, each. */
  names: string[];
  /** Platforms of an index, where it is not all of them. */
  platforms: string[];
}

/** Archives up to this size are checked when they are chosen: it takes a second or two. */
const CHECKED_BYTES = 256 * 1000 * 1000;
/** More than anybody reads. */
const MAX_SHOWN = 200;

/** What an archive holds, with a choice among it. */
export class ArchiveView {
  readonly root: HTMLElement;
  readonly #rows: { read: () => Chosen | undefined }[];

  constructor(file: File, archive: OpenedArchive) {
    const isOne = archive.images.length === 1;
    const rows = archive.images.map((image) => imageRow(image, file.name, isOne));
    this.#rows = rows;
    this.root = element(
      "div",
      { class: "images" },
      ...archive.notices.map((notice) => element("p", { class: "box warning" }, notice)),
      ...rows.map(({ root }) => root),
      checkView(file),
    );
  }

  /** What is to be pushed. */
  chosen(): Chosen[] {
    return this.#rows.map(({ read }) => read()).filter((chosen) => chosen !== undefined);
  }
}

function imageRow(
  image: ImageSummary,
  fileName: string,
  isOne: boolean,
): { root: HTMLElement; read: () => Chosen | undefined } {
  const title = image.primaryTag ?? (image.digest ? shortText(image.digest) : image.id);
  const isTaken = element("input", { type: "checkbox", checked: true });
  const heading = isOne
    ? element("h3", {}, title)
    : element("label", { class: "check" }, isTaken, element("strong", {}, title));
  const names = element("input", {
    type: "text",
    value: ownNames(image, fileName).join(", "),
    spellcheck: "false",
    autocapitalize: "none",
    autocomplete: "off",
  });
  const platforms = platformChoice(image);
  const root = element(
    "section",
    { class: "image" },
    element(
      "div",
      { class: "title" },
      heading,
      element("span", { class: "size" }, sizeText(image.size)),
    ),
    platforms.root,
    layerList(image),
    element("label", { class: "field" }, "Name and tag", names),
  );
  return {
    root,
    read: () =>
      isOne || isTaken.checked
        ? { image, names: split(names.value), platforms: platforms.read() }
        : undefined,
  };
}

/** Names as they will stand below a registry; what has none is called after its file. */
function ownNames({ names, tags, kind }: ImageSummary, fileName: string): string[] {
  const own = names.map(parseImageName).filter((name) => name !== undefined);
  if (own.length > 0) {
    return [...new Set(own.map(({ repository, tag }) => `${repository}:${tag}`))];
  }
  const repository = fileName.toLowerCase().replace(/(?:\.(?:oci|tar|tgz|gz|zst))+$/, "")
    .replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || kind;
  return (tags.length > 0 ? tags : ["latest"]).map((tag) => `${repository}:${tag}`);
}

function split(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean);
}

function platformChoice(
  image: ImageSummary,
): { root: HTMLElement | undefined; read: () => string[] } {
  const entries = (image.entries ?? [])
    .filter(({ kind, platform, present }) => kind === "image" && platform && present === "whole");
  const all = [...new Set(entries.map(({ platform = "" }) => platform))];
  if (all.length < 2) {
    const texts = image.platforms.map((text) => element("li", {}, text));
    const root = texts.length > 0
      ? element("ul", { class: "chips", "aria-label": "Platforms" }, ...texts)
      : undefined;
    return { root, read: () => [] };
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
      return taken.length === all.length ? [] : taken;
    },
  };
}

function layerList({ layers }: ImageSummary): HTMLElement | undefined {
  if (layers.length === 0) return undefined;
  const rows = layers.slice(0, MAX_SHOWN).map(({ digest, size, mediaType, path }) =>
    element(
      "tr",
      {},
      element("td", {}, element("code", { title: digest ?? path ?? "" }, layerName(digest, path))),
      element("td", { class: "type" }, mediaType.replace(/^application\/vnd\./, "")),
      element("td", { class: "number" }, sizeText(size)),
    )
  );
  return element(
    "details",
    {},
    element("summary", {}, count(layers.length, "layer")),
    element(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": "Layers" },
      element("table", {}, element("tbody", {}, ...rows)),
    ),
  );
}

function layerName(digest: string | undefined, path: string | undefined): string {
  return digest ? shortText(digest) : path ?? "not in the archive";
}

/** Reads and hashes everything on demand, a small archive at once; shows what is wrong. */
function checkView(file: File): HTMLElement {
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
    try {
      const { findings } = await checkArchive(file, { signal: stop.signal, onProgress });
      fill(root, findingList(findings));
    } catch (error) {
      if (stop.signal.aborted) offer();
      else fill(root, failureBox(error));
    }
  };
  const offer = () => fill(root, button("Check every byte", run, { kind: "quiet" }));
  if (file.size <= CHECKED_BYTES) run();
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
