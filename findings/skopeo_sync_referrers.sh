#!/usr/bin/env bash
# skopeo 1.9.3 (Debian's package), `skopeo sync` of a repository of distribution 3.1.2 (Go module) with one image, to which
# oras 1.3.6 has attached an SBOM and a signature.
#
# Distribution has no referrers API, so the list of both is an index under the tag `sha256-...`. Guess: the synced
# repository has it, too. Seen, with exit code 0 and `Synced 2 images`: the image keeps its digest, and under the tag of
# the list is one of its artifacts; the other one has not been copied. `oras discover` of the synced image lists nothing
# and ends well. With `--all` both are found.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install oras.land/oras/cmd/oras@v1.3.6
go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > config.yml <<YML
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $work/store } }
http: { addr: "127.0.0.1:$port" }
YML
OTEL_TRACES_EXPORTER=none ./registry serve config.yml > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done

printf hello > file.txt
tar -cf layer.tar file.txt
echo sbom > sbom.txt
echo signature > signature.txt
image=127.0.0.1:$port/image
./crane append --oci-empty-base -f layer.tar -t "$image:1" > out.txt 2>&1
for kind in sbom signature; do ./oras attach --plain-http --artifact-type application/vnd.made.$kind "$image:1" $kind.txt > out.txt; done
sync() { skopeo --policy policy.json sync --src docker --dest docker --src-tls-verify=false --dest-tls-verify=false "$@" > out.txt 2>&1; }
referrers() { ./oras discover --plain-http --format json "$1" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["referrers"]))'; }
same "referrers of the source" "$(referrers "$image:1")" 2
list=$(./crane ls "$image" | grep '^sha256-')

sync "$image" "127.0.0.1:$port/synced"
grep -q 'Synced 2 images' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
synced=127.0.0.1:$port/synced/image
same "the image's digest" "$(./crane digest "$synced:1")" "$(./crane digest "$image:1")"
type='import json, sys; print(json.load(sys.stdin)["mediaType"])'
same "the list's type" "$(./crane manifest "$synced:$list" | python3 -c "$type")" application/vnd.oci.image.manifest.v1+json
same "referrers of the synced image" "$(referrers "$synced:1")" 0
there=0
for digest in $(./crane manifest "$image:$list" | python3 -c 'import json, sys; print(*(one["digest"] for one in json.load(sys.stdin)["manifests"]))'); do
  if ./crane manifest "$synced@$digest" > out.txt 2>&1; then there=$((there + 1)); fi
done
same "artifacts that were copied" $there 1

sync --all "$image" "127.0.0.1:$port/all"
same "referrers with --all" "$(referrers "127.0.0.1:$port/all/image:1")" 2
echo "as recorded"
