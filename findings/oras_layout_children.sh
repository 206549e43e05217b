#!/usr/bin/env bash
# oras 1.3.6 (Go module), `oras backup` and `oras cp --to-oci-layout` of an index of three images, read by skopeo 1.9.3 and
# podman 4.3.1 (Debian's packages).
#
# Guess: index.json names what was asked for, the index, as in the layouts of crane, regctl and skopeo. Seen: it names each
# image of the index as well, without a name, and in another order from run to run, so that two backups of one image are
# different files. For skopeo without a name, and for `podman load`, which has none, that is `more than one image in oci`.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
podman --version | grep -q ' 4\.3\.1' || { echo "needs podman 4.3.1"; exit 1; }
export GOBIN=$work REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
go install oras.land/oras/cmd/oras@v1.3.6
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
./regctl registry set --tls disabled "127.0.0.1:$port"
image=127.0.0.1:$port/made/image

tar -cf layer.tar server.log
./crane append --oci-empty-base -f layer.tar -t "$image:one" > out.txt 2>&1
for architecture in amd64 arm64 s390x; do
  ./crane mutate "$image:one" --set-platform "linux/$architecture" -t "$image:$architecture" > out.txt 2>&1
done
./crane index append -m "$image:amd64" -m "$image:arm64" -m "$image:s390x" -t "$image:1" > out.txt 2>&1

./oras cp --from-plain-http "$image:1" --to-oci-layout by-oras:1 > out.txt
./oras backup --plain-http "$image:1" --output backup.tar > out.txt
mkdir backup
tar -xf backup.tar -C backup
./crane pull --format oci "$image:1" by-crane
./regctl image copy "$image:1" ocidir://by-regctl:1 > out.txt
skopeo --policy policy.json copy --all --src-tls-verify=false "docker://$image:1" oci:by-skopeo:1 > out.txt 2>&1
named='import json, sys; m = json.load(open(sys.argv[1] + "/index.json"))["manifests"]; print(len(m), sum("annotations" in one for one in m))'
for layout in by-crane by-regctl by-skopeo; do
  same "$layout" "$(python3 -c "$named" $layout | cut -d ' ' -f 1)" 1
done
for layout in by-oras backup; do same "$layout" "$(python3 -c "$named" $layout)" "4 1"; done

copy() { skopeo --policy policy.json copy --all "$1" dir:copied > out.txt 2>&1; }
copy oci:by-oras:1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
if copy oci:by-oras; then echo "CHANGED: skopeo needs no name"; exit 1; fi
grep -q 'more than one image in oci' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
if podman --root "$work/store" --runroot "$work/run" --storage-driver vfs load --signature-policy policy.json -i backup.tar > out.txt 2>&1; then
  echo "CHANGED: podman loads it"; exit 1
fi
grep -q 'more than one image in oci' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }

for i in $(seq 20); do
  ./oras backup --plain-http "$image:1" --output "again$i" > out.txt
  sha256sum < "again$i/index.json"
done | sort -u > orders.txt
[ "$(wc -l < orders.txt)" -gt 1 ] || { echo "CHANGED: the order stays"; exit 1; }
echo "as recorded"
