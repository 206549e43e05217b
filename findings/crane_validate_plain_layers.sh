#!/usr/bin/env bash
# crane 0.22.1 (Go module), `crane validate --remote`: an image whose layer is not compressed.
#
# Guess: Docker's type `...rootfs.diff.tar` and OCI's `...layer.v1.tar` are plain tars, and the image is valid. Seen:
# "validating layers: gzip: invalid header" for both, while `crane pull` takes either image, and `--fast` calls it valid.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/v2/" > out.txt && break; sleep 0.1; done

base=http://127.0.0.1:$port/v2/made/image
sha() { echo "sha256:$(sha256sum "$1" | cut -d ' ' -f 1)"; }
put_blob() { curl -sf -X POST --data-binary "@$1" "$base/blobs/uploads/?digest=$(sha "$1")" -o out.txt; }
echo content > file
tar -cf layer.tar file
printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["%s"]}}' "$(sha layer.tar)" > config.json
put_blob layer.tar
put_blob config.json
put_manifest() { # NAME TYPE CONFIG-TYPE LAYER-TYPE
  printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"%s","size":%d,"digest":"%s"},"layers":[{"mediaType":"%s","size":%d,"digest":"%s"}]}' \
    "$2" "$3" "$(stat -c %s config.json)" "$(sha config.json)" "$4" "$(stat -c %s layer.tar)" "$(sha layer.tar)" > manifest.json
  curl -sf -X PUT -H "Content-Type: $2" --data-binary @manifest.json "$base/manifests/$1" -o out.txt
}
docker=application/vnd.docker
put_manifest docker $docker.distribution.manifest.v2+json $docker.container.image.v1+json $docker.image.rootfs.diff.tar
oci=application/vnd.oci.image
put_manifest oci $oci.manifest.v1+json $oci.config.v1+json $oci.layer.v1.tar

for kind in docker oci; do
  image=127.0.0.1:$port/made/image:$kind
  same "validate $kind" "$(./crane validate --remote "$image" 2>&1 | head -1)" "FAIL: $image: validating layers: gzip: invalid header"
  same "fast $kind" "$(./crane validate --fast --remote "$image" 2>&1)" "PASS: $image"
  ./crane pull "$image" "$kind.tar"
done
echo "as recorded"
