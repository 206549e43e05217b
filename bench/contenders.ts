import { findProgram } from "../tests/helpers/programs.ts";
import type { PreparedImage } from "./archives.ts";

/** What is pushed: a file, or `-` for a pipe. */
export type PushedArchive = Pick<PreparedImage, "shape" | "tar">;

/** A program that pushes an archive. */
export interface Contender {
  name: string;
  /** Whether it is this project. */
  isOurs: boolean;
  /** Its command line. */
  push(image: PushedArchive, host: string): string[];
}

const MAIN = decodeURIComponent(new URL("../src/cli/main.ts", import.meta.url).pathname);

/** Those that are there, ours first. */
export function contenders(): Contender[] {
  return [
    ours("deno", [Deno.execPath(), "run", "-A", MAIN]),
    ours("bun", ["bun", MAIN]),
    ...peers(),
  ].filter(({ name }) => name === "deno" || findProgram(name) !== undefined);
}

function ours(name: string, command: string[]): Contender {
  return {
    name,
    isOurs: true,
    push: (image, host) => [...command, "push", "--json", image.tar, reference(image, host)],
  };
}

function peers(): Contender[] {
  return [
    {
      name: "skopeo",
      isOurs: false,
      push: (image, host) => [
        "skopeo",
        "--insecure-policy",
        "copy",
        "--dest-tls-verify=false",
        `docker-archive:${image.tar}`,
        `docker://${reference(image, host)}`,
      ],
    },
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

function reference(image: PushedArchive, host: string): string {
  return `${host}/${image.shape.name}:1`;
}
