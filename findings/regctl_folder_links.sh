#!/usr/bin/env bash
# regctl 0.11.7 (Go module), a folder with links given to `regctl image mod --layer-add dir=FOLDER` and to
# `regctl artifact put --file FOLDER`.
#
# Guess: the links as they are, as GNU tar packs them, or an error. Seen, with exit code 0: every symbolic link has
# its own path for a target, `lib/link -> lib/link`, wherever it led before, so none leads anywhere; a file with two names is
# packed twice.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/regclient/regclient/cmd/regctl@v0.11.7
export REGCTL_CONFIG=$work/regctl.json DOCKER_CONFIG=$work/docker
mkdir -p folder/lib
echo hello > folder/lib/file.txt
ln folder/lib/file.txt folder/lib/hard
ln -s file.txt folder/lib/link
ln -s /usr/bin/env folder/absolute

cat > make.py <<'PY'
import hashlib, json, os

os.makedirs("image/blobs/sha256")
oci = "application/vnd.oci.image."

def blob(value, media_type, **more):
    data = json.dumps(value).encode()
    digest = hashlib.sha256(data).hexdigest()
    open("image/blobs/sha256/" + digest, "wb").write(data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data), **more}

config = blob({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}, oci + "config.v1+json")
manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": config, "layers": []}
named = blob(manifest, manifest["mediaType"], annotations={"org.opencontainers.image.ref.name": "1"})
json.dump({"schemaVersion": 2, "manifests": [named]}, open("image/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("image/oci-layout", "w"))
PY
python3 make.py
./regctl image mod ocidir://image:1 --create layer --layer-add dir=folder > out.txt
./regctl artifact put --artifact-type application/vnd.made --file folder ocidir://image:artifact > out.txt

links() { # TAG: the links of its one layer
  ./regctl manifest get "ocidir://image:$1" --format body > manifest.json
  ./regctl blob get ocidir://image "$(python3 -c 'import json; print(json.load(open("manifest.json"))["layers"][0]["digest"])')" > layer.tar.gz
  python3 -c 'import tarfile; print([(t.name, t.linkname) for t in tarfile.open("layer.tar.gz") if t.issym() or t.islnk()])'
  python3 -c 'import tarfile; print(sorted((t.name, t.size) for t in tarfile.open("layer.tar.gz") if t.isreg()))'
}
for tag in layer artifact; do
  same "$tag" "$(links $tag)" "[('absolute', 'absolute'), ('lib/link', 'lib/link')]
[('lib/file.txt', 6), ('lib/hard', 6)]"
done
echo "as recorded"
