#!/usr/bin/env bash
# oci-client 0.18.0 (crates.io), `Client::pull` of an image with a first layer of 64 MiB and a second one of a few bytes.
#
# Guess: `ImageData.layers` are in the order of the manifest, as layers have to be put on each other in that order. Seen:
# the small one comes first: layers are in the order in which their downloads ended, and nothing in an ImageLayer tells
# which it is (its sha256 must be computed). The manifest in the same answer has them right.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cd "$work"

GOBIN=$work go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
./crane registry serve --address "127.0.0.1:$port" > server.log 2>&1 &
server=$!
for _ in $(seq 100); do ./crane catalog "127.0.0.1:$port" > out.txt 2>&1 && break; sleep 0.1; done
head -c 64M /dev/urandom > large.bin
printf small > small.txt
tar -cf large.tar large.bin
tar -cf small.tar small.txt
./crane append -f large.tar -f small.tar --oci-empty-base -t "127.0.0.1:$port/made/image:1" > out.txt 2>&1

mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "made"
version = "0.1.0"
edition = "2021"

[dependencies]
oci-client = { version = "=0.18.0", default-features = false, features = ["rustls-tls"] }
tokio = { version = "1", features = ["macros", "rt"] }
TOML
cat > src/main.rs <<'RUST'
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::manifest::IMAGE_LAYER_GZIP_MEDIA_TYPE;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let name: Reference = std::env::args().nth(1).unwrap().parse().unwrap();
    let client = Client::new(ClientConfig { protocol: ClientProtocol::Http, ..Default::default() });
    let image = client.pull(&name, &RegistryAuth::Anonymous, vec![IMAGE_LAYER_GZIP_MEDIA_TYPE]).await.unwrap();
    let manifest = image.manifest.unwrap();
    let told: Vec<_> = manifest.layers.iter().map(|layer| layer.digest.clone()).collect();
    let given: Vec<_> = image.layers.iter().map(|layer| layer.sha256_digest()).collect();
    println!("{}", given == told);
    println!("{}", given.into_iter().rev().collect::<Vec<_>>() == told);
}
RUST
cargo run --quiet -- "127.0.0.1:$port/made/image:1" > seen.txt 2> cargo.txt || { cat cargo.txt; exit 1; }
diff seen.txt - <<'SEEN' || { echo CHANGED; exit 1; }
false
true
SEEN
echo "as recorded"
