#!/usr/bin/env bash
# udocker 1.3.17 (PyPI), `udocker create` of an OCI archive whose second layer deletes a file at the root and one in a folder.
#
# Guess: both are gone, as with crane 0.22.1 (Go module). Seen, with exit code 0: the one in the folder is gone, and the one at the
# root is there: a whiteout is looked for as `*/.wh.*`, and layers as builders write them have paths without a `./` in front.
# And `udocker load` of what skopeo 1.9.3 (Debian's package) writes as `docker-archive:` ends well, but no container can be
# made of it, `getting layers or json`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work DOCKER_CONFIG=$work/docker UDOCKER_DIR=$work/udocker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install udocker==1.3.17
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
mkdir -p one/folder two/folder
touch one/root.txt one/kept.txt one/folder/file.txt two/.wh.root.txt two/folder/.wh.file.txt
tar -C one -cf one.tar root.txt kept.txt folder
tar -C two -cf two.tar .wh.root.txt folder
./crane append --oci-empty-base -f one.tar,two.tar -t made/image:1 -o image.tar > out.txt 2>&1
[ "$(./crane export - - < image.tar | tar -t | grep txt)" = kept.txt ] || { echo "CHANGED: crane"; exit 1; }
for kind in oci-archive docker-archive; do skopeo --policy policy.json copy -q docker-archive:image.tar $kind:$kind.tar:made/image:1; done

udocker() { venv/bin/udocker --allow-root "$@" 2> err.txt; }
udocker load -i oci-archive.tar > out.txt || { cat out.txt err.txt; exit 1; }
name=$(tail -1 out.txt | tr -d "[]'")
container=$(udocker create "$name" | tail -1)
seen=$(cd "udocker/containers/$container/ROOT" && find . -type f | sort | tr '\n' ' ')
[ "$seen" = "./kept.txt ./root.txt " ] || { echo "CHANGED: $seen"; exit 1; }
udocker load -i docker-archive.tar > out.txt || { cat out.txt err.txt; exit 1; }
! udocker create "$(tail -1 out.txt)" > out.txt || { echo "CHANGED: created"; exit 1; }
grep -q 'getting layers or json' err.txt || { echo "CHANGED: $(cat err.txt)"; exit 1; }
echo "as recorded"
