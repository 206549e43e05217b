#!/usr/bin/env bash
# buildah 1.28.2 (Debian's package), `buildah build --layers` of `FROM BASE` and two COPY, pushed.
#
# Guess: the annotation `org.opencontainers.image.base.digest` tells the base's digest, as it does without `--layers`.
# Seen: it is the digest of the image before the last step, which was never pushed anywhere, beside the base's true name.
# So `crane rebase` (0.22.1, Go module), which goes by the two, asks for it in the base's repository and gets 404.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

buildah --version | grep -q ' 1\.28\.2' || { echo "needs buildah 1.28.2"; exit 1; }
GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
echo '{}' > auth.json
export REGISTRY_AUTH_FILE=$work/auth.json
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
here=127.0.0.1:$port
build() { buildah --storage-driver vfs --root "$work/store" --runroot "$work/run" "$@" > out.txt 2>&1 || { cat out.txt; exit 1; }; }

mkdir context
for name in old new first second; do printf $name > context/$name; done
for name in old new; do
  tar -cf $name.tar -C context $name
  ./crane append --oci-empty-base -f $name.tar -t "$here/base:$name" > out.txt 2>&1
done
printf 'FROM %s/base:old\nCOPY first /first\nCOPY second /second\n' "$here" > context/Dockerfile
for name in plain layers; do
  build bud --signature-policy policy.json --tls-verify=false --layers=$([ $name = layers ] && echo true || echo false) -t $name context
  build push --signature-policy policy.json --tls-verify=false localhost/$name "docker://$here/$name:1"
done
told() { ./crane manifest "$here/$1:1" | python3 -c "import json, sys; print(json.load(sys.stdin)['annotations']['org.opencontainers.image.base.$2'])"; }
base=$(./crane digest "$here/base:old")
same "name" "$(told layers name)" "$here/base:old"
same "digest without layers" "$(told plain digest)" "$base"
[ "$(told layers digest)" != "$base" ] || { echo "CHANGED: it tells the base's digest"; exit 1; }
if ./crane rebase "$here/layers:1" --new_base "$here/base:new" -t "$here/layers:rebased" > out.txt 2>&1; then echo "CHANGED: it is rebased"; exit 1; fi
grep -q "/base/manifests/$(told layers digest): MANIFEST_UNKNOWN" out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
echo "as recorded"
