#!/usr/bin/env bash
# oci-tar-builder 0.4.0 (crates.io), which makes an OCI archive of layers and a config.
#
# Seen:
# - the image `localhost:5000/app:1` has `5000/app` for the name in the layout, and skopeo 1.9.3 (Debian's package) finds neither
#   `1` nor the name in full;
# - an image with one layer twice has it once in the manifest, and twice in the config.
set -euo pipefail
skopeo --version | grep -q ' 1\.9\.3' || { echo "needs skopeo 1.9.3"; exit 1; }
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
oci-spec = "=0.6.8"
oci-tar-builder = "=0.4.0"

[profile.dev]
debug = 0
TOML
cat > src/main.rs <<'RUST'
use oci_spec::image::{ConfigBuilder, ImageConfigurationBuilder, RootFsBuilder};
use oci_tar_builder::Builder;
use std::{env::args, fs::File, path::PathBuf};

fn main() {
    let layer = PathBuf::from("layer.tar");
    let digest = args().nth(1).unwrap();
    let rootfs = RootFsBuilder::default().typ("layers").diff_ids(vec![digest.clone(), digest]).build().unwrap();
    let config = ImageConfigurationBuilder::default()
        .architecture("amd64")
        .os("linux")
        .config(ConfigBuilder::default().build().unwrap())
        .rootfs(rootfs)
        .history(vec![])
        .build()
        .unwrap();
    Builder::default()
        .add_config(config, "localhost:5000/app:1".to_owned())
        .add_layer(&layer)
        .add_layer(&layer)
        .build(File::create("image.tar").unwrap())
        .unwrap();
}
RUST
echo text > a.txt
tar -cf layer.tar a.txt
cargo run --quiet -- "sha256:$(sha256sum layer.tar | cut -d ' ' -f 1)" 2> cargo.txt || { cat cargo.txt; exit 1; }
python3 - > seen.txt <<'PY'
import json, tarfile

with tarfile.open("image.tar") as image:
    read = lambda path: json.load(image.extractfile(path))
    listed = read("index.json")["manifests"][0]
    blob = lambda descriptor: read("blobs/sha256/" + descriptor["digest"][7:])
    manifest = blob(listed)
    print(listed["annotations"]["org.opencontainers.image.ref.name"])
    print(len(manifest["layers"]), len(blob(manifest["config"])["rootfs"]["diff_ids"]), len(read("manifest.json")[0]["Layers"]))
PY
for name in 1 localhost:5000/app:1 5000/app; do
  skopeo inspect --raw "oci-archive:image.tar:$name" > out.txt 2>&1 && found=found || found="$(grep -o 'no descriptor found' out.txt)"
  echo "$name: $found"
done >> seen.txt
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
5000/app
1 2 2
1: no descriptor found
localhost:5000/app:1: no descriptor found
5000/app: found
SEEN
echo "as recorded"
