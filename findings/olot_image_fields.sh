#!/usr/bin/env bash
# olot 1.2.1 (PyPI), `olot FOLDER model.bin`, which adds a layer to the images of an OCI layout.
#
# Guess: the image with one more layer. Seen:
# - an image whose config has no `history`, which the image spec lets it omit: refused, `history lists 1 non-empty layers`, and by
#   then its config has been renamed, so that the layout has lost the image that it held;
# - Healthcheck, Shell and OnBuild of Docker's images are dropped from the config;
# - `os.version` and `os.features` are written as `os_version` and `os_features`, in the config and in the index;
# - a layout beside whose image is an artifact with a JSON list for its layer: refused, AttributeError.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

python3 -m venv python
python/bin/pip install -q olot==1.2.1 > pip.txt 2>&1 || { cat pip.txt; exit 1; }
cat > make.py <<'PY'
import hashlib, io, json, os, tarfile

OCI = "application/vnd.oci.image."


def layout(folder, config, platform=None, artifact=False):
    os.makedirs(folder + "/blobs/sha256")

    def blob(kind, data):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        digest = hashlib.sha256(data).hexdigest()
        open(f"{folder}/blobs/sha256/{digest}", "wb").write(data)
        return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(data)}

    def manifest(config, layer):
        return blob(OCI + "manifest.v1+json", {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": config, "layers": [layer]})

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("a.txt")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"text\n"))
    layer = blob(OCI + "layer.v1.tar", out.getvalue())
    rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
    listed = manifest(blob(OCI + "config.v1+json", {**config, "rootfs": rootfs}), layer)
    if platform:
        listed = blob(OCI + "index.v1+json", {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [{**listed, "platform": platform}]})
    listed = [{**listed, "annotations": {"org.opencontainers.image.ref.name": "1"}}]
    if artifact:
        listed.append(manifest(blob("application/vnd.oci.empty.v1+json", {}), blob("application/json", [1])))
    json.dump({"schemaVersion": 2, "manifests": listed}, open(folder + "/index.json", "w"))
    json.dump({"imageLayoutVersion": "1.0.0"}, open(folder + "/oci-layout", "w"))


linux = {"architecture": "amd64", "os": "linux"}
windows = {"architecture": "amd64", "os": "windows", "os.version": "10.0.20348.1", "os.features": ["win32k"]}
history = {"history": [{"created_by": "made"}]}
docker = {"Env": ["A=1"], "Healthcheck": {"Test": ["CMD", "true"]}, "Shell": ["/bin/sh", "-ec"], "OnBuild": ["RUN true"]}
layout("plain", {**linux, "config": docker, **history})
layout("no-history", linux)
layout("windows", {**windows, **history}, windows)
layout("artifact", {**linux, **history}, artifact=True)
PY
python3 make.py
cat > read.py <<'PY'
import json, sys

folder, what = sys.argv[1:]


def blob(descriptor):
    return json.load(open(folder + "/blobs/sha256/" + descriptor["digest"][7:]))


listed = json.load(open(folder + "/index.json"))["manifests"][0]
platform = None
if "index" in listed["mediaType"]:
    listed = blob(listed)["manifests"][0]
    platform = sorted(listed["platform"])
manifest = blob(listed)
try:
    config = blob(manifest["config"])
except FileNotFoundError:
    config = None
print({"layers": len(manifest["layers"]), "config": config and config.get("config"), "fields": config and sorted(config), "platform": platform}[what])
PY
echo model > model.bin
add() { code=0; python/bin/olot "$1" model.bin > out.txt 2>&1 || code=$?; same "$1's exit code" "$code" "$2"; }

add plain 0
same "layers" "$(python3 read.py plain layers)" 2
same "the part of the config for containers" "$(python3 read.py plain config)" "{'Env': ['A=1']}"
same "the config before" "$(python3 read.py no-history fields)" "['architecture', 'os', 'rootfs']"
add no-history 1
grep -q 'ValueError: history lists 1 non-empty layers, but there are 2 layers in the image manifest' out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
same "the config after" "$(python3 read.py no-history fields)" None
add windows 0
same "fields of the config" "$(python3 read.py windows fields)" "['architecture', 'history', 'os', 'os_features', 'os_version', 'rootfs']"
same "fields of the platform" "$(python3 read.py windows platform)" "['architecture', 'os', 'os_features', 'os_version']"
add artifact 1
grep -q "AttributeError: 'list' object has no attribute 'get'" out.txt || { echo "CHANGED: $(cat out.txt)"; exit 1; }
echo "as recorded"
