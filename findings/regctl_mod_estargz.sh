#!/usr/bin/env bash
# regctl 0.11.7 (Go module), `regctl image mod` that changes an eStargz layer: `--layer-strip-file` and `--layer-compress zstd`.
#
# The layer's annotation `containerd.io/snapshot/stargz/toc.digest` tells that it can be read in parts, and by which table.
# Guess: the annotation goes, as with skopeo 1.9.3 (Debian's package), or follows. Seen, with exit code 0: it stays as it
# was on layers that estargz 0.19.1 (Go module) cannot open. The stripped one has the old table as a file,
# which names the file that is gone.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
GOBIN=$work go install github.com/regclient/regclient/cmd/regctl@v0.11.7
export REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
mkdir made
cat > made/go.mod <<'GO'
module made

go 1.24
GO
cat > made/main.go <<'GO'
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/containerd/stargz-snapshotter/estargz"
)

func main() {
	data, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	section := io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data)))
	if os.Args[1] == "open" {
		_, err := estargz.Open(section)
		fmt.Println(err == nil)
		return
	}
	blob, err := estargz.Build(section)
	if err != nil {
		panic(err)
	}
	built, err := io.ReadAll(blob)
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile("layer.esgz", built, 0o644); err != nil {
		panic(err)
	}
	fmt.Println(blob.TOCDigest(), blob.DiffID())
}
GO
(cd made && go get github.com/containerd/stargz-snapshotter/estargz@v0.19.1 && go mod tidy && go build -o ../estargz .) > go.txt 2>&1 || { cat go.txt; exit 1; }

mkdir files
echo kept > files/kept.txt
echo secret > files/gone.txt
tar -cf layer.tar files
read -r toc diff_id <<< "$(./estargz build layer.tar)"
cat > make.py <<'PY'
import hashlib, json, os, sys

toc, diff_id = sys.argv[1:]
os.makedirs("image/blobs/sha256")
oci = "application/vnd.oci.image."

def blob(data, media_type, **more):
    digest = hashlib.sha256(data).hexdigest()
    open("image/blobs/sha256/" + digest, "wb").write(data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data), **more}

config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
layer = blob(open("layer.esgz", "rb").read(), oci + "layer.v1.tar+gzip", annotations={"containerd.io/snapshot/stargz/toc.digest": toc})
manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": blob(json.dumps(config).encode(), oci + "config.v1+json"),
            "layers": [layer]}
named = blob(json.dumps(manifest).encode(), manifest["mediaType"], annotations={"org.opencontainers.image.ref.name": "1"})
json.dump({"schemaVersion": 2, "manifests": [named]}, open("image/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("image/oci-layout", "w"))
PY
python3 make.py "$toc" "$diff_id"
./regctl image mod ocidir://image:1 --create stripped --layer-strip-file files/gone.txt > out.txt
./regctl image mod ocidir://image:1 --create zstd --layer-compress zstd > out.txt
skopeo --policy policy.json copy --dest-compress --dest-compress-format zstd oci:image:1 oci:by-skopeo:1 > out.txt 2>&1

layer() { # REFERENCE: writes the layer to layer.blob, prints the digest of its table
  ./regctl manifest get "ocidir://$1" --format body > manifest.json
  ./regctl blob get "ocidir://${1%:*}" "$(python3 -c 'import json; print(json.load(open("manifest.json"))["layers"][0]["digest"])')" > layer.blob
  python3 -c 'import json; print(json.load(open("manifest.json"))["layers"][0].get("annotations", {}).get("containerd.io/snapshot/stargz/toc.digest"))'
}
same "the image's table" "$(layer image:1)" "$toc"
same "the image is opened" "$(./estargz open layer.blob)" true
for tag in zstd stripped; do
  same "$tag, the table" "$(layer image:$tag)" "$toc"
  same "$tag is opened" "$(./estargz open layer.blob)" false
done
same "files" "$(tar -tzf layer.blob | grep '^files/.*txt')" files/kept.txt
tar -xOzf layer.blob stargz.index.json | grep -q gone.txt || { echo "CHANGED: the table does not name it"; exit 1; }
same "skopeo, the table" "$(layer by-skopeo:1)" None
echo "as recorded"
