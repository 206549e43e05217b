#!/usr/bin/env bash
# crane 0.22.1 (Go module), `crane index filter --platform` of an index that has no image for that platform, to a tag that had
# an image.
#
# Guess: an error, as from `crane pull --platform` of the same, and the tag stays. Seen: exit code 0, and the tag names an
# index whose `manifests` is null, where the specification has an array (image-spec, image-index.md). The same happens to an
# index within an index: its images are not looked at, so linux/arm64 is not found where it is one level deeper.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
image=127.0.0.1:$port/made/image

tar -cf layer.tar server.log
./crane append --oci-empty-base -f layer.tar -t "$image:amd64" > out.txt 2>&1
./crane mutate "$image:amd64" --set-platform linux/amd64 -t "$image:amd64" > out.txt 2>&1
./crane mutate "$image:amd64" --set-platform linux/arm64 -t "$image:arm64" > out.txt 2>&1
./crane index append -m "$image:amd64" -t "$image:index" > out.txt 2>&1
./crane index append -m "$image:arm64" -t "$image:inner" > out.txt 2>&1
./crane index append -m "$image:amd64" -m "$image:inner" --flatten=false -t "$image:nested" > out.txt 2>&1
for tag in index nested; do
  ./crane copy "$image:arm64" "$image:filtered" > out.txt 2>&1
  ./crane index filter "$image:$tag" --platform linux/arm64 -t "$image:filtered" > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
  same "$tag" "$(./crane manifest "$image:filtered")" \
    '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":null}'
done
if ./crane pull --platform linux/arm64 "$image:index" pulled.tar > out.txt 2>&1; then echo "CHANGED: crane pulls it"; exit 1; fi
grep -q 'no child with platform linux/arm64' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
echo "as recorded"
