import { configPlatform, MAX_CONFIG_BYTES } from "../../config_json.ts";
import { type Digest, digestAlgorithm, digestOfPath } from "../../digest.ts";
import { goMember } from "../../go_json.ts";
import { parseJsonObject } from "../content.ts";
import { diffIdsOf } from "../docker_save.ts";
import { compressionOfType, isEncryptedType, isLayerType, isUnpacked } from "../layer_type.ts";
import type { CheckedFile } from "./checked_file.ts";
import type { FindingCode, FindingDetails, Severity } from "./findings.ts";
import type { ConfigFacts, Role, Validation } from "./validation.ts";

/** A layer as an image has it; `file` is absent where the archive lacks it. */
export interface LayerFacts {
  file: CheckedFile | undefined;
  /** Undefined in a docker archive, where nothing but the content tells. */
  mediaType: string | undefined;
}

/** What a config says; undefined where it cannot be read, which has been reported. */
export function readConfig(
  validation: Validation,
  file: CheckedFile,
  role: Role,
): Promise<ConfigFacts | undefined> {
  const { path } = file;
  return validation.configs.get(path, async () => {
    // Read once and not held, so what all of them come to does not matter.
    const json = await validation.attempt(
      role,
      async () => parseJsonObject(file, await file.bytes(MAX_CONFIG_BYTES)),
    );
    const diffIds = json && await validation.attempt(role, () => diffIdsOf(json, path));
    if (!diffIds) return undefined;
    const hasRootfs = goMember(json, "rootfs") !== undefined;
    return { path, diffIds: hasRootfs ? diffIds : undefined, platform: configPlatform(json) };
  });
}

/** Compares the layers of an image with what its config says. */
export function checkLayers(
  validation: Validation,
  layers: readonly LayerFacts[],
  config: ConfigFacts | undefined,
  role: Omit<Role, "what">,
): void {
  const isImage = layers.some(({ mediaType }) => mediaType === undefined || isLayerType(mediaType));
  const diffIds = config?.diffIds ?? (isImage && config ? [] : undefined);
  const counts = diffIds === undefined || diffIds.length === layers.length;
  if (!counts && config) reportCount(validation, layers.length, diffIds.length, config, role);
  for (const [index, { file, mediaType }] of layers.entries()) {
    if (!file) continue;
    const layerRole = { ...role, what: `layer ${index + 1}` };
    const isLayer = mediaType === undefined || isLayerType(mediaType);
    if (mediaType !== undefined && isEncryptedType(mediaType)) continue;
    if (isLayer) checkContent(validation, file, mediaType, layerRole);
    const diffId = counts ? diffIds?.[index] : undefined;
    if (diffId) checkDiffId(validation, file, diffId, diffIds ?? [], isLayer, layerRole);
  }
}

function reportCount(
  validation: Validation,
  layers: number,
  diffIds: number,
  { path }: ConfigFacts,
  role: Omit<Role, "what">,
): void {
  const named = diffIds === 1 ? "1 layer" : `${diffIds} layers`;
  const state =
    `names ${named} in rootfs.diff_ids, and the image has ${layers}, expected equal numbers`;
  const details = { path, expected: `${layers}`, actual: `${diffIds}` };
  validation.report("error", "layer-count", { ...role, what: "config" }, state, details);
}

/** Checks what can be seen of a layer by itself: that it inflates, and holds what its media type says. */
function checkContent(
  validation: Validation,
  file: CheckedFile,
  mediaType: string | undefined,
  role: Role,
): void {
  const { path, compression, problem, trailing, kind } = file;
  const report = (
    severity: Severity,
    code: FindingCode,
    state: string,
    details: FindingDetails = {},
  ) => validation.report(severity, code, role, state, { path, ...details });
  if (compression === "bzip2" || compression === "xz") {
    const state = `is compressed with ${compression}, expected tar, gzip or zstd`;
    return report("error", "bad-layer", state);
  }
  if (mediaType !== undefined && kind !== "empty") {
    const said = compressionOfType(mediaType);
    if (said !== compression) {
      const state = compression ? `is compressed with ${compression}` : "is not compressed";
      // docker, podman and containerd go by the bytes where they can: such an image runs, and real programs write it.
      const [severity, effect] = isUnpacked(mediaType, compression)
        ? ["warning", "what goes by types alone does not"] as const
        : ["error", "containerd cannot"] as const;
      const text = `${state}, and its media type is ${mediaType}: ${effect} unpack it`;
      const details = { expected: said ?? "none", actual: compression ?? "none" };
      report(severity, "media-type", text, details);
    }
  }
  if (problem !== undefined) {
    return report("error", "broken-layer", `does not inflate: ${problem}`);
  }
  if (kind === "other") {
    const what = compression ? "holds no tar" : "is no tar";
    report("warning", "bad-layer", `${what}, expected a layer`);
  }
  if (trailing !== undefined) {
    const state =
      `has further bytes behind its compressed data, at byte ${trailing}, which some tools refuse`;
    report("warning", "trailing-data", state, { offset: trailing });
  }
}

function checkDiffId(
  validation: Validation,
  file: CheckedFile,
  expected: Digest,
  diffIds: readonly Digest[],
  isLayer: boolean,
  role: Role,
): void {
  const { path, compression, diffId: actual } = file;
  // What an artifact holds may be compressed by itself: its config then names the content as it is.
  if (actual === expected || (!isLayer && file.digest === expected) || !actual) return;
  // What a plain blob is called says the same, and has been compared.
  if (!compression && digestOfPath(path) === expected) return;
  const details = { path, digest: file.digest, expected, actual };
  if (digestAlgorithm(expected) !== digestAlgorithm(actual)) {
    if (file.digest === expected) return;
    const state = `should have ${expected} as the config says, which was not computed`;
    return validation.report("warning", "unchecked", role, state, details);
  }
  const other = diffIds.indexOf(actual);
  const hint = other >= 0 ? `it is what layer ${other + 1} should be` : "";
  const verb = compression ? "inflates to" : "has digest";
  const state = `${verb} ${actual}, expected ${expected} as the config says`;
  validation.report("error", "wrong-diff-id", role, state, details, hint);
}
