#!/usr/bin/env bash
# regctl 0.11.7 (Go module), `regctl image mod --layer-strip-file a` of a layer with a file `a` and `b`, a hard link to it.
#
# Guess: `b` keeps the contents, or an error. Seen: `a` is gone, and `b` is left as a link to it, so its contents are in no
# layer any more. The exit code is 0; umoci 0.4.7 (Debian's package) cannot unpack the image, neither can GNU tar the layer.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

umoci --version | grep -q ' 0\.4\.7' || { echo "needs umoci 0.4.7"; exit 1; }
GOBIN=$work go install github.com/regclient/regclient/cmd/regctl@v0.11.7
export REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker

printf hello > a
ln a b
tar -cf layer.tar a b
printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
  "$(sha256sum layer.tar | cut -d ' ' -f 1)" > config.json
printf '[{"Config":"config.json","RepoTags":null,"Layers":["layer.tar"]}]' > manifest.json
tar -cf image.tar manifest.json config.json layer.tar
./regctl image import ocidir://layout:docker image.tar > out.txt
./regctl image mod ocidir://layout:docker --create ocidir://layout:whole --to-oci > out.txt
./regctl image mod ocidir://layout:whole --create ocidir://layout:stripped --layer-strip-file a > out.txt

umoci unpack --rootless --image layout:whole whole > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
same whole "$(cat whole/rootfs/b)" hello
layer=$(./regctl manifest get ocidir://layout:stripped --format body | python3 -c 'import json, sys; print(json.load(sys.stdin)["layers"][0]["digest"][7:])')
entries='import sys, tarfile; print([(m.name, m.linkname) for m in tarfile.open(sys.argv[1])])'
same stripped "$(python3 -c "$entries" "layout/blobs/sha256/$layer")" "[('b', 'a')]"
if umoci unpack --rootless --image layout:stripped stripped > out.txt 2>&1; then echo "CHANGED: umoci unpacks it"; exit 1; fi
grep -q 'unpack entry: b: link: .* no such file or directory' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
mkdir unpacked
if tar -xf "layout/blobs/sha256/$layer" -C unpacked 2> out.txt; then echo "CHANGED: tar unpacks it"; exit 1; fi
echo "as recorded"
