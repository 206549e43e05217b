#!/usr/bin/env bash
# docker-image 0.2.1 and ocipkg 0.4.0 (crates.io), valid names of images, beside oci-spec 0.10.0 (crates.io).
#
# Seen, where one would guess what oci-spec reads:
# - docker-image refuses a registry without a dot, `localhost:5000/app`, and every sha512 digest, and takes `127.0.0.1/app` for a
#   repository of Docker Hub;
# - ocipkg takes the first folder of any name for the registry, so that `library/app` is on a machine called "library", and refuses
#   every digest.
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
docker-image = "=0.2.1"
oci-spec = "=0.10.0"
ocipkg = "=0.4.0"
TOML
cat > src/main.rs <<'RUST'
use docker_image::DockerImage;
use oci_spec::distribution::Reference;
use ocipkg::ImageName;

fn main() {
    let sha256 = format!("registry.example/app@sha256:{}", "a".repeat(64));
    let sha512 = format!("registry.example/app@sha512:{}", "b".repeat(128));
    for name in ["library/app:1", "localhost:5000/app:1", "127.0.0.1/app:1", &sha256, &sha512] {
        let spec = name.parse::<Reference>().map(|read| format!("{} {}", read.registry(), read.repository()));
        let docker = DockerImage::parse(name).map(|read| format!("{} {}", read.registry.as_deref().unwrap_or("-"), read.name));
        let ocipkg = ImageName::parse(name).map(|read| format!("{} {}", read.hostname, read.name));
        println!("{}", name.split_at(name.len().min(27)).0);
        println!("  oci-spec {}", spec.unwrap_or("refused".into()));
        println!("  docker-image {}", docker.unwrap_or("refused".into()));
        println!("  ocipkg {}", ocipkg.unwrap_or("refused".into()));
    }
}
RUST
cargo run --quiet > seen.txt 2> cargo.txt || { cat cargo.txt; exit 1; }
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
library/app:1
  oci-spec docker.io library/app
  docker-image - library/app
  ocipkg library app
localhost:5000/app:1
  oci-spec localhost:5000 app
  docker-image refused
  ocipkg localhost app
127.0.0.1/app:1
  oci-spec 127.0.0.1 app
  docker-image - 127.0.0.1/app
  ocipkg 127.0.0.1 app
registry.example/app@sha256
  oci-spec registry.example app
  docker-image registry.example app
  ocipkg refused
registry.example/app@sha512
  oci-spec registry.example app
  docker-image refused
  ocipkg refused
SEEN
echo "as recorded"
