#!/usr/bin/env bash
# crane 0.22.1 (Go module), `crane mutate --annotation` of an SBOM that oras 1.3.6 (Go module) has attached to an image.
#
# Guess: the SBOM as it was, with one more annotation. Seen, with exit code 0: its `subject` is gone, so what is pushed
# belongs to no image and is not among the referrers; artifactType, layers and annotations are kept. regctl 0.11.7 (Go
# module) keeps the subject when it adds an annotation.
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

printf hello > file.txt
tar -cf layer.tar file.txt
echo sbom > sbom.txt
image=127.0.0.1:$port/made/image
./crane append --oci-empty-base -f layer.tar -t "$image:1" > out.txt 2>&1
./oras attach --plain-http --artifact-type application/vnd.made.sbom --format json "$image:1" sbom.txt > attached.json
sbom=$(python3 -c 'import json; print(json.load(open("attached.json"))["reference"].split("@")[1])')
./crane mutate "$image@$sbom" --annotation team=made --tag "$image:by-crane" > out.txt 2>&1
./regctl image mod "$image@$sbom" --annotation team=made --create by-regctl > out.txt

cat > read.py <<'PY'
import json, sys

manifest = json.load(sys.stdin)
print(manifest.get("subject", {}).get("digest"), manifest["artifactType"], len(manifest["layers"]), manifest["annotations"].get("team"))
PY
seen() { ./crane manifest "$image$1" | python3 read.py; }
kept="$(./crane digest "$image:1") application/vnd.made.sbom 1"
same attached "$(seen "@$sbom")" "$kept None"
same crane "$(seen :by-crane)" "None application/vnd.made.sbom 1 made"
same regctl "$(seen :by-regctl)" "$kept made"
./oras discover --plain-http --format json "$image:1" > found.json
found() { python3 -c 'import json, sys; print(sys.argv[1] in [one["digest"] for one in json.load(open("found.json"))["referrers"]])' "$(./crane digest "$image:$1")"; }
same "crane's among the referrers" "$(found by-crane)" False
same "regctl's among the referrers" "$(found by-regctl)" True
echo "as recorded"
