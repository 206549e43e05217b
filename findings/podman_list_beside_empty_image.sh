#!/usr/bin/env bash
# podman 4.3.1 and buildah 1.28.2 (Debian's packages), a manifest list that `podman manifest create` has just made, beside an
# image of `FROM scratch`, LABEL and COPY, built with `--layers`.
#
# The step of the LABEL leaves an untagged image without a layer, and a list has none either. Guess: `podman images` lists
# the image and the list, as it does before the build. Seen: it lists nothing at all and fails, `no image found in manifest
# list`, and so do `podman image prune` and `buildah images`, until the list is removed. An image whose first step has a
# layer does no harm.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

podman --version | grep -q ' 4\.3\.1' || { echo "needs podman 4.3.1"; exit 1; }
buildah --version | grep -q ' 1\.28\.2' || { echo "needs buildah 1.28.2"; exit 1; }
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
store=(--storage-driver vfs --root "$work/store" --runroot "$work/run")
mkdir context
echo hello > context/file.txt
build() { # NAME STEP...
  printf '%s\n' 'FROM scratch' "${@:2}" > context/Dockerfile
  podman "${store[@]}" build --signature-policy policy.json --layers -t "$1" context > out.txt 2>&1 || { cat out.txt; exit 1; }
}
names() { podman "${store[@]}" images --format '{{.Repository}}' > out.txt 2> err.txt && grep -v none out.txt | sort | tr '\n' ' '; }
refused() {
  if "$1" "${store[@]}" "${@:2}" > out.txt 2>&1; then echo "CHANGED: $* ends well"; exit 1; fi
  grep -q 'no image found in manifest list' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
}

podman "${store[@]}" manifest create made/list:1 > out.txt
build made/copied:1 'COPY file.txt /file.txt' 'LABEL a=b'
same "before" "$(names)" "localhost/made/copied localhost/made/list "
build made/labelled:1 'LABEL a=b' 'COPY file.txt /file.txt'
refused podman images
refused podman image prune --force
refused buildah images
podman "${store[@]}" manifest rm made/list:1 > out.txt
same "without the list" "$(names)" "localhost/made/copied localhost/made/labelled "
echo "as recorded"
