import type { Digest } from "./digest.ts";

/** What every error of this family may carry. */
export interface OciErrorOptions extends ErrorOptions {
  /** One line that tells a person what to try next. */
  hint?: string | undefined;
}

/**
 * The base of the conditions that a caller may want to catch. Caller mistakes are `TypeError` and `RangeError`, text
 * that does not parse is `SyntaxError`; everything else that this package reports extends this class.
 */
export class OciError extends Error {
  /** The class name. */
  override name = "OciError";
  /** One line that tells a person what to try next, where there is one. */
  readonly hint: string | undefined;
  /** Whether the same call may succeed when it is made again. */
  readonly retryable: boolean = false;
  /** The images that were completely pushed, tag included, before a push of several failed. */
  pushed?: readonly unknown[];

  /** Makes one of a message that says what was being done, to what, what was found and what was expected. */
  constructor(message: string, options: OciErrorOptions = {}) {
    super(message, options);
    this.hint = options.hint;
  }
}

/** A disk that takes nothing more: it is full, or read-only. No further attempt changes that. */
export class DiskError extends OciError {
  /** The class name. */
  override name = "DiskError";
  /** What is wrong, without a path: `the disk is full`. */
  readonly state: string;

  /** Makes one; `state` is the end of the message that anybody may hear. */
  constructor(message: string, options: OciErrorOptions & { state: string }) {
    super(message, options);
    this.state = options.state;
  }
}

/** A tar stream or file that cannot be read. */
export class TarError extends OciError {
  /** The class name. */
  override name = "TarError";
  /** Position in the tar, in bytes, of the header or record that is at fault. */
  readonly offset: number;
  /** Name of the entry concerned, where one is known. */
  readonly entry: string | undefined;

  /** Makes one; `offset` is in bytes, and `entry` a name. */
  constructor(
    message: string,
    options: OciErrorOptions & { offset: number; entry?: string | undefined },
  ) {
    super(message, options);
    this.offset = options.offset;
    this.entry = options.entry;
  }
}

/** A tar that is readable but is no image archive, or one whose parts contradict each other. */
export class ArchiveError extends OciError {
  /** The class name. */
  override name = "ArchiveError";
  /** Path in the archive of the file that is at fault, where there is one. */
  readonly path: string | undefined;

  /** Makes one; `path` is that of the file in the archive. */
  constructor(message: string, options: OciErrorOptions & { path?: string | undefined } = {}) {
    super(message, options);
    this.path = options.path;
  }
}

/** One reference was given where the archive holds several images that it could mean. */
export class AmbiguousImageError extends ArchiveError {
  /** The class name. */
  override name = "AmbiguousImageError";
  /** The names to choose from, each accepted by the option `images`. */
  readonly choices: readonly string[];

  /** Makes one; `choices` is what the option `images` accepts here. */
  constructor(message: string, options: OciErrorOptions & { choices: readonly string[] }) {
    super(message, options);
    this.choices = options.choices;
  }
}

/** Content that does not have the digest under which it goes. */
export class DigestMismatchError extends OciError {
  /** The class name. */
  override name = "DigestMismatchError";
  /** The digest that the content should have. */
  readonly expected: Digest;
  /** The digest it has, where it was computed or reported. */
  readonly actual: string | undefined;

  /** Makes one, of the digest that is wanted and the one that is there. */
  constructor(
    message: string,
    options: OciErrorOptions & { expected: Digest; actual?: string | undefined },
  ) {
    super(message, options);
    this.expected = options.expected;
    this.actual = options.actual;
  }
}

/** A request that got no answer: name not found, connection refused, reset, TLS failure. */
export class NetworkError extends OciError {
  /** The class name. */
  override name = "NetworkError";
  /** Request method. */
  readonly method: string;
  /** Request URL, without user information and query. */
  readonly url: string;
  /** Whether the same call may succeed when it is made again. */
  override readonly retryable: boolean;

  /** Makes one, of a request; it is `retryable` unless said otherwise. */
  constructor(
    message: string,
    options: OciErrorOptions & { method: string; url: string; retryable?: boolean },
  ) {
    super(message, options);
    this.method = options.method;
    this.url = options.url;
    this.retryable = options.retryable ?? true;
  }
}

/** A time limit that ran out: no byte moved, or no answer came. */
export class TimeoutError extends NetworkError {
  /** The class name. */
  override name = "TimeoutError";
}

/** One entry of the error list of a registry's answer (distribution-spec, "Error Codes"). */
export interface RegistryErrorEntry {
  /** Error code in capitals, such as `BLOB_UNKNOWN`. */
  code: string;
  /** Text for people. */
  message: string;
  /** Whatever the registry adds. */
  detail?: unknown;
}

/** A registry's answer that is not a success. */
export class RegistryError extends OciError {
  /** The class name. */
  override name = "RegistryError";
  /** Request method. */
  readonly method: string;
  /** Request URL, without user information and query. */
  readonly url: string;
  /** HTTP status of the answer. */
  readonly status: number;
  /** The answer's error list; empty where its body was none. */
  readonly errors: readonly RegistryErrorEntry[];
  /** How long the registry asked to wait, in milliseconds. */
  readonly retryAfter: number | undefined;
  /** Whether the same call may succeed when it is made again. */
  override readonly retryable: boolean;

  /** Makes one, of a request, and of the answer's status and error list. */
  constructor(
    message: string,
    options: OciErrorOptions & {
      method: string;
      url: string;
      status: number;
      errors?: readonly RegistryErrorEntry[];
      retryable?: boolean;
      retryAfter?: number | undefined;
    },
  ) {
    super(message, options);
    this.method = options.method;
    this.url = options.url;
    this.status = options.status;
    this.errors = options.errors ?? [];
    this.retryable = options.retryable ?? false;
    this.retryAfter = options.retryAfter;
  }
}

/** The same answer in other words, or with another meaning; `error` is its cause. */
export function restate(
  error: RegistryError,
  message: string,
  { hint, retryable = false }: { hint?: string | undefined; retryable?: boolean } = {},
): RegistryError {
  const { method, url, status, errors } = error;
  return new RegistryError(message, { method, url, status, errors, hint, retryable, cause: error });
}

/** Whether an error is a registry's answer with one of these statuses. */
export function hasStatus(error: unknown, ...statuses: readonly number[]): error is RegistryError {
  return error instanceof RegistryError && statuses.includes(error.status);
}

/** Whether the error list of a registry's answer has one of these codes. */
export function hasCode(
  { errors }: Pick<RegistryError, "errors">,
  ...codes: readonly string[]
): boolean {
  return errors.some(({ code }) => codes.includes(code));
}

/** A push that cannot go on although each single answer was in order: content that is nowhere, a refused plan. */
export class PushError extends OciError {
  /** The class name. */
  override name = "PushError";
  /** The step that failed. */
  readonly step: "plan" | "blob" | "manifest" | "tag";
  /** The side that the failure comes from: what was to be pushed (in a copy the source), or the registry it goes to. */
  readonly origin: "archive" | "registry";
  /** The content concerned. */
  readonly digest: Digest | undefined;

  /** Makes one, of where it failed, and on whose side. */
  constructor(
    message: string,
    options: OciErrorOptions & {
      step: PushError["step"];
      origin: PushError["origin"];
      digest?: Digest | undefined;
    },
  ) {
    super(message, options);
    this.step = options.step;
    this.origin = options.origin;
    this.digest = options.digest;
  }
}
