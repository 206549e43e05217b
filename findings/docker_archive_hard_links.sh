#!/usr/bin/env bash
# An unpacked `docker save` packed again with GNU tar, where the layer that manifest.json names is the second name of a hard
# link: crane 0.22.1, containerd 2.4.2 (`archive.ImportIndex`, behind `ctr images import`), regctl 0.11.7 (Go modules) and
# skopeo 1.9.3 (Debian's package).
#
# Guess: the image, as with a file in its place. Seen: crane looks for the other name in the folder of the link, as if the
# link were symbolic; skopeo takes the link for an empty file, `Digest did not match`; containerd knows no such layer. A
# symbolic link in its place is read by crane and containerd, and gives skopeo a layer of another size than the 0 bytes that
# it expects. regctl reads both.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
mkdir made
cat > made/go.mod <<'GO'
module made

go 1.25
GO
cat > made/main.go <<'GO'
package main

import (
	"context"
	_ "crypto/sha256"
	"fmt"
	"os"

	"github.com/containerd/containerd/v2/core/images/archive"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/log"
)

func main() {
	log.SetLevel("error")
	store, err := local.NewStore(os.Args[2])
	if err != nil {
		panic(err)
	}
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	if _, err := archive.ImportIndex(namespaces.WithNamespace(context.Background(), "made"), store, file); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("imported")
}
GO
(cd made && go get github.com/containerd/containerd/v2@v2.4.2 && go mod tidy && go build -o ../import .) > go.txt 2>&1 || { cat go.txt; exit 1; }
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json

python3 - <<'PY'
import hashlib, io, json, os, tarfile

out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w") as tar:
    entry = tarfile.TarInfo("a.txt")
    entry.size = 16
    tar.addfile(entry, io.BytesIO(os.urandom(16)))
layer = out.getvalue()
rootfs = {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}
for kind in ("hard", "soft"):
    os.makedirs(kind + "/cache")
    os.makedirs(kind + "/layers")
    open(kind + "/cache/a.tar", "wb").write(layer)
    if kind == "hard":
        os.link("hard/cache/a.tar", "hard/layers/a.tar")
    else:
        os.symlink("../cache/a.tar", "soft/layers/a.tar")
    json.dump({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}, open(kind + "/config.json", "w"))
    json.dump([{"Config": "config.json", "RepoTags": ["app:1"], "Layers": ["layers/a.tar"]}], open(kind + "/manifest.json", "w"))
PY
for kind in soft hard; do tar -cf $kind.tar -C $kind cache layers config.json manifest.json; done
tell() { "$@" > out.txt 2>&1 && echo taken || { grep -q "$words" out.txt && echo "$words" || cat out.txt; }; }
try() {
  words="file layers/cache/a.tar not found in tar" && same "crane, $1" "$(tell ./crane push --insecure $1.tar "127.0.0.1:$port/$1/app:1")" "$2"
  words=$3 && same "skopeo, $1" "$(tell skopeo --policy policy.json copy docker-archive:$1.tar "dir:by-skopeo-$1")" "$3"
  same "containerd, $1" "$(./import $1.tar store-$1)" "$4"
  same "regctl, $1" "$(tell ./regctl image import "ocidir://by-regctl-$1" $1.tar)" taken
}
try soft taken "expected 0, got 10240" imported
try hard "file layers/cache/a.tar not found in tar" "Digest did not match" 'failed to resolve layers: layer "layers/a.tar" not found'
layer=$(./regctl manifest get ocidir://by-regctl-hard --format '{{(index .Layers 0).Digest}}')
same "regctl's layer" "$(gzip -dc "by-regctl-hard/blobs/${layer/://}" | cmp - hard/cache/a.tar && echo whole)" whole
echo "as recorded"
