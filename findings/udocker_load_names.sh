#!/usr/bin/env bash
# udocker 1.3.17 (PyPI), `udocker load` of what regctl 0.11.7 (Go module) exports, an archive in Docker's and OCI's form at once.
#
# 1. Guess: the image's name, which the archive tells three times. Seen: each load of an image of OCI's types gives it another
#    repository, of random digits, and the tag.
# 2. Guess: an image of Docker's types is read by its manifest.json, as from `docker save`. Seen: `load failed`.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

export GOBIN=$work DOCKER_CONFIG=$work/docker UDOCKER_DIR=$work/udocker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install udocker==1.3.17
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
printf hello > file.txt
tar -cf layer.tar file.txt
./crane append --oci-empty-base -f layer.tar -t "127.0.0.1:$port/made/app:oci" > out.txt 2>&1
./crane append -f layer.tar -t "127.0.0.1:$port/made/app:docker" > out.txt 2>&1
for tag in oci docker; do
  ./regctl --host "reg=127.0.0.1:$port,tls=disabled" image export "127.0.0.1:$port/made/app:$tag" $tag.tar
  tar -xOf $tag.tar manifest.json | grep -q '"RepoTags":\["127.0.0.1:'"$port/made/app:$tag" || { echo "the archive of $tag has no name"; exit 1; }
done

udocker() { venv/bin/udocker --allow-root "$@" > out.txt 2> err.txt; }
for _ in 1 2; do udocker load -i oci.tar || { cat out.txt err.txt; exit 1; }; done
udocker images || { cat out.txt err.txt; exit 1; }
[ "$(grep -cE '^[0-9a-f]{16}:oci ' out.txt)" = 2 ] || { echo "CHANGED: $(cat out.txt)"; exit 1; }
! udocker load -i docker.tar || { echo "CHANGED: loaded"; exit 1; }
grep -q 'load failed' err.txt || { echo "CHANGED: $(cat err.txt)"; exit 1; }
echo "as recorded"
