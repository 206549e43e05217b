#!/usr/bin/env bash
# crane 0.22.1 (Go module), `crane registry serve`: a list of tags read in pages.
#
# Guess: a list that `n` cuts comes with a Link header to its next page (the specification's way to page), and `last`
# with the last tag gives an empty page. Seen: there is no Link, so a client that follows it takes the first page for
# all; and after the last tag the list begins anew, so one that pages by `last` until a page is empty never ends.
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
type=application/vnd.oci.image.index.v1+json
for tag in a b c; do
  curl -sf -o out.txt -X PUT -H "Content-Type: $type" "$base/manifests/$tag" \
    -d "{\"schemaVersion\":2,\"mediaType\":\"$type\",\"manifests\":[]}"
done
same "first page" "$(curl -s -D headers.txt "$base/tags/list?n=2")" '{"name":"made/image","tags":["a","b"]}'
if grep -qi '^link:' headers.txt; then echo "CHANGED: $(grep -i '^link:' headers.txt)"; exit 1; fi
same "second page" "$(curl -s "$base/tags/list?n=2&last=b")" '{"name":"made/image","tags":["c"]}'
same "after the last" "$(curl -s "$base/tags/list?n=2&last=c")" '{"name":"made/image","tags":["a","b"]}'
echo "as recorded"
