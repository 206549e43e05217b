import { archiveSubjects } from "./archive_subjects.ts";
import { compressionSubjects } from "./compression_subjects.ts";
import { registrySubjects } from "./registry_subjects.ts";
import type { Subject } from "./subject.ts";
import { tarSubjects } from "./tar_subjects.ts";
import { textSubjects } from "./text_subjects.ts";

/** All that is fuzzed. */
export const SUBJECTS: readonly Subject[] = [
  ...tarSubjects,
  ...textSubjects,
  ...compressionSubjects,
  ...archiveSubjects,
  ...registrySubjects,
];
