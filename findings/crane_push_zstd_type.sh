#!/usr/bin/env bash
# crane 0.22.1 (Go module), `crane push` of a `docker save` tar whose layer is zstd.
#
# crane reads the layer well (it finds the diff ID) and pushes its bytes as they are. Guess: the manifest then calls
# the layer zstd, or the layer becomes gzip. Seen: exit code 0 and a zstd blob typed
# `application/vnd.docker.image.rootfs.diff.tar.gzip`; `crane validate` then says `gzip: invalid header`.
# (Docker's own types have none for zstd, but crane knows `application/vnd.oci.image.layer.v1.tar+zstd`.)
# The `zstd` program makes the layer.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1

mkdir image
echo hello > file.txt
tar -cf layer.tar file.txt
zstd -q layer.tar -o image/layer.tar.zst
diff_id=$(sha256sum layer.tar | cut -d ' ' -f 1)
printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$diff_id" > image/config.json
printf '[{"Config":"config.json","RepoTags":null,"Layers":["layer.tar.zst"]}]' > image/manifest.json
tar -cf image.tar -C image manifest.json config.json layer.tar.zst

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done

image=127.0.0.1:$port/made/zstd:1
./crane push image.tar "$image" > out.txt 2>&1 || { echo "CHANGED: push fails"; exit 1; }
./crane manifest "$image" > manifest.json
layer() { python3 -c 'import json, sys; print(json.load(open("manifest.json"))["layers"][0][sys.argv[1]])' "$1"; }
same type "$(layer mediaType)" application/vnd.docker.image.rootfs.diff.tar.gzip
same digest "$(layer digest)" "sha256:$(sha256sum image/layer.tar.zst | cut -d ' ' -f 1)"
if ./crane validate --remote "$image" > out.txt 2>&1; then echo "CHANGED: it validates"; exit 1; fi
grep -q 'gzip: invalid header' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
echo "as recorded"
