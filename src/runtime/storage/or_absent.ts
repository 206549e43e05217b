import { errorCode } from "../file_error.ts";

/**
 * What there is of a file, or `absent` where there is none.
 *
 * @param failed Throws what any other failure is told as.
 */
export async function orAbsent<Found, Absent>(
  absent: Absent,
  find: () => Promise<Found>,
  failed: (cause: unknown) => never,
): Promise<Found | Absent> {
  try {
    return await find();
  } catch (error) {
    const code = errorCode(error);
    return code === "ENOENT" || code === "ENOTDIR" ? absent : failed(error);
  }
}
