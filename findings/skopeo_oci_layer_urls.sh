#!/usr/bin/env bash
# skopeo 1.9.3 (Debian's package), an OCI layout with a layer that also says in `urls` where it can be had, as image-spec
# allows for any descriptor; the layer is in the layout.
#
# Guess: the layer is read from the layout, so a copy needs no network. Seen: it is fetched from its `urls` alone, and where
# nobody answers there the copy fails, although the blob lies beside. umoci 0.4.7 (Debian's
# package) reads it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
umoci --version | grep -q ' 0\.4\.7' || { echo "needs umoci 0.4.7"; exit 1; }
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json

python3 - <<'PY'
import gzip, hashlib, io, json, os, tarfile

out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w") as tar:
    tar.addfile(tarfile.TarInfo("hello"))
diff_id = "sha256:" + hashlib.sha256(out.getvalue()).hexdigest()

def make(folder, members):
    os.makedirs(folder + "/blobs/sha256")

    def blob(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        open(f"{folder}/blobs/sha256/{digest}", "wb").write(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    kind = "application/vnd.oci.image."
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    layer = blob(gzip.compress(out.getvalue(), mtime=0), kind + "layer.v1.tar+gzip")
    manifest = {"schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
        "config": blob(json.dumps(config).encode(), kind + "config.v1+json"), "layers": [{**layer, **members}]}
    named = {**blob(json.dumps(manifest).encode(), manifest["mediaType"]),
        "annotations": {"org.opencontainers.image.ref.name": "one"}}
    json.dump({"schemaVersion": 2, "manifests": [named]}, open(folder + "/index.json", "w"))
    json.dump({"imageLayoutVersion": "1.0.0"}, open(folder + "/oci-layout", "w"))

make("plain", {})
# Port 1 of the machine itself: nobody answers.
make("urls", {"urls": ["http://127.0.0.1:1/layer"]})
PY

copy() {
  skopeo --policy policy.json copy "oci:$1:one" "dir:$1-out" > out.txt 2>&1 && echo copied ||
    grep -oE 'failed fetching external blob from all urls' out.txt
}
same "without urls" "$(copy plain)" copied
same "with urls" "$(copy urls)" "failed fetching external blob from all urls"
umoci unpack --rootless --image urls:one bundle > out.txt 2>&1 || { echo "CHANGED umoci: $(cat out.txt)"; exit 1; }
[ -e bundle/rootfs/hello ] || { echo "CHANGED: umoci has not unpacked it"; exit 1; }
echo "as recorded"
