#!/usr/bin/env bash
# regctl 0.11.7 (Go module), `regctl image mod IMAGE --create OTHER` where the image is already as it should be.
#
# The help has this form for converting an image into another registry. Guess: OTHER is IMAGE, changed or not. Seen when
# nothing is left to change (`--to-oci` of an image with OCI types, `--layer-compress gzip` of gzip, an `--env` that it
# has): OTHER is printed, the exit code is 0, and nothing is written. A new tag does not exist afterwards, and a tag that
# was there still names the image that it named before.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/regclient/regclient/cmd/regctl@v0.11.7
export REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker

printf '{"architecture":"amd64","os":"linux","config":{"Env":["A=1"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
  "$(head -c 1024 /dev/zero | sha256sum | cut -d ' ' -f 1)" > config.json
head -c 1024 /dev/zero > layer.tar
printf '[{"Config":"config.json","RepoTags":null,"Layers":["layer.tar"]}]' > manifest.json
tar -cf image.tar manifest.json config.json layer.tar
./regctl image import ocidir://layout:docker image.tar > out.txt
./regctl image mod ocidir://layout:docker --create ocidir://layout:oci --to-oci > out.txt
./regctl image mod ocidir://layout:oci --create ocidir://layout:other --label a=b > out.txt
same tags "$(./regctl tag ls ocidir://layout | tr '\n' ' ')" "docker oci other "
other=$(./regctl image digest ocidir://layout:other)
[ "$other" != "$(./regctl image digest ocidir://layout:oci)" ]

number=0
for change in --to-oci "--layer-compress gzip" "--env A=1"; do
  number=$((number + 1))
  same "$change" "$(./regctl image mod ocidir://layout:oci --create "ocidir://layout:new$number" $change)" "ocidir://layout:new$number"
  ./regctl image mod ocidir://layout:oci --create ocidir://layout:other $change > out.txt
  same "$change, a tag that exists" "$(./regctl image digest ocidir://layout:other)" "$other"
done
same "tags after it" "$(./regctl tag ls ocidir://layout | tr '\n' ' ')" "docker oci other "
echo "as recorded"
