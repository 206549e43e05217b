#!/usr/bin/env bash
# buildx 0.38.2 (Go module), `buildx imagetools create` of one index that has annotations, an artifactType and a subject.
#
# Guess: `--annotation index:NAME=VALUE` adds one, as `regctl image mod --annotation` (0.11.7, Go module) does, and `--append`
# adds an image. Seen, with exit code 0: with either the index's own annotations, artifactType and subject are gone, so it is
# a referrer of no image any more. `--platform`, which takes images away, keeps all three.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

export GOBIN=$work REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
go install github.com/docker/buildx/cmd/buildx@v0.38.2
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
./regctl registry set --tls disabled "127.0.0.1:$port"
image=127.0.0.1:$port/made/image

tar -cf layer.tar server.log
./crane append --oci-empty-base -f layer.tar -t "$image:one" > out.txt 2>&1
./crane mutate "$image:one" --set-platform linux/amd64 -t "$image:one" > out.txt 2>&1
./crane mutate "$image:one" --set-platform linux/arm64 -t "$image:two" > out.txt 2>&1
./crane mutate "$image:one" --set-platform linux/s390x -t "$image:three" > out.txt 2>&1
./regctl index create "$image:1" --ref "$image:one" --ref "$image:two" --annotation org.made=was --artifact-type application/vnd.made \
  --subject three > out.txt

fields='import json, sys; m = json.load(sys.stdin); print(m.get("annotations"), m.get("artifactType"), "subject" in m, len(m["manifests"]))'
told() { ./crane manifest "$image:$1" | python3 -c "$fields"; }
create() { ./buildx imagetools create --tag "$image:$1" "${@:2}" > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }; }
same "the index" "$(told 1)" "{'org.made': 'was'} application/vnd.made True 2"
create copied "$image:1"
same "a copy" "$(./crane digest "$image:copied")" "$(./crane digest "$image:1")"
create annotated --annotation index:org.more=new "$image:1"
same "--annotation" "$(told annotated)" "{'org.more': 'new'} None False 2"
create filtered --platform linux/amd64 "$image:1"
same "--platform" "$(told filtered)" "{'org.made': 'was'} application/vnd.made True 1"
create copied --append "$image:two"
same "--append" "$(told copied)" "None None False 2"
./regctl image mod "$image:1" --create by-regctl --annotation org.more=new > out.txt
same "regctl" "$(told by-regctl)" "{'org.made': 'was', 'org.more': 'new'} application/vnd.made True 2"
echo "as recorded"
