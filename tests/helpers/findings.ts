import { assert, assertEquals } from "@std/assert";
import { type ArchiveCheck, checkArchive } from "../../src/archive/check_archive.ts";
import type { Finding, FindingCode } from "../../src/image/check/findings.ts";
import { toBlob } from "./archives.ts";
import type { TarWriterEntry } from "./tar_writer.ts";

/**
 * Checks an archive as a file and as it comes through a pipe: both tell the same, nothing of it could steer a
 * terminal, and no message is longer than anybody reads.
 */
export async function check(archive: Blob | readonly TarWriterEntry[]): Promise<ArchiveCheck> {
  const blob = archive instanceof Blob ? archive : toBlob(archive);
  const file = await checkArchive(blob);
  assertEquals(await checkArchive(inPieces(blob, 700)), file);
  assertEquals(file.ok, !file.findings.some(({ severity }) => severity === "error"));
  for (const finding of file.findings) assertShowable(finding);
  return file;
}

/** The findings of {@linkcode check} as `severity code`. */
export async function codesOf(archive: Blob | readonly TarWriterEntry[]): Promise<string[]> {
  const { findings } = await check(archive);
  return findings.map(({ severity, code }) => `${severity} ${code}`);
}

/** The only finding of an archive, which must have this code. */
export async function onlyFinding(
  archive: Blob | readonly TarWriterEntry[],
  severity: Finding["severity"],
  code: FindingCode,
): Promise<Finding> {
  const { findings } = await check(archive);
  const [finding, ...others] = findings;
  const listed = findings.map((each) => `${each.severity} ${each.code} ${each.message}`).join("\n");
  assert(finding && others.length === 0, `expected ${severity} ${code} alone:\n${listed}`);
  assertEquals([finding.severity, finding.code], [severity, code], listed);
  return finding;
}

/** The bytes of a blob in pieces of a size that is no multiple of a block. */
export function inPieces(blob: Blob, size: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (at >= blob.size) return controller.close();
      controller.enqueue(await blob.slice(at, at += size).bytes());
    },
  });
}

function assertShowable({ message, path = "", image = "" }: Finding): void {
  assert(!/\p{Cc}/u.test(message), `control characters in ${JSON.stringify(message)}`);
  assert(message.length <= 1003, `a message of ${message.length} characters`);
  assert(!/undefined|\[object|NaN|null/.test(message), message);
  assert(path.length <= 259 && image.length <= 259, "a name that is cut");
}
