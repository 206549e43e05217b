#!/usr/bin/env bash
# ocidir 0.8.0 (crates.io), a layout whose index.json lists an index of one image.
#
# Layouts of an image for several platforms are like that. `open_image_this_platform` reads this one and finds the image below
# the index. Guess: `fsck`, which counts the blobs that are whole, counts those below the index as well. Seen: it ends with
# "missing field `config`", for it reads whatever index.json lists as the manifest of an image.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "made"
version = "0.1.0"
edition = "2021"

[dependencies]
ocidir = "=0.8.0"
TOML
cat > src/main.rs <<'RUST'
use ocidir::cap_std::{ambient_authority, fs::Dir};
use ocidir::{OciDir, OciRead};

fn main() {
    for layout in ["image", "index"] {
        let dir = OciDir::open(Dir::open_ambient_dir(layout, ambient_authority()).unwrap()).unwrap();
        let found = dir.open_image_this_platform(Some("1")).map(|image| image.manifest.layers().len());
        let checked = dir.fsck().map_err(|error| format!("{error:?}").contains("missing field `config`"));
        println!("{layout} layers {found:?} fsck {checked:?}");
    }
}
RUST
python3 - <<'PYTHON'
import gzip, hashlib, io, json, os, platform, tarfile

OCI = "application/vnd.oci.image"

def make(folder, with_index):
    os.makedirs(f"{folder}/blobs/sha256")

    def put(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{folder}/blobs/sha256/{digest}", "wb") as file:
            file.write(data)
        return {"mediaType": f"{OCI}.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    def document(value, kind):
        return put(json.dumps(value).encode(), kind)

    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("empty.txt"))
    diff_id = "sha256:" + hashlib.sha256(plain.getvalue()).hexdigest()
    layer = put(gzip.compress(plain.getvalue(), mtime=0), "layer.v1.tar+gzip")
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    target = {"architecture": machine, "os": "linux"}
    config = document({**target, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}, "config.v1+json")
    root = document({
        "schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "config": config, "layers": [layer],
    }, "manifest.v1+json")
    root["platform"] = target
    if with_index:
        root = document({
            "schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [root],
        }, "index.v1+json")
    root["annotations"] = {"org.opencontainers.image.ref.name": "1"}
    with open(f"{folder}/index.json", "w") as file:
        json.dump({"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [root]}, file)
    with open(f"{folder}/oci-layout", "w") as file:
        file.write('{"imageLayoutVersion":"1.0.0"}')

make("image", False)
make("index", True)
PYTHON
cargo run --quiet > seen.txt 2> cargo.txt || { cat cargo.txt; exit 1; }
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
image layers Ok(1) fsck Ok(3)
index layers Ok(1) fsck Err(true)
SEEN
echo "as recorded"
