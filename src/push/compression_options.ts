/** How a push compresses layers that are not compressed. */
export type CompressionChoice = "keep" | "gzip" | "zstd" | "auto";

/** What compresses layers, where something does. */
export interface CompressionSettings {
  compression: Exclude<CompressionChoice, "keep">;
  level: number | undefined;
  /** Whether manifests that have signatures are compressed too. */
  force: boolean;
}
