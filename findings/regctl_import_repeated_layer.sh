#!/usr/bin/env bash
# regctl 0.11.7 (Go module), `regctl image import` of a saved image that has one layer twice, as skopeo 1.9.3 (Debian's
# package) writes it: manifest.json names the same file for both, which docker, podman and crane read.
#
# Guess: both layers are in the image, or a message. Seen: exit 0, and in the new manifest the first of them has no media
# type, no digest and the size 0, so what is imported can neither be exported nor copied: `invalid checksum digest format`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
export GOBIN=$work REGCTL_CONFIG=$work/regctl.json
go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/regclient/regclient/cmd/regctl@v0.11.7
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json

# A layout whose image has a layer, another one, and the first one again.
python3 - <<'PY'
import hashlib, io, json, os, tarfile

os.makedirs("layout/blobs/sha256")

def blob(data, media_type):
    digest = hashlib.sha256(data).hexdigest()
    open(f"layout/blobs/sha256/{digest}", "wb").write(data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

def layer(name):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    return blob(out.getvalue(), "application/vnd.oci.image.layer.v1.tar")

one, two = layer("one"), layer("two")
layers = [one, two, one]
config = {"architecture": "amd64", "os": "linux",
    "rootfs": {"type": "layers", "diff_ids": [it["digest"] for it in layers]}}
manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"), "layers": layers}
json.dump({"schemaVersion": 2, "manifests": [blob(json.dumps(manifest).encode(), manifest["mediaType"])]},
    open("layout/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("layout/oci-layout", "w"))
PY
skopeo --policy policy.json copy oci:layout docker-archive:saved.tar:made/image:1 > out.txt 2>&1

files=$(tar -xOf saved.tar manifest.json | python3 -c '
import json, sys
one, two, again = json.load(sys.stdin)[0]["Layers"]
print(one == again, one == two)')
same "the first file is the third" "$files" "True False"
skopeo inspect docker-archive:saved.tar > out.txt
same "layers for skopeo" "$(python3 -c 'import json; print(len(json.load(open("out.txt"))["Layers"]))')" 3
./crane validate --tarball saved.tar > out.txt 2>&1 || { echo "CHANGED crane: $(cat out.txt)"; exit 1; }

./regctl image import ocidir://made:1 saved.tar > out.txt 2>&1 || { echo "CHANGED import: $(cat out.txt)"; exit 1; }
layers=$(./regctl manifest get ocidir://made:1 --format raw-body | python3 -c '
import json, sys
print([(it["mediaType"], it["digest"], it["size"]) == ("", "", 0) for it in json.load(sys.stdin)["layers"]])')
same "layers of nothing" "$layers" "[True, False, False]"
if ./regctl image export ocidir://made:1 again.tar > out.txt 2>&1; then echo "CHANGED: it is exported"; exit 1; fi
grep -q 'invalid checksum digest format' out.txt || { echo "CHANGED export: $(cat out.txt)"; exit 1; }
echo "as recorded"
