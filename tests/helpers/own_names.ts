import { pushImage, type PushResult } from "../../src/push/push.ts";
import { FIXTURES, readFixture, type Registry } from "./expected.ts";

/** The repository for a fixture; its name is a path component already, but for the ending. */
export function repositoryOf(name: string): string {
  return name.replace(/\.tar$/, "");
}

/** Pushes a fixture under its own names, below a prefix; bare tags to a repository of that name. */
export async function pushOwnNames(
  name: string,
  host: string,
  fetch?: Registry,
): Promise<PushResult> {
  const fixture = FIXTURES.get(name);
  const hasNames = fixture?.docker?.some(({ tags }) => tags) ||
    fixture?.oci?.some(({ ref_name, image_name }) => `${ref_name} ${image_name}`.includes("/"));
  const target = `${host}/${repositoryOf(name)}`;
  const options = fetch ? { fetch } : {};
  return hasNames
    ? await pushImage(await readFixture(name), `${target}/`, options)
    : await pushImage(await readFixture(name), target, { ...options, allTags: true });
}
