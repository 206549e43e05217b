#!/usr/bin/env bash
# stereoscope 0.1.11 (Go module; what syft and grype read images with), `oci-archive:` of an image for two platforms as
# BuildKit writes it: the archive's index.json names one index, and that the two images.
#
# Guess: the image of the platform that is asked for, as with skopeo 1.9.3 (Debian's package). Seen: `unexpected media type`,
# with a platform and without one, from a folder too. An archive whose index.json names one image is read.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
mkdir made
cat > made/go.mod <<'GO'
module made

go 1.25
GO
cat > made/main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/anchore/stereoscope"
)

func main() {
	var options []stereoscope.Option
	if len(os.Args) > 2 {
		options = append(options, stereoscope.WithPlatform(os.Args[2]))
	}
	image, err := stereoscope.GetImage(context.Background(), os.Args[1], options...)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(image.Layers), "layer")
	if err := image.Cleanup(); err != nil {
		panic(err)
	}
}
GO
(cd made && go get github.com/anchore/stereoscope@v0.1.11 && go mod tidy && go build -o ../read .) > go.txt 2>&1 || { cat go.txt; exit 1; }

python3 - <<'PY'
import gzip, hashlib, io, json, os, tarfile

oci = "application/vnd.oci.image."

def layout(name, *systems):
    os.makedirs(name + "/blobs/sha256")

    def blob(data, media_type, **more):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        digest = hashlib.sha256(data).hexdigest()
        open(f"{name}/blobs/sha256/{digest}", "wb").write(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data), **more}

    def image(system):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            entry = tarfile.TarInfo("system")
            entry.size = len(system)
            tar.addfile(entry, io.BytesIO(system.encode()))
        platform = {"architecture": system, "os": "linux"}
        diff_id = "sha256:" + hashlib.sha256(out.getvalue()).hexdigest()
        config = {**platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
        manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": blob(config, oci + "config.v1+json"),
                    "layers": [blob(gzip.compress(out.getvalue(), mtime=0), oci + "layer.v1.tar+gzip")]}
        return blob(manifest, oci + "manifest.v1+json", platform=platform)

    images = [image(system) for system in systems]
    if len(images) > 1:
        images = [blob({"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": images}, oci + "index.v1+json")]
    json.dump({"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": images}, open(name + "/index.json", "w"))
    json.dump({"imageLayoutVersion": "1.0.0"}, open(name + "/oci-layout", "w"))

layout("one", "amd64")
layout("both", "amd64", "arm64")
PY
for name in one both; do tar -cf $name.tar -C $name oci-layout index.json blobs; done
same "one" "$(./read oci-archive:one.tar)" "1 layer"
for words in "oci-archive:both.tar" "oci-archive:both.tar linux/arm64" "oci-dir:both linux/arm64"; do
  ./read $words > out.txt
  grep -q 'unexpected media type for sha256:[0-9a-f]*: application/vnd.oci.image.index.v1+json' out.txt || { echo "CHANGED $words: $(cat out.txt)"; exit 1; }
done
skopeo --override-arch arm64 --policy policy.json copy oci-archive:both.tar dir:by-skopeo > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
layer=$(python3 -c 'import json; print(json.load(open("by-skopeo/manifest.json"))["layers"][0]["digest"].split(":")[1])')
same "skopeo" "$(tar -xOzf "by-skopeo/$layer" system)" arm64
echo "as recorded"
