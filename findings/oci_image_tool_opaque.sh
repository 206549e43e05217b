#!/usr/bin/env bash
# oci-image-tool 1.0.0~rc2+really.rc1 (Debian's package), the tool of the OCI's image specification, `oci-image-tool unpack`, beside
# umoci 0.4.7 (Debian's package).
#
# Guess: behind an opaque whiteout the folder has what the same layer puts there, as the specification says and umoci does. Seen:
# what the layers below have put there is still there, exit code 0, and `oci-image-tool validate` finds the image valid.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

dpkg-query -W -f '${Version}\n' oci-image-tool 2> err.txt | grep -q '^1\.0\.0~rc2+really\.rc1' || { echo "needs oci-image-tool 1.0.0~rc1"; exit 1; }
umoci --version | grep -q ' 0\.4\.7' || { echo "needs umoci 0.4.7"; exit 1; }
mkdir -p first/{a,b} second/b
echo text | tee first/a/old first/b/old > second/b/new
touch second/b/.wh..wh..opq
tar -C first -cf first.tar a b
tar -C second -cf second.tar b/.wh..wh..opq b/new
python3 - <<'PY'
import hashlib, json, os

OCI = "application/vnd.oci.image."
os.makedirs("image/blobs/sha256")


def blob(kind, data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    digest = hashlib.sha256(data).hexdigest()
    open("image/blobs/sha256/" + digest, "wb").write(data)
    return {"mediaType": OCI + kind, "digest": "sha256:" + digest, "size": len(data)}


layers = [blob("layer.v1.tar", open(name + ".tar", "rb").read()) for name in ("first", "second")]
rootfs = {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}
config = blob("config.v1+json", {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs})
manifest = blob("manifest.v1+json", {"schemaVersion": 2, "config": config, "layers": layers})
listed = {**manifest, "annotations": {"org.opencontainers.image.ref.name": "1"}}
json.dump({"schemaVersion": 2, "manifests": [listed]}, open("image/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("image/oci-layout", "w"))
PY
oci-image-tool validate --type image --ref name=1 image > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
oci-image-tool unpack --ref name=1 image by-tool > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
umoci unpack --rootless --image image:1 by-umoci > out.txt 2>&1 || { echo "CHANGED: $(cat out.txt)"; exit 1; }
files() { cd "$1" && find . -type f -printf '%P\n' | sort | xargs; }
same umoci "$(files by-umoci/rootfs)" "a/old b/new"
same oci-image-tool "$(files by-tool)" "a/old b/new b/old"
echo "as recorded"
