#!/usr/bin/env bash
# regctl 0.11.7 (Go module), `regctl image mod --layer-compress zstd` of an image in Docker's format, read by skopeo 1.9.3
# (Debian's package) and crane 0.22.1 (Go module).
#
# Docker's format has no type for zstd. Guess: regctl refuses, or the image becomes an OCI one, as `skopeo copy
# --dest-compress-format zstd` makes it. Seen, with exit code 0: the layers get the type `...rootfs.diff.tar.zstd`, which
# skopeo refuses (`unsupported docker v2s2 media type`), and of which crane counts no layer (`len(layers)=0`).
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
./regctl registry set --tls disabled "127.0.0.1:$port"
image=127.0.0.1:$port/made/image

echo hello > file.txt
tar -cf layer.tar file.txt
./crane append -f layer.tar -t "$image:1" > out.txt 2>&1
./regctl image mod "$image:1" --create zstd --layer-compress zstd > out.txt
types='import json, sys; m = json.load(sys.stdin); print(m["mediaType"], [one["mediaType"] for one in m["layers"]])'
same "types" "$(./crane manifest "$image:zstd" | python3 -c "$types")" \
  "application/vnd.docker.distribution.manifest.v2+json ['application/vnd.docker.image.rootfs.diff.tar.zstd']"

if skopeo --policy policy.json copy --src-tls-verify=false "docker://$image:zstd" dir:copied > out.txt 2>&1; then
  echo "CHANGED: skopeo copies it"; exit 1
fi
grep -q 'unsupported docker v2s2 media type' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
if ./crane validate --remote "$image:zstd" > out.txt 2>&1; then echo "CHANGED: crane calls it valid"; exit 1; fi
grep -q 'len(ConfigFile.RootFS.DiffIDs)=1, len(layers)=0' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
skopeo --policy policy.json copy --src-tls-verify=false --dest-compress --dest-compress-format zstd "docker://$image:1" oci:by-skopeo:1 > out.txt 2>&1
same "skopeo" "$(cat "by-skopeo/blobs/sha256/$(python3 -c 'import json; print(json.load(open("by-skopeo/index.json"))["manifests"][0]["digest"][7:])')" | python3 -c "$types")" \
  "application/vnd.oci.image.manifest.v1+json ['application/vnd.oci.image.layer.v1.tar+zstd']"
echo "as recorded"
