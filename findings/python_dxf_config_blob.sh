#!/usr/bin/env bash
# python-dxf 12.1.1 (PyPI), `dxf set-alias`: a manifest for a file that was pushed as a blob.
#
# Guess: an artifact, or an image with an empty config. Seen: a Docker manifest whose config, typed as that of an image, is
# the file itself, which is its only layer as well. The registry takes it; who reads the config of an image gets the file:
# `crane config` prints it, `crane validate` fails at its first letter.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
python3 -m venv python
python/bin/pip --quiet install python-dxf==12.1.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/v2/" > out.txt && break; sleep 0.1; done

printf hello > file
export DXF_HOST=127.0.0.1:$port DXF_INSECURE=1
digest=$(python/bin/dxf push-blob team/files file)
python/bin/dxf set-alias team/files one "$digest" > out.txt

image=127.0.0.1:$port/team/files:one
member() { ./crane manifest "$image" | python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }
same type "$(member '["mediaType"]')" application/vnd.docker.distribution.manifest.v2+json
same "config type" "$(member '["config"]["mediaType"]')" application/vnd.docker.container.image.v1+json
same config "$(member '["config"]["digest"]')" "$digest"
same layer "$(member '["layers"][0]["digest"]')" "$digest"
same "crane config" "$(./crane config "$image")" hello
same "crane validate" "$(./crane validate --remote "$image" 2>&1 | head -1)" \
  "FAIL: $image: validating layers: invalid character 'h' looking for beginning of value"
echo "as recorded"
