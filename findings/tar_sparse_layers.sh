#!/usr/bin/env bash
# An OCI layout, and an unpacked `docker save`, whose one layer is a file with holes, packed with `tar -S` of GNU tar in its own
# format and in pax; skopeo 1.9.3 (Debian's package), crane 0.22.1 and containerd 2.4.2 (`archive.ImportIndex`, behind `ctr
# images import`; both Go modules).
#
# Guess: each reads all, or none. Seen: pax is read by all. Of GNU's format skopeo reads `docker-archive:`, and refuses
# `oci-archive:`, `unhandled tar header type 83`; containerd passes the layer over in silence, so that it is not found in the
# one, and the other is imported without it; crane reads it.
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
	"github.com/opencontainers/go-digest"
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
	ctx := namespaces.WithNamespace(context.Background(), "made")
	if _, err := archive.ImportIndex(ctx, store, file); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := store.Info(ctx, digest.Digest(os.Args[3])); err != nil {
		fmt.Println("imported without the layer")
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
    for name in "ab":
        content = bytes(500_000) + name.encode() * 10_000 + bytes(500_000)
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
layer = out.getvalue()
oci = "application/vnd.oci.image."
os.makedirs("oci/blobs/sha256")
os.makedirs("docker")

def write_with_holes(path):
    with open(path, "wb") as file:
        for at in range(0, len(layer), 4096):
            if any(layer[at:at + 4096]):
                file.seek(at)
                file.write(layer[at:at + 4096])
        file.truncate(len(layer))

def blob(data, media_type, **more):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    digest = hashlib.sha256(data).hexdigest()
    open(f"oci/blobs/sha256/{digest}", "wb").write(data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data), **more}

diff_id = "sha256:" + hashlib.sha256(layer).hexdigest()
config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": blob(config, oci + "config.v1+json"),
            "layers": [{"mediaType": oci + "layer.v1.tar", "digest": diff_id, "size": len(layer)}]}
index = {"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": [blob(manifest, oci + "manifest.v1+json")]}
json.dump(index, open("oci/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("oci/oci-layout", "w"))
write_with_holes("oci/blobs/" + diff_id.replace(":", "/"))
write_with_holes("docker/layer.tar")
json.dump(config, open("docker/config.json", "w"))
json.dump([{"Config": "config.json", "RepoTags": ["app:1"], "Layers": ["layer.tar"]}], open("docker/manifest.json", "w"))
open("diff_id", "w").write(diff_id)
PY
for kind in docker oci; do
  tar -S --format=gnu -cf $kind-gnu.tar -C $kind $(ls $kind)
  tar -S --format=posix -cf $kind-pax.tar -C $kind $(ls $kind)
  same "$kind is sparse" "$(($(stat -c %s $kind-gnu.tar) < 500000 && $(stat -c %s $kind-pax.tar) < 500000))" 1
done
layer=$(cat diff_id)
by_skopeo() {
  skopeo --policy policy.json copy "$1-archive:$1-$2.tar" "dir:by-skopeo-$1-$2" > out.txt 2>&1 && echo read || { grep -o 'unhandled tar header type [0-9]*' out.txt || cat out.txt; }
}
by_crane() { ./crane push --insecure "$1" "127.0.0.1:$port/app:1" > out.txt 2>&1 && echo read || cat out.txt; }
same "skopeo, docker, pax" "$(by_skopeo docker pax)" read
same "skopeo, oci, pax" "$(by_skopeo oci pax)" read
same "skopeo, docker, GNU" "$(by_skopeo docker gnu)" read
same "skopeo, oci, GNU" "$(by_skopeo oci gnu)" "unhandled tar header type 83"
same "crane, pax" "$(by_crane docker-pax.tar)" read
same "crane, GNU" "$(by_crane docker-gnu.tar)" read
same "containerd, docker, pax" "$(./import docker-pax.tar store-1 "$layer")" imported
same "containerd, oci, pax" "$(./import oci-pax.tar store-2 "$layer")" imported
same "containerd, docker, GNU" "$(./import docker-gnu.tar store-3 "$layer")" 'failed to resolve layers: layer "layer.tar" not found'
same "containerd, oci, GNU" "$(./import oci-gnu.tar store-4 "$layer")" "imported without the layer"
echo "as recorded"
