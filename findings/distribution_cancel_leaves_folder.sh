#!/usr/bin/env bash
# distribution 2.8.2 (Debian's docker-registry) and 3.1.2 (Go module): DELETE of an upload, files on disk.
#
# Guess: an upload that was cancelled (204) leaves nothing. Seen in both: its data goes, but its folder stays below
# `_uploads` with the saved hash states, one for each chunk that was begun. GET of the upload says 404.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

docker-registry --version | grep -q ' 2\.8\.2' || { echo "needs docker-registry 2.8.2"; exit 1; }
GOBIN=$work go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2

echo hello > blob
header() { grep -i "^$1:" headers.txt | cut -d ' ' -f 2 | tr -d '\r'; }
status() { curl -s -o body.txt -D headers.txt -w '%{http_code}' "$@"; }

for program in docker-registry "$work/registry"; do
  name=$(basename "$program")
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  cat > config.yml <<YML
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $work/$name.store } }
http: { addr: "127.0.0.1:$port" }
YML
  OTEL_TRACES_EXPORTER=none "$program" serve config.yml > server.log 2>&1 &
  server=$!
  for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/v2/" > out.txt && break; sleep 0.1; done

  base=http://127.0.0.1:$port/v2/made/image/blobs
  same "$name POST" "$(status -X POST "$base/uploads/")" 202
  upload=$(header location)
  same "$name PATCH" "$(status -X PATCH -H 'Content-Type: application/octet-stream' --data-binary @blob "$upload")" 202
  upload=$(header location)
  same "$name DELETE" "$(status -X DELETE "$upload")" 204
  same "$name GET" "$(status "$upload")" 404
  find "$name.store" -path '*/_uploads/*' -type f > files.txt
  same "$name data" "$(grep -c '/data$' files.txt || true)" 0
  same "$name hash states" "$(sed 's|.*/hashstates/|hashstates/|' files.txt)" hashstates/sha256/0
  kill "$server"
  wait "$server" || true
  server=
done
echo "as recorded"
