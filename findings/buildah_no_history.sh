#!/usr/bin/env bash
# buildah 1.28.2 (Debian's package) and an image whose config has no `history`, which the image spec lets it omit, beside umoci
# 0.4.7 (Debian's package).
#
# Guess: one can build on it. Seen: one layer on top is committed, with a history of one for three layers. What buildah has made so
# is no base for it any more, `internal error: history lists 2 non-empty layers, but we have 4 layers on disk`, and a Dockerfile
# with two instructions fails at the second with `--layers`. An image to which umoci has added the layer is none either.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

buildah --version | grep -q ' 1\.28\.2 ' || { echo "needs buildah 1.28.2"; exit 1; }
umoci --version | grep -q ' 0\.4\.7' || { echo "needs umoci 0.4.7"; exit 1; }
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
build() { buildah --root "$work/root" --runroot "$work/run" --storage-driver vfs "$@"; }
cat > make.py <<'PY'
import hashlib, io, json, os, tarfile

OCI = "application/vnd.oci.image."
os.makedirs("base/blobs/sha256")


def blob(kind, data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    digest = hashlib.sha256(data).hexdigest()
    open("base/blobs/sha256/" + digest, "wb").write(data)
    return {"mediaType": OCI + kind, "digest": "sha256:" + digest, "size": len(data)}


layers = []
for name in ("a", "b"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    layers.append(blob("layer.v1.tar", out.getvalue()))
rootfs = {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}
config = blob("config.v1+json", {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs})
manifest = blob("manifest.v1+json", {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": config, "layers": layers})
listed = {**manifest, "annotations": {"org.opencontainers.image.ref.name": "1"}}
json.dump({"schemaVersion": 2, "manifests": [listed]}, open("base/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("base/oci-layout", "w"))
PY
python3 make.py
echo text > c
history() { # how many layers and entries of its history an image has
  python3 - "$1" <<'PY'
import json, sys

blob = lambda digest: json.load(open(f"{sys.argv[1]}/blobs/sha256/{digest[7:]}"))
listed = json.load(open(sys.argv[1] + "/index.json"))["manifests"][-1]
config = blob(blob(listed["digest"])["config"]["digest"])
print(len(config["rootfs"]["diff_ids"]), len(config.get("history", [])))
PY
}
add() { # a file on top of an image, as another image
  code=0
  container=$(build from --signature-policy policy.json "oci:$1" 2> err.txt) || { cat err.txt; exit 1; }
  build copy "$container" c "/$2" > out.txt
  build commit --signature-policy policy.json "$container" "oci:$2:1" > out.txt 2>&1 || code=$?
}
refused() {
  same "$1's exit code" "$code" 125
  grep -q "internal error: history lists 2 non-empty layers, but we have 4 layers on disk" out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
}

same "layers and history of the base" "$(history base)" "2 0"
add base:1 once
same "exit code" "$code" 0
same "layers and history" "$(history once)" "3 1"
add once:1 twice
refused "a second time"

printf 'FROM oci:base:1\nCOPY c /c\nCOPY c /d\n' > Containerfile
code=0
build build --layers --signature-policy policy.json . > out.txt 2>&1 || code=$?
refused "two instructions"

umoci unpack --rootless --image base:1 bundle > out.txt 2>&1 || { cat out.txt; exit 1; }
cp c bundle/rootfs/c
umoci repack --image base:by-umoci bundle > out.txt 2>&1 || { cat out.txt; exit 1; }
same "layers and history from umoci" "$(history base)" "3 1"
add base:by-umoci on-umoci
refused "on umoci's"
echo "as recorded"
