#!/usr/bin/env bash
# umoci 0.4.7 (Debian's package), `umoci insert` of a file into an image.
#
# Guess: a layer like those of `umoci repack`. Seen, with exit code 0: the layer's tar ends with the file's last byte,
# without the zeros that fill its block and without the two blocks that end an archive. GNU tar lists the file, `Unexpected
# EOF in archive`, exit code 2, and Python's tarfile raises `unexpected end of data`. crane 0.22.1 (Go module) reads it.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

umoci --version | grep -q 'version 0\.4\.7' || { echo "needs umoci 0.4.7"; exit 1; }
tar --version | grep -q 'GNU tar' || { echo "needs GNU tar"; exit 1; }
GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1

echo hello > file.txt
umoci init --layout image
umoci new --image image:1
umoci insert --rootless --image image:1 --tag inserted file.txt /made/file.txt
umoci unpack --rootless --image image:1 bundle > out.txt 2>&1
mkdir bundle/rootfs/made
cp file.txt bundle/rootfs/made/file.txt
umoci repack --image image:repacked bundle > out.txt 2>&1

layer() { # TAG: writes its last layer, unpacked, to TAG.tar
  umoci stat --image "image:$1" --json > stat.json
  python3 - "$1" <<'PY'
import gzip, json, sys

layer = json.load(open("stat.json"))["history"][-1]["layer"]["digest"]
open(sys.argv[1] + ".tar", "wb").write(gzip.open("image/blobs/" + layer.replace(":", "/")).read())
PY
}
layer repacked
same "length of repack's, by blocks" $(($(stat -c %s repacked.tar) % 512)) 0
tar -tf repacked.tar > out.txt
grep -q '^made/file.txt$' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }

layer inserted
same "the last bytes" "$(tail -c 6 inserted.tar)" hello
same "length of insert's, by blocks" $(($(stat -c %s inserted.tar) % 512)) 6
code=0
tar -tf inserted.tar > out.txt 2> err.txt || code=$?
same "GNU tar" "$code $(cat out.txt)" "2 made/file.txt"
grep -q 'Unexpected EOF in archive' err.txt || { echo "CHANGED: $(cat err.txt)"; exit 1; }
same "tarfile" "$(python3 -c '
import tarfile
try:
    print(tarfile.open("inserted.tar").getnames())
except tarfile.ReadError as error:
    print(error)')" "unexpected end of data"

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
python3 - <<'PY'
import json

index = json.load(open("image/index.json"))
index["manifests"] = [one for one in index["manifests"] if one["annotations"]["org.opencontainers.image.ref.name"] == "inserted"]
json.dump(index, open("image/index.json", "w"))
PY
./crane push image "127.0.0.1:$port/image:1" > out.txt 2>&1
same "crane" "$(./crane export "127.0.0.1:$port/image:1" - | tar -xOf - made/file.txt)" hello
echo "as recorded"
