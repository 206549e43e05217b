import { ArchiveError, DigestMismatchError, OciError, TarError } from "../errors.ts";
import type { PassingInput, RandomInput } from "./open_source.ts";

const HINT = "wait for what writes it to end, and try again";

/** What an archive that does not read as it should fails with: where it is not what it was when it was opened, with that. */
export async function withChange(
  input: RandomInput | PassingInput,
  error: unknown,
): Promise<unknown> {
  const isOfArchive = [ArchiveError, DigestMismatchError, TarError]
    .some((kind) => error instanceof kind);
  if (!isOfArchive) return error;
  try {
    await requireUnchanged(input);
    return error;
  } catch (changed) {
    return changed;
  }
}

/** @throws {ArchiveError} If an archive is not what it was when it was opened, as far as can be seen. */
export async function requireUnchanged(input: RandomInput | PassingInput): Promise<void> {
  try {
    await input.checkUnchanged();
  } catch (cause) {
    if (!(cause instanceof OciError)) throw cause;
    throw new ArchiveError(cause.message, { hint: HINT, cause });
  }
}
