#!/usr/bin/env bash
# container-inspector 33.1.0 (PyPI), which finds an image's layers for scanners and squashes them into one folder.
#
# Guess: a folder in the layout of OCI, an archive as docker 29 saves it and one with plain layers are read alike. Seen:
# - no OCI layout is read, `KeyError: 'mediatype'`: it looks for a key in lower case;
# - an archive of docker 29 neither: the gzip layer "does not match" its diff_id, which is of the tar inside;
# - with plain layers a whiteout for `a.wh.b` deletes the file `b`, and `a.wh.b` stays: what counts is the last `.wh.`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

python3 -m venv python
python/bin/pip install --quiet container-inspector==33.1.0 commoncode==33.0.0 > pip.txt 2>&1 || { cat pip.txt; exit 1; }

cat > make.py <<'PY'
import gzip, hashlib, io, json, os, sys, tarfile

folder, packed = sys.argv[1], sys.argv[2] == "gzip"
oci = "application/vnd.oci.image."
os.makedirs(f"{folder}/blobs/sha256")

def blob(data, media_type, **more):
    digest = hashlib.sha256(data).hexdigest()
    open(f"{folder}/blobs/sha256/{digest}", "wb").write(data)
    return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data), **more}

def as_json(value):
    return json.dumps(value).encode()

def tar(*names):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO(b""))
    return out.getvalue()

def write(name, value):
    open(f"{folder}/{name}", "wb").write(as_json(value))

tars = [tar("dir/a", "dir/b", "dir/a.wh.b"), tar("dir/.wh.a.wh.b")]
diff_ids = ["sha256:" + hashlib.sha256(each).hexdigest() for each in tars]
rootfs = {"type": "layers", "diff_ids": diff_ids}
config = blob(as_json({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}), oci + "config.v1+json")
layers = [blob(gzip.compress(each, mtime=0), oci + "layer.v1.tar+gzip") if packed else blob(each, oci + "layer.v1.tar") for each in tars]
manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": config, "layers": layers}
entry = blob(as_json(manifest), oci + "manifest.v1+json")
path = lambda each: "blobs/" + each["digest"].replace(":", "/")
if sys.argv[3] == "docker":
    write("manifest.json", [{"Config": path(config), "RepoTags": ["app:1"], "Layers": [path(each) for each in layers]}])
write("index.json", {"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": [entry]})
write("oci-layout", {"imageLayoutVersion": "1.0.0"})
PY
python3 make.py layout gzip oci
python3 make.py docker29 gzip docker
python3 make.py plain plain docker

squash() {
  mkdir "$1-out"
  if python/bin/container_inspector_squash "$1" "$1-out" > out.txt 2>&1; then
    (cd "$1-out" && find . -type f | LC_ALL=C sort | tr '\n' ' ')
  else
    grep -o "^KeyError.*" out.txt || grep -o '^its "diff_id"' out.txt || cat out.txt
  fi
}
same "OCI layout" "$(squash layout)" "KeyError: 'mediatype'"
same "docker 29" "$(squash docker29)" 'its "diff_id"'
same "plain layers" "$(squash plain)" "./dir/a ./dir/a.wh.b "
echo "as recorded"
