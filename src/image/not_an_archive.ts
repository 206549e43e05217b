import { ArchiveError } from "../errors.ts";
import { isJsonObject } from "../media_types.ts";
import { quoteName } from "../quote_name.ts";
import type { ArchiveFiles } from "./files.ts";

/** Something that is no image archive: what it is, and what to do about that. */
export interface Foreign {
  /** A noun with its article. */
  what: string;
  hint: string;
  /** What was expected; absent for the documents of an image archive. */
  expected?: string;
}

const SAVE =
  "make an image archive with docker save, podman save, or skopeo copy ... oci-archive:FILE";

/**
 * Names a manifest.json that is not docker's.
 *
 * @returns What it is; undefined where it may be one of docker's that is broken.
 */
export function foreignManifest(json: unknown): Foreign | undefined {
  if (Array.isArray(json)) return json.some(isImgpkgItem) ? IMGPKG : undefined;
  if (!isJsonObject(json)) return undefined;
  const known = MANIFESTS.find(([isOne]) => isOne(json));
  return known?.[1] ?? { what: "a JSON object of another program", hint: SAVE };
}

/** imgpkg and kbld write one format: `[{"Image": {...}}, {"ImageIndex": {...}}]`. */
const IMGPKG: Foreign = {
  what: "what imgpkg or kbld writes of them",
  hint:
    "push it with imgpkg copy --tar FILE --to-repo HOST/REPOSITORY, or, if kbld has made it, kbld unpackage",
};

function isImgpkgItem(item: unknown): boolean {
  if (!isJsonObject(item) || "Config" in item) return false;
  return isJsonObject(item.Image) || isJsonObject(item.ImageIndex);
}

/** Configs of models of docker's, such as `application/vnd.docker.ai.model.config.v0.1+json`. */
const MODEL_TYPE = /^application\/vnd\.docker\.ai\.model\.config\./;

const MANIFESTS: readonly [(json: Record<string, unknown>) => boolean, Foreign][] = [
  [({ schemaVersion }) => schemaVersion === 1, {
    what: "a manifest of Docker's schema 1, which registries do not take any more",
    hint: "pull the image with a client that converts it, and save it again",
  }],
  [({ config }) => isJsonObject(config) && MODEL_TYPE.test(`${config.mediaType}`), {
    what: "the manifest of a model by itself, as Docker's model-distribution-tool writes it",
    hint: "push it as it is made: model-distribution-tool package --tag HOST/REPOSITORY:TAG MODEL",
  }],
  [({ schemaVersion }) => schemaVersion !== undefined, {
    what: "the manifest of an image by itself, as in a folder of skopeo's dir: transport",
    hint: "make an archive of it: skopeo copy dir:FOLDER oci-archive:FILE",
  }],
  [({ manifest_version: version }) => typeof version === "number", {
    what: "a browser extension's",
    hint: SAVE,
  }],
  [({ start_url: url, icons }) => url !== undefined || Array.isArray(icons), {
    what: "a web app's",
    hint: SAVE,
  }],
];

/**
 * Names a tar that has neither manifest.json nor index.json where an image archive starts by what it holds.
 *
 * @param paths Clean paths of its files and links.
 * @returns What it is; undefined where nothing tells.
 */
export function foreignTar(paths: Iterable<string>): Foreign | undefined {
  const all = [...paths];
  const withContent = foldersOf(all, CONTENT);
  const unpacked = [...foldersOf(all, DOCUMENT)].filter((folder) => withContent.has(folder));
  return severalArchives([...foldersOf(all, /^(.+)\/oci-layout$/)]) ??
    severalArchives(unpacked) ?? knownTar(all);
}

/** A document of an image in a folder at the top: anything may have a file of that name. */
const DOCUMENT = /^([^/]+)\/(?:manifest|index)\.json$/;
/** What is beside it if it is one. */
const CONTENT =
  /^([^/]+)\/(?:blobs\/sha256\/|(?:sha256:)?[0-9a-f]{64}(?:$|\.json$|\.tar|\/layer\.tar$))/;

function foldersOf(paths: readonly string[], pattern: RegExp): Set<string> {
  const folders = paths.map((path) => pattern.exec(path)?.[1]);
  return new Set(folders.filter((folder) => folder !== undefined));
}

/** Names a tar of image archives that were unpacked side by side, as charts are wrapped with their images. */
function severalArchives(folders: readonly string[]): Foreign | undefined {
  const [first] = folders;
  if (first === undefined || folders.length < 2) return undefined;
  const named = PLAIN_PATH.test(first) ? first : "FOLDER";
  return {
    what: `a tar of ${folders.length} folders with an image each, such as ${quoteName(first, 90)}`,
    expected: "one",
    hint: `unpack it and push them one by one: tar -xf FILE; tarpush push ${named} TARGET`,
  };
}

function knownTar(paths: readonly string[]): Foreign | undefined {
  const missing = TARS.map(([patterns, foreign]) => ({ foreign, patterns: new Set(patterns) }));
  for (const path of paths) {
    for (const { patterns } of missing) {
      for (const pattern of patterns) if (pattern.test(path)) patterns.delete(pattern);
    }
  }
  return missing.find(({ patterns }) => patterns.size === 0)?.foreign;
}

/** No shell takes such a path for more. */
const PLAIN_PATH = /^\w[\w./-]{0,200}$/;
/** What an archive is called, packed into another one as builds hand on their results. */
const INNER_TAR = /\.(?:tar(?:\.(?:gz|zst|xz))?|tgz)$/;

/**
 * Says how to push the archive inside of a tar that is none itself.
 *
 * @param paths Clean paths of its files and links.
 * @returns The hint; undefined where nothing in it is called as an archive is.
 */
function innerTarHint(paths: Iterable<string>): string | undefined {
  const inner = [...paths].filter((path) => PLAIN_PATH.test(path) && INNER_TAR.test(path));
  // werf has a chart first, and images/ behind it.
  const likely = inner.find((path) => /image/i.test(path)) ?? inner[0];
  if (likely === undefined) return undefined;
  const take = `tar -xOf FILE ${likely} | tarpush push - TARGET`;
  return inner.length === 1
    ? `if the image archive is inside, take it out: ${take}`
    : `if image archives are among the ${inner.length} tars inside, take each out: ${take}`;
}

/** The documents come last in most archives. */
const CUT_OFF = "it was cut off, or not all of it was packed: save it again";

/** What a tar is that has a path for each of these patterns; the first of these counts. */
const TARS: readonly [patterns: readonly RegExp[], foreign: Foreign][] = [
  [[/^\.dockerenv$/], {
    what: "the file system of a container, as docker export writes it",
    hint: "docker save writes images; docker import FILE makes an image of this",
  }],
  [[/^repositories$/, /^[0-9a-f]{64}\/layer\.tar$/], {
    what: "an archive of docker before 1.10, which has no manifest.json",
    hint: "load it into docker and save it again",
  }],
  [[/^[^/]+\/Chart\.yaml$/], {
    what: "a Helm chart",
    hint: "push it with helm push FILE oci://HOST/REPOSITORY",
  }],
  [[/^artifact-index\.json$/], {
    what: "a transport archive of OCM",
    hint: "push it with ocm transfer componentversions --copy-resources FILE HOST/REPOSITORY",
  }],
  [[/^zarf\.yaml$/], {
    what: "a package of Zarf",
    hint: "push its images with zarf package mirror-resources",
  }],
  [[/^(?:[^/]+\/)?docker\/registry\/v2\/(?:blobs|repositories)\//], {
    what: "the storage of a registry, as distribution keeps it and oc-mirror packs it",
    hint: "start a registry on it and copy from there, or use oc-mirror --from file://FOLDER",
  }],
  [[/^blob\/sha256-[0-9a-f]{64}$/, /^manifests\//], {
    what: "an image cache of Talos",
    hint: "serve it with talosctl image cache-serve and copy from there",
  }],
  [[/^package\/package\.json$/], {
    what: "an npm package",
    hint: "publish it with npm publish FILE",
  }],
  [[/^[^/]+\.ovf$/], { what: "a virtual machine (OVA)", hint: SAVE }],
  [[/^metadata\.yaml$/, /^rootfs\//], { what: "an image of LXD or Incus", hint: SAVE }],
  [[/^(?:config|spec)\.dump$/, /^checkpoint\//], { what: "a checkpoint of podman", hint: SAVE }],
  [[/^config\.json$/, /^rootfs\//], {
    what: "a bundle for an OCI runtime: a root file system and its config.json",
    hint: SAVE,
  }],
  [[/^(?:usr\/)?bin\//, /^etc\//, /^(?:usr|var)\//], {
    what: "a root file system",
    hint: "docker import FILE makes an image of it, docker save writes images",
  }],
  [[/^(?:[^/]+\/)?blobs\/sha256\/[0-9a-f]{64}$/], {
    what: "an OCI layout without its index.json",
    hint: CUT_OFF,
  }],
  [[/^[0-9a-f]{64}(?:\/layer\.tar|\.tar|\.json)$/], {
    what: "a docker save without its manifest.json",
    hint: CUT_OFF,
  }],
];

/** The error for a tar without the documents of an image archive: says what it is as far as that can be told. */
export function notAnArchive(files: ArchiveFiles): ArchiveError {
  const foreign = foreignTar(files.paths());
  const paths: string[] = [];
  for (const { path } of files.files()) {
    if (paths.push(quoteName(path, 60)) === 3) break;
  }
  const found = foreign
    ? `it is ${foreign.what}`
    : paths.length === 0
    ? "it is empty"
    : `it starts with ${paths.join(", ")}`;
  const expected = foreign?.expected ?? "manifest.json or index.json in it";
  return new ArchiveError(
    `Cannot use the tar as an image archive: ${found}, expected ${expected}`,
    {
      hint: foreign?.hint ?? innerTarHint(files.paths()) ??
        "make one with docker save, podman save, or skopeo copy ... oci-archive:FILE",
    },
  );
}

/** skopeo has it so with --dest-shared-blob-dir, Bazel with links. */
const BLOBS_ELSEWHERE =
  "its blobs lie elsewhere, or blobs/ is a link, which is not followed: copy them into blobs/sha256/";

/**
 * The error for an archive of which nothing can be pushed.
 *
 * @param notice What is wrong with the first that it names; undefined where it names nothing.
 */
export function namesNoImage(
  files: ArchiveFiles,
  dialect: "docker" | "oci" | "docker+oci",
  notice: string | undefined,
): ArchiveError {
  const lacksBlobs = dialect === "oci" && notice !== undefined &&
    ![...files.paths()].some((path) => path.startsWith(`${files.root}blobs/`));
  return new ArchiveError(`Cannot use the image archive: ${notice ?? "it names no image"}`, {
    path: dialect === "oci" ? "index.json" : "manifest.json",
    hint: lacksBlobs ? BLOBS_ELSEWHERE : undefined,
  });
}
