#!/usr/bin/env bash
# crane 0.22.1 (Go module), `crane registry serve --disk FOLDER`: a blob with a sha512 digest.
#
# Guess: the digest is refused (400), or the blob is there afterwards. Seen: the upload is answered 201, then GET and
# HEAD of the same digest say 404. With sha256 the same upload can be read back.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
mkdir store
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" --disk store > server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/v2/" > out.txt && break; sleep 0.1; done

base=http://127.0.0.1:$port/v2/made/image/blobs
status() { curl -s -o body.txt -w '%{http_code}' "$@"; }
echo hello > blob
upload() { status -X POST -H 'Content-Type: application/octet-stream' --data-binary @blob "$base/uploads/?digest=$1"; }
sha256=sha256:$(sha256sum blob | cut -d ' ' -f 1)
sha512=sha512:$(sha512sum blob | cut -d ' ' -f 1)

same "sha256 upload" "$(upload "$sha256")" 201
same "sha256 GET" "$(status "$base/$sha256")" 200
same "sha512 upload" "$(upload "$sha512")" 201
same "sha512 GET" "$(status "$base/$sha512")" 404
same "sha512 HEAD" "$(status --head "$base/$sha512")" 404
echo "as recorded"
