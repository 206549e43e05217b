#!/usr/bin/env bash
# regctl 0.11.7 and oras 1.3.6 (Go modules), a layout of skopeo 1.9.3 (Debian's package) with two images named in full,
# `docker.io/made/one:1` and `docker.io/made/two:1`.
#
# Guess: both list two names and reach both images. Seen: regctl lists one name, `1`, takes the first image for it, and has
# no name for the second; oras lists both names and cannot use either (it takes the name's colon for the end of a path).
# skopeo itself reads both.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
GOBIN=$work go install oras.land/oras/cmd/oras@v1.3.6
GOBIN=$work go install github.com/regclient/regclient/cmd/regctl@v0.11.7
export REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json

for name in one two; do
  mkdir $name
  printf $name > $name/file.txt
  tar -cf $name/layer.tar -C $name file.txt
  printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$(sha256sum $name/layer.tar | cut -d ' ' -f 1)" > $name/config.json
  printf '[{"Config":"config.json","RepoTags":[],"Layers":["layer.tar"]}]' > $name/manifest.json
  tar -cf $name.tar -C $name manifest.json config.json layer.tar
  skopeo --policy policy.json copy docker-archive:$name.tar oci:layout:docker.io/made/$name:1 > out.txt 2>&1
done
digest() { python3 -c 'import json, sys; print(json.load(open("layout/index.json"))["manifests"][int(sys.argv[1])]["digest"])' "$1"; }
refused() { if "${@:2}" > out.txt 2>&1; then echo "CHANGED: $2 takes it"; exit 1; fi; grep -q "$1" out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }; }

same "regctl tag ls" "$(./regctl tag ls ocidir://layout)" 1
same "regctl image digest" "$(./regctl image digest ocidir://layout:1)" "$(digest 0)"
refused 'invalid path for scheme "ocidir"' ./regctl image digest ocidir://layout:docker.io/made/two:1
same "oras repo tags" "$(./oras repo tags --oci-layout layout | tr '\n' ' ')" "docker.io/made/one:1 docker.io/made/two:1 "
refused 'no such file or directory' ./oras manifest fetch --oci-layout layout:docker.io/made/two:1
same "oras by digest" "$(./oras manifest fetch --descriptor --oci-layout "layout@$(digest 1)" | grep -o 'sha256:[0-9a-f]*')" "$(digest 1)"
for name in one two; do
  skopeo --policy policy.json copy oci:layout:docker.io/made/$name:1 dir:by-skopeo-$name > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
done
same "skopeo" "sha256:$(sha256sum by-skopeo-two/manifest.json | cut -d ' ' -f 1)" "$(digest 1)"
echo "as recorded"
