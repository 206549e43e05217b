#!/usr/bin/env bash
# crane 0.22.1 (Go module), `pull --format oci` of one image into one folder, twice.
#
# Guess: the second pull changes nothing, for the image is there, as with `skopeo copy` (1.9.3, Debian's package). Seen: index.json
# lists it twice, and `crane push` of the folder, which worked before, ends with `layout contains 2 entries`.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
registry=127.0.0.1:$port
./crane registry serve --address "$registry" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "$registry" > out.txt 2>&1 && break; sleep 0.1; done
echo text > a.txt
tar -cf layer.tar a.txt
./crane append --new_layer layer.tar --new_tag "$registry/made/image:1" > out.txt 2>&1 || { cat out.txt; exit 1; }
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json

entries() { python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1] + "/index.json"))["manifests"]))' "$1"; }
by_crane() { ./crane pull --format oci "$registry/made/image:1" by-crane > out.txt 2>&1 || { cat out.txt; exit 1; }; }
by_skopeo() { skopeo --policy policy.json copy --src-tls-verify=false "docker://$registry/made/image:1" oci:by-skopeo > out.txt 2>&1 || { cat out.txt; exit 1; }; }
pushed() { ./crane push by-crane "$registry/made/copy:1" > out.txt 2>&1 && echo pushed || { grep -o 'layout contains 2 entries' out.txt || cat out.txt; }; }

by_crane
same "crane, one entry" "$(entries by-crane)" 1
same "crane, pushed" "$(pushed)" pushed
by_crane
same "crane, two entries" "$(entries by-crane)" 2
same "crane, pushed again" "$(pushed)" "layout contains 2 entries"
by_skopeo
by_skopeo
same "skopeo, one entry" "$(entries by-skopeo)" 1
echo "as recorded"
