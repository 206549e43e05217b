#!/usr/bin/env bash
# skopeo 1.9.3 (Debian's package), `skopeo copy docker-archive:FILE dir:FOLDER` of what `docker save` writes, whose layers are
# not compressed.
#
# Guess: plain layers with the type of plain ones, or compressed ones. Seen: the layers are plain and the manifest types them
# as `...rootfs.diff.tar.gzip`, so that who unpacks a layer by its type fails, as `gzip -t` does. From there to `oci:` they
# are compressed, and the types are right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
python3 - <<'PY'
import hashlib, io, json, tarfile

def pack(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()

layer = pack({"hello": b"hello\n"})
diff_id = hashlib.sha256(layer).hexdigest()
config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + diff_id]}}).encode()
name = hashlib.sha256(config).hexdigest() + ".json"
manifest = [{"Config": name, "RepoTags": ["app:1"], "Layers": [diff_id + "/layer.tar"]}]
image = {diff_id + "/layer.tar": layer, name: config, "manifest.json": json.dumps(manifest).encode()}
open("image.tar", "wb").write(pack(image))
PY
policy=(--insecure-policy)
skopeo "${policy[@]}" copy -q docker-archive:image.tar dir:folder
skopeo "${policy[@]}" copy -q dir:folder oci:layout:1

layers() { # FOLDER-OF-BLOBS MANIFEST: type and first bytes of each layer
  python3 - "$@" <<'PY'
import json, sys

for layer in json.load(open(sys.argv[2]))["layers"]:
    data = open(f"{sys.argv[1]}/{layer['digest'].removeprefix('sha256:')}", "rb").read()
    print(layer["mediaType"].removeprefix("application/vnd."), "gzip" if data[:2] == b"\x1f\x8b" else "plain")
PY
}
same dir "$(layers folder folder/manifest.json)" "docker.image.rootfs.diff.tar.gzip plain"
manifest=$(python3 -c 'import json; print(json.load(open("layout/index.json"))["manifests"][0]["digest"].split(":")[1])')
same oci "$(layers layout/blobs/sha256 "layout/blobs/sha256/$manifest")" "oci.image.layer.v1.tar+gzip gzip"
echo "as recorded"
