#!/usr/bin/env bash
# distribution 2.8.2 (Debian's docker-registry) and 3.1.2 (Go module), DELETE of an upload after a PATCH whose connection
# broke.
#
# Guess: 204, and what had arrived is gone. Seen: 2.8.2 answers 404 to DELETE and to GET of the upload, and keeps the data.
# 3.1.2 answers 416 `invalid content range` to DELETE at the address that the client has, and keeps the data too: it tells
# the offset 0, the data is longer. GET answers 204 with an address for the new offset; DELETE of that answers 204.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

docker-registry --version | grep -q ' 2\.8\.2' || { echo "needs docker-registry 2.8.2"; exit 1; }
GOBIN=$work go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
cat > broken.py <<'PY'
import socket, sys, urllib.parse

url = urllib.parse.urlsplit(sys.argv[1])
with socket.create_connection((url.hostname, url.port)) as connection:
    head = f"PATCH {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 100000\r\n"
    connection.sendall(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + bytes(5000))
PY
header() { grep -i "^$1:" headers.txt | cut -d ' ' -f 2 | tr -d '\r'; }
status() { curl -s -o body.txt -D headers.txt -w '%{http_code}' "$@"; }
size() { find "$1.store/docker/registry/v2/repositories/made/image/_uploads" -name data -printf '%s\n' 2> /dev/null || true; }

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

  uploads=http://127.0.0.1:$port/v2/made/image/blobs/uploads/
  same "$name POST" "$(status -X POST "$uploads")" 202
  upload=$(header location)
  same "$name DELETE of an unbroken one" "$(status -X DELETE "$upload")" 204
  same "$name POST" "$(status -X POST "$uploads")" 202
  upload=$(header location)
  python3 broken.py "$upload"
  for _ in $(seq 100); do [ "$(size "$name")" != 5000 ] || break; sleep 0.1; done
  case $name in
    docker-registry)
      same "$name DELETE" "$(status -X DELETE "$upload")" 404
      same "$name GET" "$(status "$upload")" 404
      same "$name data" "$(size "$name")" 5000
      ;;
    registry)
      same "$name DELETE" "$(status -X DELETE "$upload")" 416
      grep -q 'invalid content range' body.txt || { echo "CHANGED: $(cat body.txt)"; exit 1; }
      same "$name data" "$(size "$name")" 5000
      same "$name GET" "$(status "$upload")" 204
      same "$name range" "$(header range)" 0-4999
      same "$name DELETE of the new address" "$(status -X DELETE "$(header location)")" 204
      same "$name data at last" "$(size "$name")" ""
      ;;
  esac
  kill "$server"
  wait "$server" || true
  server=
done
echo "as recorded"
