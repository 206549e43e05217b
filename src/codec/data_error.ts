import { OciError } from "../errors.ts";

/**
 * What is wrong with compressed data, in words that do not depend on who inflates it. How many bytes had been read by
 * then does, on the pieces they come in, so it is not said beside this error.
 */
export class DataError extends OciError {
  /** The class name. */
  override name = "DataError";
}
