#!/usr/bin/env bash
# oras 0.2.43 (PyPI), `OrasClient.push(files=["one/notes.txt", "two/notes.txt"])` and `pull`.
#
# Guess: two files come back, or the push is refused. Seen: both are pushed under the name `notes.txt`, for a file's folder
# is dropped. The pull answers two names, which are the same one, and there is one file, the second one's contents. oras
# 1.3.6 (Go module) pushes the same two under their paths, and refuses to pull what the Python one has pushed.
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

mkdir one two
echo first > one/notes.txt
echo second > two/notes.txt
cat > run.py <<'PY'
import os, sys
from oras.client import OrasClient

client = OrasClient(insecure=True)
target = f"127.0.0.1:{sys.argv[1]}/made/notes:1"
client.push(target=target, files=["one/notes.txt", "two/notes.txt"])
print(*(os.path.relpath(path, "pulled") for path in client.pull(target=target, outdir="pulled")))
PY
same "pulled" "$(venv/bin/python run.py "$port")" "notes.txt notes.txt"
same "files" "$(find pulled -type f)" pulled/notes.txt
same "contents" "$(cat pulled/notes.txt)" second
titles='import json, sys; print(*(layer["annotations"]["org.opencontainers.image.title"] for layer in json.load(sys.stdin)["layers"]))'
same "titles" "$(./crane manifest "127.0.0.1:$port/made/notes:1" | python3 -c "$titles")" "notes.txt notes.txt"
./oras push --plain-http "127.0.0.1:$port/made/notes:2" one/notes.txt two/notes.txt > out.txt
same "titles of the other" "$(./crane manifest "127.0.0.1:$port/made/notes:2" | python3 -c "$titles")" "one/notes.txt two/notes.txt"
if ./oras pull --plain-http --output other "127.0.0.1:$port/made/notes:1" > out.txt 2>&1; then echo "CHANGED: oras pulls it"; exit 1; fi
grep -q 'notes.txt: duplicate name' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
echo "as recorded"
