#!/usr/bin/env bash
# crane 0.22.1 (Go module), `crane flatten` and `crane export` of an image that a later layer adds `lib/file` to, where `lib` is
# a link to `usr/lib` in the base (as in Debian's and Fedora's), and which has a path twice in a layer, as `tar -r` adds a newer
# file. umoci 0.4.7 (Debian's package) unpacks it: `usr/lib/file` is there, and the newer one.
#
# Guess: the same of what is flattened. Seen, with exit code 0: `lib/file` comes before the link `lib` in the tar, so that umoci
# puts the link in the folder's place and the file is gone, and tar says `Cannot create symlink`; of the path twice the older
# file is kept.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

umoci --version | grep -q ' 0\.4\.7' || { echo "needs umoci 0.4.7"; exit 1; }
export GOBIN=$work DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install oras.land/oras/cmd/oras@v1.3.6
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
image=127.0.0.1:$port/made/image

mkdir -p base/usr/lib added/lib
ln -s usr/lib base/lib
echo old > base/twice
tar -C base -cf base.tar usr lib twice
echo new > base/twice
tar -C base -rf base.tar twice
echo hello > added/lib/file
tar -C added -cf added.tar lib/file
./crane append --oci-empty-base -f base.tar -t "$image:base" > out.txt 2>&1
./crane append -b "$image:base" -f added.tar -t "$image:1" > out.txt 2>&1
./crane mutate "$image:1" --set-platform linux/amd64 -t "$image:1" > out.txt 2>&1
./crane flatten "$image:1" -t "$image:flat" > out.txt 2>&1

rootless=()
[ "$(id -u)" = 0 ] || rootless=(--rootless)
for tag in 1 flat; do
  ./oras cp --from-plain-http "$image:$tag" --to-oci-layout layout:$tag > out.txt
  umoci unpack "${rootless[@]}" --image layout:$tag bundle-$tag > out.txt 2>&1 || { cat out.txt; exit 1; }
done
files() { (cd "$1/rootfs" && find . -name file && cat twice); }
same "as it is" "$(files bundle-1)" "./usr/lib/file
new"
same "flattened" "$(files bundle-flat)" "old"

./crane export "$image:1" exported.tar
mkdir exported
if tar -xf exported.tar -C exported 2> err.txt; then echo "CHANGED: tar unpacks it"; exit 1; fi
grep -q 'lib: Cannot create symlink' err.txt || { echo "CHANGED: $(cat err.txt)"; exit 1; }
same "exported" "$(cat exported/twice)" old
echo "as recorded"
