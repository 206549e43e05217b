import { digestOfPath } from "../../digest.ts";
import { ArchiveError, OciError, TarError } from "../../errors.ts";
import { isJsonObject } from "../../media_types.ts";
import { quoteName } from "../../quote_name.ts";
import { readArchive } from "../archive.ts";
import { parseJson } from "../content.ts";
import { LEFT_OUT_PATH } from "../entry_names.ts";
import type { ArchiveFile, ArchiveFiles } from "../files.ts";
import { readLeftOut } from "../left_out.ts";
import { linkProblem } from "../links.ts";
import { trailingText } from "../tar_end.ts";
import type { CheckedArchive } from "./checked_archive.ts";
import type { CheckedFile } from "./checked_file.ts";
import type { Finding } from "./findings.ts";
import { type DockerFacts, validateDocker } from "./validate_docker.ts";
import { type LayoutFacts, validateLayout } from "./validate_layout.ts";
import { Validation } from "./validation.ts";

/**
 * Tells everything that is wrong with an archive, or worth knowing. An archive without an error can be pushed whole.
 *
 * @param archive The archive, every file of it hashed.
 * @returns Findings: errors first, then warnings, then notes. At most 1000 of each; a last one counts the others.
 */
export async function validateArchive(archive: CheckedArchive): Promise<Finding[]> {
  const validation = new Validation(archive);
  checkTar(validation);
  await readRecord(validation);
  const docker = await validateDocker(validation);
  const dockerLayers = new Map(
    (docker ?? []).flatMap(({ config, layers }) =>
      config ? [[config, layers.length] as const] : []
    ),
  );
  const layout = await validateLayout(validation, dockerLayers);
  await checkImages(validation, docker, layout);
  compareDialects(validation, docker, layout);
  checkNames(validation);
  checkEntries(validation);
  if (docker ?? layout) await checkUnreferenced(validation);
  await checkUse(validation);
  return validation.findings.list();
}

/** The documents that an archive has: manifest.json, index.json, both; undefined where it has neither. */
export function dialectOf(
  files: ArchiveFiles<CheckedFile>,
): "docker" | "oci" | "docker+oci" | undefined {
  const has = (path: string) => {
    try {
      return files.find(path) !== undefined;
    } catch {
      // Links in a circle: reported by the check.
      return false;
    }
  };
  const [docker, oci] = [has("manifest.json"), has("index.json")];
  return docker && oci ? "docker+oci" : docker ? "docker" : oci ? "oci" : undefined;
}

function checkTar({ archive: { failure, end }, findings }: Validation): void {
  if (failure) {
    const place = failure instanceof TarError
      ? { offset: failure.offset, ...(failure.entry === undefined ? {} : { path: failure.entry }) }
      : {};
    const { message, hint } = failure;
    findings.error("broken-tar", hint === undefined ? message : `${message} (${hint})`, place);
    return;
  }
  if (end && end.end === undefined) {
    findings.warning(
      "no-end-blocks",
      "The tar ends without the two blocks of zeros that end one: it may have been cut between two files",
    );
  }
  if (end?.trailing !== undefined) {
    findings.warning(
      "trailing-data",
      trailingText(end.trailing),
      { offset: end.trailing },
    );
  }
}

/** What a sparse archive leaves out is not missing. */
async function readRecord(validation: Validation): Promise<void> {
  const { archive: { files }, used, findings } = validation;
  used.add(`${files.root}${LEFT_OUT_PATH}`);
  try {
    validation.leftOut = await readLeftOut(files);
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    findings.error("malformed", error.message, { path: LEFT_OUT_PATH });
  }
}

async function checkImages(
  { archive, findings, isIncomplete }: Validation,
  docker: DockerFacts[] | undefined,
  layout: LayoutFacts | undefined,
): Promise<void> {
  // Of a tar that breaks off these may have been in the rest.
  if (isIncomplete || archive.failure) return;
  if (!docker && !layout) {
    const { foreignTar } = await import("../not_an_archive.ts");
    const { what } = foreignTar(archive.files.paths()) ?? {};
    const state = what ? `it is ${what}` : "it has neither manifest.json nor index.json";
    findings.error("no-image", `The tar is no image archive: ${state}`);
  } else if ((docker?.length ?? 0) + (layout?.entries ?? 0) === 0) {
    findings.error("no-image", "The archive names no image", {
      path: docker ? "manifest.json" : "index.json",
    });
  }
}

/** Tools read the one document or the other: both should lead to the same. */
function compareDialects(
  { findings, isIncomplete }: Validation,
  docker: DockerFacts[] | undefined,
  layout: LayoutFacts | undefined,
): void {
  if (!docker || !layout || isIncomplete) return;
  for (const { image, config, layers } of docker) {
    if (!config || layers.includes(undefined)) continue;
    const known = layout.images.get(config) ?? [];
    const isSame = known.some((digests) =>
      // dockerd has written manifests without layers, which is told elsewhere.
      digests.length === 0 ||
      (digests.length === layers.length && digests.every((digest, at) => digest === layers[at]))
    );
    if (isSame) continue;
    findings.warning(
      "different-images",
      `manifest.json and index.json disagree: no manifest has the config and the layers of ${
        quoteName(image)
      }, so tools that read the one get another image than those that read the other`,
      { path: "manifest.json", image, digest: config },
    );
  }
}

/** Every blob has the digest that it is called after, whether an image needs it or not. */
function checkNames(validation: Validation): void {
  for (const file of validation.archive.checked) {
    const named = digestOfPath(file.path);
    if (named) validation.isWrong(file, named, { what: "", image: "" });
  }
}

function checkEntries({ archive, findings, reported }: Validation): void {
  const { duplicates, unsafe, files } = archive;
  for (const [path, { times, same }] of duplicates) {
    const often = times === 2 ? "twice" : `${times} times`;
    const content = same ? "with the same content" : "with different content";
    const message =
      `${quoteName(path)} is in the archive ${often}, ${content}: the last one counts, ` +
      "some tools take the first";
    if (same) findings.note("duplicate-entry", message, { path });
    else findings.warning("duplicate-entry", message, { path });
  }
  for (const path of files.links()) {
    const problem = reported.has(path) ? undefined : linkProblem(files, path);
    if (problem) findings.warning(problem.code, problem.message, { path });
  }
  for (const path of unsafe) {
    findings.warning("unsafe-path", `${quoteName(path)} leads out of the archive: it is left out`, {
      path,
    });
  }
}

/** Files beside the images that Docker and its like write. */
const SIDE_FILE = /^(?:repositories|oci-layout|(?:[^/]+\/)?(?:VERSION|json))$/;

async function checkUnreferenced(validation: Validation): Promise<void> {
  const { archive: { files }, findings, used, isIncomplete } = validation;
  // What cannot be read may need any of them.
  if (isIncomplete) return;
  for (const file of files.files()) {
    const { path } = file;
    if (used.has(path)) continue;
    const below = path.startsWith(files.root) ? path.slice(files.root.length) : path;
    if (SIDE_FILE.test(below) || await isV1Config(file)) continue;
    findings.note("unreferenced", `${quoteName(path)} is needed by no image`, {
      path,
      digest: file.digest,
    });
  }
}

/** The first description that docker had for layers, which it still writes and nobody reads. */
const V1_CONFIG_BYTES = 64 * 1024;

async function isV1Config(file: ArchiveFile): Promise<boolean> {
  const head = await file.peek();
  if (head[0] !== 0x7b || file.size > V1_CONFIG_BYTES) return false;
  try {
    const json = parseJson(file, await file.bytes(V1_CONFIG_BYTES));
    return isJsonObject(json) && typeof json.id === "string" && /^[0-9a-f]{64}$/.test(json.id) &&
      "container_config" in json;
  } catch {
    // Whatever it is, it is none.
    return false;
  }
}

/** What has no error here must be one that a push takes. */
async function checkUse({ archive, findings }: Validation): Promise<void> {
  if (findings.failed) return;
  try {
    await readArchive(archive.files);
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    findings.error("malformed", error.message);
  }
}
