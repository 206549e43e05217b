#!/usr/bin/env bash
# @cyclonedx/cdxgen 12.8.4 (npm), `cdxgen -t docker` of an image in a tar whose second layer deletes a package of the first.
#
# Guess: the bill of materials lists what is in the image. Seen: the deleted package is listed all the same, whether its
# folder is deleted by name (`.wh.NAME`) or the folder around it is emptied (`.wh..wh..opq`). crane export (Go module,
# 0.22.1) of the same tar has no such file.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
same() { [ "$2" = "$3" ] || { echo "CHANGED $1: seen '$2', was '$3'"; exit 1; }; }

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
npm init -y > npm.txt
npm install --ignore-scripts --omit=optional @cyclonedx/cdxgen@12.8.4 > npm.txt 2>&1 || { cat npm.txt; exit 1; }

python3 - <<'PY'
import hashlib, io, json, tarfile

def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()

modules = "usr/lib/node_modules/"
package = lambda name: {f"{modules}{name}/package.json": json.dumps({"name": name, "version": "1.0.0"})}
base = {"etc/os-release": "ID=debian\nVERSION_ID=12\n", **package("made-left")}
more = {"kept": {}, "deleted": {f"{modules}.wh.made-left": ""}, "emptied": {f"{modules}.wh..wh..opq": ""}}
for kind, files in more.items():
    layers = [tar(base), tar({**files, **package("made-right")})]
    digests = [hashlib.sha256(layer).hexdigest() for layer in layers]
    diff_ids = ["sha256:" + digest for digest in digests]
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    item = {"Config": "config.json", "RepoTags": ["made/app:1"], "Layers": [digest + ".tar" for digest in digests]}
    with tarfile.open(kind + ".tar", "w") as archive:
        for path, data in [("config.json", config.encode()), ("manifest.json", json.dumps([item]).encode()), *zip(item["Layers"], layers)]:
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
PY
for kind in kept deleted emptied; do
  node node_modules/@cyclonedx/cdxgen/bin/cdxgen.js -t docker "$kind.tar" -o bom.json --no-install-deps > out.txt 2>&1 || { tail -c 2000 out.txt; exit 1; }
  listed=$(python3 -c 'import json; print(*sorted(part["name"] for part in json.load(open("bom.json"))["components"]))')
  same "$kind" "$listed" "made-left made-right"
done
for kind in deleted emptied; do
  ./crane export - - < "$kind.tar" > files.tar
  same "crane, $kind" "$(tar -tf files.tar | grep -c made-left || true)" 0
done
echo "as recorded"
