#!/usr/bin/env bash
# buildah 1.28.2 and podman 4.3.1 (Debian's packages), an image whose OCI manifest has a layer of Docker's gzip type, as docker
# 29 saves what it has built with its classic builder.
#
# Guess: what `podman pull` takes, and runs, `buildah from` takes as well, and so it is with an OCI type, and with Docker's where
# the manifest is Docker's. Seen: `buildah from` fetches all of it and fails, "unsupported MIME type for compression",
# from a registry's image as from an archive.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

podman --version | grep -q ' 4\.3\.1' || { echo "needs podman 4.3.1"; exit 1; }
buildah --version | grep -q ' 1\.28\.2' || { echo "needs buildah 1.28.2"; exit 1; }
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > policy.json
cat > make.py <<'PYTHON'
import gzip, hashlib, io, json, os, sys, tarfile

folder, manifest_type, config_type, layer_type = sys.argv[1:]
os.makedirs(f"{folder}/blobs/sha256")

def put(data, media_type):
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{folder}/blobs/sha256/{digest}", "wb") as file:
        file.write(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

plain = io.BytesIO()
with tarfile.open(fileobj=plain, mode="w") as tar:
    info = tarfile.TarInfo("hello.txt")
    info.size = 6
    tar.addfile(info, io.BytesIO(b"hello\n"))
diff_id = "sha256:" + hashlib.sha256(plain.getvalue()).hexdigest()
layer = put(gzip.compress(plain.getvalue(), mtime=0), layer_type)
config = put(json.dumps({
    "architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]},
}).encode(), config_type)
manifest = put(json.dumps({
    "schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": [layer],
}).encode(), manifest_type)
with open(f"{folder}/index.json", "w") as file:
    json.dump({"schemaVersion": 2, "manifests": [manifest]}, file)
with open(f"{folder}/oci-layout", "w") as file:
    file.write('{"imageLayoutVersion":"1.0.0"}')
PYTHON
oci=application/vnd.oci.image
docker=application/vnd.docker
layer=$docker.image.rootfs.diff.tar.gzip
python3 make.py oci $oci.manifest.v1+json $oci.config.v1+json $oci.layer.v1.tar+gzip
python3 make.py docker $docker.distribution.manifest.v2+json $docker.container.image.v1+json $layer
python3 make.py mixed $oci.manifest.v1+json $oci.config.v1+json $layer
seen() { # PROGRAM STORE ARGUMENT...
  local store=(--storage-driver vfs --root "$work/$2" --runroot "$work/run-$2")
  if "$1" "${store[@]}" "${@:3}" > out.txt 2> err.txt; then echo taken
  else grep -o 'unsupported MIME type for compression' err.txt || cat err.txt; fi
}
for layout in oci docker mixed; do
  echo "$layout: podman pull $(seen podman "p-$layout" pull --signature-policy policy.json "oci:$layout")"
  echo "$layout: buildah from $(seen buildah "b-$layout" from --signature-policy policy.json "oci:$layout")"
done > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
oci: podman pull taken
oci: buildah from taken
docker: podman pull taken
docker: buildah from taken
mixed: podman pull taken
mixed: buildah from unsupported MIME type for compression
SEEN
echo "as recorded"
