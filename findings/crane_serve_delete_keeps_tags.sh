#!/usr/bin/env bash
# crane 0.22.1 (Go module), `crane registry serve`: DELETE of a manifest by digest.
#
# Guess: its tags go with it, as in distribution's registry. Seen: 202, and then the digest answers 404 while the tags
# are still listed and still serve the manifest that was deleted.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/v2/" > out.txt && break; sleep 0.1; done

base=http://127.0.0.1:$port/v2/made/image
status() { curl -s -o body.txt -w '%{http_code}' "$@"; }
type=application/vnd.oci.image.index.v1+json
printf '{"schemaVersion":2,"mediaType":"%s","manifests":[]}' "$type" > index.json
digest=sha256:$(sha256sum index.json | cut -d ' ' -f 1)

same put "$(status -X PUT -H "Content-Type: $type" --data-binary @index.json "$base/manifests/one")" 201
same "digest before" "$(status "$base/manifests/$digest")" 200
same delete "$(status -X DELETE "$base/manifests/$digest")" 202
same "digest after" "$(status "$base/manifests/$digest")" 404
same "tag after" "$(status "$base/manifests/one")" 200
same "tag's body" "$(cat body.txt)" "$(cat index.json)"
same tags "$(curl -s "$base/tags/list")" '{"name":"made/image","tags":["one"]}'
echo "as recorded"
