#!/usr/bin/env bash
# podman 4.3.1 (Debian's package), `podman push --compression-format zstd:chunked` of an image whose layer is a tar of GNU
# tar; docker-registry 2.8 of Debian.
#
# Guess: what is inflated again is the layer, with the diff_id of the config, as it is with gzip and zstd. Seen: the zeros
# with which GNU tar fills the last record (10 KiB) are gone but for two blocks, so the diff_id of the config is that of
# another tar: containers/image 5.42 refuses to pull such an image, podman 4.3.1 does not look. A layer of podman's own
# build ends with two blocks, and does not change.
set -euo pipefail
work=$(mktemp -d)
registry=
trap '[ -z "$registry" ] || kill "$registry"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

podman --version | grep -q ' 4\.3\.1' || { echo "needs podman 4.3.1"; exit 1; }
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s/kept\nhttp:\n  addr: 127.0.0.1:%s\n' "$work" "$port" > registry.yml
docker-registry serve registry.yml > registry.log 2>&1 &
registry=$!
for _ in $(seq 100); do curl -s "127.0.0.1:$port/v2/" > out.txt && break; sleep 0.1; done
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
store=(--storage-driver vfs --root "$work/store" --runroot "$work/run")

echo hello > file.txt
tar --format=ustar -cf layer.tar file.txt
diff_id=$(sha256sum < layer.tar | cut -d ' ' -f 1)
printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$diff_id" > config.json
echo '[{"Config":"config.json","RepoTags":["made.test/app:1"],"Layers":["layer.tar"]}]' > manifest.json
tar -cf image.tar manifest.json config.json layer.tar
podman "${store[@]}" load --signature-policy policy.json -i image.tar > out.txt 2>&1 || { cat out.txt; exit 1; }
pushed() { # FORMAT: the length of the layer when it is inflated again, and whether it is the same
  podman "${store[@]}" push --signature-policy policy.json --tls-verify=false --format oci --compression-format "$1" \
    made.test/app:1 "127.0.0.1:$port/app:1" > out.txt 2>&1 || { cat out.txt; exit 1; }
  curl -s -H 'Accept: application/vnd.oci.image.manifest.v1+json' "127.0.0.1:$port/v2/app/manifests/1" > pushed.json
  layer=$(python3 -c 'import json; print(json.load(open("pushed.json"))["layers"][0]["digest"])')
  curl -s "127.0.0.1:$port/v2/app/blobs/$layer" > layer.bin
  zstd -dcq layer.bin > inflated.tar
  if cmp -s inflated.tar layer.tar; then echo "$(stat -c %s inflated.tar) same"; else echo "$(stat -c %s inflated.tar) another"; fi
}
same "the layer" "$(stat -c %s layer.tar)" 10240
same "zstd" "$(pushed zstd)" "10240 same"
# What the registry has already is not sent again, in whatever format.
podman "${store[@]}" rmi made.test/app:1 > out.txt 2>&1
rm -rf store run kept
podman "${store[@]}" load --signature-policy policy.json -i image.tar > out.txt 2>&1 || { cat out.txt; exit 1; }
same "zstd:chunked" "$(pushed zstd:chunked)" "2048 another"
same "the diff_id of the config" "$(curl -s "127.0.0.1:$port/v2/app/blobs/$(python3 -c 'import json; print(json.load(open("pushed.json"))["config"]["digest"])')" | grep -o "$diff_id")" "$diff_id"
echo "as recorded"
