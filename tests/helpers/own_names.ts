import { pushImage, type PushResult } from "../../src/push/push.ts";
import { FIXTURES, isContested, readFixture, type Registry } from "./expected.ts";

/** The repository for a fixture; its name is a path component already, but for the ending. */
export function repositoryOf(name: string): string {
  return name.replace(/\.tar(?:\.zst)?$/, "");
}

/**
 * Pushes a fixture under its own names, below a prefix; bare tags to a repository of that name, and what has no name under a
 * made one. Of two images with one name it is the first.
 */
export async function pushOwnNames(
  name: string,
  host: string,
  fetch?: Registry,
): Promise<PushResult> {
  const fixture = FIXTURES.get(name);
  const hasNames = fixture?.docker?.some(({ tags }) => tags) ||
    fixture?.oci?.some(({ ref_name, image_name }) => `${ref_name} ${image_name}`.includes("/"));
  const hasTags = fixture?.oci?.some(({ ref_name }) => ref_name);
  const target = `${host}/${repositoryOf(name)}`;
  const options = {
    ...(fetch ? { fetch } : {}),
    ...(fixture && isContested(fixture) ? { images: ["#1"] } : {}),
  };
  const blob = await readFixture(name);
  if (hasNames) return await pushImage(blob, `${target}/`, options);
  return hasTags
    ? await pushImage(blob, target, { ...options, allTags: true })
    : await pushImage(blob, `${target}:1`, options);
}
