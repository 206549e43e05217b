#!/usr/bin/env bash
# regctl 0.11.7 (Go module), `regctl image get-file` of an image with links, with a path twice in one layer, and with a folder
# that a later layer replaces by a file.
#
# Guess: what a container of the image has under that path, as umoci 0.4.7 (Debian's package) unpacks it, or an error. Seen,
# with exit code 0: a symbolic and a hard link are empty files; of a path twice in one layer, as `tar -r` adds a newer file,
# the older one comes; and a file in the replaced folder, which no container has, comes as if it were there.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

umoci --version | grep -q ' 0\.4\.7' || { echo "needs umoci 0.4.7"; exit 1; }
GOBIN=$work go install github.com/regclient/regclient/cmd/regctl@v0.11.7
export REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
mkdir -p files/folder
cd files
echo real > file
ln -s file symbolic
ln file hard
echo within > folder/within
echo old > twice
tar -cf ../one.tar file symbolic hard folder twice
echo new > twice
tar -rf ../one.tar twice
rm -r folder
echo replaced > folder
tar -cf ../two.tar folder
cd ..

cat > make.py <<'PY'
import gzip, hashlib, json, os

os.makedirs("image/blobs/sha256")
oci = "application/vnd.oci.image."

def blob(data, media_type, **more):
    digest = hashlib.sha256(data).hexdigest()
    open("image/blobs/sha256/" + digest, "wb").write(data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data), **more}

tars = [open(name, "rb").read() for name in ["one.tar", "two.tar"]]
diff_ids = ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]
config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": blob(json.dumps(config).encode(), oci + "config.v1+json"),
            "layers": [blob(gzip.compress(tar), oci + "layer.v1.tar+gzip") for tar in tars]}
named = blob(json.dumps(manifest).encode(), manifest["mediaType"], annotations={"org.opencontainers.image.ref.name": "1"})
json.dump({"schemaVersion": 2, "manifests": [named]}, open("image/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("image/oci-layout", "w"))
PY
python3 make.py
rootless=()
[ "$(id -u)" = 0 ] || rootless=(--rootless)
umoci unpack "${rootless[@]}" --image image:1 bundle > out.txt 2>&1 || { cat out.txt; exit 1; }
unpacked() { if [ -f "bundle/rootfs/$1" ]; then cat "bundle/rootfs/$1"; else echo none; fi; }
got() { ./regctl image get-file ocidir://image:1 "$1"; }
for path in file symbolic hard twice folder folder/within; do echo "$path: $(unpacked $path) | $(got $path)"; done > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
file: real | real
symbolic: real | 
hard: real | 
twice: new | old
folder: replaced | replaced
folder/within: none | within
SEEN
echo "as recorded"
