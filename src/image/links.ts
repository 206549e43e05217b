import { OciError } from "../errors.ts";
import { quoteName } from "../quote_name.ts";
import type { ArchiveFiles } from "./files.ts";

export interface LinkProblem {
  code: "broken-link" | "link-cycle";
  message: string;
}

/** Links that are told of one by one in a push: a hostile archive has any number. */
const MAX_TOLD = 12;

/**
 * Follows a link of an archive.
 *
 * @param path The link's clean path.
 * @returns What is wrong; undefined where it leads to a file.
 */
export function linkProblem(files: ArchiveFiles, path: string): LinkProblem | undefined {
  try {
    if (files.resolve(path)) return undefined;
  } catch (error) {
    if (error instanceof OciError) return { code: "link-cycle", message: error.message };
    throw error;
  }
  const message = `${quoteName(path)} is a link to no file of the archive`;
  return { code: "broken-link", message };
}

/** Tells of the links of an archive that lead to no file. */
export function linkNotices(files: ArchiveFiles): string[] {
  const notices: string[] = [];
  for (const path of files.links()) {
    const problem = linkProblem(files, path);
    if (problem) notices.push(problem.message);
  }
  const more = notices.length - MAX_TOLD;
  if (more > 0) notices.splice(MAX_TOLD, more, `${more} further links lead to no file`);
  return notices;
}
