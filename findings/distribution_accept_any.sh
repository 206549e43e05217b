#!/usr/bin/env bash
# distribution 2.8.2 (Debian's docker-registry) and 3.1.2 (Go module), GET of an OCI manifest with several Accept headers.
#
# `Accept: */*` takes anything, and so does a request without the header (RFC 9110, 12.5.1). Guess: both get the manifest.
# Seen: 404 MANIFEST_UNKNOWN, as if there were none, also for `application/*`, and by its digest; its own type alone brings
# it. One of Docker's type comes by its digest whatever is accepted.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

docker-registry --version | grep -q ' 2\.8\.2' || { echo "needs docker-registry 2.8.2"; exit 1; }
GOBIN=$work go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
printf '{}' > config.json
config=sha256:$(sha256sum config.json | cut -d ' ' -f 1)
oci=application/vnd.oci.image.manifest.v1+json
docker=application/vnd.docker.distribution.manifest.v2+json

manifest() { # its type, its config's type
  printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"%s","digest":"%s","size":2},"layers":[]}' "$1" "$2" "$config"
}
get() { # reference, Accept; curl leaves an empty one out
  curl -s -o body.txt -w '%{http_code}' -H "Accept: $2" "$base/manifests/$1"
}

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
  base=http://127.0.0.1:$port/v2/made/image
  upload=$(curl -s -o body.txt -D - -X POST "$base/blobs/uploads/" | grep -i '^location:' | cut -d ' ' -f 2 | tr -d '\r')
  same "$name PUT" "$(curl -s -w '%{http_code}' -X PUT -H 'Content-Type: application/octet-stream' --data-binary @config.json "$upload&digest=$config")" 201
  manifest $oci application/vnd.oci.image.config.v1+json > oci.json
  manifest $docker application/vnd.docker.container.image.v1+json > docker.json
  same "$name PUT OCI" "$(curl -s -w '%{http_code}' -X PUT -H "Content-Type: $oci" -d @oci.json "$base/manifests/oci")" 201
  same "$name PUT Docker" "$(curl -s -w '%{http_code}' -X PUT -H "Content-Type: $docker" -d @docker.json "$base/manifests/docker")" 201

  digest=sha256:$(sha256sum oci.json | cut -d ' ' -f 1)
  for accept in '*/*' 'application/*' ''; do
    same "$name, '$accept'" "$(get oci "$accept")" 404
    same "$name, '$accept'" "$(python3 -c 'import json; print(json.load(open("body.txt"))["errors"][0]["code"])')" MANIFEST_UNKNOWN
    same "$name by digest, '$accept'" "$(get "$digest" "$accept")" 404
  done
  same "$name, its type" "$(get oci $oci)" 200
  same "$name, Docker's by digest" "$(get "sha256:$(sha256sum docker.json | cut -d ' ' -f 1)" '*/*')" 200
  kill "$server"
  wait "$server" || true
  server=
done
echo "as recorded"
