#!/usr/bin/env bash
# distribution 2.8.2 (Debian's docker-registry) and 3.1.2 (Go module): PUT that ends an upload with a sha512 digest.
#
# Guess: 400, or 201 that names the digest that was sent. Seen in both: 201, whose Docker-Content-Digest and Location
# name the blob's sha256 instead. Both digests read the blob back afterwards. A client that compares the answer with
# what it sent takes a good upload for a broken one.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

docker-registry --version | grep -q ' 2\.8\.2' || { echo "needs docker-registry 2.8.2"; exit 1; }
GOBIN=$work go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2

echo hello > blob
sha256=sha256:$(sha256sum blob | cut -d ' ' -f 1)
sha512=sha512:$(sha512sum blob | cut -d ' ' -f 1)
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
  same "$name PUT" "$(status -X PUT -H 'Content-Type: application/octet-stream' --data-binary @blob "$upload&digest=$sha512")" 201
  same "$name digest" "$(header docker-content-digest)" "$sha256"
  same "$name location" "$(header location)" "$base/$sha256"
  same "$name GET sha512" "$(status "$base/$sha512")" 200
  same "$name GET sha256" "$(status "$base/$sha256")" 200
  kill "$server"
  wait "$server" || true
  server=
done
echo "as recorded"
