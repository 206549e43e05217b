import { formatPlatform } from "../media_types.ts";
import type { ImageInfo, IndexEntryInfo } from "../registry/image.ts";
import { formatSize, labelled, type Paint, printable } from "./render.ts";

/**
 * What `info` shows to people: labels and values in columns, a line for each platform or layer.
 *
 * @returns Lines without line ends.
 */
export function infoLines(reference: string, info: ImageInfo, paint: Paint): string[] {
  const lines = (label: string, texts: string[]) => labelled(label, texts, paint);
  const labels = Object.entries(info.labels).map(([name, value]) => `${name}=${value}`);
  return [
    `${paint("cyan", printable(reference))}  ${info.buildRecord ?? info.kind}, ${
      formatSize(info.size)
    }`,
    ...lines("digest", [info.digest]),
    ...lines("type", [info.mediaType]),
    ...lines("platform", info.platform ? [formatPlatform(info.platform)] : []),
    ...lines("created", info.created ? [info.created] : []),
    ...lines(labels.length === 1 ? "label" : "labels", labels),
    ...lines(info.layers.length === 1 ? "layer" : "layers", layerRows(info)),
    ...lines("platforms", columns(info.entries.map(entryRow))),
  ];
}

function layerRows({ layers }: ImageInfo): string[] {
  return columns(
    layers.map(({ digest, size, mediaType }) => [digest, formatSize(size), mediaType]),
  );
}

function entryRow({ descriptor, platform, isAttestation, image }: IndexEntryInfo): string[] {
  const name = isAttestation ? "attestation" : platform ? formatPlatform(platform) : "unknown";
  return [name, descriptor.digest, image ? formatSize(image.size) : "(not in the registry)"];
}

function columns(rows: string[][]): string[] {
  const shown = rows.map((row) => row.map(printable));
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...shown.map((row) => (row[column] ?? "").length))
  );
  return shown.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()
  );
}
