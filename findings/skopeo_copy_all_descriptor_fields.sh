#!/usr/bin/env bash
# skopeo 1.9.3 (Debian's package), `skopeo copy --all` from registry to registry of an index as `crane index append`
# (0.22.1, Go module) makes it.
#
# Nothing has to be converted. Guess: the copy has the digest of the original, as with `crane copy`. Seen: it has another,
# for the member `artifactType` of the descriptors, which crane writes for every image, is gone; the exit code is 0. With
# `--preserve-digests` nothing is copied, `Manifest list must be converted`. Without that member the digest stays.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
image=127.0.0.1:$port/made/image
copied=127.0.0.1:$port/copied/image
copy() { skopeo --policy policy.json copy --all --src-tls-verify=false --dest-tls-verify=false "$@" > out.txt 2>&1; }

printf hello > file.txt
tar -cf layer.tar file.txt
./crane append --oci-empty-base -f layer.tar -t "$image:one" > out.txt 2>&1
./crane index append -m "$image:one" -t "$image:index" > out.txt 2>&1
types='import json, sys; print([m.get("artifactType") for m in json.load(sys.stdin)["manifests"]])'
same "artifactType" "$(./crane manifest "$image:index" | python3 -c "$types")" "['application/vnd.oci.image.config.v1+json']"
copy "docker://$image:index" "docker://$copied:index" || { echo "CHANGED: $(cat out.txt)"; exit 1; }
same "artifactType of the copy" "$(./crane manifest "$copied:index" | python3 -c "$types")" "[None]"
[ "$(./crane digest "$copied:index")" != "$(./crane digest "$image:index")" ] || { echo "CHANGED: the digest stays"; exit 1; }
if copy --preserve-digests "docker://$image:index" "docker://$copied:kept"; then echo "CHANGED: digests are kept"; exit 1; fi
grep -q 'Manifest list must be converted' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }

./crane copy "$image:index" "127.0.0.1:$port/by-crane/image:index" > out.txt 2>&1
same "crane copy" "$(./crane digest "127.0.0.1:$port/by-crane/image:index")" "$(./crane digest "$image:index")"
copy "docker://$copied:index" "docker://$copied:again" || { echo "CHANGED: $(cat out.txt)"; exit 1; }
same "without the member" "$(./crane digest "$copied:again")" "$(./crane digest "$copied:index")"
echo "as recorded"
