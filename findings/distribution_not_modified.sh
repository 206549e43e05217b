#!/usr/bin/env bash
# distribution 2.8.2 (Debian's docker-registry) and 3.1.2 (Go module), a manifest that is asked for by its digest with an
# If-None-Match of that digest.
#
# Guess: 304 where the repository has it, and 404 where it does not, so that a client which keeps a copy can ask whether
# the manifest is still there. Seen: 304 in any case, for GET and HEAD: after it was deleted, and in a repository that
# never was. Without the header both are 404, and a blob is 404 with it, too.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

docker-registry --version | grep -q ' 2\.8\.2' || { echo "needs docker-registry 2.8.2"; exit 1; }
GOBIN=$work go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
header() { grep -i "^$1:" headers.txt | cut -d ' ' -f 2 | tr -d '\r'; }
status() { curl -s -o body.txt -D headers.txt -w '%{http_code}' "$@"; }
digest_of() { echo "sha256:$(sha256sum "$1" | cut -d ' ' -f 1)"; }

type=application/vnd.oci.image.manifest.v1+json
printf '{}' > config.json
config=$(digest_of config.json)
printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":2},"layers":[]}' \
  "$type" "$config" > manifest.json
manifest=$(digest_of manifest.json)

for program in docker-registry "$work/registry"; do
  name=$(basename "$program")
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  cat > config.yml <<YML
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $work/$name.store }, delete: { enabled: true } }
http: { addr: "127.0.0.1:$port" }
YML
  OTEL_TRACES_EXPORTER=none "$program" serve config.yml > server.log 2>&1 &
  server=$!
  for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/v2/" > out.txt && break; sleep 0.1; done

  api=http://127.0.0.1:$port/v2
  known="If-None-Match: \"$manifest\""
  same "$name POST" "$(status -X POST "$api/made/image/blobs/uploads/")" 202
  same "$name PUT" "$(status -X PUT --data-binary @config.json -H 'Content-Type: application/octet-stream' "$(header location)&digest=$config")" 201
  same "$name manifest" "$(status -X PUT --data-binary @manifest.json -H "Content-Type: $type" "$api/made/image/manifests/1")" 201
  same "$name there" "$(status -H "Accept: $type" -H "$known" "$api/made/image/manifests/$manifest")" 304
  same "$name DELETE" "$(status -X DELETE "$api/made/image/manifests/$manifest")" 202
  for repository in made/image never/was; do
    where=$api/$repository/manifests/$manifest
    same "$name $repository" "$(status -H "Accept: $type" "$where")" 404
    same "$name $repository, known" "$(status -H "Accept: $type" -H "$known" "$where")" 304
    same "$name $repository, known, HEAD" "$(status -I -H "Accept: $type" -H "$known" "$where")" 304
    same "$name $repository, blob" "$(status -H "$known" "$api/$repository/blobs/$manifest")" 404
  done
  kill "$server"
  wait "$server" || true
  server=
done
echo "as recorded"
