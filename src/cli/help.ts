import type { Verb } from "./command.ts";

/** Version of the package; a test keeps it equal to the one in deno.json. */
export const VERSION = "0.1.0";

/** The text of `--help`, for the program or for one command. */
export function helpText(topic: Verb | undefined): string {
  return topic === undefined ? OVERVIEW : `${TOPICS[topic]}\n${COMMON}`;
}

const COMMON = `Everywhere:
  --plain-http        Use http; without it only localhost and loopback addresses get http
  --ca FILE           Trust the root certificates in FILE (PEM) as well
  --insecure          Accept any TLS certificate of the registries that are named
  --timeout SECONDS   Give up when a connection is silent for so long (60)
  --json              One JSON document on stdout
  -q, --quiet         Only errors and the result
  --debug             Stack traces of errors
  -h, --help          This text
  --version           The version
`;

const OVERVIEW =
  `tarpush pushes container images from tar files to registries, without a Docker daemon.

Usage:
  tarpush push TAR|-|URL TARGET...   Push the images of an archive
  tarpush inspect TAR|-|URL          Show what is in an archive
  tarpush check TAR|-|URL            Verify every digest in an archive
  tarpush ping REGISTRY              Tell whether a registry answers
  tarpush ls REGISTRY[/REPOSITORY]   List repositories, or the tags of one
  tarpush info REFERENCE             Show what an image in a registry is made of
  tarpush rm REFERENCE               Remove an image from a registry
  tarpush save REFERENCE TAR|-       Save an image of a registry as an archive
  tarpush copy REFERENCE REFERENCE   Copy an image within a registry or to another one
  tarpush serve                      Run a registry in memory
  tarpush completions SHELL          Print completions for bash, zsh or fish
  tarpush COMMAND --help             Tell more about a command

Examples:
  tarpush push image.tar localhost:5000/team/app:1.0
  docker save app | tarpush push - registry.lan/app:1.0
  tarpush inspect image.tar

${COMMON}
Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
`;

const PUSH =
  `Push the images of an archive to a registry. What the registry has is not uploaded again.

Usage:
  tarpush push TAR|-|URL TARGET...

  TAR      An archive of docker save, podman save, buildx, skopeo, crane, ko, jib and the like
  -        The same from a pipe, in one pass
  URL      The same from a web server
  TARGET   [http://|https://]HOST[:PORT]/REPOSITORY[:TAG][@DIGEST], several for several names;
           or HOST[:PORT], or a prefix that ends in /, to keep the names that the archive has

Options:
  --image NAME        Push only this image: name, tag, digest or #N as inspect shows it; may repeat
  --all-tags          Push every tag of the archive to the repository of TARGET
  --rename FROM=TO    Change the leading part of the archive's names; may repeat
  --platform P        Push only this platform, such as linux/amd64 or
                      windows/amd64:10.0.20348.1; may repeat
  --concurrency N     Blobs to upload at the same time (3)
  --verify            Hash every blob here too, before the registry does
  --dry-run           Ask the registry what it has, and write nothing
  --mount-from REPO   Repository of the same registry that may have blobs already; may repeat
  --retries N         Further attempts after the first (4)
  --chunk-size SIZE   Upload in chunks of this size, such as 8MiB or 16M
  --digestfile FILE   Write the digests of what was pushed to FILE, one a line

Examples:
  tarpush push image.tar localhost:5000/team/app:1.0
  tarpush push image.tar registry.lan
  tarpush push image.tar registry.lan/mirror/ --rename team/=staging/
  docker save app | tarpush push - registry.lan/app:1.0
  tarpush push image.tar registry.lan/app:1.0 --json | jq -r '.images[0].digest'
`;

const INSPECT = `Show the names, digests, platforms and layers of an archive.

Usage:
  tarpush inspect TAR|-|URL

Nothing but the documents is read of a file. What is wrong with an archive, tarpush check tells.

Examples:
  tarpush inspect image.tar
  docker save app | tarpush inspect -
  tarpush inspect image.tar --json | jq -r '.images[].names[]'
`;

const CHECK = `Read a whole archive and tell everything that is wrong with it.

Usage:
  tarpush check TAR|-|URL

Every file is hashed and compared with the digests, sizes and types that the archive states, every
layer inflated and compared with its diff_id. Findings are errors (content is wrong or missing),
warnings (it can be used, but tools may disagree on what it is) and notes (nothing is wrong).

Exit code 0 where there is no error, 1 where there is one, or the archive cannot be read.

Examples:
  tarpush check image.tar
  docker save app | tarpush check -
  tarpush check image.tar && tarpush push image.tar registry.lan/app:1.0
  tarpush check image.tar --json | jq -r '.findings[] | select(.severity == "error").message'
`;

const PING = `Ask a registry once whether it is one, and say what else is there.

Usage:
  tarpush ping REGISTRY

  REGISTRY   [http://|https://]HOST[:PORT]

Exit code 0 where it can be used, 1 where a login is wanted, a web server or nobody answers.

Examples:
  tarpush ping localhost:5000
  tarpush ping registry.lan --plain-http
  until tarpush ping localhost:5000 -q; do sleep 1; done
  tarpush ping localhost:5000 --json | jq -r .state
`;

const LS =
  `List the repositories of a registry, or the tags of one repository, a line each as they come.

Usage:
  tarpush ls REGISTRY[/REPOSITORY]
  tarpush ls REGISTRY/PREFIX/        Only the repositories below a prefix

Examples:
  tarpush ls localhost:5000
  tarpush ls localhost:5000/team/
  tarpush ls localhost:5000/team/app
  tarpush ls localhost:5000/team/app --json | jq -r '.tags[]'
`;

const INFO = `Show digest, platforms, sizes, labels and layers of an image in a registry.

Usage:
  tarpush info REFERENCE

  REFERENCE   [http://|https://]HOST[:PORT]/REPOSITORY[:TAG][@DIGEST], without a tag latest

Examples:
  tarpush info localhost:5000/team/app:1.0
  tarpush info localhost:5000/team/app:1.0 --json | jq -r .digest
  tarpush info localhost:5000/team/app:1.0 --json | jq '.entries[].platform'
`;

const RM = `Remove a tag, or a digest with all tags that name it, from a registry.

Usage:
  tarpush rm REFERENCE

  REFERENCE   [http://|https://]HOST[:PORT]/REPOSITORY:TAG or ...@DIGEST

registry:2 removes by digest only: other tags of the same image go as well. They are named, and
on a terminal you are asked; elsewhere nothing is removed without --yes (exit code 2). The space
is free after the registry's garbage collection.

Options:
  --yes               Remove the other tags of the same image too, unasked

Examples:
  tarpush rm localhost:5000/team/app:1.0
  tarpush rm localhost:5000/team/app@sha256:9f86d0... --yes
`;

const COPY =
  `Copy an image from one registry to another, or within one, without a file between them. Everything
keeps its bytes and its digest; what the target has is not sent again.

Usage:
  tarpush copy SOURCE TARGET...

  SOURCE   [http://|https://]HOST[:PORT]/REPOSITORY[:TAG][@DIGEST], without a tag latest
  TARGET   The same, several for several names; with a digest the image must have it

Options:
  --referrers         Bring along what refers to the image: signatures, SBOMs, attestations
  --platform P        Copy only this platform, such as linux/amd64; may repeat
  --concurrency N     Blobs to copy at the same time (3)
  --dry-run           Ask the registries what they have, and write nothing
  --retries N         Further attempts after the first (4)

Examples:
  tarpush copy localhost:5000/team/app:1.0 registry.lan/team/app:1.0
  tarpush copy registry.lan/app:1.0 registry.lan/app:stable registry.lan/app:latest
  tarpush copy http://registry.lan/app:1.0 https://mirror.lan/app:1.0 --referrers
  tarpush copy registry.lan/app:1.0 localhost:5000/app:1.0 --platform linux/arm64
`;

const SAVE =
  `Save an image of a registry as an archive that docker load, podman load, skopeo and tarpush push
take. Manifests are kept byte for byte: the image keeps its digest wherever it is pushed.

Usage:
  tarpush save REFERENCE TAR|-

  REFERENCE   [http://|https://]HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]; the archive has the image
              under this name
  TAR         The file to write. It gets its name when it is whole: until then what had the name
              stays, and so it does after a failure
  -           Write to a pipe; the result goes to stderr then

An image of several platforms is saved with all of them. A docker without containerd's image
store loads one of those, linux/amd64 where there is one: choose another with --platform.

Options:
  --format FORMAT     docker: as docker save, an OCI layout with manifest.json (the default);
                      oci: the layout alone
  --platform P        Save only this platform, such as linux/arm64; may repeat
  --retries N         Further attempts after the first (4)

Examples:
  tarpush save localhost:5000/team/app:1.0 app.tar
  tarpush save registry.lan/app:1.0 - --platform linux/arm64 | docker load
  tarpush save registry.lan/app:1.0 app.tar --format oci
  tarpush save registry.lan/app:1.0 - | ssh edge tarpush push - localhost:5000/app:1.0
`;

const COMPLETIONS = `Print completions of commands and options for a shell.

Usage:
  tarpush completions bash|zsh|fish

Examples:
  source <(tarpush completions bash)
  tarpush completions zsh > ~/.zfunc/_tarpush
  tarpush completions fish > ~/.config/fish/completions/tarpush.fish
`;

const SERVE = `Run a registry that keeps everything in memory, until Ctrl-C.

Usage:
  tarpush serve

Options:
  --host H            Address to listen on (127.0.0.1)
  --port N            Port to listen on, 0 for a free one (5000)
  --read-only         Refuse pushes
  --allow-delete      Allow to delete tags, manifests and blobs
  --cors ORIGIN       Let the pages of this origin use the registry, * for all; may repeat

Examples:
  tarpush serve
  tarpush serve --host 0.0.0.0 --port 8080 --allow-delete
`;

const TOPICS: Readonly<Record<Verb, string>> = {
  push: PUSH,
  inspect: INSPECT,
  check: CHECK,
  ping: PING,
  ls: LS,
  info: INFO,
  rm: RM,
  save: SAVE,
  copy: COPY,
  serve: SERVE,
  completions: COMPLETIONS,
};
