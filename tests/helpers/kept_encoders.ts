import { type Encoders, useEncoders } from "../../src/codec/encoder_pool.ts";

/** The workers of `compression: "gzip"`, kept for many pushes: to start them takes most of a small one. */
export function keepEncoders(): Promise<Encoders> {
  return useEncoders({ kind: "gzip", level: 1 });
}
