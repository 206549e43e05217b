#!/usr/bin/env bash
# skopeo 1.9.3 and umoci 0.4.7 (Debian's packages), oras 1.3.6 and regctl 0.11.7 (Go modules): a tag such as `_x`, `v1_` or
# `a__b`, copied from a registry into a layout.
#
# A registry takes such tags (`[a-zA-Z0-9_][a-zA-Z0-9._-]*`), the names in a layout have another grammar. Guess: all four do
# the same. Seen: oras and regctl write the tag as it is and find it again; skopeo calls it invalid, to write and to read
# (`Invalid image _x`), and so does umoci, although `umoci ls` lists it. `v1.0-a` goes everywhere.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
umoci --version | grep -q ' 0\.4\.7' || { echo "needs umoci 0.4.7"; exit 1; }
GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
GOBIN=$work go install oras.land/oras/cmd/oras@v1.3.6
GOBIN=$work go install github.com/regclient/regclient/cmd/regctl@v0.11.7
export REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
./regctl registry set --tls disabled "127.0.0.1:$port" 2> out.txt
printf hello > file.txt
tar -cf layer.tar file.txt
image=127.0.0.1:$port/made/image
skopeo_copy() { skopeo --policy policy.json copy "$@" > out.txt 2>&1 && echo copied || grep -o 'Invalid image [^"\\]*' out.txt; }

for tag in v1.0-a _x v1_ a__b; do
  ./crane append --oci-empty-base -f layer.tar -t "$image:$tag" > out.txt 2>&1
  ./oras copy --from-plain-http --to-oci-layout "$image:$tag" "by-oras:$tag" > out.txt
  ./regctl image copy "$image:$tag" "ocidir://by-regctl:$tag" > out.txt 2>&1
  ./oras manifest fetch --oci-layout "by-regctl:$tag" > out.txt
  ./regctl manifest get "ocidir://by-oras:$tag" > out.txt
  umoci ls --layout by-oras > out.txt
  grep -qx -e "$tag" out.txt || { echo "CHANGED: umoci ls has no $tag"; exit 1; }
  case $tag in v1.0-a) skopeo=copied umoci=read ;; *) skopeo="Invalid image $tag" umoci="invalid characters: '$tag'" ;; esac
  same "skopeo to a layout, $tag" "$(skopeo_copy --src-tls-verify=false "docker://$image:$tag" "oci:by-skopeo:$tag")" "$skopeo"
  same "skopeo from a layout, $tag" "$(skopeo_copy "oci:by-oras:$tag" "dir:copied")" "$skopeo"
  same "umoci, $tag" "$(umoci stat --image "by-oras:$tag" > out.txt 2>&1 && echo read || grep -o 'invalid characters: .*' out.txt)" "$umoci"
done
echo "as recorded"
