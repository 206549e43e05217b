#!/usr/bin/env bash
# oras 1.3.6 (Go module), `oras push` of a folder with a symbolic link that leads out of it, as a Python venv's or one to a
# file beside the folder.
#
# Guess: what it pushes it can pull, or it refuses to push. Seen: the push ends well, and the pull fails, `... is outside of
# "folder"`, with `--allow-path-traversal` too. No file of the folder is written. GNU tar unpacks the same layer.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

tar --version | grep -q 'GNU tar' || { echo "needs GNU tar"; exit 1; }
GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
GOBIN=$work go install oras.land/oras/cmd/oras@v1.3.6
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
export DOCKER_CONFIG=$work/docker

mkdir absolute beside
echo hello > file.txt
cp file.txt absolute/file.txt
ln -s /usr/bin/python3 absolute/python3
ln -s ../file.txt beside/link.txt
for folder in absolute beside; do
  image=127.0.0.1:$port/made/$folder:1
  ./oras push --plain-http "$image" $folder > out.txt
  for option in --plain-http --allow-path-traversal; do
    if ./oras pull --plain-http $option --output pulled "$image" > out.txt 2>&1; then echo "CHANGED: $folder is pulled"; exit 1; fi
    grep -q "is outside of \"$folder\"" out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
    [ ! -e "pulled/$folder" ] || [ -z "$(find "pulled/$folder" -type f)" ] || { echo "CHANGED: $(find pulled)"; exit 1; }
  done
  layer=$(./oras manifest fetch --plain-http "$image" | python3 -c 'import json, sys; print(json.load(sys.stdin)["layers"][0]["digest"])')
  mkdir unpacked-$folder
  ./oras blob fetch --plain-http --output - "127.0.0.1:$port/made/$folder@$layer" | tar -xz -C unpacked-$folder
done
[ "$(readlink unpacked-absolute/absolute/python3)" = /usr/bin/python3 ]
echo "as recorded"
