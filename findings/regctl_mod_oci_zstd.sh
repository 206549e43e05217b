#!/usr/bin/env bash
# regctl 0.11.7 (Go module), `regctl image mod` with `--to-oci` and `--layer-compress zstd` of an image with Docker's types.
#
# Guess: both are done, in whatever order. Seen, with exit code 0 and the options in either order: the manifest is OCI's,
# the config and the layers keep Docker's types, and those of the layers (`...docker.image.rootfs.diff.tar.zstd`) are
# of no specification. crane 0.22.1 does not take them for layers (`len(layers)=0`). Each option in a call of its own,
# `--to-oci` first, gives OCI's types.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/regclient/regclient/cmd/regctl@v0.11.7
GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
export REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
image=127.0.0.1:$port/made/image
./regctl registry set --tls disabled "127.0.0.1:$port" 2> out.txt

printf hello > file.txt
tar -cf layer.tar file.txt
./crane append -f layer.tar -t "$image:docker" > out.txt 2>&1
./regctl image mod "$image:docker" --create "$image:both" --to-oci --layer-compress zstd > out.txt
./regctl image mod "$image:docker" --create "$image:turned" --layer-compress zstd --to-oci > out.txt
./regctl image mod "$image:docker" --create "$image:oci" --to-oci > out.txt
./regctl image mod "$image:oci" --create "$image:parted" --layer-compress zstd > out.txt

types='import json, sys; m = json.load(sys.stdin); print(*(d["mediaType"][16:] for d in [m, m["config"], *m["layers"]]))'
seen() { ./crane manifest "$image:$1" | python3 -c "$types"; }
for tag in both turned; do
  same "$tag" "$(seen $tag)" "oci.image.manifest.v1+json docker.container.image.v1+json docker.image.rootfs.diff.tar.zstd"
done
same parted "$(seen parted)" "oci.image.manifest.v1+json oci.image.config.v1+json oci.image.layer.v1.tar+zstd"
same "crane validate" "$(./crane validate --remote "$image:both" 2>&1 | head -1)" \
  "FAIL: $image:both: validating layers: mismatched number of diffids: len(ConfigFile.RootFS.DiffIDs)=1, len(layers)=0"
echo "as recorded"
