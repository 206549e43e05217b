#!/usr/bin/env bash
# regshape 0.1.1 (PyPI), layouts of skopeo 1.9.3 (Debian's package) and oras 1.3.6 (Go module), and referrers.
#
# 1. skopeo's index.json has no `mediaType`, which image-spec leaves open. Guess: the layout is read. Seen: `Unknown manifest
#    mediaType : got ''`.
# 2. A layout of oras with an index of images. Guess: it is pushed, or `validate` says that it cannot be. Seen: it is valid, and
#    push ends with `is not an OCI Image Manifest : got ImageIndex`.
# 3. `referrer list` where the registry (crane 0.22.1, Go module) has no such API. Guess: what the tag `sha256-...` lists, as
#    oras does. Seen: `Manifest not found`, for an image that is there.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install oras.land/oras/cmd/oras@v1.3.6
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install regshape==0.1.1
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
image=127.0.0.1:$port/made/image
printf hello > file.txt
tar -cf layer.tar file.txt
{
  ./crane append --oci-empty-base -f layer.tar -t "$image:1"
  ./crane index append -m "$image:1" -t "$image:index"
  ./oras attach --plain-http --artifact-type application/vnd.made.sbom "$image:1" file.txt
  ./oras copy --from-plain-http --to-oci-layout "$image:index" by-oras:index
  skopeo --policy policy.json copy --src-tls-verify=false "docker://$image:1" oci:by-skopeo:1
  ./oras discover --plain-http "$image:1"
} > out.txt 2>&1 || { cat out.txt; exit 1; }
grep -q application/vnd.made.sbom out.txt

regshape() { venv/bin/regshape --insecure "$@" > out.txt 2>&1; }
refused() {
  local text=$1
  shift
  ! regshape "$@" && grep -q "$text" out.txt || { echo "CHANGED $*: $(cat out.txt)"; exit 1; }
}
refused "Unknown manifest mediaType : got ''" layout push --path by-skopeo --dest "127.0.0.1:$port/made/one"
regshape layout validate --path by-oras || { echo "CHANGED: $(cat out.txt)"; exit 1; }
refused "is not an OCI Image Manifest : got ImageIndex" layout push --path by-oras --dest "127.0.0.1:$port/made/two"
digest=$(./crane digest "$image:1")
regshape manifest info --image-ref "$image@$digest" || { cat out.txt; exit 1; }
refused "Manifest not found" referrer list --image-ref "$image@$digest"
echo "as recorded"
