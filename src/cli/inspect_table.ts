import type {
  ArchiveSummary,
  BesideSummary,
  ImageSummary,
  IndexEntrySummary,
  LayerSummary,
} from "../image/inspect.ts";
import type { NeededBlob } from "../image/left_out.ts";
import { counted, formatSize, labelled, type Paint, printable } from "./render.ts";

/**
 * What `inspect` shows to people: a block for each image, its labels and layers in columns.
 *
 * @returns Lines without line ends.
 */
export function inspectLines(summary: ArchiveSummary, paint: Paint): string[] {
  const { dialect, images, leftOut = [] } = summary;
  const count = counted(images.length, "image");
  return [
    `${dialect} archive, ${count}`,
    ...images.flatMap((image) => imageLines(image, paint)),
    ...leftOutLines(leftOut, paint),
  ];
}

function leftOutLines(leftOut: readonly NeededBlob[], paint: Paint): string[] {
  if (leftOut.length === 0) return [];
  const bytes = leftOut.reduce((sum, { size }) => sum + size, 0);
  const rows = leftOut.map(({ digest, size, repositories, archives }) => [
    digest,
    formatSize(size),
    [...repositories, ...archives].join(", "),
  ]);
  return [
    "",
    `${paint("cyan", "left out")}  ${counted(leftOut.length, "blob")}, ${formatSize(bytes)}`,
    ...columns(rows).map((row) => `  ${row}`),
  ];
}

function imageLines(image: ImageSummary, paint: Paint): string[] {
  const { kind, layers, entries = [], beside = [], otherName } = image;
  const lines = (label: string, texts: string[]) => labelled(label, texts, paint);
  const names = [...image.names, ...image.tags];
  const nameless = otherName === undefined ? "none" : `${otherName} (none to push to)`;
  const isIndex = kind === "index";
  return [
    "",
    headLine(image, paint),
    ...lines(names.length > 1 ? "names" : "name", names.length > 0 ? names : [nameless]),
    ...lines("digest", [image.digest ?? "not known before the layers are hashed"]),
    ...lines("type", [image.mediaType]),
    ...lines("config", image.config ? [image.config] : []),
    ...lines("platform", image.platforms.length > 0 && !isIndex ? image.platforms : []),
    ...lines("created", image.created ? [withoutFraction(image.created)] : []),
    ...lines(entries.length === 1 ? "platform" : "platforms", columns(entries.map(entryRow))),
    // BuildKit's cache lists blobs in an index, and no manifests.
    ...lines(layerLabel(image), entries.length > 0 ? [] : columns(layers.map(layerRow))),
    ...lines("beside", columns(beside.map(besideRow))),
  ];
}

function headLine(image: ImageSummary, paint: Paint): string {
  const { id, kind, buildRecord, layers, entries = [], size } = image;
  const images = entries.filter((entry) => entry.kind === "image");
  const whole = images.filter(({ present }) => present === "whole").length;
  const some = whole < images.length ? `${whole} of ` : "";
  const count = buildRecord
    ? ""
    : kind === "index"
    ? `${some}${counted(images.length, "platform")}`
    : kind === "image"
    ? counted(layers.length, "layer")
    : "";
  return `${paint("cyan", id)}  ${
    [buildRecord ?? kind, count, formatSize(size)].filter(Boolean).join(", ")
  }`;
}

function layerLabel({ kind, layers }: ImageSummary): string {
  if (kind !== "image") return layers.length === 1 ? "blob" : "blobs";
  return layers.length === 1 ? "layer" : "layers";
}

const ABSENT = "(not in the archive)";

function entryRow({ kind, platform, digest, size, present }: IndexEntrySummary): string[] {
  const name = platform ?? (kind === "image" ? "unknown" : kind);
  if (present === "no") return [name, digest, ABSENT];
  return [name, digest, formatSize(size), present === "partly" ? "(parts are missing)" : ""];
}

function besideRow({ kind, digest, tag }: BesideSummary): string[] {
  return [kind, digest, tag ?? ""];
}

function layerRow({ digest, size, mediaType, path }: LayerSummary): string[] {
  const name = digest ?? path ?? "unknown";
  return [name, formatSize(size), shortType(mediaType), path === undefined ? ABSENT : ""];
}

const LAYER_TYPE =
  /^application\/vnd\.(?:oci\.image\.layer\.v1|docker\.image\.rootfs\.diff)\.(tar(?:[+.][a-z]+)?)$/;

/** What a layer's type says beside that it is one; others stand as they are. */
function shortType(mediaType: string): string {
  return LAYER_TYPE.exec(mediaType)?.[1]?.replace(/^tar\./, "tar+") ?? mediaType;
}

/** A time in whole seconds. */
function withoutFraction(time: string): string {
  return time.replace(/\.\d+(?=Z|[+-]\d\d:\d\d$)/, "");
}

/** Aligns cells; sizes, which end in a unit, to the right. */
function columns(rows: string[][]): string[] {
  const shown = rows.map((row) => row.map(printable));
  const widths: number[] = [];
  for (const row of shown) {
    row.forEach((cell, at) => {
      if (cell !== ABSENT) widths[at] = Math.max(widths[at] ?? 0, cell.length);
    });
  }
  return shown.map((row) =>
    row.map((cell, at) => {
      const width = widths[at] ?? 0;
      return SIZE.test(cell) ? cell.padStart(width) : cell.padEnd(width);
    }).join("  ").trimEnd()
  );
}

const SIZE = /^[\d.]+ [kMGTPEZY]?B$/;
