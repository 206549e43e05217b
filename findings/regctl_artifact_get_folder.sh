#!/usr/bin/env bash
# regctl 0.11.7 (Go module), `regctl artifact get --output` of a folder that oras 1.3.6 (Go module) has pushed.
#
# oras marks a folder to be unpacked (`io.deis.oras.content.unpack`), and its tar holds `docs/...`. Guess: the folder comes
# out as with `oras pull`. Seen, with exit code 0: regctl unpacks the tar inside a folder of that name, so the files are in
# `docs/docs`. Files beside a folder come out alike.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

export GOBIN=$work DOCKER_CONFIG=$work/docker REGCTL_CONFIG=$work/regctl.json
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install oras.land/oras/cmd/oras@v1.3.6
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
./regctl registry set --tls disabled "127.0.0.1:$port" 2> out.txt

mkdir -p docs/deep by-oras by-regctl
echo hello > docs/deep/notes.txt
echo more > more.txt
image=127.0.0.1:$port/made/docs:1
./oras push --plain-http "$image" docs more.txt > out.txt
./oras pull --plain-http --output by-oras "$image" > out.txt
./regctl artifact get "$image" --output by-regctl > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
same oras "$(cd by-oras && find . -type f | sort | tr '\n' ' ')" "./docs/deep/notes.txt ./more.txt "
same regctl "$(cd by-regctl && find . -type f | sort | tr '\n' ' ')" "./docs/docs/deep/notes.txt ./more.txt "
echo "as recorded"
