#!/usr/bin/env bash
# undocker 7 (PyPI), which unpacks the layers of what `docker save` wrote; here archives as docker 20 and 25 write them.
#
# Guess: `undocker FILE` unpacks the image in FILE, as `undocker < FILE` does. Seen:
# - FILE is also taken for the image's name: an archive with the image app:1 is read if it is called `app:1`, and not as
#   `saved.tar`, though it has no other;
# - a folder that a later layer makes anew, an opaque whiteout, still has its old files;
# - an archive of docker 25 has no `json` beside each layer, and ends in a `KeyError`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

python3 -m venv python
python/bin/pip install --quiet undocker==7 > pip.txt 2>&1 || { cat pip.txt; exit 1; }

python3 - <<'PY'
import hashlib, io, json, tarfile

def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()

def as_json(value):
    return json.dumps(value).encode()

def sha256(data):
    return hashlib.sha256(data).hexdigest()

layers = [tar({"kept/a": b"a", "gone/a": b"a", "gone/b": b"b"}), tar({"kept/.wh.a": b"", "kept/b": b"b", "gone/.wh..wh..opq": b"", "gone/b": b"b"})]
config = as_json({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(each) for each in layers]}})

old = {"1" * 64: {}, "2" * 64: {"parent": "1" * 64}}
files = {sha256(config) + ".json": config}
for (name, more), layer in zip(old.items(), layers):
    files.update({f"{name}/VERSION": b"1.0", f"{name}/json": as_json({"id": name, **more}), f"{name}/layer.tar": layer})
paths = [f"{name}/layer.tar" for name in old]
files["manifest.json"] = as_json([{"Config": sha256(config) + ".json", "RepoTags": ["app:1"], "Layers": paths}])
files["repositories"] = as_json({"app": {"1": "2" * 64}})
for name in ("saved.tar", "app:1"):
    open(name, "wb").write(tar(files))

blob = lambda data: "blobs/sha256/" + sha256(data)
files = {blob(each): each for each in [config, *layers]}
files["manifest.json"] = as_json([{"Config": blob(config), "RepoTags": ["app:1"], "Layers": [blob(each) for each in layers]}])
files["repositories"] = as_json({"app": {"1": sha256(layers[-1])}})
open("saved25.tar", "wb").write(tar(files))
PY

unpack() { # FOLDER ARGUMENTS...
  if python/bin/undocker --output "$@" > out.txt 2>&1; then
    (cd "$1" && find . -type f | LC_ALL=C sort | tr '\n' ' ')
  else
    tail -n 1 out.txt | grep -oE '^KeyError|failed to find image.*' || cat out.txt
  fi
}
files="./gone/a ./gone/b ./kept/b "
same "standard input" "$(unpack one < saved.tar)" "$files"
same "a file" "$(unpack two saved.tar)" "failed to find image saved.tar with tag latest"
same "a file named like the image" "$(unpack three app:1)" "$files"
same "docker 25" "$(unpack four < saved25.tar)" KeyError
echo "as recorded"
