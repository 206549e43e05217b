#!/usr/bin/env bash
# oci-spec 0.10.0 (crates.io), the platforms of an index with images for Windows.
#
# Such an index has one image for each version of Windows, told apart by `os.version` alone. Guess: `os_version()` of a platform
# is that version. Seen: it is None, and so is `os_features()`, for the fields are looked for as `os_version` and
# `os_features`. An index that is written again has lost both, or has them by names that nobody else reads. The image's
# config in the same crate has them right.
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
oci-spec = "=0.10.0"
serde_json = "1"
TOML
cat > src/main.rs <<'RUST'
use oci_spec::image::{ImageConfiguration, ImageIndex, PlatformBuilder};

const INDEX: &str = r#"{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.index.v1+json",
  "manifests": [{
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "digest": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "size": 500,
    "platform": { "architecture": "amd64", "os": "windows", "os.version": "10.0.20348.1", "os.features": ["win32k"] }
  }]
}"#;
const CONFIG: &str = r#"{
  "architecture": "amd64", "os": "windows", "os.version": "10.0.20348.1",
  "rootfs": { "type": "layers", "diff_ids": [] }
}"#;

fn main() {
    let index = ImageIndex::from_reader(INDEX.as_bytes()).unwrap();
    let platform = index.manifests()[0].platform().clone().unwrap();
    println!("index {:?} {:?}", platform.os_version(), platform.os_features());
    println!("written {}", serde_json::to_string(&platform).unwrap());
    let built = PlatformBuilder::default().architecture("amd64").os("windows").os_version("10.0.20348.1").build().unwrap();
    println!("built {}", serde_json::to_string(&built).unwrap());
    let config = ImageConfiguration::from_reader(CONFIG.as_bytes()).unwrap();
    println!("config {:?}", config.os_version());
}
RUST
cargo run --quiet > seen.txt 2> cargo.txt || { cat cargo.txt; exit 1; }
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
index None None
written {"architecture":"amd64","os":"windows"}
built {"architecture":"amd64","os":"windows","os_version":"10.0.20348.1"}
config Some("10.0.20348.1")
SEEN
echo "as recorded"
