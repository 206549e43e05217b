/// <reference lib="dom" />
import { formatPlatform, isJsonObject, type JsonObject } from "../src/media_types.ts";
import type { ImageInfo, IndexEntryInfo } from "../src/registry/image.ts";
import { copyLine, element, fill } from "./dom.ts";
import { layerTable } from "./layer_table.ts";
import { count, dateText, shortText, sizeText } from "./words.ts";

export interface PullNames {
  /** `HOST/REPOSITORY:TAG`. */
  name: string;
  plainHttp: boolean;
}

/** What an image is made of, and how to pull it. */
export function imageView(info: ImageInfo, names: PullNames): HTMLElement {
  const images = info.entries.filter(({ isAttestation }) => !isAttestation);
  const body = images.length > 0 ? entriesView(images, info.entries.length) : partsView(info);
  return element(
    "div",
    { class: "image-view" },
    copyLine(info.digest, "digest"),
    facts([
      ["Kind", info.kind],
      ["Platform", info.platform && formatPlatform(info.platform)],
      ["Size", sizeText(info.size)],
      ["Created", info.created && dateText(info.created)],
      ["Type", info.mediaType],
    ]),
    element("h3", {}, "Pull"),
    ...pullLines(info.kind, names),
    body,
  );
}

function pullLines(kind: ImageInfo["kind"], { name, plainHttp }: PullNames): HTMLElement[] {
  const file = `${name.replace(/^.*\//, "").replace(/[:@].*$/, "")}.tar`;
  // Docker and podman pull nothing but images.
  const pulls = kind === "artifact"
    ? [copyLine(`oras pull ${plainHttp ? "--plain-http " : ""}${name}`, "command for oras")]
    : [
      copyLine(`docker pull ${name}`, "command for docker"),
      copyLine(
        `podman pull ${plainHttp ? "--tls-verify=false " : ""}${name}`,
        "command for podman",
      ),
    ];
  return [
    ...pulls,
    copyLine(`tarpush save ${plainHttp ? `http://${name}` : name} ${file}`, "command for tarpush"),
  ];
}

/** The images of an index, one of which is shown whole. */
function entriesView(entries: readonly IndexEntryInfo[], all: number): HTMLElement {
  const shown = element("div", { class: "parts" });
  const show = (entry: IndexEntryInfo | undefined) => {
    if (!entry) return;
    const { image, descriptor } = entry;
    fill(
      shown,
      copyLine(descriptor.digest, "digest of this platform"),
      image ? partsView(image) : element("p", { class: "hint" }, "The registry does not have it."),
    );
  };
  const options = entries.map((entry, index) => {
    const name = entry.platform
      ? formatPlatform(entry.platform)
      : shortText(entry.descriptor.digest);
    const size = entry.image ? `, ${sizeText(entry.image.size)}` : ", not there";
    return element("option", { value: index }, name + size);
  });
  const choice = element(
    "select",
    { onchange: () => show(entries[Number(choice.value)]) },
    ...options,
  );
  show(entries[0]);
  const others = all - entries.length;
  return element(
    "div",
    { class: "parts" },
    element("h3", {}, count(entries.length, "platform")),
    others > 0 && element("p", { class: "hint" }, `and ${count(others, "attestation")}`),
    element("label", { class: "field" }, "Platform", choice),
    shown,
  );
}

function partsView({ config, layers, labels }: ImageInfo): HTMLElement {
  const run = isJsonObject(config?.config) ? config.config : {};
  return element(
    "div",
    { class: "parts" },
    facts([
      ["Entrypoint", words(run.Entrypoint)],
      ["Command", words(run.Cmd)],
      ["User", text(run.User)],
      ["Folder", text(run.WorkingDir)],
      ["Ports", keys(run.ExposedPorts)],
      ["Volumes", keys(run.Volumes)],
      ...list(run.Env).map((line): Fact => ["Environment", line]),
      ...Object.entries(labels).map(([name, value]): Fact => ["Label", `${name}=${value}`]),
    ]),
    historyView(config),
    element("h3", {}, count(layers.length, "layer")),
    layers.length > 0 && layerTable(layers),
  );
}

function historyView(config: JsonObject | undefined): HTMLElement | undefined {
  const steps = list(config?.history, isJsonObject);
  if (steps.length === 0) return undefined;
  const items = steps.map(({ created_by, comment, empty_layer }) => {
    const made = text(created_by) ?? text(comment) ?? "(not told)";
    const step = made.replace(/^\/bin\/sh -c #\(nop\)\s*/, "").replace(/^\/bin\/sh -c /, "RUN ");
    return element("li", { class: empty_layer === true ? "empty" : "" }, element("code", {}, step));
  });
  return element(
    "details",
    {},
    element("summary", {}, `History: ${count(steps.length, "step")}`),
    element("ol", { class: "history" }, ...items),
  );
}

type Fact = [name: string, value: string | undefined | false];

function facts(rows: readonly Fact[]): HTMLElement | undefined {
  const known = rows.filter(([, value]) => value);
  if (known.length === 0) return undefined;
  let last = "";
  const parts = known.flatMap(([name, value]) => {
    const term = name === last ? [] : [element("dt", {}, name)];
    last = name;
    return [...term, element("dd", {}, value)];
  });
  return element("dl", {}, ...parts);
}

function list(value: unknown): string[];
function list<T>(value: unknown, is: (item: unknown) => item is T): T[];
function list(value: unknown, is = (item: unknown): item is unknown => typeof item === "string") {
  return Array.isArray(value) ? value.filter(is) : [];
}

function words(value: unknown): string {
  return list(value).map((word) => /[\s"']/.test(word) ? JSON.stringify(word) : word).join(" ");
}

function keys(value: unknown): string {
  return isJsonObject(value) ? Object.keys(value).join(", ") : "";
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
