import type { Verb } from "./command.ts";

/** What the help of a command says before its options, and after them. */
export const TOPICS: Readonly<Record<Verb, { about: string; examples: string }>> = {
  push: {
    about:
      `Push the images of an archive to a registry. What the registry has is not uploaded again.

Usage:
  tarpush push TAR|-|URL TARGET...
  tarpush push --parts PART... TARGET
  tarpush push SOURCE... --to TARGET [--to TARGET]...
  tarpush push --from FILE [--to TARGET]...

  TAR      An archive of docker save, podman save, buildx, skopeo, crane, ko, jib and the like; or a
           folder: an OCI layout, what skopeo writes to dir:, an unpacked docker save
  -        The same from a pipe, in one pass
  URL      The same from a web server
  TARGET   [http://|https://]HOST[:PORT]/REPOSITORY[:TAG][@DIGEST], several for several names;
           or HOST[:PORT], or a prefix that ends in /, to keep the names that the archive has

Of many archives a blob that several hold is sent once and mounted where else it is needed. One
that fails does not stop the others; the exit code is 1 then. --json writes a line an archive.
`,
    examples: `  tarpush push image.tar localhost:5000/team/app:1.0
  tarpush push image.tar registry.lan
  tarpush push image.tar registry.lan/mirror/ --rename team/=staging/
  docker save app | tarpush push - registry.lan/app:1.0
  tarpush push image.tar registry.lan/app:1.0 --json | jq -r '.images[0].digest'
  tarpush push images/*.tar --to registry.lan --receipts done.jsonl
  tarpush push --from list.txt --to registry.lan --shard 0/3
`,
  },
  inspect: {
    about: `Show the names, digests, platforms and layers of an archive.

Usage:
  tarpush inspect TAR|-|URL
  tarpush inspect --parts PART...

  TAR   An archive, or a folder, as tarpush push takes them

Nothing but the documents is read of a file. What is wrong with an archive, tarpush check tells.
`,
    examples: `  tarpush inspect image.tar
  docker save app | tarpush inspect -
  tarpush inspect image.tar --json | jq -r '.images[].names[]'
`,
  },
  check: {
    about:
      `Read a whole archive, or all that a registry has of an image, and tell everything that is wrong
with it.

Usage:
  tarpush check TAR|-|URL
  tarpush check --parts PART...
  tarpush check REFERENCE
  tarpush check HOST[:PORT]/REPOSITORY --all-tags

  TAR         An archive, or a folder, as tarpush push takes them
  REFERENCE   [http://|https://]HOST[:PORT]/REPOSITORY[:TAG][@DIGEST], without a tag latest; what is
              a file or folder here is an archive

Of an archive every file is hashed and compared with the digests, sizes and types that it states,
every layer inflated and compared with its diff_id. Of an image in a registry all is fetched and
hashed, platforms, attestations, and what refers to it or cosign keeps of it included; layers are
not inflated: tarpush save REFERENCE - | tarpush check - looks into them. Findings are errors
(content is wrong or missing), warnings (it can be used, but tools may disagree on what it is) and
notes (nothing is wrong).

Exit code 0 where there is no error, 1 where there is one, or it cannot be read.
`,
    examples: `  tarpush check image.tar
  docker save app | tarpush check -
  tarpush check image.tar && tarpush push image.tar registry.lan/app:1.0
  tarpush check delta.tar --against registry.lan
  tarpush check registry.lan/app:1.0
  tarpush check registry.lan/app:1.0 --repair image.tar
  tarpush check image.tar --json | jq -r '.findings[] | select(.severity == "error").message'
`,
  },
  ping: {
    about: `Ask a registry once whether it is one, and say what else is there.

Usage:
  tarpush ping REGISTRY

  REGISTRY   [http://|https://]HOST[:PORT]

Exit code 0 where it can be used, 1 where a login is wanted, a web server or nobody answers.
`,
    examples: `  tarpush ping localhost:5000
  tarpush ping registry.lan --plain-http
  until tarpush ping localhost:5000 -q; do sleep 1; done
  tarpush ping localhost:5000 --json | jq -r .state
`,
  },
  ls: {
    about:
      `List the repositories of a registry, or the tags of one repository, a line each as they come.

Usage:
  tarpush ls REGISTRY[/REPOSITORY]
  tarpush ls REGISTRY/PREFIX/        Only the repositories below a prefix
`,
    examples: `  tarpush ls localhost:5000
  tarpush ls localhost:5000/team/
  tarpush ls localhost:5000/team/app
  tarpush ls localhost:5000/team/app --json | jq -r '.tags[]'
`,
  },
  info: {
    about: `Show digest, platforms, sizes, labels and layers of an image in a registry.

Usage:
  tarpush info REFERENCE

  REFERENCE   [http://|https://]HOST[:PORT]/REPOSITORY[:TAG][@DIGEST], without a tag latest
`,
    examples: `  tarpush info localhost:5000/team/app:1.0
  tarpush info localhost:5000/team/app:1.0 --json | jq -r .digest
  tarpush info localhost:5000/team/app:1.0 --json | jq '.entries[].platform'
`,
  },
  rm: {
    about: `Remove a tag, or a digest with all tags that name it, from a registry.

Usage:
  tarpush rm REFERENCE

  REFERENCE   [http://|https://]HOST[:PORT]/REPOSITORY:TAG or ...@DIGEST

registry:2 removes by digest only: other tags of the same image go as well. They are named, and
on a terminal you are asked; elsewhere nothing is removed without --yes (exit code 2). The space
is free after the registry's garbage collection.
`,
    examples: `  tarpush rm localhost:5000/team/app:1.0
  tarpush rm localhost:5000/team/app@sha256:9f86d0... --yes
`,
  },
  save: {
    about:
      `Save images of registries as one archive that docker load, podman load, skopeo and tarpush push
take. Manifests are kept byte for byte: an image keeps its digest wherever it is pushed. What
several images have in common is there once.

Usage:
  tarpush save REFERENCE... TAR|DIR/|-
  tarpush save REPOSITORY... TAR|DIR/|- --all-tags
  tarpush save --from FILE TAR|DIR/|-

  REFERENCE   [http://|https://]HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]; the archive has the image
              under this name, or under the NAME that a list has for it
  REPOSITORY  [http://|https://]HOST[:PORT]/REPOSITORY
  TAR         The file to write. It gets its name when it is whole: until then what had the name
              stays, and so it does after a failure, if only of one image
  DIR/        A folder that is there, or a new one with a / at the end: the images are added to the
              OCI layout in it. Blobs that are there are not fetched
  -           Write to a pipe; the result goes to stderr then

A list is read to its end first: an archive is laid out when all of its images are known.

An image of several platforms is saved with all of them. A docker without containerd's image
store loads one of those, linux/amd64 where there is one: choose another with --platform.

With --without the archive lacks layers that another place has, and says which and where from. It
is for a push, which finds them there; no other program loads it.

Patterns of tags are those of shells: *, ?, [0-9], {a,b}; one that starts with ! leaves tags out.
`,
    examples: `  tarpush save localhost:5000/team/app:1.0 app.tar
  tarpush save registry.lan/app:1.0 registry.lan/web:2.1 bundle.tar
  tarpush save registry.lan/app releases.tar --tag 'v1.*' --tag '!*-rc*'
  tarpush save --from images.txt bundle.tar --platform linux/amd64
  tarpush save registry.lan/app:1.0 - --platform linux/arm64 | docker load
  tarpush save registry.lan/app:1.0 app.tar --format oci
  tarpush save registry.lan/app:1.0 layout/
  tarpush save registry.lan/app:1.0 signed.tar --referrers
  tarpush save --from images.txt bundle.tar --split 2GB
  tarpush save registry.lan/app:1.1 delta.tar --without app-1.0.tar
  tarpush save registry.lan/app:1.0 - | ssh edge tarpush push - localhost:5000/app:1.0
  tarpush save registry.lan/app:1.0 - --names-first | ssh edge tarpush push - localhost:5000
`,
  },
  copy: {
    about:
      `Copy images from one registry to another, or within one, without a file between them. Everything
keeps its bytes and its digest; what the target has is not sent again.

Usage:
  tarpush copy SOURCE TARGET...
  tarpush copy --all-tags REPOSITORY REPOSITORY...
  tarpush copy SOURCE... --to TARGET [--to TARGET]...
  tarpush copy --from FILE [--to TARGET]...

  SOURCE      [http://|https://]HOST[:PORT]/REPOSITORY[:TAG][@DIGEST], without a tag latest
  TARGET      The same, several for several names; with a digest the image must have it. Or
              HOST[:PORT], or a prefix that ends in /, where an image keeps its name
  REPOSITORY  [http://|https://]HOST[:PORT]/REPOSITORY

Of many images those are copied whose tag is not there, or names something else; what several have
in common is sent once. One that fails does not stop the others; the exit code is 1 then. --json
writes a line an image. Patterns of tags are those of shells: *, ?, [0-9], {a,b}; one that starts
with ! leaves tags out.
`,
    examples: `  tarpush copy localhost:5000/team/app:1.0 registry.lan/team/app:1.0
  tarpush copy registry.lan/app:1.0 registry.lan/app:stable registry.lan/app:latest
  tarpush copy http://registry.lan/app:1.0 https://mirror.lan/app:1.0 --referrers
  tarpush copy registry.lan/app:1.0 localhost:5000/app:1.0 --platform linux/arm64
  tarpush copy --all-tags registry.lan/app mirror.lan/app --tag 'v1.*' --tag '!*-rc*'
  tarpush copy --from images.txt --to mirror.lan/ --max-requests-per-second 20
`,
  },
  serve: {
    about:
      `Run a registry, in memory, in a folder or out of archives, until Ctrl-C: for tests, demos, a local
network, a hop to an airgap. It asks for no login: whoever reaches its port may push, so that it
listens for this machine alone unless --host says otherwise. At its address a browser finds a page
that shows what it holds, and pushes to it; /metrics has counts for Prometheus, /healthz says ok.

The first Ctrl-C or SIGTERM lets uploads and downloads end, for 30 seconds at most; the second
ends at once. --json writes a JSON line to stdout for each request.

--dir keeps everything in a folder, whatever ends the process: an OCI layout for each repository,
which other programs read (skopeo copy oci:PATH/team/app:1.0 ...). What no tag leads to goes after
a day, a blob that no image names after an hour. --scrub reads it all, for a folder at rest: exit
code 1 where something is damaged or missing. What is damaged is moved away: the next push brings
it again.

Out of archives everything can be pulled and nothing pushed. Of two that have one name the last is
served; what save --without left out comes from the others. One that changes meanwhile is served no
more: what is asked of it fails, and is told here.

What has to scale or to be shared by many is for distribution or zot on S3, or Harbor: tarpush copy
brings there what is here.

Usage:
  tarpush serve
  tarpush serve [NAME[:TAG]=]TAR...

  TAR     A plain tar of docker save, podman save, buildx and the like, or a folder as of tarpush
          push. Its images can be pulled as they lie there, nothing is copied or unpacked
  NAME=   Where its images go, with the tags that they have, or the only one with TAG. Without it
          they have their own names: registry.lan/team/app:1 is HOST:PORT/team/app:1 here. What has
          only a tag, or no name, goes into a repository called after the file: app of app.tar
`,
    examples: `  tarpush serve
  tarpush serve images/*.tar
  tarpush serve team/app=oci.tar team/tool:2.1=layout/
  tarpush serve --dir /srv/images
  tarpush serve --dir /srv/images --scrub
  tarpush serve --host 0.0.0.0 --port 8080 --allow-delete
  tarpush serve --cert cert.pem --key key.pem --max-blob 4GiB
`,
  },
  completions: {
    about: `Print completions of commands and options for a shell.

Usage:
  tarpush completions bash|zsh|fish
`,
    examples: `  source <(tarpush completions bash)
  tarpush completions zsh > ~/.zfunc/_tarpush
  tarpush completions fish > ~/.config/fish/completions/tarpush.fish
`,
  },
};
