#!/usr/bin/env bash
# dive 0.13.1 (Go module), an OCI archive as skopeo 1.9.3 (Debian's package) writes it, with an image of two layers: the second
# one replaces a file of the first.
#
# 1. Guess: the layers in the order of the manifest. Seen, with exit code 0: either order, another one from run to run, for it does
#    not read the manifest and takes what blobs are tars. The figure of wasted space is that of the order. From the same
#    image as `docker save` writes it the order is always right.
# 2. `--json FILE` over an older, longer file. Guess: the new text. Seen: the end of the old one stays behind it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/wagoodman/dive@v0.13.1
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
mkdir one two
echo first > one/file.txt
echo "the second" > two/file.txt
for layer in one two; do tar -C $layer -cf $layer.tar file.txt; done
./crane append --oci-empty-base -f one.tar,two.tar -t made:1 -o docker.tar > out.txt 2>&1
skopeo --policy policy.json copy -q docker-archive:docker.tar oci-archive:oci.tar:made:1

sizes() {
  rm -f out.json
  ./dive --json out.json "docker-archive://$1" > out.txt 2>&1 || { cat out.txt; exit 1; }
  python3 -c 'import json; print(*(layer["sizeBytes"] for layer in json.load(open("out.json"))["layer"]))'
}
for _ in $(seq 40); do
  sizes docker.tar >> docker.txt
  sizes oci.tar >> oci.txt
done
[ "$(sort -u docker.txt)" = "6 11" ] || { echo "CHANGED docker.tar: $(sort docker.txt | uniq -c)"; exit 1; }
[ "$(sort -u oci.txt | tr '\n' ',')" = "11 6,6 11," ] || { echo "CHANGED oci.tar: $(sort oci.txt | uniq -c)"; exit 1; }

head -c 100000 /dev/zero | tr '\0' x > out.json
./dive --json out.json docker-archive://docker.tar > out.txt 2>&1
[ "$(wc -c < out.json)" = 100000 ] || { echo "CHANGED: the file has $(wc -c < out.json) bytes"; exit 1; }
echo "as recorded"
