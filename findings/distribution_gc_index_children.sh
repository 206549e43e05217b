#!/usr/bin/env bash
# distribution 2.8.2 (Debian's docker-registry) and 3.1.2 (Go module), `registry garbage-collect --delete-untagged`
# of a repository whose only tag names an index of one image.
#
# Guess: what a tagged index names is in use. Seen: 2.8.2 deletes the manifest of the image, which has no tag of its own,
# with its config and its layer; the tag still answers, and its image is gone. 3.1.2 keeps all.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

docker-registry --version | grep -q ' 2\.8\.2' || { echo "needs docker-registry 2.8.2"; exit 1; }
GOBIN=$work go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2

sha() { echo "sha256:$(sha256sum "$1" | cut -d ' ' -f 1)"; }
size() { stat -c %s "$1"; }
oci=application/vnd.oci.image
echo content > file
tar -czf layer file
printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%064d"]}}' 0 > config
printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json","size":%d,"digest":"%s"},"layers":[{"mediaType":"%s.layer.v1.tar+gzip","size":%d,"digest":"%s"}]}' \
  $oci $oci "$(size config)" "$(sha config)" $oci "$(size layer)" "$(sha layer)" > manifest
printf '{"schemaVersion":2,"mediaType":"%s.index.v1+json","manifests":[{"mediaType":"%s.manifest.v1+json","size":%d,"digest":"%s","platform":{"architecture":"amd64","os":"linux"}}]}' \
  $oci $oci "$(size manifest)" "$(sha manifest)" > index

try() { # PROGRAM: answers for the tag, the image of its index and the layer, after a collection
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  folder=$work/data.$port
  printf 'version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: 127.0.0.1:%d\n' "$folder" "$port" > config.yml
  base=http://127.0.0.1:$port/v2/app
  start "$1"
  for blob in config layer; do
    location=$(curl -sfi -X POST "$base/blobs/uploads/" | tr -d '\r' | sed -n 's/^Location: //p')
    curl -sf -X PUT -H 'Content-Type: application/octet-stream' --data-binary @$blob "$location&digest=$(sha $blob)"
  done
  curl -sf -X PUT -H "Content-Type: $oci.manifest.v1+json" --data-binary @manifest "$base/manifests/$(sha manifest)"
  curl -sf -X PUT -H "Content-Type: $oci.index.v1+json" --data-binary @index "$base/manifests/1.0"
  stop
  "$1" garbage-collect --delete-untagged config.yml > collected.txt 2>&1
  start "$1"
  status "$base/manifests/1.0"
  status "$base/manifests/$(sha manifest)"
  status "$base/blobs/$(sha layer)"
  stop
}
start() {
  "$1" serve config.yml > server.log 2>&1 &
  server=$!
  for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/v2/" > out.txt && break; sleep 0.1; done
}
stop() {
  kill "$server"
  wait "$server" || true
  server=
}
status() { curl -s -o out.txt -w '%{http_code} ' -H "Accept: $oci.index.v1+json, $oci.manifest.v1+json" "$1"; }

try docker-registry > old.txt
same "2.8.2: tag, image, layer" "$(xargs < old.txt)" "200 404 404"
try ./registry > new.txt
same "3.1.2: tag, image, layer" "$(xargs < new.txt)" "200 200 200"
echo "as recorded"
