#!/usr/bin/env bash
# @docker/actions-toolkit 0.101.0 (npm), `OCI.loadArchive`, which reads an OCI layout in a tar, as BuildKit writes them.
#
# Guess: what the image specification allows is read, and blobs as they are. Seen:
# - a manifest without the optional `mediaType`, or without a layer, is not among the manifests: it is a blob;
# - what `docker save` writes, the same layout with a manifest.json beside, is refused as `unexpected file manifest.json`;
# - a blob is text: a layer in gzip comes inflated, one in zstd with each byte that is no UTF-8 replaced;
# - so are letters beyond ASCII where index.json is read in two pieces.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init -y > npm.txt
npm install --silent --no-audit --no-fund @docker/actions-toolkit@0.101.0

cat > make.py <<'PY'
import gzip, hashlib, io, json, tarfile

oci = "application/vnd.oci.image."
layer_text = b"text that could be a layer"
zstd_frame = bytes.fromhex("28b52ffd2005290000") + b"hello"

def make(name, typed=True, layer=gzip.compress(layer_text, mtime=0), kind="+gzip", beside={}, note=""):
    files = {}

    def blob(data, media_type, **more):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        digest = hashlib.sha256(data).hexdigest()
        files[f"blobs/sha256/{digest}"] = data
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data), **more}

    layers = [blob(layer, oci + "layer.v1.tar" + kind)] if layer else []
    diff_ids = ["sha256:" + hashlib.sha256(layer_text).hexdigest()] if layer else []
    config = blob({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}, oci + "config.v1+json")
    manifest = {"schemaVersion": 2, "config": config, "layers": layers}
    if typed:
        manifest["mediaType"] = oci + "manifest.v1+json"
    entry = blob(manifest, oci + "manifest.v1+json", annotations={"note": note})
    index = {"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": [entry]}
    files["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    files["index.json"] = json.dumps(index, ensure_ascii=False).encode()
    with tarfile.open(name, "w") as tar:
        for path, data in {**files, **beside}.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))

make("usual.tar")
make("untyped.tar", typed=False)
make("no-layer.tar", layer=None)
make("saved.tar", beside={"manifest.json": b"[]"})
make("zstd.tar", layer=zstd_frame, kind="+zstd")
# One letter has two bytes: in one of the two it stands across the end of a piece.
make("note-0.tar", note="é" * 100_000)
make("note-1.tar", note="x" + "é" * 100_000)
PY
python3 make.py

cat > read.mjs <<'JS'
import { OCI } from "@docker/actions-toolkit/lib/oci/oci.js";

const counted = (part) => Object.keys(part).length;
const replaced = (text) => text.includes("\ufffd");
let notes = 0;
for (const name of ["usual", "untyped", "no-layer", "saved", "zstd", "note-0", "note-1"]) {
  try {
    const { root, manifests, images, blobs } = await OCI.loadArchive({ file: `${name}.tar` });
    if (replaced(root.index.manifests[0].annotations.note)) notes += 1;
    const texts = Object.values(blobs);
    const more = texts.some(replaced) ? ", replaced" : texts.some((text) => text.startsWith("text")) ? ", inflated" : "";
    if (!name.startsWith("note")) console.log(`${name}: ${counted(manifests)} manifests, ${counted(images)} configs, ${counted(blobs)} blobs${more}`);
  } catch (error) {
    console.log(`${name}: ${error.message}`);
  }
}
console.log(`notes: ${notes > 0 ? "replaced" : "whole"}`);
JS
node read.mjs > seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
usual: 1 manifests, 1 configs, 1 blobs, inflated
untyped: 0 manifests, 1 configs, 2 blobs, inflated
no-layer: 0 manifests, 1 configs, 1 blobs
saved: Invalid OCI archive: unexpected file manifest.json
zstd: 1 manifests, 1 configs, 1 blobs, replaced
notes: replaced
SEEN
echo "as recorded"
