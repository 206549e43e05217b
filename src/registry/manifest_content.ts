import type { Bytes } from "../bytes.ts";
import type { Digest } from "../digest.ts";

/** A manifest or index to be stored. */
export interface ManifestContent {
  /** Its digest. */
  digest: Digest;
  /** Sent as Content-Type; it must equal the member `mediaType` of the bytes, where there is one. */
  mediaType: string;
  /** Exactly as it is stored. */
  bytes: Bytes;
}
