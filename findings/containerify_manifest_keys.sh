#!/usr/bin/env bash
# containerify 4.1.0 (npm), `--toTar`, which makes a tar for `docker load`.
#
# Guess: its manifest.json has the keys of `docker save`: Config, RepoTags, Layers. Seen: config, repoTags, layers.
# Docker and crane (Go, which does not mind case) load it all the same; whoever reads the keys as they are written
# finds no image. A base image is served by `crane registry serve` (crane 0.22.1, Go module).
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
npm install --prefix "$work" --silent --no-audit --no-fund containerify@4.1.0
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done

mkdir content
echo hello > content/file.txt
tar -cf layer.tar -C content file.txt
./crane append --platform linux/amd64 -f layer.tar -t "127.0.0.1:$port/made/base:1" > out.txt 2>&1
node_modules/.bin/containerify --fromRegistry "http://127.0.0.1:$port/v2/" --fromImage made/base:1 --platform linux/amd64 \
  --folder content --customContent file.txt:/file.txt --toImage made/app:1 --toTar "$work/app.tar" > out.txt 2>&1 || { cat out.txt; exit 1; }
tar -xf app.tar manifest.json
same keys "$(python3 -c 'import json; print(sorted(json.load(open("manifest.json"))[0]))')" "['config', 'layers', 'repoTags']"
./crane push app.tar "127.0.0.1:$port/made/pushed:1" > out.txt 2>&1 || { echo "CHANGED: crane refuses it"; exit 1; }
echo "as recorded"
