#!/usr/bin/env bash
# regctl 0.11.7 (Go module), `regctl tag rm` on a registry where deletion is not enabled, as it is not where distribution
# runs as it comes: docker-registry 2.8 of Debian. The same was seen on distribution 3.1.2.
#
# Guess: it is refused, and the tag stands as it did. Seen: regctl puts an image of its own under the tag, to delete that
# by its digest, and the deletion is refused. It ends with an error, and the tag names an image whose only layer is `{}`;
# the one that was there has no name any more.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/regclient/regclient/cmd/regctl@v0.11.7
GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
export HOME=$work
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s/kept}}\nhttp: {addr: "127.0.0.1:%s"}\n' "$work" "$port" > registry.yml
docker-registry serve registry.yml > server.log 2>&1 &
server=$!
here=127.0.0.1:$port
for _ in $(seq 100); do curl -s "$here/v2/" > out.txt && break; sleep 0.1; done
./regctl registry set "$here" --tls disabled 2> out.txt

echo hello > file.txt
tar -cf layer.tar file.txt
./crane append --oci-empty-base -f layer.tar -t "$here/app:1" > out.txt 2>&1
before=$(./crane digest "$here/app:1")
if ./regctl tag rm "$here/app:1" > out.txt 2>&1; then echo "CHANGED: regctl tag rm ends well"; exit 1; fi
same "the refusal" "$(grep -o 'failed deleting dummy manifest' out.txt)" "failed deleting dummy manifest"
after=$(./crane digest "$here/app:1")
[ "$before" != "$after" ] || { echo "CHANGED: the tag stands as it did"; exit 1; }
member() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }
same "its label" "$(./crane config "$here/app:1" | member "['config']['Labels']['delete-tag']")" 1
same "its layer" "$(./crane manifest "$here/app:1" | member "['layers'][0]['size']")" 2
same "the one before, by its digest" "$(./crane export "$here/app@$before" - | tar -xOf - file.txt)" hello
echo "as recorded"
