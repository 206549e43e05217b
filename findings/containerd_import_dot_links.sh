#!/usr/bin/env bash
# containerd 2.4.2 (Go module; `archive.ImportIndex`, behind `ctr images import`), a `docker save` of docker 20 with one layer
# twice, the second a symbolic link to the first, unpacked and packed again with `tar -cf app.tar .`: names begin with `./`.
#
# Guess: the image, as from the same files under names without `./`, and as from such a tar without a link. Seen: `layer
# "two/layer.tar" not found`. skopeo 1.9.3 (Debian's package) and crane 0.22.1 (Go module) read all three.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
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
    entry.size = 5
    tar.addfile(entry, io.BytesIO(b"text\n"))
layer = out.getvalue()
rootfs = {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()] * 2}
for kind in ("links", "files"):
    os.makedirs(kind + "/one")
    os.makedirs(kind + "/two")
    open(kind + "/one/layer.tar", "wb").write(layer)
    if kind == "links":
        os.symlink("../one/layer.tar", "links/two/layer.tar")
    else:
        open("files/two/layer.tar", "wb").write(layer)
    json.dump({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}, open(kind + "/config.json", "w"))
    item = {"Config": "config.json", "RepoTags": ["app:1"], "Layers": ["one/layer.tar", "two/layer.tar"]}
    json.dump([item], open(kind + "/manifest.json", "w"))
PY
tar -cf names.tar -C links config.json manifest.json one two
tar -cf dot-links.tar -C links .
tar -cf dot-files.tar -C files .
same "without ./" "$(./import names.tar store-1)" imported
same "./ and files" "$(./import dot-files.tar store-2)" imported
same "./ and a link" "$(./import dot-links.tar store-3)" 'failed to resolve layers: layer "two/layer.tar" not found'
for name in names dot-files dot-links; do
  skopeo --policy policy.json copy docker-archive:$name.tar dir:by-skopeo-$name > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
  ./crane push --insecure $name.tar "127.0.0.1:$port/$name/app:1" > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
done
echo "as recorded"
