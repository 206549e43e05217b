#!/usr/bin/env bash
# distribution 2.8.2 (Debian's docker-registry) and 3.1.2 (Go module), PUT of a manifest with a layer that names `urls`.
#
# Both refuse such a layer unless their configuration allows its addresses. Guess: with 400, as for any manifest that they
# do not take. Seen, with a configuration that says nothing of urls: 500 with the code UNKNOWN, as for a fault of the
# registry's own that is worth another try. So for OCI's types and for Docker's; only 3.1.2 tells why (`invalid URL on
# layer`). The same layer without urls is answered 400 MANIFEST_BLOB_UNKNOWN.
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
layer=sha256:$(printf hello | sha256sum | cut -d ' ' -f 1)

manifest() { # manifest's, config's and layer's type, more members of the layer
  printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"%s","digest":"%s","size":2},"layers":[{"mediaType":"%s","digest":"%s","size":5%s}]}' \
    "$1" "$2" "$config" "$3" "$layer" "$4"
}
oci=application/vnd.oci.image docker=application/vnd.docker
urls=',"urls":["https://example.com/layer"]'
answer() { # manifest's type, manifest
  curl -s -o body.txt -w '%{http_code} ' -X PUT -H "Content-Type: $1" -d "$2" "$base/manifests/1"
  python3 -c 'import json; print(json.load(open("body.txt"))["errors"][0]["code"])'
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

  foreign=$oci.layer.nondistributable.v1.tar+gzip
  type=$oci.manifest.v1+json
  same "$name without urls" "$(answer $type "$(manifest $type $oci.config.v1+json $foreign '')")" "400 MANIFEST_BLOB_UNKNOWN"
  same "$name OCI" "$(answer $type "$(manifest $type $oci.config.v1+json $foreign "$urls")")" "500 UNKNOWN"
  same "$name OCI's reason" "$(grep -c 'invalid URL on layer' body.txt)" "$([ "$name" = registry ] && echo 1 || echo 0)"
  type=$docker.distribution.manifest.v2+json
  foreign=$docker.image.rootfs.foreign.diff.tar.gzip
  same "$name Docker" "$(answer $type "$(manifest $type $docker.container.image.v1+json $foreign "$urls")")" "500 UNKNOWN"
  kill "$server"
  wait "$server" || true
  server=
done
echo "as recorded"
