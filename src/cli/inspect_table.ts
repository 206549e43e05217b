import type { ArchiveSummary, ImageSummary, LayerSummary } from "../image/inspect.ts";
import { formatSize, type Paint, printable } from "./render.ts";

/**
 * What `inspect` shows to people: a block for each image, its labels and layers in columns.
 *
 * @param summary What the archive holds.
 * @param paint How to colour.
 * @returns Lines without line ends.
 */
export function inspectLines(summary: ArchiveSummary, paint: Paint): string[] {
  const { dialect, images } = summary;
  const count = images.length === 1 ? "1 image" : `${images.length} images`;
  return [`${dialect} archive, ${count}`, ...images.flatMap((image) => imageLines(image, paint))];
}

/** Wide enough for the longest label. */
const LABEL_WIDTH = 8;

function imageLines(image: ImageSummary, paint: Paint): string[] {
  const { kind, layers, size } = image;
  const count = layers.length === 1 ? "1 layer" : `${layers.length} layers`;
  const line = (label: string, text: string) =>
    `  ${paint("dim", label.padEnd(LABEL_WIDTH))}  ${text}`;
  const lines = (label: string, texts: string[]) =>
    texts.map((text, index) => line(index === 0 ? label : "", printable(text)));
  const names = [...image.names, ...image.tags];
  return [
    "",
    `${paint("cyan", image.id)}  ${kind}, ${kind === "artifact" ? "" : `${count}, `}${
      formatSize(size)
    }`,
    ...lines(names.length > 1 ? "names" : "name", names.length > 0 ? names : ["none"]),
    ...lines("digest", [image.digest ?? "not known before the layers are hashed"]),
    ...lines("type", [image.mediaType]),
    ...lines("config", image.config ? [image.config] : []),
    ...lines("platform", image.platforms.length > 0 ? [image.platforms.join(", ")] : []),
    ...lines("created", image.created ? [image.created] : []),
    ...layerRows(layers).map((row, index) => line(index === 0 ? layerLabel(image) : "", row)),
  ];
}

function layerLabel({ kind, layers }: ImageSummary): string {
  if (kind === "artifact") return layers.length === 1 ? "blob" : "blobs";
  return layers.length === 1 ? "layer" : "layers";
}

function layerRows(layers: readonly LayerSummary[]): string[] {
  const rows = layers.map(({ digest, size, mediaType, path }) => ({
    name: printable(digest ?? path ?? "unknown"),
    size: formatSize(size),
    rest: printable(path === undefined ? `${mediaType}  (not in the archive)` : mediaType),
  }));
  const nameWidth = Math.max(0, ...rows.map(({ name }) => name.length));
  const sizeWidth = Math.max(0, ...rows.map(({ size }) => size.length));
  return rows.map(({ name, size, rest }) =>
    `${name.padEnd(nameWidth)}  ${size.padStart(sizeWidth)}  ${rest}`
  );
}
