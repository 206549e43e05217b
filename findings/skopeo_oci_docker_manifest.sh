#!/usr/bin/env bash
# skopeo 1.9.3 (Debian's package), an OCI layout whose manifest has Docker's media type, as `crane pull --format=oci` writes
# it for an image that a registry holds in Docker's format.
#
# Guess: `oci:layout:one` is the image with the name "one", or a message about its type. Seen: "no descriptor found for
# reference "one"", while `oci:layout` without a name reads that same manifest.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
python3 - <<'PY'
import gzip, hashlib, io, json, os, tarfile

out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w") as tar:
    entry = tarfile.TarInfo("hello")
    entry.size = 6
    tar.addfile(entry, io.BytesIO(b"hello\n"))
diff_id = "sha256:" + hashlib.sha256(out.getvalue()).hexdigest()

def make(folder, manifest_type, config_type, layer_type):
    os.makedirs(folder + "/blobs/sha256")

    def blob(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        open(f"{folder}/blobs/sha256/{digest}", "wb").write(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    manifest = {"schemaVersion": 2, "mediaType": manifest_type,
        "config": blob(json.dumps(config).encode(), config_type),
        "layers": [blob(gzip.compress(out.getvalue(), mtime=0), layer_type)]}
    named = {**blob(json.dumps(manifest).encode(), manifest_type),
        "annotations": {"org.opencontainers.image.ref.name": "one"}}
    json.dump({"schemaVersion": 2, "manifests": [named]}, open(folder + "/index.json", "w"))
    json.dump({"imageLayoutVersion": "1.0.0"}, open(folder + "/oci-layout", "w"))

oci, docker = "application/vnd.oci.image.", "application/vnd.docker."
make("oci", oci + "manifest.v1+json", oci + "config.v1+json", oci + "layer.v1.tar+gzip")
make("docker", docker + "distribution.manifest.v2+json", docker + "container.image.v1+json",
    docker + "image.rootfs.diff.tar.gzip")
PY
inspect() { skopeo inspect --format '{{.Os}}' "oci:$1" 2>&1 | grep -oE 'no descriptor found for reference|^linux$' || true; }
same "OCI, by name" "$(inspect oci:one)" linux
same "Docker, without a name" "$(inspect docker)" linux
same "Docker, by name" "$(inspect docker:one)" "no descriptor found for reference"
echo "as recorded"
