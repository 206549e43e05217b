#!/usr/bin/env bash
# dockerfile-ast 0.7.1 (npm; what editors read Dockerfiles with), the parts of the image that FROM names.
#
# 1. `FROM team/asp.net:1`: Docker takes the first part for a registry if that has a dot or a port. Guess: none, as for
#    `team/app:1`. Seen: the registry is `team`, for the dot in the repository counts.
# 2. `FROM registry.example:5000/app:1@sha256:...`. Guess: image app, tag 1. Seen: image `app:1` and no tag. Without the port,
#    and without the digest, it is read right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --prefix "$work" --silent --no-audit --no-fund dockerfile-ast@0.7.1
cat > run.cjs <<'JS'
const { DockerfileParser } = require("dockerfile-ast");

const digest = `@sha256:${"a".repeat(64)}`;
const host = "registry.example";
for (const name of ["team/app:1", "team/asp.net:1", `${host}:5000/app:1`, `${host}/app:1${digest}`, `${host}:5000/app:1${digest}`]) {
  const [from] = DockerfileParser.parse(`FROM ${name}\n`).getFROMs();
  console.log(name.replace(/a{64}/, "A"), "|", from.getRegistry(), from.getImageName(), from.getImageTag());
}
JS
node run.cjs > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
team/app:1 | null team/app 1
team/asp.net:1 | team asp.net 1
registry.example:5000/app:1 | registry.example:5000 app 1
registry.example/app:1@sha256:A | registry.example app 1
registry.example:5000/app:1@sha256:A | registry.example:5000 app:1 null
SEEN
echo "as recorded"
