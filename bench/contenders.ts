import { findProgram } from "../tests/helpers/programs.ts";
import type { PreparedImage } from "./archives.ts";

/** What is pushed: a file, or `-` for a pipe. */
export type PushedArchive = Pick<PreparedImage, "shape" | "tar">;

/** A program that pushes an archive. */
export interface Contender {
  name: string;
  /** Whether it is this project. */
  isOurs: boolean;
  /** What it reads of an image, where that is not the archive. */
  source?(image: PreparedImage): string;
  /** Its command line. */
  push(image: PushedArchive, host: string): string[];
  /** The command line of a registry out of an archive, on a free port, in the repository of its shape; only of this project. */
  serve?(image: PushedArchive): string[];
  /** The command line that tells what is in an archive; only of this project. */
  inspect?(path: string): string[];
}

const MAIN = decodeURIComponent(new URL("../src/cli/main.ts", import.meta.url).pathname);

/** Those that are there, ours first. */
export function contenders(): Contender[] {
  return [
    ours("deno", [Deno.execPath(), "run", "-A", MAIN]),
    ...findProgram("bun") ? [ours("bun", ["bun", MAIN])] : [],
    ...skopeos(),
    ...peers().filter(({ name }) => findProgram(name) !== undefined),
  ];
}

function ours(name: string, command: string[]): Contender {
  return {
    name,
    isOurs: true,
    push: (image, host) => [...command, "push", "--json", image.tar, reference(image, host)],
    serve: ({ shape, tar }) => [...command, "serve", "--port", "0", `${shape.name}=${tar}`],
    inspect: (path) => [...command, "inspect", path],
  };
}

function peers(): Contender[] {
  return [
    {
      name: "crane",
      isOurs: false,
      push: (image, host) => ["crane", "push", "--insecure", image.tar, reference(image, host)],
    },
    {
      name: "regctl",
      isOurs: false,
      push: (image, host) => [
        "regctl",
        "--host",
        `reg=${host},tls=disabled`,
        "image",
        "import",
        reference(image, host),
        image.tar,
      ],
    },
  ];
}

/** Every skopeo on PATH: a system's own is years older than the newest. The first is plain `skopeo`, others have their version. */
function skopeos(): Contender[] {
  const paths = (Deno.env.get("PATH") ?? "").split(":").map((folder) => `${folder}/skopeo`)
    .filter(isThere).map((path) => Deno.realPathSync(path));
  return [...new Set(paths)].map((path, index) => ({
    name: index === 0 ? "skopeo" : `skopeo-${versionOf(path)}`,
    isOurs: false,
    push: (image, host) => [
      path,
      "--insecure-policy",
      "copy",
      "--dest-tls-verify=false",
      `docker-archive:${image.tar}`,
      `docker://${reference(image, host)}`,
    ],
  }));
}

/** What a program says of its version. */
function versionOf(path: string): string {
  const { stdout } = new Deno.Command(path, { args: ["--version"] }).outputSync();
  return /\d[\w.-]*/.exec(decode(stdout))?.[0] ?? path;
}

/** oras, which reads OCI layouts alone: the image has to be made one before. */
export function oras(): Contender[] {
  if (!findProgram("oras") || !findProgram("skopeo")) return [];
  return [{
    name: "oras",
    isOurs: false,
    push: (image, host) =>
      pushWithOras(image.tar === "/dev/stdin" ? image.tar : toLayout(image), image, host),
    source: toLayout,
  }];
}

/** How oras pushes the OCI archive that is made of an image. */
export function pushWithOras(layout: string, image: PushedArchive, host: string): string[] {
  const from = ["--from-oci-layout", `${layout}:1`];
  return ["oras", "cp", "--to-plain-http", ...from, reference(image, host)];
}

/** The same image as an OCI archive. skopeo compresses its layers, which oras is not charged with. */
function toLayout({ shape, tar }: PushedArchive): string {
  const path = tar.replace(/image\.tar$/, "layout.tar");
  if (Deno.statSync(tar).isFile && !isThere(path)) {
    const { success, stderr } = new Deno.Command("skopeo", {
      args: ["copy", "--insecure-policy", `docker-archive:${tar}`, `oci-archive:${path}:1`],
    }).outputSync();
    if (!success) throw new Error(`Cannot make a layout of ${shape.name}: ${decode(stderr)}`);
  }
  return path;
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function reference(image: PushedArchive, host: string): string {
  return `${host}/${image.shape.name}:1`;
}
