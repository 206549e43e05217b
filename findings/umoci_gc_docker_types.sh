#!/usr/bin/env bash
# umoci 0.4.7 (Debian's package), `umoci gc` of an OCI layout whose manifest has Docker's media type, as
# `crane pull --format=oci` writes it for an image that a registry holds in Docker's format.
#
# umoci lists the tag. Guess: gc keeps what the tag needs, or refuses a manifest that it cannot read. Seen: it keeps
# the manifest alone, deletes its config and its layer, and ends with exit code 0. With OCI's types all three stay.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

umoci --version | grep -q 'version 0\.4\.7' || { echo "needs umoci 0.4.7"; exit 1; }

make_layout() { # FOLDER MANIFEST_TYPE CONFIG_TYPE LAYER_TYPE
  python3 - "$@" <<'PY'
import gzip, hashlib, io, json, os, sys, tarfile

folder, manifest_type, config_type, layer_type = sys.argv[1:]
os.makedirs(folder + "/blobs/sha256")

def blob(data, media_type):
    digest = hashlib.sha256(data).hexdigest()
    open(f"{folder}/blobs/sha256/{digest}", "wb").write(data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

def save(name, value):
    json.dump(value, open(f"{folder}/{name}", "w"))

out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w") as archive:
    entry = tarfile.TarInfo("file")
    entry.size = 3
    archive.addfile(entry, io.BytesIO(b"abc"))
diff_id = "sha256:" + hashlib.sha256(out.getvalue()).hexdigest()
config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
manifest = {
    "schemaVersion": 2,
    "mediaType": manifest_type,
    "config": blob(json.dumps(config).encode(), config_type),
    "layers": [blob(gzip.compress(out.getvalue(), mtime=0), layer_type)],
}
entry = blob(json.dumps(manifest).encode(), manifest_type)
entry["annotations"] = {"org.opencontainers.image.ref.name": "one"}
save("oci-layout", {"imageLayoutVersion": "1.0.0"})
save("index.json", {"schemaVersion": 2, "manifests": [entry]})
PY
}

oci=application/vnd.oci.image
docker=application/vnd.docker
make_layout oci $oci.manifest.v1+json $oci.config.v1+json $oci.layer.v1.tar+gzip
make_layout docker $docker.distribution.manifest.v2+json $docker.container.image.v1+json $docker.image.rootfs.diff.tar.gzip

for folder in oci docker; do
  same "$folder tags" "$(umoci ls --layout $folder)" one
  same "$folder before" "$(ls $folder/blobs/sha256 | wc -l)" 3
  umoci gc --layout $folder > out.txt 2>&1 || { echo "CHANGED $folder: gc fails"; exit 1; }
done
same "oci after" "$(ls oci/blobs/sha256 | wc -l)" 3
same "docker after" "$(ls docker/blobs/sha256 | wc -l)" 1
same "docker tags after" "$(umoci ls --layout docker)" one
echo "as recorded"
