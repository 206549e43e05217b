#!/usr/bin/env bash
# oras 0.2.43 (PyPI), a folder pushed with it and pulled with oras 1.3.6 (Go module).
#
# Both pack a folder as tar and gzip and unpack it when they pull. Guess: either unpacks what the other has pushed. Seen:
# the Go one writes the packed bytes into a file with the folder's name, and its exit code is 0, for the Python one does
# not set the annotation that asks to unpack (`io.deis.oras.content.unpack`). The other way round the folder comes out.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

export GOBIN=$work DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install oras.land/oras/cmd/oras@v1.3.6
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install oras==0.2.43
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done

mkdir -p docs/deep
echo hello > docs/deep/notes.txt
cat > run.py <<'PY'
import sys
from oras.client import OrasClient

client = OrasClient(insecure=True)
image = f"127.0.0.1:{sys.argv[1]}/made/docs"
client.push(target=image + ":python", files=["docs"])
client.pull(target=image + ":go", outdir="go-by-python")
client.pull(target=image + ":python", outdir="python-by-python")
PY
image=127.0.0.1:$port/made/docs
./oras push --plain-http "$image:go" docs > out.txt
venv/bin/python run.py "$port"
./oras pull --plain-http --output python-by-go "$image:python" > out.txt
same "python by go" "$(find python-by-go -type f)" python-by-go/docs
same "unpacked by hand" "$(tar -xzOf python-by-go/docs docs/deep/notes.txt)" hello
for name in go-by-python python-by-python; do same "$name" "$(cat $name/docs/deep/notes.txt)" hello; done
unpack='import json, sys; print(json.load(sys.stdin)["layers"][0]["annotations"].get("io.deis.oras.content.unpack"))'
same "the annotation, python" "$(./crane manifest "$image:python" | python3 -c "$unpack")" None
same "the annotation, go" "$(./crane manifest "$image:go" | python3 -c "$unpack")" true
echo "as recorded"
