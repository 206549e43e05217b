/**
 * A name beside a file for what is to replace it: in the same folder, so that renaming is one step; one that is there by
 * no chance; and one that does not look whole.
 *
 * @param path The file.
 */
export function temporaryName(path: string): string {
  return `${path}.${crypto.randomUUID().slice(0, 8)}.partial`;
}
