#!/usr/bin/env bash
# regctl 0.11.7 (Go module), `regctl blob put ocidir://FOLDER`.
#
# The command answers with the blob's digest and the blob is in the layout. Guess: it stays there until a manifest
# names it. Seen: the next `regctl image copy` into the same layout, of an image that has nothing to do with it,
# deletes the blob, silently and with exit code 0: a layout is cleaned after each change, whichever call made it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/regclient/regclient/cmd/regctl@v0.11.7
export REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker

echo hello > file.txt
./regctl artifact put --artifact-type application/x.made --file file.txt ocidir://source:1 > out.txt
digest=$(echo "kept by nobody" | ./regctl blob put ocidir://target)
same "blob after put" "$(cat "target/blobs/sha256/${digest#sha256:}")" "kept by nobody"
./regctl image copy ocidir://source:1 ocidir://target:1 > out.txt 2> err.txt
same "tags" "$(./regctl tag ls ocidir://target)" 1
[ ! -e "target/blobs/sha256/${digest#sha256:}" ] || { echo "CHANGED: the blob is still there"; exit 1; }
echo "as recorded"
