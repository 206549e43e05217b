#!/usr/bin/env bash
# crane 0.22.1 (Go module), `crane append` of a layer packed with xz, bzip2 or zstd.
#
# Guess: the layer is unpacked and packed anew, or kept with a type that fits, or refused. Seen, with exit code 0: xz and bzip2
# are taken for the tar itself, so the layer is gzip around xz, its diff ID is that of the xz file, and `crane export` fails at
# it. zstd is kept under OCI's type for it, in an OCI image and in one of Docker's format alike, and `crane validate` calls
# both invalid, `gzip: invalid header`.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

export GOBIN=$work DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
image=127.0.0.1:$port/made/image
printf hello > file.txt
tar -cf layer.tar file.txt
xz -k layer.tar
bzip2 -k layer.tar
zstd -q layer.tar

for end in xz bz2; do
  ./crane append --oci-empty-base -f layer.tar.$end -t "$image:$end" > out.txt 2>&1
  layer=$(./crane manifest "$image:$end" | python3 -c 'import json, sys; print(json.load(sys.stdin)["layers"][0]["digest"])')
  ./crane blob "$image@$layer" | gzip -d | cmp - layer.tar.$end || { echo "CHANGED: the layer of $end"; exit 1; }
  ./crane config "$image:$end" | grep -q "$(sha256sum < layer.tar.$end | cut -d ' ' -f 1)" || { echo "CHANGED: the diff ID of $end"; exit 1; }
  ! ./crane export "$image:$end" export.tar > out.txt 2>&1 || { echo "CHANGED: crane exports $end"; exit 1; }
done
type='import json, sys; print(json.load(sys.stdin)["layers"][0]["mediaType"])'
./crane append --oci-empty-base -f layer.tar.zst -t "$image:oci" > out.txt 2>&1
./crane append -f layer.tar.zst -t "$image:docker" > out.txt 2>&1
for tag in oci docker; do
  same "$tag, type" "$(./crane manifest "$image:$tag" | python3 -c "$type")" application/vnd.oci.image.layer.v1.tar+zstd
  ! ./crane validate --remote "$image:$tag" > out.txt 2>&1 || { echo "CHANGED: $tag is valid"; exit 1; }
  grep -q 'gzip: invalid header' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
done
echo "as recorded"
