#!/usr/bin/env bash
# regctl 0.11.7 (Go module), `regctl image export` of an index in a layout, and `podman load` (4.3.1, Debian's package).
#
# Guess: podman loads the image for its platform, as from the same index exported from a registry. Seen: regctl gives the
# image the name `ocidir://made:1` (`io.containerd.image.name`), which is no name for images, and podman refuses the
# archive, `invalid reference format`. skopeo 1.9.3 (Debian's package) reads it.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

podman --version | grep -q ' 4\.3\.1' || { echo "needs podman 4.3.1"; exit 1; }
skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work DOCKER_CONFIG=$work/docker REGCTL_CONFIG=$work/regctl.json
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
./regctl registry set --tls disabled "127.0.0.1:$port" 2> out.txt

image=127.0.0.1:$port/made/image
printf hello > file.txt
tar -cf layer.tar file.txt
./crane append --oci-empty-base -f layer.tar -t "$image:plain" > out.txt 2>&1
machine=$(go env GOARCH)
./crane mutate --set-platform "linux/$machine" "$image:plain" -t "$image:one" > out.txt 2>&1
./crane index append -m "$image:one" -t "$image:1" > out.txt 2>&1
./regctl image copy "$image:1" ocidir://made:1 > out.txt 2>&1
./regctl image export "$image:1" registry.tar
./regctl image export ocidir://made:1 layout.tar

name() { tar -xOf "$1" index.json | python3 -c 'import json, sys; print(json.load(sys.stdin)["manifests"][0]["annotations"]["io.containerd.image.name"])'; }
load() { podman --storage-driver vfs --root "$work/store" --runroot "$work/run" load --signature-policy policy.json -i "$1" > out.txt 2>&1; }
same "the name from the registry" "$(name registry.tar)" "$image:1"
load registry.tar || { echo "CHANGED: $(cat out.txt)"; exit 1; }
same "the name from the layout" "$(name layout.tar)" ocidir://made:1
if load layout.tar; then echo "CHANGED: podman loads it"; exit 1; fi
grep -q 'normalizing name "ocidir://made:1": invalid reference format' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
skopeo --policy policy.json copy oci-archive:layout.tar dir:by-skopeo > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
echo "as recorded"
