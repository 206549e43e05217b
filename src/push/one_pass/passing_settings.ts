import type { Budget } from "../../concurrency.ts";
import type { PassingBlob } from "../../archive/image_blobs.ts";
import type { PassingFile } from "../../archive/passing_file.ts";
import type { Digest } from "../../digest.ts";
import type { UploadHooks } from "../../registry/blobs.ts";
import type { RepositoryState } from "../repository_state.ts";
import type { UploadSettings } from "../upload_settings.ts";
import type { Staged } from "./staged_uploads.ts";

/** Settings of `PassingUploads`. */
export interface PassingUploadSettings extends UploadSettings {
  budget: Budget;
  /** Whether images of the archive may be left out: nothing is committed then before it is known to be needed. */
  selective: boolean;
  /** Tells where files go. */
  route: Route;
  /** The tag that the image goes to, where there is one for all: what stands there may tell what layers become. */
  standing?: string | undefined;
  /** Makes what sends layers that are not compressed; absent where they go like all others. */
  layerUploads?: ((plain: PlainUploads) => LayerUploads) | undefined;
}

/** What sends layers that are not compressed. */
export interface LayerUploads {
  /**
   * Sends a layer.
   *
   * @param onRead Called when its stream was read to the end, where what is to be sent is held.
   */
  place(
    destination: Destination,
    blob: PassingBlob,
    hooks: UploadHooks,
    onRead: () => void,
  ): Promise<void>;
}

/** What sends the blobs that are not compressed. */
export interface PlainUploads {
  settings: PassingUploadSettings;
  /** Sends a blob as it is. */
  place(
    destination: Destination,
    blob: PassingBlob,
    digest: Digest | undefined,
    hooks: UploadHooks,
  ): Promise<void>;
  /** Whether a blob may not be committed before the end tells that it is needed. */
  isLater(destination: Destination, blob: PassingBlob): boolean;
  /** Notes that all of a file was sent, and is to be committed when it is needed. */
  stage(file: PassingFile, staged: Staged): void;
}

/** Where a file goes; undefined where nothing needs it. */
export type Route = (file: PassingFile) => Promise<Destination | undefined>;

/** The repository that needs a file first, and the digest that the file should have. */
export interface Destination {
  target: RepositoryState;
  digest?: Digest | undefined;
  /** Whether only the end tells if the file is needed, and where. */
  isUnsure?: boolean;
}
