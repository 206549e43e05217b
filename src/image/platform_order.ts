import type { Platform } from "../media_types.ts";

/** Something that runs on a platform, where one is known. */
export interface Offer {
  platform: Platform | undefined;
}

/**
 * Finds what fits a platform, that first which containerd would choose. All that is asked for must be so: a variant in
 * any spelling that containerd knows, an os.version whole or down to one of its dots, features. What is left open is put
 * in order as containerd does it (containerd/platforms, `compare.go`, `platform_windows_compat.go`): no features that
 * were not asked for, the newest variant that every machine of the architecture runs (of arm v7, v6, v5), the newest
 * os.version, most features. What it would not run without being told comes after that, the newest first.
 *
 * @returns Those that fit, the best first; equal ones in their order.
 */
export function rankFitting<Some extends Offer>(
  wanted: Platform,
  offers: readonly Some[],
): Some[] {
  const want = normalizePlatform(wanted);
  return offers
    .flatMap((offer) => {
      const platform = offer.platform && normalizePlatform(offer.platform);
      return platform && fits(want, platform) ? [{ offer, platform }] : [];
    })
    .sort((one, other) => compare(want, one.platform, other.platform))
    .map(({ offer }) => offer);
}

/** A platform in the one spelling that containerd gives it; the variant that goes without saying is left out. */
export function normalizePlatform(platform: Platform): Platform {
  const { os, architecture, variant, ...rest } = platform;
  const system = os.toLowerCase();
  const [cpu, cpuVariant] = normalizeArchitecture(
    architecture.toLowerCase(),
    variant?.toLowerCase(),
  );
  return {
    ...rest,
    os: system === "macos" ? "darwin" : system,
    architecture: cpu,
    ...(cpuVariant ? { variant: cpuVariant } : {}),
  };
}

/** Other names of architectures; whoever says armhf means v7 and nothing else. */
const ALIASES: ReadonlyMap<string, [string, string?]> = new Map([
  ["i386", ["386"]],
  ["x86_64", ["amd64"]],
  ["x86-64", ["amd64"]],
  ["aarch64", ["arm64"]],
  ["armhf", ["arm", "v7"]],
  ["armel", ["arm", "v6"]],
]);

/** The variant that an architecture has where none is said. */
const USUAL_VARIANT: ReadonlyMap<string, string> = new Map([
  ["amd64", "v1"],
  ["arm", "v7"],
  ["arm64", "v8"],
]);

function normalizeArchitecture(name: string, said: string | undefined): [string, string?] {
  const [architecture, implied] = ALIASES.get(name) ?? [name];
  if (architecture === "386") return [architecture];
  const variant = (implied ?? said)?.replace(/^(?=\d)/, "v").replace(/\.0$/, "");
  return variant === undefined ? [architecture] : [architecture, variant];
}

function fits(want: Platform, has: Platform): boolean {
  if (has.os !== want.os || has.architecture !== want.architecture) return false;
  if (want.variant !== undefined && want.variant !== variantOf(has)) return false;
  const features = has["os.features"] ?? [];
  return hasVersion(has["os.version"], want["os.version"]) &&
    (want["os.features"] ?? []).every((feature) => features.includes(feature));
}

function hasVersion(version: string | undefined, wanted: string | undefined): boolean {
  return wanted === undefined || version === wanted || version?.startsWith(`${wanted}.`) === true;
}

function variantOf({ architecture, variant }: Platform): string {
  return variant ?? USUAL_VARIANT.get(architecture) ?? "";
}

/** Which of two that fit comes first: below zero for `one`. */
function compare(want: Platform, one: Platform, other: Platform): number {
  return Number(needsMore(want, one)) - Number(needsMore(want, other)) ||
    Number(isSpecial(one)) - Number(isSpecial(other)) ||
    compareNaturally(variantOf(other), variantOf(one)) ||
    compareNaturally(other["os.version"] ?? "", one["os.version"] ?? "") ||
    (other["os.features"]?.length ?? 0) - (one["os.features"]?.length ?? 0);
}

// It takes milliseconds to make one.
let collator: Intl.Collator | undefined;

/** Numbers within texts count as numbers: 10.0.9 comes before 10.0.10. */
function compareNaturally(one: string, other: string): number {
  collator ??= new Intl.Collator("en", { numeric: true });
  return collator.compare(one, other);
}

/** Whether it needs features that nobody spoke of; every Windows has win32k. */
function needsMore(want: Platform, has: Platform): boolean {
  return (has["os.features"] ?? []).some((feature) =>
    !want["os.features"]?.includes(feature) && !(has.os === "windows" && feature === "win32k")
  );
}

/** Whether it runs on some machines of its architecture only. */
function isSpecial(platform: Platform): boolean {
  const { architecture } = platform;
  const variant = variantOf(platform);
  if (architecture === "arm") return !["v5", "v6", "v7"].includes(variant);
  return variant !== (USUAL_VARIANT.get(architecture) ?? "");
}
