#!/usr/bin/env bash
# dockerlens-py 0.2.0 (PyPI), `DiffEngine.compare` of two images as `docker save` gives them.
#
# Guess: the files of the last layer count, and what is deleted is gone. Seen:
# - images saved by docker 25 or newer have no `layer.tar`, so whatever is in them they do not differ;
# - the layers of older ones are put on top of each other by the names of their folders, which are digests: of a file in two
#   layers the older one may count;
# - of a deleted folder the files are still there.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
python/bin/pip install --quiet dockerlens-py==0.2.0 > pip.txt 2>&1 || { cat pip.txt; exit 1; }

cat > compare.py <<'PY'
import hashlib, io, json, tarfile
from dockerlens.diff import DiffEngine

def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()

class Image:
    """What the Docker SDK's image is here: its layers, the lowest first, come out of save()."""

    def __init__(self, paths, layers):
        config = json.dumps({"rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(each).hexdigest() for each in layers]}})
        manifest = json.dumps([{"Config": "config.json", "RepoTags": ["app:1"], "Layers": paths}])
        self.bytes = tar({**dict(zip(paths, layers)), "config.json": config.encode(), "manifest.json": manifest.encode()})

    def save(self):
        yield self.bytes

def old(folders, *layers):
    return Image([f"{each * 64}/layer.tar" for each in folders], layers)

def new(*layers):
    return Image(["blobs/sha256/" + hashlib.sha256(each).hexdigest() for each in layers], layers)

def told(one, other):
    return [f"{each.change_type} {each.path} {each.size_before} {each.size_after}" for each in DiffEngine(one, other).compare()]

small, large = tar({"dir/file": b"1"}), tar({"dir/file": b"12345"})
print("saved by docker 20", told(old("a", small), old("b", large)))
print("saved by docker 25", told(new(small), new(large)))
print("large above small", told(old("a", small), old("ab", small, large)))
print("the same, other names", told(old("a", small), old("ba", small, large)))
print("file deleted", told(old("a", small), old("ab", small, tar({"dir/.wh.file": b""}))))
print("folder deleted", told(old("a", small), old("ab", small, tar({".wh.dir": b""}))))
PY
python/bin/python compare.py > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
saved by docker 20 ['modified /dir/file 1 5']
saved by docker 25 []
large above small ['modified /dir/file 1 5']
the same, other names []
file deleted ['removed /dir/file 1 None']
folder deleted []
SEEN
echo "as recorded"
