#!/usr/bin/env bash
# oci-squash 0.1.0 (PyPI), an image whose first layer has a file `notes.wh.txt` and whose second layer has another file.
#
# A whiteout is a name that begins with `.wh.`; this one holds it further on, so it is a file like any other. Guess: the
# squashed layer has both files. Seen: `notes.wh.txt` is gone, in silence: every name with `.wh.` in it is taken for a
# whiteout, that of `notestxt` here, and left out.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

python3 -m venv venv
venv/bin/pip --quiet --disable-pip-version-check install oci-squash==0.1.0
cat > make.py <<'PY'
import hashlib, io, json, tarfile

def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()

layers = [tar([("notes.wh.txt", b"notes"), ("notes.txt", b"notes")]), tar([("more.txt", b"more")])]
digests = [hashlib.sha256(layer).hexdigest() for layer in layers]
rootfs = {"type": "layers", "diff_ids": ["sha256:" + digest for digest in digests]}
history = [{"created_by": "first"}, {"created_by": "second"}]
config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs, "history": history}).encode()
names = [digest + "/layer.tar" for digest in digests]
manifest = json.dumps([{"Config": "config.json", "RepoTags": ["made/image:1"], "Layers": names}]).encode()
open("image.tar", "wb").write(tar([*zip(names, layers), ("config.json", config), ("manifest.json", manifest)]))
PY
python3 make.py
venv/bin/oci-squash -o squashed.tar image.tar > out.txt 2>&1 || { cat out.txt; exit 1; }
tar -xOf squashed.tar --wildcards '*squashed/layer.tar' > layer.tar
same "the squashed layer" "$(tar -tf layer.tar | sort | tr '\n' ' ')" "more.txt notes.txt "
echo "as recorded"
